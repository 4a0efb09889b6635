"""Usage: what a tenant used on each day, counted from its own rows when somebody asks."""
