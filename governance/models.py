"""Index of this app's tables."""

from governance.access.models import IdempotencyRecord, User
from governance.audit.models import AuditCheckpoint, AuditEvent, AuditLeaf
from governance.flow.models import TrustedSource
from governance.policies.models import PolicyDecision, RiskThreshold
from governance.rulebook.models import RulebookState

__all__ = [
    "AuditCheckpoint",
    "AuditEvent",
    "AuditLeaf",
    "IdempotencyRecord",
    "PolicyDecision",
    "RiskThreshold",
    "RulebookState",
    "TrustedSource",
    "User",
]
