"""W2: from a committed decision to the start of the tool, across processes."""

import time
from statistics import median
from typing import Any

from django.db import transaction
from django.utils import timezone

from agents.runs.models import Run, Step
from benchmarks import fixtures
from benchmarks.machine import Figures
from benchmarks.runs import percentile, wait_for, waiting_reviews
from hitl.reviews import operations as reviews
from hitl.reviews.models import Review
from hitl.reviews.types import Channel, DecisionVerb, Response


def decision_to_effect(count: int) -> Figures:
    """Return the milliseconds between the commit of an approval here and the tool's first line in the worker."""
    delays = [effect_ms(review) for review in waiting_reviews(count)]
    return {"w2.p50_ms": median(delays), "w2.p95_ms": percentile(delays, 0.95)}


def effect_ms(review: Review) -> float:
    """Approve as bob; return the milliseconds until the tool started, by the machine's one clock."""
    committed: list[float] = []
    assert review.step_id is not None
    response = Response(verb=DecisionVerb.APPROVE, channel=Channel.API)
    with transaction.atomic():
        # Before the doorbell's callback: what the doorbell takes is part of the delay.
        transaction.on_commit(lambda: committed.append(time.time()))
        reviews.respond(
            review_id=review.pk, reviewer=fixtures.user("bob"), response=response, now=timezone.now()
        )
    wait_for([review.run_id], Run.Status.SUCCEEDED)
    result: Any = Step.objects.get(pk=review.step_id).result
    started_at: float = result["content"]["started_at"]
    return (started_at - committed[0]) * 1000
