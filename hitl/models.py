"""Index of this app's tables."""

from hitl.reviews.models import Review, ReviewMessage, ReviewPlan, ReviewTier, ReviewView, Vote
from hitl.routing.models import (
    QueuePointer,
    ReviewerProfile,
    ReviewQueue,
    Rotation,
    Schedule,
    ScheduleOverride,
    Substitution,
)

__all__ = [
    "QueuePointer",
    "Review",
    "ReviewMessage",
    "ReviewPlan",
    "ReviewQueue",
    "ReviewTier",
    "ReviewView",
    "ReviewerProfile",
    "Rotation",
    "Schedule",
    "ScheduleOverride",
    "Substitution",
    "Vote",
]
