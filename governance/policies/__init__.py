"""What is allowed, and on what terms. Pure."""
