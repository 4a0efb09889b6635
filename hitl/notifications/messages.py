"""Make of one row, or of a bundle, what a channel sends."""

from collections.abc import Sequence
from datetime import datetime

from django.urls import reverse

from hitl.notifications.contacts import code_of
from hitl.notifications.models import Notification
from hitl.notifications.types import Buttons, Importance, Kind, Message
from hitl.reviews.models import Review
from hitl.reviews.tiers import is_enough
from hitl.reviews.types import Assurance
from tenants.kernel.jsonvalues import JsonObject
from tenants.tenancy.urls import base_url

FACTS = {
    "tool": "Tool",
    "risk": "Risk",
    "requester": "Asked by",
    "agent": "Agent",
    "expires_at": "Decide until",
}


def compose(rows: Sequence[Notification], *, now: datetime) -> Message:
    """Return the message of the rows; the first one leads, and names it over all attempts."""
    base = base_url()
    lead, *others = [_message(row, base=base, now=now) for row in rows]
    if not others:
        return lead
    return Message(
        id=lead.id,
        kind=lead.kind,
        importance=lead.importance,
        subject=f"{len(rows)} notifications: {lead.subject}"[:200],
        text="",
        url=f"{base}{reverse('inbox')}",
        settings_url=lead.settings_url,
        facts=(),
        risk="",
        data={},
        at=lead.at,
        now=now,
        items=(lead, *others),
    )


def _message(row: Notification, *, base: str, now: datetime) -> Message:
    data: JsonObject = row.payload
    return Message(
        id=f"msg_{row.pk.hex}",
        kind=row.kind,
        importance=Importance(row.importance),
        subject=row.subject,
        text=_text(row),
        url=f"{base}{row.path}" if row.path else "",
        settings_url=f"{base}{reverse('notification-settings')}",
        facts=_facts(data),
        risk=data.get("risk", ""),
        data=data,
        at=row.created_at,
        now=now,
        review_id=str(row.review_id or ""),
        resolves=bool(data.get("resolves")),
        buttons=_buttons(row),
    )


def _text(row: Notification) -> str:
    if row.kind != Kind.CONTACT_CODE or row.contact is None:
        return row.text
    return f"{row.text}\n\n{code_of(row.contact)}"


def _facts(data: JsonObject) -> tuple[tuple[str, str], ...]:
    shown = {name: str(data[name]) for name in FACTS if data.get(name)}
    if "expires_at" in shown:
        until = datetime.fromisoformat(shown["expires_at"])
        shown["expires_at"] = f"{until:%Y-%m-%d %H:%M} UTC"
    return tuple((FACTS[name], value) for name, value in shown.items())


def _buttons(row: Notification) -> Buttons | None:
    """Return what buttons need, where a click in a chat is enough to decide the review as it stands."""
    if not row.asks or row.review_id is None:
        return None
    review = Review.objects.filter(pk=row.review_id).first()
    if review is None or not is_decided_in_chat(review):
        return None
    return Buttons(review_id=str(review.pk), version=review.version, digest=review.digest)


def is_decided_in_chat(review: Review) -> bool:
    """Tell whether the buttons of a chat message may decide the review: a call whose tier asks no more."""
    return (
        review.status == Review.Status.PENDING
        and review.kind == Review.Kind.TOOL_CALL
        and is_enough(Assurance.CHAT, review.min_assurance)
    )
