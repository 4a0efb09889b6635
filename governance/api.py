"""Index of this app's API."""

from governance.access.api import LoginView, LogoutView
from governance.audit.api import AuditEventViewSet, CheckpointViewSet
from governance.policies.api import PolicyDefaultView, PolicyViewSet, RiskThresholdViewSet

__all__ = [
    "AuditEventViewSet",
    "CheckpointViewSet",
    "LoginView",
    "LogoutView",
    "PolicyDefaultView",
    "PolicyViewSet",
    "RiskThresholdViewSet",
]
