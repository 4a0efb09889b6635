"""Index of this app's tables."""

from hitl.desk.models import (
    ReviewerPreferences,
)
from hitl.grants.models import (
    GrantUse,
    StandingGrant,
)
from hitl.reviews.models import (
    Review,
    ReviewMessage,
    ReviewPlan,
    ReviewTier,
    ReviewView,
    Vote,
)
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
    "GrantUse",
    "QueuePointer",
    "Review",
    "ReviewMessage",
    "ReviewPlan",
    "ReviewQueue",
    "ReviewTier",
    "ReviewView",
    "ReviewerPreferences",
    "ReviewerProfile",
    "Rotation",
    "Schedule",
    "ScheduleOverride",
    "StandingGrant",
    "Substitution",
    "Vote",
]
