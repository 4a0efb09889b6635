"""How people are reached: contacts that they confirm with a code, and their rules.

The code is not stored: it follows from the row and the platform's key, and is filled in when the
message is sent. Nobody reads it in the outbox, and who confirms has read what was sent there.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F

from governance.access.models import User
from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.types import Actor, Subject
from hitl.notifications import operations
from hitl.notifications.models import MAX_WAIT_S, Contact, Endpoint, Notification, NotificationRule
from hitl.notifications.operations import DELIVER, RING_AFTER, TIMER
from hitl.notifications.registry import CHANNELS, SLACK, personal
from hitl.notifications.types import Importance, Kind, Status
from tenants.kernel import tasks
from tenants.kernel.context import require_schema
from tenants.kernel.errors import InvalidInput, NotFound
from tenants.kernel.jsonvalues import sha256_hex
from tenants.timers.operations import set_timer

CODE_DIGITS = 8
CODE_LASTS = timedelta(minutes=15)
RESEND_AFTER = timedelta(minutes=1)
MAX_TRIES = 5
MAX_CONTACTS = 10
MAX_CODES = 20
"""Codes that one person may have sent in a day: they go to addresses that may not be theirs."""
MAX_RULES = 10
MAX_FAILURES = 5


class WrongCode(InvalidInput):
    """The code is wrong, too old, or was tried too often."""

    code = "wrong-code"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One step of a person's rules; no contact means the inbox."""

    contact_id: UUID | None
    wait_s: int


@transaction.atomic
def add_contact(
    *, user: User, channel: str, address: str, now: datetime, endpoint: Endpoint | None = None
) -> Contact:
    """Keep a contact of the user's own and send a code there; it counts once they have confirmed it.

    Raises InvalidInput for an address that is none, one that they have, or more than ten.
    """
    User.objects.select_for_update().get(pk=user.pk)
    if channel not in [known.name for known in personal()]:
        raise InvalidInput("People cannot be reached by this channel.")
    if channel == SLACK and (endpoint is None or endpoint.channel != SLACK or not endpoint.enabled):
        raise InvalidInput("Choose the Slack app; an admin adds it under Endpoints.")
    cleaned = CHANNELS.get(channel).check_address(address)
    mine = Contact.objects.filter(user=user)
    if mine.count() >= MAX_CONTACTS:
        raise InvalidInput(f"You have {MAX_CONTACTS} contacts; remove one first.")
    app = endpoint if channel == SLACK else None
    if mine.filter(channel=channel, address=cleaned, endpoint=app).exists():
        raise InvalidInput("You have this contact already.")
    contact = Contact(user=user, channel=channel, address=cleaned, endpoint=app, code_sent_at=now)
    _send_code(contact, now=now)
    return contact


@transaction.atomic
def resend_code(*, user: User, contact_id: UUID | str, now: datetime) -> Contact:
    """Send a new code; the one before is void."""
    contact = _mine(user, contact_id)
    if contact.verified_at is not None and contact.disabled_at is None:
        raise InvalidInput("This contact is confirmed.")
    if now - contact.code_sent_at < RESEND_AFTER:
        raise InvalidInput("A code was sent less than a minute ago.")
    _send_code(contact, now=now)
    return contact


def _send_code(contact: Contact, *, now: datetime) -> None:
    day_ago = now - timedelta(days=1)
    recent = Notification.objects.filter(
        recipient=contact.user, kind=Kind.CONTACT_CODE, created_at__gt=day_ago
    )
    if recent.count() >= MAX_CODES:
        raise InvalidInput("Too many codes were sent today.")
    contact.nonce, contact.code_sent_at, contact.code_tries = secrets.token_hex(16), now, 0
    contact.save()
    row = Notification.objects.create(
        key=sha256_hex(["code", contact.nonce]),
        recipient=contact.user,
        contact=contact,
        endpoint=contact.endpoint,
        channel=contact.channel,
        address=contact.address,
        kind=Kind.CONTACT_CODE,
        importance=Importance.IMPORTANT,
        alone=True,
        subject="Your code for Countersign",
        text=f"{contact.user.username} wants to be told here. Enter this code within 15 minutes on your page"
        " Notifications. If that is not you, do nothing.",
        next_at=now,
        created_at=now,
    )
    set_timer(kind=TIMER, object_id=row.pk, due_at=now + RING_AFTER)
    tasks.enqueue(DELIVER)


def code_of(contact: Contact) -> str:
    """Return the code of a contact's last message."""
    key = hashlib.sha256(b"countersign contact code\x00" + settings.SECRET_KEY.encode()).digest()
    signed = f"{require_schema()}:{contact.pk}:{contact.nonce}".encode()
    number = int.from_bytes(hmac.new(key, signed, hashlib.sha256).digest()[:8])
    return f"{number % 10**CODE_DIGITS:0{CODE_DIGITS}d}"


def confirm(*, user: User, contact_id: UUID | str, code: str, now: datetime) -> Contact:
    """Take the code that was sent; the contact counts from now on. Raises WrongCode, InvalidInput."""
    contact = _try(user, contact_id, now)
    given = "".join(code.split())
    if not given.isascii() or not hmac.compare_digest(given, code_of(contact)):
        raise WrongCode("This is not the code that was sent.")
    return _confirm(contact, now)


@transaction.atomic
def _try(user: User, contact_id: UUID | str, now: datetime) -> Contact:
    """Count a try in a transaction of its own, so that a wrong one is not rolled back with its refusal."""
    contact = _mine(user, contact_id)
    if contact.code_tries >= MAX_TRIES or now - contact.code_sent_at > CODE_LASTS:
        raise WrongCode("The code is too old or was tried too often; have a new one sent.")
    contact.code_tries += 1
    contact.save(update_fields=["code_tries"])
    return contact


@transaction.atomic
def _confirm(contact: Contact, now: datetime) -> Contact:
    contact.verified_at, contact.disabled_at, contact.disabled_why = now, None, ""
    contact.failures, contact.code_tries = 0, MAX_TRIES
    try:
        with transaction.atomic():
            contact.save()
    except IntegrityError as error:
        raise InvalidInput("This chat account belongs to somebody else here.") from error
    _record("contact.confirmed", contact, at=now)
    return contact


@transaction.atomic
def remove_contact(*, user: User, contact_id: UUID | str, now: datetime) -> None:
    """Forget a contact of the user's own, with its rules and what waits for it."""
    contact = _mine(user, contact_id)
    waiting = Notification.objects.filter(contact=contact, status=Status.PENDING)
    operations.cancel(waiting, why="The contact was removed.")
    _record("contact.removed", contact, at=now)
    contact.delete()


@transaction.atomic
def save_rules(*, user: User, importance: Importance, rules: Sequence[Rule], now: datetime) -> None:
    """Replace the user's rules for one importance; none at all means inbox and e-mail. Raises InvalidInput."""
    User.objects.select_for_update().get(pk=user.pk)
    if len(rules) > MAX_RULES:
        raise InvalidInput(f"At most {MAX_RULES} steps.")
    usable = {contact.pk for contact in Contact.objects.filter(user=user) if contact.is_usable}
    for rule in rules:
        if rule.contact_id is not None and rule.contact_id not in usable:
            raise InvalidInput("A step names a contact that you have not confirmed.")
        if not 0 <= rule.wait_s <= MAX_WAIT_S:
            raise InvalidInput(f"A wait is 0 to {MAX_WAIT_S // 3600} hours.")
    NotificationRule.objects.filter(user=user, importance=importance).delete()
    for position, rule in enumerate(rules):
        NotificationRule.objects.create(
            user=user,
            importance=importance,
            position=position,
            contact_id=rule.contact_id,
            wait_s=rule.wait_s,
        )


def note_success(contact_id: UUID) -> None:
    """Forget the failures of a contact."""
    Contact.objects.filter(pk=contact_id, failures__gt=0).update(failures=0)


def note_failure(contact_id: UUID, *, why: str, now: datetime) -> None:
    """Count a final failure; after five in a row the contact is not used until it is confirmed again."""
    Contact.objects.filter(pk=contact_id).update(failures=F("failures") + 1)
    Contact.objects.filter(pk=contact_id, failures__gte=MAX_FAILURES, disabled_at=None).update(
        disabled_at=now, disabled_why=why[:300]
    )


def _mine(user: User, contact_id: UUID | str) -> Contact:
    contact = Contact.objects.select_for_update().filter(pk=contact_id, user=user).first()
    if contact is None:
        raise NotFound("There is no such contact.")
    return contact


def _record(action: str, contact: Contact, *, at: datetime) -> None:
    user = contact.user
    audit.record(
        Entry(
            at=at,
            action=action,
            actor=Actor(kind=user.kind, id=str(user.pk), name=user.username),
            subject=Subject(kind="contact", id=str(contact.pk)),
            outcome="ok",
            body={"channel": contact.channel, "digest": sha256_hex([str(contact.pk), contact.address])},
        )
    )
