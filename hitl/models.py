"""Index of this app's tables."""

from hitl.escalation.models import (
    EscalationEvent,
    EscalationHeartbeat,
    EscalationPolicy,
    EscalationPolicyVersion,
    EscalationState,
    RoundRobinPointer,
    ServiceLevel,
)
from hitl.reviews.models import Review, ReviewMessage, ReviewPlan, ReviewTier, ReviewView, Vote

__all__ = [
    "EscalationEvent",
    "EscalationHeartbeat",
    "EscalationPolicy",
    "EscalationPolicyVersion",
    "EscalationState",
    "Review",
    "ReviewMessage",
    "ReviewPlan",
    "ReviewTier",
    "ReviewView",
    "RoundRobinPointer",
    "ServiceLevel",
    "Vote",
]
