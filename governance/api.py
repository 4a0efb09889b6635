"""Index of this app's API."""

from governance.access.api import LoginView, LogoutView
from governance.audit.api import AuditEventViewSet, CheckpointViewSet
from governance.flow.api import TrustedSourceViewSet
from governance.policies.api import RiskThresholdViewSet

__all__ = [
    "AuditEventViewSet",
    "CheckpointViewSet",
    "LoginView",
    "LogoutView",
    "RiskThresholdViewSet",
    "TrustedSourceViewSet",
]
