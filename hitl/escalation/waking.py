"""Wake an escalation when its timer is due, and take its next step.

Thousands may be due at once, so what every step needs is one statement to lock and read and one to write;
whole rows are loaded only for steps that do something.
"""

import json
import logging
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from governance.types import Risk
from hitl.escalation import defaults, performing, stepping
from hitl.escalation.models import EscalationPolicyVersion, EscalationState
from hitl.escalation.operations import log
from hitl.escalation.performing import Done
from hitl.escalation.recipients import have_spoken
from hitl.escalation.steps import parse
from hitl.escalation.types import Action, Facts, IfQueue, Position, Step, Turn
from hitl.reviews.models import Review
from tenants.kernel.errors import DomainError
from tenants.kernel.models import uuid7

logger = logging.getLogger(__name__)
Status = EscalationState.Status

_TAKE = """
SELECT r.id, r.status, r.risk, r.created_at, coalesce(r.due_at, r.expires_at), r.claimed_until,
  s.id, s.version_id, s.status, s.step_index, s.loop_count, s.next_at, s.generation, s.missed
FROM hitl_review r JOIN hitl_escalationstate s ON s.review_id = r.id
WHERE r.id = %s FOR UPDATE OF r, s SKIP LOCKED
"""
_EXISTS = "SELECT EXISTS (SELECT 1 FROM hitl_escalationstate WHERE review_id = %s)"
_MOVE = """
WITH moved AS (
  UPDATE hitl_escalationstate SET step_index = %s, loop_count = %s, next_at = %s, missed = %s, held_until = NULL
  WHERE id = %s
)
INSERT INTO hitl_escalationevent (id, review_id, at, kind, generation, loop, step, detail)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""


@dataclass(frozen=True)
class Woken:
    """A review and its escalation, both locked."""

    review_id: UUID
    review_status: str
    risk: str
    created_at: datetime
    due_at: datetime
    claimed_until: datetime | None
    id: UUID
    version_id: UUID | None
    status: str
    step_index: int
    loop_count: int
    next_at: datetime | None
    generation: int
    missed: bool

    @property
    def here(self) -> Position:
        """Return where it stands."""
        return Position(index=self.step_index, loops=self.loop_count)


def on_timer(review_id: UUID, generation: int, now: datetime) -> datetime | None:
    """Take the next step of a review's escalation; return when the one after it is due."""
    woken = _take(review_id)
    if woken is None:
        return now if _exists(review_id) else None
    is_over = woken.review_status != Review.Status.PENDING or woken.status != Status.RUNNING
    if is_over or woken.generation != generation:
        return None
    if woken.next_at is None or woken.next_at > now:
        return woken.next_at
    if woken.claimed_until is not None and woken.claimed_until > now:
        held_until = _hold(woken, now)
        if held_until is not None:
            return held_until
    return _take_step(woken, now)


def _take(review_id: UUID) -> Woken | None:
    """Lock and read both rows; None if either is locked by another, or there is none."""
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [review_id])
        row = cursor.fetchone()
    return Woken(*row) if row else None


def _exists(review_id: UUID) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_EXISTS, [review_id])
        return bool(cursor.fetchone()[0])


def steps_of(version_id: UUID | None) -> tuple[Step, ...]:
    """Return the steps of a version, or of the built-in policy; a version never changes, so they are kept."""
    return parse(defaults.STEPS) if version_id is None else _stored_steps(version_id)


@lru_cache(maxsize=1024)
def _stored_steps(version_id: UUID) -> tuple[Step, ...]:
    return parse(EscalationPolicyVersion.objects.values_list("steps", flat=True).get(pk=version_id))


def _hold(woken: Woken, now: datetime) -> datetime | None:
    """Wait for who works on it, unless they have said their word: others may still have to say theirs."""
    review, state = _rows(woken)
    if review.assigned_to_id in have_spoken(review):
        return None
    if state.held_until != woken.claimed_until:
        EscalationState.objects.filter(pk=state.pk).update(held_until=woken.claimed_until)
        by = review.assigned_to.username if review.assigned_to else ""
        until = woken.claimed_until.isoformat() if woken.claimed_until else ""
        log(state, "held", at=now, detail={"until": until, "by": by})
    return woken.claimed_until


def _rows(woken: Woken) -> tuple[Review, EscalationState]:
    """Load both rows whole; they are locked already."""
    review = Review.objects.select_related("owner", "assigned_to").get(pk=woken.review_id)
    state = EscalationState.objects.get(pk=woken.id)
    state.review = review
    return review, state


def _take_step(woken: Woken, now: datetime) -> datetime | None:
    steps = steps_of(woken.version_id)
    facts = _facts(woken, asks_queue=isinstance(_at(steps, woken.here), IfQueue))
    turn = stepping.advance(steps, woken.here, facts, now)
    if turn.action is None and turn.next_at is not None:
        _write(woken, turn, Done(event=turn.event), next_at=turn.next_at, missed=woken.missed, now=now)
        return turn.next_at
    review, state = _rows(woken)
    done = _perform(turn.action, review, state, now) if turn.action else Done(event=turn.event)
    missed = woken.missed or not done.reached
    next_at = now if turn.next_at and not done.reached else turn.next_at
    state.refresh_from_db(fields=["status"])
    if state.status != Status.RUNNING:  # the step closed the review
        log(state, done.event, at=now, step=woken.step_index + 1, detail=done.detail)
        return None
    _write(woken, turn, done, next_at=next_at, missed=missed, now=now)
    if next_at is None:
        state.transition(Status.FINISHED)
        log(state, "finished", at=now)
        if missed:
            performing.tell_fallback(review=review, state=state, now=now)
    return next_at


def _at(steps: tuple[Step, ...], here: Position) -> Step | None:
    return steps[here.index] if here.index < len(steps) else None


def _facts(woken: Woken, *, asks_queue: bool) -> Facts:
    return Facts(
        risk=Risk(woken.risk),
        waiting=Review.objects.pending().count() if asks_queue else 0,
        created_at=woken.created_at,
        due_at=woken.due_at,
    )


def _perform(action: Action, review: Review, state: EscalationState, now: datetime) -> Done:
    """Do the action; what cannot be done is on record, and the next step follows."""
    try:
        with transaction.atomic():
            return performing.perform(action, review=review, state=state, now=now)
    except DomainError as error:
        failed = Done(
            event="step_failed", detail={"code": error.code, "message": error.detail}, reached=False
        )
    except Exception:  # the edge of a step that a tenant configured: log once, never stop silently
        logger.exception("A step of the escalation of %s failed", review.pk)
        failed = Done(event="step_failed", detail={"code": "error"}, reached=False)
    review.refresh_from_db(fields=["status", "priority", "due_at"])
    return failed


def _write(
    woken: Woken, turn: Turn, done: Done, *, next_at: datetime | None, missed: bool, now: datetime
) -> None:
    """Move the escalation and append the event, in one statement."""
    position = turn.position
    moved: list[Any] = [position.index, position.loops, next_at, missed, woken.id]
    event: list[Any] = [uuid7(), woken.review_id, now, done.event, woken.generation, woken.loop_count]
    event += [woken.step_index + 1, json.dumps(done.detail)]
    with connection.cursor() as cursor:
        cursor.execute(_MOVE, [*moved, *event])
