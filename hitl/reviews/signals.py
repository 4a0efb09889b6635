"""Wake what waits for a review."""

from django.dispatch import Signal

review_decided = Signal()
"""Sent in the deciding transaction, argument `review`. A nudge: the row is the truth."""
