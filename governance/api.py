"""Index of this app's API."""

from governance.access.api import (
    LoginView,
    LogoutView,
)
from governance.audit.api import (
    AuditEventViewSet,
    CheckpointViewSet,
)
from governance.platform.api import (
    TenantViewSet,
    TierViewSet,
)
from governance.policies.api import (
    RiskProfileView,
    RiskThresholdViewSet,
)

__all__ = [
    "AuditEventViewSet",
    "CheckpointViewSet",
    "LoginView",
    "LogoutView",
    "RiskProfileView",
    "RiskThresholdViewSet",
    "TenantViewSet",
    "TierViewSet",
]
