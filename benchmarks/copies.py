"""Copies of a waiting run, row by row: the same sizes and the same indexes, for a fraction of the time."""

from copy import copy
from typing import Any, TypeVar

from django.db import models, transaction

from agents.runs.models import Run, Step
from governance.policies.models import PolicyDecision
from hitl.reviews.models import Review
from tenants.kernel.models import uuid7

BATCH = 500
Row = TypeVar("Row", bound=models.Model)


def copy_waiting(review: Review, count: int) -> None:
    """Copy the run that waits for this review, with its steps, decisions and review, `count` times.

    A copy differs in its keys only: its request still names the original, so it cannot be decided.
    """
    assert review.run_id is not None
    run = Run.objects.get(pk=review.run_id)
    steps = list(Step.objects.filter(run=run))
    decisions = list(PolicyDecision.objects.filter(run_id=run.pk))
    for done in range(0, count, BATCH):
        with transaction.atomic():
            _copy_batch(run, steps, decisions, review, min(BATCH, count - done))


def _copy_batch(
    run: Run, steps: list[Step], decisions: list[PolicyDecision], review: Review, count: int
) -> None:
    assert review.step_id is not None
    new_runs, new_steps, new_decisions, new_reviews = [], [], [], []
    for _ in range(count):
        new_run, review_id = clone(run), uuid7()
        step_ids = {step.pk: uuid7() for step in steps}
        new_runs.append(new_run)
        new_steps += [
            clone(step, id=step_ids[step.pk], run=new_run, review_id=review_id if step.review_id else None)
            for step in steps
        ]
        new_decisions += [
            clone(decision, run_id=new_run.pk, step_id=step_ids[decision.step_id]) for decision in decisions
        ]
        new_reviews.append(clone(review, id=review_id, run_id=new_run.pk, step_id=step_ids[review.step_id]))
    Run.objects.bulk_create(new_runs)
    Step.objects.bulk_create(new_steps)
    PolicyDecision.objects.bulk_create(new_decisions)
    Review.objects.bulk_create(new_reviews)


def clone(row: Row, **changes: Any) -> Row:
    """Return an unsaved copy of a row with a new key and these changes."""
    clone = copy(row)
    clone._state = copy(row._state)
    clone._state.adding = True
    for name, value in {"pk": uuid7(), **changes}.items():
        setattr(clone, name, value)
    return clone
