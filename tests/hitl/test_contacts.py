"""Contacts count once their owner has read a code that was sent there."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import transaction

from governance.audit.models import AuditEvent
from hitl.notifications import contacts, operations
from hitl.notifications.contacts import WrongCode
from hitl.notifications.models import Contact, Notification
from hitl.notifications.types import Importance, Status
from tenants.kernel.errors import InvalidInput, NotFound
from tests.governance.samples import NOW
from tests.hitl.outbox import contact, deliver, rows, rule, slack_app, statuses

SOON = NOW + timedelta(minutes=1)


def add(user: Any, address: str = "bob@example.com", **more: Any) -> Contact:
    return contacts.add_contact(user=user, channel="email", address=address, now=NOW, **more)


def sent_code() -> str:
    found = re.search(r"^\d{8}$", str(mail.outbox[-1].body), re.MULTILINE)
    assert found is not None
    return found[0]


class TestCode:
    def test_is_sent_there_and_confirms(self, bob: Any) -> None:
        made = add(bob)
        assert not made.is_usable
        deliver()
        assert mail.outbox[-1].to == ["bob@example.com"]
        assert contacts.confirm(user=bob, contact_id=made.pk, code=sent_code(), now=SOON).is_usable
        assert AuditEvent.objects.filter(action="contact.confirmed").count() == 1

    def test_stands_nowhere_in_the_database(self, bob: Any) -> None:
        made = add(bob)
        code = contacts.code_of(made)
        for row in [*Notification.objects.values(), *Contact.objects.values()]:
            assert code not in str(row)

    def test_is_refused_when_wrong_old_or_tried_too_often(self, bob: Any) -> None:
        made = add(bob)
        code = contacts.code_of(made)
        wrong = f"{(int(code) + 1) % 10**8:08d}"
        for _ in range(contacts.MAX_TRIES):
            with pytest.raises(WrongCode), transaction.atomic():
                contacts._try(bob, made.pk, SOON)
                raise WrongCode
        with pytest.raises(WrongCode):
            contacts.confirm(user=bob, contact_id=made.pk, code=wrong, now=SOON)
        with pytest.raises(WrongCode):
            contacts.confirm(user=bob, contact_id=made.pk, code=code, now=NOW + timedelta(minutes=16))

    def test_can_be_guessed_five_times_only(self, bob: Any) -> None:
        made = add(bob)
        code = contacts.code_of(made)
        for n in range(contacts.MAX_TRIES):
            with pytest.raises(WrongCode):
                contacts.confirm(user=bob, contact_id=made.pk, code=f"{n:08d}", now=SOON)
        with pytest.raises(WrongCode):
            contacts.confirm(user=bob, contact_id=made.pk, code=code, now=SOON)

    def test_is_void_once_another_was_sent(self, bob: Any) -> None:
        made = add(bob)
        before = contacts.code_of(made)
        with pytest.raises(InvalidInput):
            contacts.resend_code(user=bob, contact_id=made.pk, now=NOW + timedelta(seconds=30))
        again = contacts.resend_code(user=bob, contact_id=made.pk, now=SOON)
        assert contacts.code_of(again) != before
        with pytest.raises(WrongCode):
            contacts.confirm(user=bob, contact_id=made.pk, code=before, now=SOON)

    def test_goes_to_so_many_addresses_a_day(self, bob: Any) -> None:
        for n in range(contacts.MAX_CODES):
            made = add(bob, f"n{n}@example.com")
            contacts.remove_contact(user=bob, contact_id=made.pk, now=NOW)
        with pytest.raises(InvalidInput):
            add(bob, "one-more@example.com")

    def test_is_not_held_by_the_hourly_cap(self, bob: Any) -> None:
        for n in range(25):
            row = Notification(recipient=bob, channel="email", kind="x", importance="default", subject="s")
            row.key, row.status, row.created_at, row.next_at, row.sent_at = str(n), "sent", NOW, NOW, NOW
            row.save()
        add(bob)
        assert deliver() == 1


class TestOwner:
    def test_is_the_only_one_who_confirms_or_removes(self, bob: Any, rita: Any) -> None:
        made = add(bob)
        for act in (contacts.remove_contact, contacts.resend_code):
            with pytest.raises(NotFound):
                act(user=rita, contact_id=made.pk, now=SOON)
        with pytest.raises(NotFound):
            contacts.confirm(user=rita, contact_id=made.pk, code=contacts.code_of(made), now=SOON)

    def test_of_a_slack_account_is_one_person(self, bob: Any, rita: Any, alice: Any) -> None:
        app = slack_app(alice, "https://slack.com/api/")
        contact(bob, "slack", "U0123456", app)
        hers = contacts.add_contact(user=rita, channel="slack", address="U0123456", endpoint=app, now=NOW)
        with pytest.raises(InvalidInput, match="belongs to somebody else"):
            contacts.confirm(user=rita, contact_id=hers.pk, code=contacts.code_of(hers), now=SOON)
        hers.refresh_from_db()
        assert not hers.is_usable

    def test_must_name_an_app_for_slack(self, bob: Any) -> None:
        with pytest.raises(InvalidInput):
            contacts.add_contact(user=bob, channel="slack", address="U0123456", now=NOW)

    @pytest.mark.parametrize(
        "address", ["", "bob", "bob@", "a b@example.com", "x@example.com\nBcc: y@example.com"]
    )
    def test_gives_a_real_address(self, bob: Any, address: str) -> None:
        with pytest.raises(InvalidInput):
            add(bob, address)

    @pytest.mark.parametrize("channel", ["in_app", "webhook", "pagerduty", "teams", "apprise", "", "nothing"])
    def test_cannot_be_reached_by_what_is_for_the_tenant(self, bob: Any, channel: str) -> None:
        with pytest.raises(InvalidInput):
            contacts.add_contact(user=bob, channel=channel, address="bob@example.com", now=NOW)


class TestRemoval:
    def test_stops_what_waits(self, bob: Any) -> None:
        mine = contact(bob, "email", "bob@example.com")
        rule(bob, mine)
        operations.notify(
            recipients=[bob], review=None, kind="x", importance=Importance.DEFAULT, subject="s", text="",
            dedup="d", now=NOW,
        )  # fmt: skip
        contacts.remove_contact(user=bob, contact_id=mine.pk, now=NOW)
        assert statuses(recipient=bob) == [Status.CANCELLED]
        assert deliver() == 0
        assert rows(recipient=bob)[0].address == "bob@example.com"
