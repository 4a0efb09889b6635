"""Index of this app's API."""

from hitl.escalation.api import EscalationPolicyViewSet, ServiceLevelViewSet
from hitl.reviews.api import ReviewViewSet

__all__ = ["EscalationPolicyViewSet", "ReviewViewSet", "ServiceLevelViewSet"]
