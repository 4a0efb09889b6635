"""Which way each person is told, by their own rules. Pure apart from reading the rules."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hitl.notifications.models import Contact, NotificationRule
from hitl.notifications.registry import EMAIL, IN_APP
from hitl.notifications.types import Importance

NO_RULE = "No rule of theirs: by default in the inbox and by e-mail."
NO_CONTACT = "No rule of theirs leads anywhere now: by default in the inbox and by e-mail."


@dataclass(frozen=True, kw_only=True)
class Way:
    """One message of several to a person: by which channel, where, and how many seconds from now."""

    channel: str
    address: str = ""
    contact_id: Any = None
    endpoint_id: Any = None
    after_s: int = 0
    note: str = ""


def ways(users: Iterable[Any], importance: Importance) -> dict[int, list[Way]]:
    """Return the ways of each person, by primary key; never none for anybody."""
    people = list(users)
    rules = NotificationRule.objects.filter(user__in=people, importance=importance)
    by_user: dict[int, list[NotificationRule]] = {user.pk: [] for user in people}
    for rule in rules.select_related("contact__endpoint").order_by("position"):
        by_user[rule.user_id].append(rule)
    contacts = Contact.objects.filter(
        user__in=people, channel=EMAIL, verified_at__isnull=False, disabled_at=None
    )
    mail = {contact.user_id: contact for contact in contacts.order_by("-id")}
    return {user.pk: _ways(user, by_user[user.pk], mail.get(user.pk)) for user in people}


def _ways(user: Any, rules: Sequence[NotificationRule], mail: Contact | None) -> list[Way]:
    found, after_s = [], 0
    for rule in rules:
        if rule.contact is None:
            found.append(Way(channel=IN_APP, after_s=after_s))
        elif rule.contact.is_usable:
            found.append(_way(rule.contact, after_s))
        after_s += rule.wait_s
    return found or _default(user, mail, note=NO_CONTACT if rules else NO_RULE)


def _way(contact: Contact, after_s: int, note: str = "") -> Way:
    return Way(
        channel=contact.channel,
        address=contact.address,
        contact_id=contact.pk,
        endpoint_id=contact.endpoint_id,
        after_s=after_s,
        note=note,
    )


def _default(user: Any, mail: Contact | None, *, note: str) -> list[Way]:
    """Return the inbox, and e-mail to the confirmed address or the one that an admin gave."""
    inbox = Way(channel=IN_APP, note=note)
    if mail is not None:
        return [inbox, _way(mail, 0, note)]
    return [inbox, Way(channel=EMAIL, address=user.email, note=note)] if user.email else [inbox]
