"""How people prove who they are: passwords, second factors, identity providers, and what ends all that."""
