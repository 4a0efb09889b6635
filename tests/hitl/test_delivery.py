"""Sending the outbox: at least once, under one id, in bundles, and not for ever to who does not answer."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail

from hitl.notifications import contacts, delivery, endpoints, operations
from hitl.notifications.base import SendFailed
from hitl.notifications.models import Contact, Endpoint, Notification
from hitl.notifications.types import Status
from hitl.reviews.models import Review
from tenants.kernel.errors import InvalidInput
from tests.governance.samples import NOW
from tests.hitl.outbox import (
    SECRET,
    contact,
    deliver,
    endpoint,
    rows,
    rule,
    slack_app,
    statuses,
    waiting,
)
from tests.tenants.sinks import Target, answer, hang_up, listening

LATER = timedelta(minutes=10)


@pytest.fixture
def server(settings: Any) -> Iterator[Target]:
    """Answer everything with success."""
    settings.OUTBOUND_ALLOWED_CIDRS = ["127.0.0.1/32"]
    with listening() as target:
        target.reply = lambda handler: answer(handler, 200, b'{"ok": true, "channel": "C1", "ts": "17.5"}')
        yield target


@pytest.fixture
def hook(alice: Any, server: Target) -> Endpoint:
    """Return a webhook that answers."""
    return endpoint("webhook", alice, url=server.url, secrets=SECRET)


@pytest.fixture
def pager(alice: Any, server: Target) -> Endpoint:
    """Return a PagerDuty service on loopback."""
    return endpoint("pagerduty", alice, routing_key="R" * 32, url=server.url)


@pytest.fixture
def mailed(bob: Any) -> Contact:
    """Return Bob's confirmed address, where he is told of everything."""
    address = contact(bob, "email", "bob@example.com")
    rule(bob, address)
    rule(bob, address, importance="important")
    return address


def tell(user: Any, n: int = 0, **more: Any) -> int:
    given = {"kind": "escalation", "importance": "default", "text": "", "now": NOW, "review": None, **more}
    return operations.notify(recipients=[user], subject=f"Message {n}", dedup=f"number {n}", **given)


def broadcast(n: int = 0) -> int:
    return operations.notify_tenant(
        review=None, kind="escalation", subject=f"Message {n}", text="", dedup=f"to all {n}", now=NOW
    )


def failing(target: Target, status: int) -> None:
    target.reply = lambda handler: answer(handler, status, b"{}")


def outbox() -> list[Any]:
    return list(mail.outbox)


class TestWebhooks:
    def test_arrive_once_and_the_row_says_so(self, hook: Endpoint, server: Target) -> None:
        broadcast()
        assert (deliver(), deliver()) == (1, 0)
        [row] = rows(endpoint=hook)
        assert (row.status, row.attempts, row.sent_at, row.last_error) == (Status.SENT, 1, NOW, "")
        assert len(server.seen) == 1

    def test_keep_their_id_over_all_attempts(self, hook: Endpoint, server: Target) -> None:
        broadcast()
        now = NOW
        failing(server, 500)
        for _ in range(3):
            deliver(now)
            now = rows(endpoint=hook)[0].next_at
        server.reply = lambda handler: answer(handler, 204, b"")
        deliver(now)
        assert len({seen["headers"]["webhook-id"] for seen in server.seen}) == 1
        assert len({seen["headers"]["webhook-timestamp"] for seen in server.seen}) == 4
        [row] = rows(endpoint=hook)
        assert (row.status, row.attempts) == (Status.SENT, 4)

    def test_are_given_up_after_days_and_can_be_tried_again(
        self, hook: Endpoint, server: Target, alice: Any
    ) -> None:
        broadcast()
        failing(server, 503)
        now = NOW
        while waiting():
            Endpoint.objects.update(failures=0, failing_since=None)  # others are answered meanwhile
            deliver(now)
            now = rows(endpoint=hook)[0].next_at
        [row] = rows(endpoint=hook)
        assert (row.status, row.attempts, row.last_error) == (Status.FAILED, 10, "It answered 503.")
        assert now - NOW > timedelta(days=3)
        server.reply = lambda handler: answer(handler, 200, b"{}")
        operations.try_again(notification=row, by=alice, now=now)
        deliver(now)
        assert statuses(endpoint=hook) == [Status.SENT]

    def test_to_a_slow_or_dead_endpoint_cost_one_try_not_one_each(
        self, hook: Endpoint, server: Target
    ) -> None:
        for n in range(20):
            broadcast(n)
        server.reply = hang_up
        assert deliver() == 1
        assert waiting() == 20


class TestDisabling:
    def test_follows_410_at_once_and_the_admins_are_told(
        self, hook: Endpoint, server: Target, alice: Any
    ) -> None:
        broadcast(1)
        broadcast(2)
        failing(server, 410)
        deliver()
        hook.refresh_from_db()
        assert (hook.enabled, hook.disabled_at, hook.disabled_why) == (
            False,
            NOW,
            "It answered 410: gone for good.",
        )
        assert statuses(endpoint=hook) == [Status.FAILED, Status.FAILED]
        assert len(server.seen) == 1
        [news] = rows(recipient=alice, kind="endpoint_disabled", channel="in_app")
        assert "gone for good" in news.text

    def test_follows_a_day_of_failures(self, hook: Endpoint, server: Target) -> None:
        broadcast()
        failing(server, 500)
        Endpoint.objects.update(failures=9, failing_since=NOW - timedelta(hours=25))
        deliver()
        hook.refresh_from_db()
        assert not hook.enabled
        assert "10 tries have failed since" in hook.disabled_why

    def test_ends_when_an_admin_enables_it(self, hook: Endpoint, server: Target, alice: Any) -> None:
        endpoints.disable(hook, why="It answered 410.", now=NOW)
        enabled = endpoints.save_endpoint(
            endpoint=hook, config={}, changes={"enabled": True}, by=alice, now=NOW
        )
        assert (enabled.disabled_at, enabled.disabled_why, enabled.failures) == (None, "", 0)
        broadcast()
        deliver()
        assert len(server.seen) == 1

    def test_by_an_admin_stops_what_waits(self, hook: Endpoint, server: Target, alice: Any) -> None:
        broadcast()
        endpoints.save_endpoint(endpoint=hook, config={}, changes={"enabled": False}, by=alice, now=NOW)
        deliver()
        assert server.seen == []
        assert statuses(endpoint=hook) == [Status.FAILED]

    def test_of_a_slack_app_sends_people_to_their_inbox(self, alice: Any, bob: Any, server: Target) -> None:
        app = slack_app(alice, f"{server.url}/")
        rule(bob, contact(bob, "slack", "U0123456", app))
        server.reply = lambda handler: answer(handler, 200, b'{"ok": false, "error": "token_revoked"}')
        tell(bob)
        deliver()
        app.refresh_from_db()
        assert not app.enabled
        [inbox] = rows(recipient=bob, channel="in_app", kind="not_delivered")
        assert inbox.subject == "Message 0"
        tell(bob, 1)
        assert {row.channel for row in rows(recipient=bob, subject="Message 1")} <= {"in_app", "email"}


class TestSecrets:
    def test_of_an_endpoint_are_sealed_and_stay_when_not_given(
        self, alice: Any, hook: Endpoint, server: Target
    ) -> None:
        assert SECRET.encode() not in bytes(hook.ciphertext)
        changed = endpoints.save_endpoint(
            endpoint=hook, config={"url": f"{server.url}/new"}, by=alice, now=NOW
        )
        assert endpoints.config_of(changed) == {"url": f"{server.url}/new", "secrets": SECRET}
        assert endpoints.shown_config(changed) == ({"url": f"{server.url}/new"}, ["secrets"])

    def test_that_are_secret_are_not_sent_to_another_address_that_somebody_enters(
        self, alice: Any, server: Target
    ) -> None:
        apps = {
            "slack": (slack_app(alice, f"{server.url}/"), "api_url", {"bot_token": "xoxb-2"}),
            "pagerduty": (
                endpoint("pagerduty", alice, routing_key="R" * 32, url=server.url), "url", {"routing_key": "S" * 32}
            ),
        }  # fmt: skip
        for app, address, secret in apps.values():
            elsewhere = {address: f"{server.url}/elsewhere/"}
            with pytest.raises(InvalidInput) as caught:
                endpoints.save_endpoint(endpoint=app, config=elsewhere, by=alice, now=NOW)
            assert caught.value.errors[0]["at"] == f"/config/{next(iter(secret))}"
            assert endpoints.config_of(app)[address].startswith(server.url)
            assert "elsewhere" not in endpoints.config_of(app)[address]
            endpoints.save_endpoint(endpoint=app, config={address: server.url}, by=alice, now=NOW)
            saved = endpoints.save_endpoint(endpoint=app, config={**elsewhere, **secret}, by=alice, now=NOW)
            assert "elsewhere" in endpoints.config_of(saved)[address]

    def test_of_another_endpoint_do_not_open(self, alice: Any, hook: Endpoint, server: Target) -> None:
        other = endpoint("webhook", alice, "Other", url=server.url, secrets=SECRET)
        Endpoint.objects.filter(pk=other.pk).update(ciphertext=bytes(hook.ciphertext))
        broadcast()
        deliver()
        assert statuses(endpoint=other) == [Status.FAILED]
        assert statuses(endpoint=hook) == [Status.SENT]


class TestBundles:
    def test_gather_what_comes_within_two_minutes(self, bob: Any, mailed: Contact) -> None:
        tell(bob, 0)
        deliver()
        for n in (1, 2, 3):
            tell(bob, n)
            assert deliver() == 0
        assert len(outbox()) == 1
        deliver(NOW + timedelta(minutes=2))
        assert len(outbox()) == 2
        assert outbox()[1].subject.startswith("3 notifications: ")
        assert all(f"Message {n}" in outbox()[1].body for n in (1, 2, 3))
        assert statuses(recipient=bob) == [Status.SENT, Status.SENT, Status.BUNDLED, Status.BUNDLED]
        assert rows(recipient=bob)[2].bundle == rows(recipient=bob)[1].pk

    def test_are_of_one_importance(self, bob: Any, mailed: Contact) -> None:
        tell(bob, 0)
        tell(bob, 1, importance="important")
        assert deliver() == 2

    def test_never_hold_what_is_critical(self, bob: Any, mailed: Contact, open_review: Any) -> None:
        tell(bob)
        deliver()
        for n in range(25):
            tell(bob, n, review=open_review(risk="critical"), kind="escalation")
        deliver()
        mine = [message for message in outbox() if message.to == ["bob@example.com"]]
        assert {m.subject for m in mine} >= {f"Message {n}" for n in range(25)}
        assert not [m for m in mine if "notifications" in m.subject and "Message" in m.subject]

    def test_fail_and_go_again_together(self, bob: Any, alice: Any, server: Target) -> None:
        rule(bob, contact(bob, "slack", "U0123456", slack_app(alice, f"{server.url}/")))
        tell(bob, 0)
        tell(bob, 1)
        failing(server, 500)
        deliver()
        assert statuses(recipient=bob) == [Status.PENDING, Status.PENDING]
        server.reply = lambda handler: answer(handler, 200, b'{"ok": true}')
        deliver(NOW + timedelta(minutes=1))
        assert statuses(recipient=bob) == [Status.SENT, Status.BUNDLED]

    def test_leave_out_what_was_decided_meanwhile(
        self, bob: Any, rita: Any, mailed: Contact, open_review: Any, say: Any
    ) -> None:
        tell(bob)
        deliver()
        review = open_review()
        Notification.objects.filter(review_id=review.pk).delete()
        tell(bob, 1, review=review)
        Review.objects.filter(pk=review.pk).update(status="approved")  # as if its nudge had been lost
        deliver(NOW + timedelta(minutes=2))
        assert len([m for m in outbox() if m.to == ["bob@example.com"]]) == 1
        assert statuses(recipient=bob, review_id=review.pk) == [Status.CANCELLED]


class TestHourlyCap:
    def test_is_twenty_messages_then_one_digest(self, bob: Any, mailed: Contact) -> None:
        now = NOW
        for n in range(60):  # one every two and a half minutes
            tell(bob, n, now=now)
            deliver(now)
            now += timedelta(seconds=150)
        sent = [row.sent_at for row in rows(recipient=bob, status=Status.SENT)]
        for start in sent:
            assert start is not None
            within = [at for at in sent if at is not None and start <= at < start + timedelta(hours=1)]
            assert len(within) <= 20
        deliver(now + timedelta(hours=1))
        assert waiting() == 0
        assert any(message.subject.startswith(("2 not", "3 not", "4 not", "5 not")) for message in outbox())

    def test_counts_for_each_person(self, bob: Any, rita: Any, mailed: Contact) -> None:
        rule(rita, contact(rita, "email", "rita@example.com"))
        for n in range(20):
            row = Notification(recipient=bob, channel="email", kind="x", importance="important", subject="s")
            row.key, row.status, row.created_at, row.next_at, row.sent_at = str(n), "sent", NOW, NOW, NOW
            row.save()
        tell(bob, 1)
        tell(rita, 1)
        assert deliver() == 1
        assert outbox()[0].to == ["rita@example.com"]


class TestCrashes:
    def test_between_claim_and_record_send_again_under_the_same_id(
        self, hook: Endpoint, server: Target
    ) -> None:
        broadcast()
        taken = delivery.claim(now=NOW)
        delivery._send(taken, now=NOW)  # and then the worker is killed
        assert deliver() == 0
        assert deliver(NOW + delivery.LEASE) == 1
        assert len(server.seen) == 2
        assert len({seen["headers"]["webhook-id"] for seen in server.seen}) == 1
        assert statuses(endpoint=hook) == [Status.SENT]

    def test_of_a_sender_that_was_only_slow_change_nothing_twice(
        self, hook: Endpoint, server: Target
    ) -> None:
        broadcast()
        slow = delivery.claim(now=NOW)
        deliver(NOW + delivery.LEASE)
        delivery.record_failure(slow, SendFailed("too late"), now=NOW + LATER)
        delivery.record_success(slow, "", now=NOW + LATER)
        [row] = rows(endpoint=hook)
        assert (row.status, row.sent_at) == (Status.SENT, NOW + delivery.LEASE)

    def test_ring_again_by_the_timer(self, hook: Endpoint) -> None:
        broadcast()
        [row] = delivery.claim(now=NOW)
        assert operations.on_timer(row.pk, 0, NOW) == NOW + delivery.LEASE


class TestDecidedReviews:
    def test_resolve_the_incident_they_opened(
        self, pager: Endpoint, server: Target, open_review: Any, bob: Any, say: Any
    ) -> None:
        review = open_review()
        deliver()
        say(review, bob, assurance="session")
        deliver()
        sent = [json.loads(seen["body"]) for seen in server.seen]
        actions = [event["event_action"] for event in sent]
        assert actions == ["trigger", "resolve"]
        assert {event["dedup_key"] for event in sent} == {str(review.pk)}

    def test_open_no_incident_that_was_not_sent(
        self, pager: Endpoint, server: Target, open_review: Any, bob: Any, say: Any
    ) -> None:
        review = open_review()
        say(review, bob, assurance="session")
        deliver()
        assert not [s for s in server.seen if json.loads(s["body"])["event_action"] == "resolve"]
        assert Status.CANCELLED in statuses(endpoint=pager, asks=True)


class TestContactsThatFail:
    def test_are_not_used_after_five_refusals(self, bob: Any, mailed: Contact) -> None:
        for _ in range(contacts.MAX_FAILURES):
            contacts.note_failure(mailed.pk, why="The mail server answered 550.", now=NOW)
        mailed.refresh_from_db()
        assert not mailed.is_usable
        assert "550" in mailed.disabled_why


class TestTestMessages:
    def test_say_what_came_of_them(self, hook: Endpoint, server: Target, alice: Any) -> None:
        assert "It was sent to Our webhook" in endpoints.send_test(endpoint=hook, by=alice, now=NOW)
        failing(server, 404)
        assert "It answered 404." in endpoints.send_test(endpoint=hook, by=alice, now=NOW)
