"""Do what a step says: tell people, raise the priority, end the review."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from governance.types import SYSTEM, Risk
from hitl.escalation.models import EscalationState, RoundRobinPointer
from hitl.escalation.recipients import Found, by_name, reachable, resolve
from hitl.escalation.signals import agent_to_pause, run_to_cancel
from hitl.escalation.types import (
    Action,
    AddReviewers,
    Final,
    FinalAction,
    Importance,
    Notify,
    NotifyRoundRobin,
    RaisePriority,
    Webhook,
)
from hitl.escalation.wording import title
from hitl.notifications import operations as notifications
from hitl.reviews import operations as reviews
from hitl.reviews.models import Review
from hitl.reviews.record import closed, note
from hitl.templatetags.reviews import gist

RANKS = list(Risk)


@dataclass(frozen=True, kw_only=True)
class Done:
    """What came of an action; `reached` is False where there was nobody to tell."""

    event: str
    detail: dict[str, Any] = field(default_factory=dict)
    reached: bool = True


def perform(action: Action, *, review: Review, state: EscalationState, now: datetime) -> Done:
    """Do it, in the caller's transaction, which holds the review and its escalation."""
    match action:
        case Notify():
            found = resolve(action, review=review, added=state.added, at=now)
            return _tell(found, action.importance, review=review, state=state, now=now)
        case NotifyRoundRobin():
            found = _next_of(action, review=review, state=state, now=now)
            return _tell(found, action.importance, review=review, state=state, now=now)
        case AddReviewers():
            return _add(action, review=review, state=state, now=now)
        case RaisePriority():
            return _raise_priority(action, review=review, now=now)
        case Webhook():
            sent = notifications.notify_tenant(
                review=review,
                kind="escalation",
                subject=_subject(review),
                text=action.text or _text(review),
                dedup=_dedup(state),
                now=now,
            )
            return Done(event="told_tenant", detail={"sent": sent}, reached=sent > 0)
        case Final():
            return _end(action.action, review=review, now=now)


def tell_fallback(*, review: Review, state: EscalationState, now: datetime) -> None:
    """Tell the tenant's own channels that the escalation found nobody at some step."""
    notifications.notify_tenant(
        review=review,
        kind="escalation",
        subject=f"Nobody to ask: {title(review)}",
        text="The escalation has ended, and a step of it found nobody to tell.",
        dedup=f"{_dedup(state)}:fallback",
        now=now,
    )


def _subject(review: Review) -> str:
    return f"{title(review)}: waits for a decision ({review.risk} risk)"


def _text(review: Review) -> str:
    due = f", due at {review.due_at:%Y-%m-%d %H:%M} UTC" if review.due_at else ""
    return f"{gist(review)}\nAsked at {review.created_at:%Y-%m-%d %H:%M} UTC{due}."


def _dedup(state: EscalationState) -> str:
    return f"escalation:{state.review_id}:{state.generation}:{state.loop_count}:{state.step_index}"


def _tell(
    found: Found, importance: Importance, *, review: Review, state: EscalationState, now: datetime
) -> Done:
    names = [user.username for user in found.users]
    missing = {"code": "unknown", "missing": found.missing} if found.missing else {}
    if not found.users:
        return Done(event="step_failed" if missing else "no_target", detail=missing, reached=False)
    sent = notifications.notify(
        recipients=found.users,
        review=review,
        kind="escalation",
        importance=importance,
        subject=_subject(review),
        text=_text(review),
        dedup=_dedup(state),
        now=now,
    )
    note(review, "review.escalated", actor=SYSTEM, at=now, told=names, step=state.step_index + 1)
    return Done(
        event="step_failed" if missing else "notified", detail={"told": names, "sent": sent, **missing}
    )


def _next_of(step: NotifyRoundRobin, *, review: Review, state: EscalationState, now: datetime) -> Found:
    """Return the next person in turn who can be told, and who stands in; those who cannot are passed over."""
    pointers = RoundRobinPointer.objects.select_for_update()
    if state.version_id is None:
        return Found([], list(step.users))
    pointer, _ = pointers.get_or_create(version_id=state.version_id, step_index=state.step_index)
    count = len(step.users)
    for offset in range(count):
        place = (pointer.position + offset) % count
        people = reachable(by_name([step.users[place]]).users, review=review, at=now)
        if people:
            pointer.position = (place + 1) % count
            pointer.save(update_fields=["position"])
            return Found(people)
    return Found([], by_name(step.users).missing)


def _add(step: AddReviewers, *, review: Review, state: EscalationState, now: datetime) -> Done:
    found = by_name(step.users)
    able = [user for user in found.users if user.has_perm(reviews.DECIDE)]
    people = reachable(able, review=review, at=now)
    refused = sorted({user.username for user in found.users} - {user.username for user in able})
    state.added = sorted({*state.added, *(user.pk for user in people)})
    state.save(update_fields=["added"])
    told = _tell(Found(people, found.missing), Importance.IMPORTANT, review=review, state=state, now=now)
    if not refused:
        return told
    detail = {**told.detail, "code": "may-not-decide", "refused": refused}
    return Done(event="step_failed", detail=detail, reached=told.reached)


def _raise_priority(step: RaisePriority, *, review: Review, now: datetime) -> Done:
    if RANKS.index(Risk(review.priority)) >= RANKS.index(step.to):
        return Done(event="priority_kept", detail={"priority": review.priority})
    before = review.priority
    reviews.raise_priority(review_id=review.pk, priority=step.to, by=None, now=now)
    return Done(event="priority_raised", detail={"from": before, "to": step.to})


def _end(action: FinalAction, *, review: Review, now: datetime) -> Done:
    match action:
        case FinalAction.REJECT:
            reject(review=review, now=now)
        case FinalAction.EXPIRE:
            reviews.expire(review=review, now=now)
        case FinalAction.CANCEL_RUN:
            reviews.expire(review=review, now=now)
            run_to_cancel.send(sender=Review, review=review, now=now)
        case FinalAction.PAUSE_AGENT:
            agent_to_pause.send(sender=Review, review=review, now=now)
        case FinalAction.KEEP_PENDING:
            return Done(event="kept_pending")
    note(review, "review.escalation-ended", actor=SYSTEM, at=now, how=str(action))
    return Done(event="ended", detail={"action": str(action)})


def reject(*, review: Review, now: datetime) -> None:
    """Close a review as rejected because its escalation says so; no person voted, and nothing runs.

    A review that proposes no call has nothing to reject: it expires.
    """
    if review.kind != Review.Kind.TOOL_CALL:
        reviews.expire(review=review, now=now)
        return
    review.transition(Review.Status.REJECTED, decided_at=now)
    note(review, "review.rejected-unanswered", actor=SYSTEM, at=now)
    closed(review)
