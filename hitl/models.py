"""Index of this app's tables."""

from hitl.reviews.models import Review, Vote

__all__ = ["Review", "Vote"]
