"""Service levels: when a review is due, when to warn, and what is on record when nobody decided in time."""

from datetime import datetime, timedelta
from uuid import UUID

from governance.types import SYSTEM, Risk
from hitl.escalation import defaults
from hitl.escalation.models import ServiceLevel
from hitl.escalation.recipients import resolve
from hitl.escalation.stepping import part_of_sla
from hitl.escalation.types import Importance, Notify
from hitl.escalation.wording import title
from hitl.notifications import operations as notifications
from hitl.reviews.models import Review
from hitl.reviews.record import note
from tenants.timers.operations import set_timer

KIND = "review.sla"
PENDING = Review.Status.PENDING


def level_for(*, priority: str, risk: str) -> tuple[timedelta, int]:
    """Return the time to decide and the per cent at which to warn: the row of the risk, of any, or the built-in."""
    rows = ServiceLevel.objects.filter(priority=priority, risk__in=[risk, ""])
    row = max(rows, key=lambda row: bool(row.risk), default=None)
    if row is not None:
        return timedelta(seconds=row.respond_within_s), row.warn_at_percent
    return timedelta(seconds=defaults.RESPOND_WITHIN_S[Risk(priority)]), defaults.WARN_AT_PERCENT


def start_clock(review: Review) -> None:
    """Set when the review is due, and the timer for the warning; a clock that runs is only ever made shorter.

    Call it in the transaction that opened the review or changed its priority.
    """
    within, percent = level_for(priority=review.priority, risk=review.risk)
    due_at = min(review.created_at + within, review.expires_at)
    if review.due_at is not None and review.due_at <= due_at:
        return
    Review.objects.filter(pk=review.pk).update(due_at=due_at)
    review.due_at = due_at
    set_timer(kind=KIND, object_id=review.pk, due_at=part_of_sla(review.created_at, due_at, percent))


def on_timer(review_id: UUID, generation: int, now: datetime) -> datetime | None:
    """Warn at first, and record the breach at last; a review that was decided ends the timer."""
    rows = Review.objects.select_for_update(skip_locked=True, of=("self",))
    review = rows.select_related("assigned_to", "owner").filter(pk=review_id).first()
    if review is None:
        return now if Review.objects.filter(pk=review_id, status=PENDING).exists() else None
    if review.status != PENDING or review.due_at is None or review.breached_at is not None:
        return None
    if now >= review.due_at:
        record_breach(review, now=now)
        return None
    if review.warned_at is None:
        _, percent = level_for(priority=review.priority, risk=review.risk)
        warn_at = part_of_sla(review.created_at, review.due_at, percent)
        if now < warn_at:
            return warn_at
        record_warning(review, now=now)
    return review.due_at


def record_warning(review: Review, *, now: datetime) -> None:
    """Write down that the review is nearly due, once, and tell who works on it or everybody who may."""
    if not Review.objects.filter(pk=review.pk, status=PENDING, warned_at=None).update(warned_at=now):
        return
    review.warned_at = now
    subject = f"Due soon: {title(review)}"
    _tell(review, "sla_warning", Notify(assignee=True), subject, now)


def record_breach(review: Review, *, now: datetime) -> None:
    """Write down that nobody decided in time, once, and tell everybody who may decide and the agent's owner."""
    if not Review.objects.filter(pk=review.pk, status=PENDING, breached_at=None).update(breached_at=now):
        return
    review.breached_at = now
    subject = f"Overdue: {title(review)}"
    whom = Notify(reviewers=True, agent_owner=True, importance=Importance.IMPORTANT)
    _tell(review, "sla_breach", whom, subject, now)


def _tell(review: Review, kind: str, whom: Notify, subject: str, now: datetime) -> None:
    found = resolve(whom, review=review, at=now)
    text = f"It was asked at {review.created_at:%H:%M} and is due at {review.due_at:%H:%M} UTC."
    dedup = f"{kind}:{review.pk}"
    if found.users:
        notifications.notify(
            recipients=found.users,
            review=review,
            kind="service_level",
            importance=whom.importance,
            subject=subject,
            text=text,
            dedup=dedup,
            now=now,
        )
    else:
        notifications.notify_tenant(
            review=review, kind="service_level", subject=subject, text=text, dedup=dedup, now=now
        )
    due_at = review.due_at.isoformat() if review.due_at else None
    told = [user.username for user in found.users]
    note(review, f"review.{kind.replace('_', '-')}", actor=SYSTEM, at=now, due_at=due_at, told=told)
