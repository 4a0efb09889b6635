"""What happens to budgets, for the apps above."""

from django.dispatch import Signal

budget_warned = Signal()
"""Sent inside the transaction in which a budget reached a percentage; arguments `warning`, `now`."""
