"""Index of this app's API."""

from governance.access.api import LoginView, LogoutView
from governance.audit.api import AuditEventViewSet, CheckpointViewSet
from governance.guardrails.api import (
    GuardrailBindingViewSet,
    GuardrailFindingViewSet,
    RedactedValueViewSet,
)
from governance.policies.api import RiskThresholdViewSet

__all__ = [
    "AuditEventViewSet",
    "CheckpointViewSet",
    "GuardrailBindingViewSet",
    "GuardrailFindingViewSet",
    "LoginView",
    "LogoutView",
    "RedactedValueViewSet",
    "RiskThresholdViewSet",
]
