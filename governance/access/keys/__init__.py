"""API keys: what programs sign in with on behalf of the person who made them."""
