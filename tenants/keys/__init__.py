"""Keys of a tenant: what one tenant encrypts, no other can read."""
