"""Index of this app's API."""

from governance.access.api import LogoutView
from governance.access.keys.api import ApiKeyViewSet
from governance.access.rights.api import AssignRoleView, CheckPermissionView, GrantLevelView, RoleViewSet
from governance.audit.api import AuditEventViewSet, CheckpointViewSet
from governance.flow.api import TrustedSourceViewSet
from governance.guardrails.api import (
    GuardrailBindingViewSet,
    GuardrailFindingViewSet,
    RedactedValueViewSet,
)
from governance.identity.consent import DelegationViewSet
from governance.metering.api import BudgetViewSet, UsageCsvView, UsageView
from governance.platform.api import TenantViewSet, TierViewSet
from governance.policies.api import PolicyDefaultView, PolicyViewSet, RiskThresholdViewSet
from governance.policies.profile_api import RiskProfileView
from governance.signin.api import LoginView

__all__ = [
    "ApiKeyViewSet",
    "AssignRoleView",
    "AuditEventViewSet",
    "BudgetViewSet",
    "CheckPermissionView",
    "CheckpointViewSet",
    "DelegationViewSet",
    "GrantLevelView",
    "GuardrailBindingViewSet",
    "GuardrailFindingViewSet",
    "LoginView",
    "LogoutView",
    "PolicyDefaultView",
    "PolicyViewSet",
    "RedactedValueViewSet",
    "RiskProfileView",
    "RiskThresholdViewSet",
    "RoleViewSet",
    "TenantViewSet",
    "TierViewSet",
    "TrustedSourceViewSet",
    "UsageCsvView",
    "UsageView",
]
