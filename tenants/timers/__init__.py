"""What falls due when, for every tenant in one table."""
