"""Index of this app's API."""

from hitl.escalation.api import (
    EscalationPolicyViewSet,
    ServiceLevelViewSet,
)
from hitl.grants.api import (
    GrantViewSet,
)
from hitl.reviews.api import (
    ReviewViewSet,
)
from hitl.routing.api import (
    AssignView,
    AvailabilityView,
    ClaimView,
    ReleaseView,
    ReviewQueueViewSet,
    ScheduleViewSet,
    SubstitutionViewSet,
)

__all__ = [
    "AssignView",
    "AvailabilityView",
    "ClaimView",
    "EscalationPolicyViewSet",
    "GrantViewSet",
    "ReleaseView",
    "ReviewQueueViewSet",
    "ReviewViewSet",
    "ScheduleViewSet",
    "ServiceLevelViewSet",
    "SubstitutionViewSet",
]
