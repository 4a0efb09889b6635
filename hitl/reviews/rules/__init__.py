"""What a tenant asks of reviews: whose votes decide, and what each risk tier must meet."""
