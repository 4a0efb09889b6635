"""Escalation policies to test with."""

from datetime import datetime
from typing import Any

from hitl.escalation.models import EscalationPolicy
from hitl.escalation.policies import save_policy
from tests.governance.samples import NOW

EVERYBODY = {"step": "notify", "reviewers": True}
WAIT = {"step": "wait", "minutes": 5}


def save(steps: list[Any], *, name: str = "Payments", now: datetime = NOW, **fields: Any) -> EscalationPolicy:
    """Save a policy with these steps, as a new version if it exists."""
    policy = EscalationPolicy.objects.filter(name=name).first() or EscalationPolicy(name=name, **fields)
    return save_policy(policy=policy, steps=steps, by=None, now=now)
