"""Index of this app's API."""

from hitl.desk.api import (
    AnalyticsView,
    BatchView,
)
from hitl.escalation.api import (
    EscalationPolicyViewSet,
    ServiceLevelViewSet,
)
from hitl.grants.api import (
    GrantViewSet,
)
from hitl.notifications.api import (
    EndpointViewSet,
    NotificationViewSet,
)
from hitl.reviews.api import (
    ReviewViewSet,
)
from hitl.reviews.rules.api import (
    ReviewPlanViewSet,
    ReviewTierViewSet,
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
    "AnalyticsView",
    "AssignView",
    "AvailabilityView",
    "BatchView",
    "ClaimView",
    "EndpointViewSet",
    "EscalationPolicyViewSet",
    "GrantViewSet",
    "NotificationViewSet",
    "ReleaseView",
    "ReviewPlanViewSet",
    "ReviewQueueViewSet",
    "ReviewTierViewSet",
    "ReviewViewSet",
    "ScheduleViewSet",
    "ServiceLevelViewSet",
    "SubstitutionViewSet",
]
