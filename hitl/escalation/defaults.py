"""What holds where a tenant has set nothing."""

from typing import Any

from governance.types import Risk

RESPOND_WITHIN_S = {Risk.CRITICAL: 300, Risk.HIGH: 900, Risk.MEDIUM: 1800, Risk.LOW: 3600}
"""Seconds to decide, by priority."""
WARN_AT_PERCENT = 75
STEPS: list[dict[str, Any]] = [
    {"step": "wait", "until_sla_percent": 50},
    {"step": "notify", "reviewers": True, "importance": "important"},
    {"step": "final", "action": "keep_pending"},
]
"""The built-in policy: everybody who may decide at half of the time (APTS-HO-003). The opening was told already."""
