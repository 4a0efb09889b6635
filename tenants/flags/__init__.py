"""Feature flags: parts of the product that a tenant switches on or off while it runs."""
