"""What agents cost: prices, budgets that are reserved before a call and settled after it, usage and its reports."""
