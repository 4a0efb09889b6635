"""Index of this app's tables."""

from hitl.desk.models import (
    ReviewerPreferences,
    SavedView,
)
from hitl.escalation.models import (
    EscalationEvent,
    EscalationHeartbeat,
    EscalationPolicy,
    EscalationPolicyVersion,
    EscalationState,
    RoundRobinPointer,
    ServiceLevel,
)
from hitl.grants.models import (
    GrantUse,
    StandingGrant,
)
from hitl.notifications.models import (
    ChatAction,
    Contact,
    Endpoint,
    Notification,
    NotificationRule,
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
    "ChatAction",
    "Contact",
    "Endpoint",
    "EscalationEvent",
    "EscalationHeartbeat",
    "EscalationPolicy",
    "EscalationPolicyVersion",
    "EscalationState",
    "GrantUse",
    "Notification",
    "NotificationRule",
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
    "RoundRobinPointer",
    "SavedView",
    "Schedule",
    "ScheduleOverride",
    "ServiceLevel",
    "StandingGrant",
    "Substitution",
    "Vote",
]
