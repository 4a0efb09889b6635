"""Send the outbox: claim in one short transaction, send with none open, record in another.

A sender that dies between the two leaves a claim that runs out; the message is then sent again under
the same id. Whoever gets it twice can tell.
"""

import logging
from contextlib import suppress
from datetime import datetime, timedelta
from secrets import SystemRandom
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, QuerySet

from hitl.notifications import contacts, endpoints, pace
from hitl.notifications.base import SendFailed
from hitl.notifications.messages import compose
from hitl.notifications.models import Notification, NotificationQuerySet
from hitl.notifications.operations import TIMER, UNCAPPED, arrived, say_undelivered
from hitl.notifications.registry import CHANNELS, IN_APP
from hitl.notifications.types import Status, Target
from hitl.reviews.models import Review
from tenants.kernel.context import require_schema
from tenants.kernel.errors import DomainError, StaleTransition
from tenants.tenancy.models import State, Tenant
from tenants.timers.operations import set_timer

logger = logging.getLogger(__name__)
_random = SystemRandom()

CLAIM_LOCK = 0x6E_6F_74_65
LEASE = timedelta(seconds=90)
"""Longer than any channel takes: after it, a sender counts as lost."""
MAX_BUNDLE = 100


def deliver(*, now: datetime, limit: int = 1000) -> int:
    """Send what is due, up to `limit` messages; return how many were tried."""
    tried = 0
    while tried < limit and deliver_one(now=now):
        tried += 1
    return tried


def deliver_one(*, now: datetime) -> bool:
    """Send one message that is due; return False if there is none."""
    rows = claim(now=now)
    if not rows:
        return False
    try:
        receipt = _send(rows, now=now)
    except SendFailed as error:
        record_failure(rows, error, now=now)
    except Exception as error:  # the edge of a delivery: log once, try again as after any failure
        logger.exception("Notification %s could not be sent", rows[0].pk)
        problem = error.detail if isinstance(error, DomainError) else "It could not be sent."
        record_failure(rows, SendFailed(problem), now=now)
    else:
        record_success(rows, receipt, now=now)
    return True


def _send(rows: list[Notification], *, now: datetime) -> str:
    lead = rows[0]
    message = compose(rows, now=now)
    config = endpoints.config_of(lead.endpoint) if lead.endpoint else {}
    return CHANNELS.get(lead.channel).send(message, Target(config=config, address=lead.address))


@transaction.atomic
def claim(*, now: datetime) -> list[Notification]:
    """Take one due message, with all that travels in it; return its rows, none if nothing is due.

    One claim at a time in a tenant, so that bundles and caps are exact; it takes milliseconds.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [CLAIM_LOCK, require_schema()])
    while True:
        due = (
            Notification.objects.due(now)
            .filter(Exists(_served()))
            .select_for_update(skip_locked=True, of=("self",))
        )
        row = due.select_related("endpoint", "contact").order_by("next_at", "id").first()
        if row is None:
            return []
        if row.asks and _is_decided(row.review_id):
            row.transition(Status.CANCELLED, last_error="The review is decided.")
            continue
        if row.endpoint is not None and not row.endpoint.enabled:
            row.transition(Status.FAILED, last_error="The endpoint is disabled.")
            say_undelivered(row, now=now)
            continue
        held = _held_until(row, now)
        if held is not None:
            _group(row, now).update(next_at=held)
            continue
        return [_claimed(taken, now) for taken in _bundle(row, now)]


def _served() -> QuerySet[Tenant]:
    """Return the tenant if it is served: the messages of one that is suspended wait."""
    served: QuerySet[Tenant] = Tenant.objects.filter(schema_name=require_schema(), state=State.ACTIVE)
    return served


def _is_decided(review_id: UUID | None) -> bool:
    if review_id is None:
        return False
    return not Review.objects.filter(pk=review_id, status=Review.Status.PENDING).exists()


def _bundles(row: Notification) -> bool:
    return row.recipient_id is not None and not row.alone and row.channel != IN_APP


def _of_person(row: Notification) -> dict[str, object]:
    names = ("recipient_id", "channel", "address", "importance", "alone")
    return {name: getattr(row, name) for name in names}


def _group(row: Notification, now: datetime) -> NotificationQuerySet:
    return Notification.objects.due(now).filter(**_of_person(row))


def _held_until(row: Notification, now: datetime) -> datetime | None:
    """Return until when the row waits for others, or for the hour to pass."""
    if not _bundles(row) or row.kind in UNCAPPED:
        return None
    mine = Notification.objects.filter(recipient=row.recipient_id).exclude(channel=IN_APP)
    mine = mine.exclude(kind__in=UNCAPPED)
    sent = mine.filter(status=Status.SENT, sent_at__gt=now - pace.HOUR)
    group = mine.filter(**_of_person(row))
    last = group.filter(status=Status.SENT).order_by("-sent_at").values_list("sent_at", flat=True).first()
    if group.filter(status=Status.SENDING, next_at__gt=now).exists():
        last = now
    return pace.held_until(
        now=now, last_in_group=last, sent=[row.sent_at for row in sent.only("sent_at") if row.sent_at]
    )


def _bundle(row: Notification, now: datetime) -> list[Notification]:
    if not _bundles(row) or row.kind in UNCAPPED:
        return [row]
    rows = _group(row, now).exclude(kind__in=UNCAPPED).exclude(pk=row.pk)
    others = rows.select_for_update(skip_locked=True, of=("self",)).order_by("id")[: MAX_BUNDLE - 1]
    return [row, *(other for other in others if not (other.asks and _is_decided(other.review_id)))]


def _claimed(row: Notification, now: datetime) -> Notification:
    if row.status == Status.SENDING:  # its sender is lost; this one takes over
        row.attempts, row.next_at = row.attempts + 1, now + LEASE
        row.save(update_fields=["attempts", "next_at"])
        return row
    return row.transition(Status.SENDING, attempts=row.attempts + 1, next_at=now + LEASE)


@transaction.atomic
def record_success(rows: list[Notification], receipt: str, *, now: datetime) -> None:
    """Record that a message went out; a row that another sender settled meanwhile is left alone."""
    lead, *others = rows
    settled = []
    for row in rows:
        changes = {"sent_at": now, "last_error": "", "bundle": lead.pk if others else None}
        with suppress(StaleTransition):
            if row is lead:
                row.transition(Status.SENT, receipt=receipt[:200], **changes)
            else:
                row.transition(Status.BUNDLED, **changes)
            settled.append(row)
    if lead.endpoint_id is not None:
        endpoints.note_success(lead.endpoint_id, now=now)
    if lead.contact_id is not None:
        contacts.note_success(lead.contact_id)
    arrived(settled, now=now)


@transaction.atomic
def record_failure(rows: list[Notification], error: SendFailed, *, now: datetime) -> None:
    """Record that a message did not go out: when it is tried again, or that it is given up."""
    lead = rows[0]
    why = error.detail[:300]
    wait_s = None
    if not error.permanent:
        schedule = CHANNELS.get(lead.channel).schedule
        wait_s = pace.retry_s(
            schedule, lead.attempts, jitter=_random.random(), retry_after_s=error.retry_after_s
        )
    for row in rows:
        with suppress(StaleTransition):
            if wait_s is None:
                row.transition(Status.FAILED, last_error=why)
                say_undelivered(row, now=now)
                continue
            again_at = now + timedelta(seconds=wait_s)
            row.transition(Status.PENDING, last_error=why, next_at=again_at)
            set_timer(kind=TIMER, object_id=row.pk, due_at=again_at)
    if lead.contact_id is not None and error.permanent:
        contacts.note_failure(lead.contact_id, why=why, now=now)
    if lead.endpoint is None or (lead.recipient_id is not None and not error.disables):
        return  # one member whom an app cannot reach says nothing about the app
    endpoints.note_failure(lead.endpoint, error, now=now)
    if wait_s is not None:
        _spare(lead, until=now + timedelta(seconds=wait_s))


def _spare(row: Notification, *, until: datetime) -> None:
    """Let everything else for an endpoint that does not answer wait as long: each would cost a time-out."""
    waiting = Notification.objects.filter(
        endpoint=row.endpoint_id, recipient=None, status=Status.PENDING, next_at__lt=until
    )
    waiting.update(next_at=until)
