"""Write the outbox, and take back what is no longer wanted. Nothing here sends."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Q, QuerySet
from django.urls import reverse

from governance.access.models import User
from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.types import Actor, Risk, Subject
from hitl.notifications import plain
from hitl.notifications.models import Endpoint, Notification
from hitl.notifications.recipients import Way, ways
from hitl.notifications.registry import CHANNELS, IN_APP
from hitl.notifications.types import Importance, Kind, Status
from hitl.reviews import attention, eligibility
from hitl.reviews.models import Review
from tenants.kernel import live, tasks
from tenants.kernel.errors import StaleTransition
from tenants.kernel.jsonvalues import JsonObject, sha256_hex, storable
from tenants.timers.operations import set_timer

TIMER = "notification"
DELIVER = "hitl.deliver"
MANAGE = "hitl.change_endpoint"
RING_AFTER = timedelta(seconds=15)
"""How long the doorbell of a commit has before the timer rings as well."""
RING_AGAIN = timedelta(seconds=30)
UNCAPPED = (Kind.CONTACT_CODE,)
"""Kinds that a person asked for at this moment; they count for no cap."""
BACKEND = "governance.access.backends.PeopleBackend"


@transaction.atomic
def notify(
    *,
    recipients: Iterable[User],
    review: Review | None,
    kind: str,
    importance: str,
    subject: str,
    text: str,
    dedup: str,
    now: datetime,
) -> int:
    """Put a message to people into the outbox, each by their own rules; return how many rows it made.

    Called again with the same `dedup` it makes none for who was told. Inactive people are left out, and
    whoever must not decide the review: being asked to would say that they may.
    """
    asked = [user for user in _people(recipients) if review is None or not _is_excluded(review, user)]
    return _to_people(
        asked,
        review=review,
        kind=kind,
        importance=Importance(importance),
        subject=subject,
        text=text,
        dedup=dedup,
        now=now,
        asks=review is not None,
    )


@transaction.atomic
def tell(
    *, recipients: Iterable[User], review: Review | None, kind: str, subject: str, text: str, dedup: str,
    now: datetime, importance: str = Importance.DEFAULT, inbox_only: bool = False,
) -> int:  # fmt: skip
    """Put news into the outbox that asks for no decision, so that a requester may get it too."""
    return _to_people(
        _people(recipients),
        review=review,
        kind=kind,
        importance=Importance(importance),
        subject=subject,
        text=text,
        dedup=dedup,
        now=now,
        asks=False,
        inbox_only=inbox_only,
    )


@transaction.atomic
def notify_tenant(
    *, review: Review | None, kind: str, subject: str, text: str, dedup: str, now: datetime
) -> int:
    """Put an important message to the tenant's endpoints into the outbox; without one, to its admins' inboxes.

    Returns how many rows it made.
    """
    message: dict[str, Any] = {
        "review": review,
        "kind": kind,
        "subject": subject,
        "text": text,
        "dedup": dedup,
        "now": now,
    }
    if _subscribed(kind, Importance.IMPORTANT):
        return to_endpoints(importance=Importance.IMPORTANT, asks=review is not None, **message)
    return tell(recipients=managers(), importance=Importance.IMPORTANT, inbox_only=True, **message)


@transaction.atomic
def to_endpoints(
    *, review: Review | None, kind: str, importance: Importance, subject: str, text: str, dedup: str,
    now: datetime, asks: bool = False,
) -> int:  # fmt: skip
    """Put a message to every endpoint that wants its kind into the outbox; return how many rows it made.

    News of a review that asks for nothing opens no incident.
    """
    values = _values(review, kind=kind, importance=importance, subject=subject, text=text, now=now, asks=asks)
    rows = [
        Notification(key=_key(dedup, endpoint.pk), endpoint=endpoint, channel=endpoint.channel, **values)
        for endpoint in _subscribed(kind, importance)
        if asks or review is None or not CHANNELS.get(endpoint.channel).resolves
    ]
    return _insert(rows, now=now)


def managers() -> QuerySet[User]:
    """Return the active people who manage the tenant's endpoints."""
    people: Any = get_user_model().objects
    found: QuerySet[User] = people.with_perm(MANAGE, backend=BACKEND).filter(kind=User.Kind.PERSON)
    return found


def _people(recipients: Iterable[User]) -> list[User]:
    unique = {user.pk: user for user in recipients}
    return [user for user in unique.values() if user.is_active and user.kind == User.Kind.PERSON]


def _is_excluded(review: Review, user: User) -> bool:
    return bool(eligibility.why_excluded(review, user))


def _to_people(
    people: list[User], *, dedup: str, now: datetime, inbox_only: bool = False, **message: Any
) -> int:
    values = _values(now=now, **message)
    found = {user.pk: [Way(channel=IN_APP)] for user in people}
    if not inbox_only:
        found = ways(people, message["importance"])
    rows = [
        Notification(
            key=_key(dedup, user.pk, way.channel, str(way.contact_id), n),
            recipient=user,
            channel=way.channel,
            address=way.address,
            contact_id=way.contact_id,
            endpoint_id=way.endpoint_id,
            note=way.note,
            **{**values, "next_at": now + timedelta(seconds=way.after_s)},
        )
        for user in people
        for n, way in enumerate(found[user.pk])
    ]
    return _insert(rows, now=now)


def _values(
    review: Review | None, *, kind: str, importance: Importance, subject: str, text: str, now: datetime,
    asks: bool,
) -> JsonObject:  # fmt: skip
    return {
        "review_id": review.pk if review else None,
        "kind": kind[:40],
        "importance": importance,
        "asks": asks,
        "alone": review is not None and review.risk == Risk.CRITICAL,
        "subject": plain.one_line(storable(subject)),
        "text": plain.paragraph(storable(text)),
        "payload": about(review) if review else {},
        "path": reverse("review", args=[review.pk]) if review else "",
        "next_at": now,
        "created_at": now,
    }


def about(review: Review) -> JsonObject:
    """Return what messages say of a review: never its arguments, which may hold secrets."""
    return {
        "review": str(review.pk),
        "review_kind": review.kind,
        "status": review.status,
        "tool": plain.one_line(review.tool),
        "risk": review.risk,
        "agent": plain.one_line(review.agent_name),
        "requester": review.requester.username,
        "run": str(review.run_id) if review.run_id else None,
        "expires_at": review.expires_at.isoformat(),
        "due_at": review.due_at.isoformat() if review.due_at else None,
    }


def _key(dedup: str, *parts: object) -> str:
    return sha256_hex([dedup, *map(str, parts)])


def _subscribed(kind: str, importance: Importance) -> list[Endpoint]:
    enabled = Endpoint.objects.filter(enabled=True)
    if importance is not Importance.IMPORTANT:
        enabled = enabled.filter(importance=Importance.DEFAULT)
    return [endpoint for endpoint in enabled if not endpoint.kinds or kind in endpoint.kinds]


def _insert(rows: list[Notification], *, now: datetime) -> int:
    """Store what is not there yet; the inbox has its rows at once, for the others the doorbell rings."""
    for row in rows:
        if row.channel == IN_APP and row.next_at <= now:
            row.status, row.sent_at = Status.SENT, now
    Notification.objects.bulk_create(rows, ignore_conflicts=True)
    made = set(Notification.objects.filter(pk__in=[row.pk for row in rows]).values_list("pk", flat=True))
    new = [row for row in rows if row.pk in made]
    for row in new:
        if row.status == Status.PENDING:
            set_timer(kind=TIMER, object_id=row.pk, due_at=row.next_at + RING_AFTER)
    if any(row.status == Status.PENDING and row.next_at <= now for row in new):
        tasks.enqueue(DELIVER)
    arrived([row for row in new if row.status == Status.SENT], now=now)
    return len(new)


def arrived(rows: Iterable[Notification], *, now: datetime) -> None:
    """Say that rows are sent: inboxes show them, and a review counts as presented from its first one on."""
    shown = list(rows)
    for row in shown:
        if row.channel == IN_APP:
            live.publish_on_commit("my-inbox", row.recipient_id)
    presented = sorted({row.review_id for row in shown if row.asks and row.review_id})
    if presented:
        attention.mark_presented(review_ids=presented, now=now)


def on_timer(object_id: UUID, generation: int, now: datetime) -> datetime | None:
    """Ring for a message that is due; return when to look again, or None once it is settled."""
    row = Notification.objects.filter(pk=object_id).first()
    if row is None or row.status not in {Status.PENDING, Status.SENDING}:
        return None
    if row.next_at > now:
        return row.next_at
    tasks.enqueue(DELIVER)
    return now + RING_AGAIN


@transaction.atomic
def cancel_for_review(review_id: UUID, now: datetime) -> int:
    """Take back what asks for a decision that was made; return how many rows.

    What is in an inbox counts as read, and channels that hold an incident open are told to resolve it.
    """
    asking = Notification.objects.filter(review_id=review_id, asks=True)
    _resolve(asking, now=now)
    read = asking.filter(channel=IN_APP, status=Status.SENT, read_at=None)
    for recipient in set(read.values_list("recipient_id", flat=True)):
        live.publish_on_commit("my-inbox", recipient)
    read.update(read_at=now)
    return cancel(asking.filter(status=Status.PENDING), why="The review is decided.")


def cancel(rows: QuerySet[Notification], *, why: str) -> int:
    """Cancel what waits; a row that is on its way meanwhile goes."""
    cancelled = 0
    for row in rows.select_for_update():
        try:
            row.transition(Status.CANCELLED, last_error=why)
        except StaleTransition:
            continue
        cancelled += 1
    return cancelled


def _resolve(asking: QuerySet[Notification], *, now: datetime) -> None:
    """Put a resolving message behind each one that may have opened an incident."""
    opened = asking.filter(endpoint__isnull=False, recipient=None).exclude(status=Status.CANCELLED)
    rows = []
    for row in opened.exclude(status=Status.PENDING, attempts=0).select_related("endpoint"):
        if not CHANNELS.get(row.channel).resolves:
            continue
        payload = {**row.payload, "resolves": True}
        copied = {
            name: getattr(row, name) for name in ("endpoint", "channel", "review_id", "subject", "path")
        }
        rows.append(
            Notification(
                key=_key("resolve", row.pk),
                kind=Kind.REVIEW_DECIDED,
                importance=row.importance,
                payload=payload,
                next_at=now,
                created_at=now,
                **copied,
            )
        )
    _insert(rows, now=now)


@transaction.atomic
def mark_read(*, user: User, now: datetime, notification_id: UUID | str | None = None) -> int:
    """Mark one message in a person's own inbox as read, or all; return how many were unread."""
    mine = Notification.objects.inbox_of(user.pk).unread()
    if notification_id is not None:
        mine = mine.filter(pk=notification_id)
    changed = mine.order_by().update(read_at=now)
    if changed:
        live.publish_on_commit("my-inbox", user.pk)
    return changed


@transaction.atomic
def try_again(*, notification: Notification, by: User, now: datetime) -> Notification:
    """Send a message that failed once more, from the beginning of its schedule; StaleTransition otherwise."""
    notification.transition(Status.PENDING, attempts=0, next_at=now)
    set_timer(kind=TIMER, object_id=notification.pk, due_at=now + RING_AFTER)
    tasks.enqueue(DELIVER)
    audit.record(
        Entry(
            at=now,
            action="notification.tried_again",
            actor=Actor(kind=by.kind, id=str(by.pk), name=by.username),
            subject=Subject(kind="notification", id=str(notification.pk)),
            outcome=str(notification.status),
            body={"channel": notification.channel, "kind": notification.kind},
        )
    )
    return notification


def unsent_of_voters(review: Review) -> QuerySet[Notification]:
    """Return what still asks people who have voted on the action as it stands."""
    voters = review.votes.filter(digest=review.digest).values("reviewer")
    waiting = Notification.objects.filter(review_id=review.pk, asks=True, status=Status.PENDING)
    return waiting.filter(Q(recipient__in=voters))


def say_undelivered(row: Notification, *, now: datetime) -> None:
    """Put what reached a person in no other way into their inbox."""
    if row.recipient is None or row.kind in UNCAPPED:
        return
    same = Notification.objects.filter(
        recipient=row.recipient, channel=IN_APP, review_id=row.review_id, kind=row.kind, subject=row.subject
    )
    if same.exists():
        return
    tell(
        recipients=[row.recipient],
        review=Review.objects.filter(pk=row.review_id).first() if row.review_id else None,
        kind=Kind.NOT_DELIVERED,
        subject=row.subject,
        text=f"This could not be sent by {CHANNELS.get(row.channel).label}: {row.last_error}",
        dedup=f"undelivered:{row.pk}",
        now=now,
        inbox_only=True,
    )
