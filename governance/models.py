"""Index of this app's tables."""

from governance.access.models import IdempotencyRecord, User
from governance.audit.models import AuditCheckpoint, AuditEvent, AuditLeaf
from governance.guardrails.models import GuardrailBinding, GuardrailFinding, RedactedValue
from governance.policies.models import PolicyDecision, RiskThreshold
from governance.rulebook.models import RulebookState

__all__ = [
    "AuditCheckpoint",
    "AuditEvent",
    "AuditLeaf",
    "GuardrailBinding",
    "GuardrailFinding",
    "IdempotencyRecord",
    "PolicyDecision",
    "RedactedValue",
    "RiskThreshold",
    "RulebookState",
    "User",
]
