"""Index of this app's tables."""

from hitl.reviews.models import Review, ReviewMessage, ReviewPlan, ReviewTier, ReviewView, Vote

__all__ = ["Review", "ReviewMessage", "ReviewPlan", "ReviewTier", "ReviewView", "Vote"]
