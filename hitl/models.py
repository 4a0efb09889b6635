"""Index of this app's tables."""

from hitl.desk.models import ReviewerPreferences
from hitl.reviews.models import Review, ReviewMessage, ReviewPlan, ReviewTier, ReviewView, Vote

__all__ = ["Review", "ReviewMessage", "ReviewPlan", "ReviewTier", "ReviewView", "ReviewerPreferences", "Vote"]
