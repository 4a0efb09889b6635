"""How many due timers a second one worker fires: steps of escalations, each with its locks and its rows."""

import time
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from benchmarks.copies import clone
from benchmarks.machine import Figures
from benchmarks.runs import waiting_reviews
from hitl.escalation.models import EscalationPolicy, EscalationState
from hitl.escalation.operations import KIND
from hitl.escalation.policies import save_policy
from hitl.reviews.models import Review
from tenants.kernel.context import require_schema
from tenants.kernel.models import uuid7
from tenants.timers.models import Timer
from tenants.timers.tick import tick

BATCH = 1000
PATIENCE_S = 120.0
NAME = "Timed benchmark"
STEPS = [{"step": "wait", "minutes": 14 * 24 * 60}, {"step": "final", "action": "keep_pending"}]


def due_timers(total: int) -> Figures:
    """Let so many escalations be due at once, and tick in one thread until none is left.

    Call it in the tenant's context. A step locks the review and its escalation, moves it, writes an event
    and sets the timer anew: what a step costs that calls nobody.
    """
    due_at = timezone.now() + timedelta(days=1)  # the workers' own ticks do not reach so far
    _escalate(waiting_reviews(1)[0], total, due_at)
    began = time.perf_counter()
    fired = tick(now=due_at, limit_s=PATIENCE_S)
    took = time.perf_counter() - began
    if fired < total:
        raise SystemExit(f"Only {fired} of {total} timers fired within {PATIENCE_S:.0f} s.")
    return {"timers.due": fired, "timers.per_s": fired / took, "timers.tick_s": took}


def _escalate(review: Review, total: int, due_at: datetime) -> None:
    """Copy a waiting review so many times, each with an escalation that waits and a timer."""
    policy = EscalationPolicy.objects.filter(name=NAME).first() or EscalationPolicy(name=NAME, tool=NAME)
    version = save_policy(policy=policy, steps=STEPS, by=None, now=timezone.now()).current
    schema, expires_at = require_schema(), due_at + timedelta(days=1)
    for done in range(0, total, BATCH):
        reviews = [
            clone(review, id=uuid7(), run_id=uuid7(), step_id=uuid7(), expires_at=expires_at)
            for _ in range(min(BATCH, total - done))
        ]
        with transaction.atomic():
            Review.objects.bulk_create(reviews)
            EscalationState.objects.bulk_create(
                EscalationState(review=copied, version=version, next_at=due_at) for copied in reviews
            )
            Timer.objects.bulk_create(
                Timer(schema=schema, kind=KIND, object_id=copied.pk, due_at=due_at) for copied in reviews
            )
