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
    "RedactedValue",
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
    "User",
]
