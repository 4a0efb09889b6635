"""Index of this app's tables."""

from governance.access.models import IdempotencyRecord, User
from governance.audit.models import AuditCheckpoint, AuditEvent, AuditLeaf
from governance.policies.models import (
    Policy,
    PolicyDecision,
    PolicyDefault,
    PolicyReplay,
    PolicyVersion,
    RiskThreshold,
)
from governance.rulebook.models import RulebookState

__all__ = [
    "AuditCheckpoint",
    "AuditEvent",
    "AuditLeaf",
    "IdempotencyRecord",
    "Policy",
    "PolicyDecision",
    "PolicyDefault",
    "PolicyReplay",
    "PolicyVersion",
    "RiskThreshold",
    "RulebookState",
    "User",
]
