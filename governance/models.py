"""Index of this app's tables."""

from governance.access.keys.models import ApiKey
from governance.access.models import IdempotencyRecord, Role, User
from governance.audit.models import AuditCheckpoint, AuditEvent, AuditLeaf
from governance.flow.models import TrustedSource
from governance.guardrails.models import GuardrailBinding, GuardrailFinding, RedactedValue
from governance.identity.models import (
    DelegationGrant,
    IssuedToken,
    SigningKey,
    SpentToken,
    TokenClient,
    TrustedIssuer,
)
from governance.metering.models import Budget, BudgetWindow, Price, RateLimit, Reservation, UsageRecord
from governance.policies.models import (
    Policy,
    PolicyDecision,
    PolicyDefault,
    PolicyReplay,
    PolicyVersion,
    RiskProfile,
    RiskThreshold,
)
from governance.rulebook.models import RulebookState
from governance.signin.models import IdentityProvider, RoleMapping

__all__ = [
    "ApiKey",
    "AuditCheckpoint",
    "AuditEvent",
    "AuditLeaf",
    "Budget",
    "BudgetWindow",
    "DelegationGrant",
    "GuardrailBinding",
    "GuardrailFinding",
    "IdempotencyRecord",
    "IdentityProvider",
    "IssuedToken",
    "Policy",
    "PolicyDecision",
    "PolicyDefault",
    "PolicyReplay",
    "PolicyVersion",
    "Price",
    "RateLimit",
    "RedactedValue",
    "Reservation",
    "RiskProfile",
    "RiskThreshold",
    "Role",
    "RoleMapping",
    "RulebookState",
    "SigningKey",
    "SpentToken",
    "TokenClient",
    "TrustedIssuer",
    "TrustedSource",
    "UsageRecord",
    "User",
]
