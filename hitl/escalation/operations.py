"""Start, steer and end the escalation of a review; `waking` takes its steps one by one."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from hitl.escalation import levels, stepping
from hitl.escalation.models import EscalationEvent, EscalationPolicy, EscalationState
from hitl.reviews.models import Review
from hitl.reviews.record import actor_of, note
from tenants.kernel.errors import NotFound, PermissionMissing, StaleTransition
from tenants.timers.operations import set_timer

KIND = "review.escalate"
STEER = "hitl.steer_escalation"
BUILT_IN = "built-in"
PENDING = Review.Status.PENDING
Status = EscalationState.Status


class NotSteerable(StaleTransition):
    """The escalation has ended, or is in another state already."""

    code = "escalation-not-steerable"
    title = "The escalation is not in a state for this"


def open_for(review: Review) -> EscalationState | None:
    """Start the service level and the escalation of a review, pinned to the policy as it stands now.

    Returns None, and starts nothing, for one that is closed already or has an escalation.
    """
    if review.status != PENDING or EscalationState.objects.filter(review=review).exists():
        return None
    levels.start_clock(review)
    policy = EscalationPolicy.objects.best_for(risk=review.risk, tool=review.tool)
    version = policy.current if policy else None
    next_at = review.created_at + stepping.START_DELAY
    state = EscalationState.objects.create(review=review, version=version, next_at=next_at)
    log(state, "started", at=review.created_at, detail={"policy": str(version) if version else BUILT_IN})
    set_timer(kind=KIND, object_id=review.pk, due_at=next_at)
    return state


def on_review_opened(*, review: Review, **_kwargs: Any) -> None:
    """Start what a review that waits needs."""
    open_for(review)


def on_review_changed(*, review: Review, **_kwargs: Any) -> None:
    """Follow a higher priority with a shorter clock, and go on at once when a claim is given back."""
    levels.start_clock(review)
    if review.claimed_until is None:
        _release(review)


def on_review_decided(*, review: Review, **_kwargs: Any) -> None:
    """Stop the escalation of a closed review; its timer ends itself."""
    state = EscalationState.objects.filter(review=review).first()
    if state is None or state.status == Status.STOPPED:
        return
    state.transition(Status.STOPPED, generation=F("generation") + 1, next_at=None, held_until=None)
    state.refresh_from_db(fields=["generation"])
    log(state, "stopped", at=review.decided_at or timezone.now(), detail={"review": review.status})


def _release(review: Review) -> None:
    state = EscalationState.objects.filter(review=review, status=Status.RUNNING).first()
    if state is None or state.held_until is None or state.next_at is None:
        return
    EscalationState.objects.filter(pk=state.pk).update(held_until=None)
    set_timer(kind=KIND, object_id=review.pk, due_at=state.next_at, generation=state.generation)


def log(
    state: EscalationState, kind: str, *, at: datetime, step: int | None = None, detail: Any = None
) -> None:
    """Append an event."""
    EscalationEvent.objects.create(
        review_id=state.review_id,
        at=at,
        kind=kind,
        generation=state.generation,
        loop=state.loop_count,
        step=step,
        detail=detail or {},
    )


@transaction.atomic
def force(*, review_id: UUID | str, by: Any, now: datetime) -> EscalationState:
    """Take the next step now, whatever the escalation waits for.

    Raises NotFound, PermissionMissing, NotSteerable if it has ended.
    """
    state = _steered(review_id, by, Status.RUNNING, Status.PAUSED)
    return _moved(state, "forced", by, now, to=Status.RUNNING, next_at=now, remaining=None, held_until=None)


@transaction.atomic
def pause(*, review_id: UUID | str, by: Any, now: datetime) -> EscalationState:
    """Stop taking steps, and remember how long the next one was away. The service level runs on.

    Raises NotFound, PermissionMissing, NotSteerable if it does not run.
    """
    state = _steered(review_id, by, Status.RUNNING)
    left = max(state.next_at - now, now - now) if state.next_at else now - now
    return _moved(state, "paused", by, now, to=Status.PAUSED, next_at=None, remaining=left)


@transaction.atomic
def resume(*, review_id: UUID | str, by: Any, now: datetime) -> EscalationState:
    """Go on where it was paused, after what was left of the wait.

    Raises NotFound, PermissionMissing, NotSteerable if it is not paused.
    """
    state = _steered(review_id, by, Status.PAUSED)
    next_at = now + state.remaining if state.remaining else now
    return _moved(state, "resumed", by, now, to=Status.RUNNING, next_at=next_at, remaining=None)


@transaction.atomic
def repin(*, review_id: UUID | str, by: Any, now: datetime) -> EscalationState:
    """Start the escalation again with the policy that matches now, in its newest version.

    Raises NotFound, PermissionMissing, NotSteerable if the review is closed.
    """
    state = _steered(review_id, by, Status.RUNNING, Status.PAUSED, Status.FINISHED)
    policy = EscalationPolicy.objects.best_for(risk=state.review.risk, tool=state.review.tool)
    version = policy.current if policy else None
    start = {"step_index": 0, "loop_count": 0, "missed": False, "held_until": None, "remaining": None}
    return _moved(
        state,
        "repinned",
        by,
        now,
        to=Status.RUNNING,
        next_at=now + stepping.START_DELAY,
        version=version,
        **start,
    )


def _steered(review_id: UUID | str, by: Any, *allowed: str) -> EscalationState:
    if not by.has_perm(STEER):
        raise PermissionMissing("You may not steer escalations.")
    review = Review.objects.select_for_update(of=("self",)).filter(pk=review_id).first()
    state = EscalationState.objects.select_for_update(of=("self",)).filter(review_id=review_id).first()
    if review is None or state is None:
        raise NotFound("There is no such escalation.")
    if review.status != PENDING or state.status not in allowed:
        raise NotSteerable(f"The review is {review.status}, its escalation {state.status}.")
    state.review = review
    return state


def _moved(
    state: EscalationState, kind: str, by: Any, now: datetime, *, to: str, **changes: Any
) -> EscalationState:
    """Write a change that overtakes the timer, and say who made it."""
    changes["generation"] = state.generation + 1
    if state.status == to:
        EscalationState.objects.filter(pk=state.pk).update(**changes)
        for name, value in changes.items():
            setattr(state, name, value)
    else:
        state.transition(to, **changes)
    if state.next_at is not None:
        set_timer(kind=KIND, object_id=state.review_id, due_at=state.next_at, generation=state.generation)
    log(state, kind, at=now, detail={"by": by.username})
    policy = str(state.version) if state.version else BUILT_IN
    note(state.review, f"escalation.{kind}", actor=actor_of(by), at=now, policy=policy)
    return state
