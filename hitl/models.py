"""Index of this app's tables."""

from hitl.desk.models import ReviewerPreferences
from hitl.grants.models import GrantUse, StandingGrant
from hitl.reviews.models import Review, ReviewMessage, ReviewPlan, ReviewTier, ReviewView, Vote

__all__ = [
    "GrantUse",
    "Review",
    "ReviewMessage",
    "ReviewPlan",
    "ReviewTier",
    "ReviewView",
    "ReviewerPreferences",
    "StandingGrant",
    "Vote",
]
