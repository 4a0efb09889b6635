"""Decisions in Slack: whose hand it was, once, and only where a click is enough."""

import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from django.test import Client
from django.utils import timezone
from slack_sdk.signature import SignatureVerifier

from hitl.notifications import slack_actions
from hitl.notifications.base import SendFailed
from hitl.notifications.channels.slack import APPROVE, REASON, REJECT
from hitl.notifications.models import ChatAction, Contact, Endpoint
from hitl.notifications.slack_actions import SignatureRefused
from hitl.reviews.models import Review, Vote
from tests.hitl.outbox import SIGNING, contact, slack_app

PATH = "/hooks/slack/actions"
MEMBER = "U0123456"


@pytest.fixture
def app(alice: Any) -> Endpoint:
    """Return the tenant's Slack app."""
    return slack_app(alice, "https://slack.com/api/")


@pytest.fixture
def bobs(app: Endpoint, bob: Any) -> Contact:
    """Return the Slack account that Bob has confirmed."""
    return contact(bob, "slack", MEMBER, app)


@pytest.fixture
def easy(open_review: Any) -> Review:
    """Return a pending review that may be decided in a chat."""
    review: Review = open_review()
    Review.objects.filter(pk=review.pk).update(
        risk="medium", min_assurance="chat", expires_at=timezone.now() + timedelta(hours=1)
    )
    review.refresh_from_db()
    return review


def payload(
    review: Review, action: str = APPROVE, *, member: str = MEMBER, ts: str = "", reason: str = ""
) -> str:
    value = {"review": str(review.pk), "version": review.version, "digest": review.digest}
    said = {
        "type": "block_actions",
        "user": {"id": member},
        "container": {"message_ts": "1700000000.000100"},
        "actions": [
            {"action_id": action, "value": json.dumps(value), "action_ts": ts or secrets.token_hex(4)}
        ],
        "state": {"values": {REASON: {REASON: {"type": "plain_text_input", "value": reason or None}}}},
        "response_url": "https://hooks.slack.com/actions/T/1/x",
    }
    return urlencode({"payload": json.dumps(said)})


def signature(body: str, at: datetime, secret: str = SIGNING) -> dict[str, str]:
    timestamp = str(int(at.timestamp()))
    signed = SignatureVerifier(secret).generate_signature(timestamp=timestamp, body=body) or ""
    return {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": signed}


def post(body: str, headers: dict[str, str] | None = None, **more: Any) -> Any:
    client = Client(SERVER_NAME="acme.localhost", enforce_csrf_checks=True)
    given = signature(body, timezone.now()) if headers is None else headers
    kind = "application/x-www-form-urlencoded"
    return client.post(PATH, body, content_type=kind, headers={**given, **more})


class TestSignature:
    def test_lets_a_mapped_member_decide_as_that_person(self, easy: Review, bobs: Contact, bob: Any) -> None:
        response = post(payload(easy))
        assert (response.status_code, response.content) == (200, b"")
        [vote] = Vote.objects.filter(review=easy)
        assert (vote.reviewer, vote.decision, vote.channel, vote.assurance) == (
            bob,
            "approve",
            "chat",
            "chat",
        )

    def test_tampered_in_any_way_is_refused(self, easy: Review, bobs: Contact) -> None:
        now = datetime.now(UTC)
        body = payload(easy)
        good = signature(body, now)
        accepted = 0
        for n in range(1000):
            headers, sent = dict(good), body
            match n % 5:
                case 0:
                    at = 3 + n % 64
                    digit = "0" if good["X-Slack-Signature"][at] != "0" else "1"
                    value = good["X-Slack-Signature"]
                    headers["X-Slack-Signature"] = value[:at] + digit + value[at + 1 :]
                case 1:
                    at = n % len(body)
                    sent = body[:at] + ("x" if body[at] != "x" else "y") + body[at + 1 :]
                case 2:
                    headers["X-Slack-Request-Timestamp"] = str(int(now.timestamp()) + 1 + n % 200)
                case 3:
                    headers = signature(body, now, secrets.token_hex(16))
                case _:
                    headers["X-Slack-Signature"] = ["", "v0=", "v1=" + "0" * 64, "v0=" + "é" * 64, "null"][
                        n // 5 % 5
                    ]
            try:
                slack_actions.signed_by(sent.encode(), headers, now=now)
            except SignatureRefused:
                continue
            accepted += 1
        assert accepted == 0
        assert slack_actions.signed_by(body.encode(), good, now=now) == bobs.endpoint

    @pytest.mark.parametrize("minutes", [-6, 6, -60, 100_000])
    def test_older_or_newer_than_five_minutes_is_refused(
        self, easy: Review, bobs: Contact, minutes: int
    ) -> None:
        body = payload(easy)
        response = post(body, signature(body, timezone.now() + timedelta(minutes=minutes)))
        assert (response.status_code, response.json()["code"]) == (401, "signature-refused")
        assert not Vote.objects.exists()

    @pytest.mark.parametrize("timestamp", ["", "now", "1e9", "-1", "9" * 30, "١٢٣"])
    def test_with_a_timestamp_that_is_none_is_refused(
        self, easy: Review, app: Endpoint, timestamp: str
    ) -> None:
        body = payload(easy)
        headers = {**signature(body, timezone.now()), "X-Slack-Request-Timestamp": timestamp}
        with pytest.raises(SignatureRefused):
            slack_actions.signed_by(body.encode(), headers, now=timezone.now())

    def test_is_needed(self, easy: Review, bobs: Contact) -> None:
        assert post(payload(easy), {}).status_code == 401

    def test_of_a_disabled_app_is_refused(self, easy: Review, bobs: Contact) -> None:
        Endpoint.objects.update(enabled=False)
        assert post(payload(easy)).status_code == 401

    def test_of_no_app_is_refused_where_there_is_none(self, easy: Review) -> None:
        assert post(payload(easy)).status_code == 401


class TestReplay:
    def test_of_the_same_request_gives_no_second_vote(self, easy: Review, bobs: Contact) -> None:
        body = payload(easy)
        headers = signature(body, timezone.now())
        for n in range(20):
            assert post(body, headers, **{"X-Slack-Retry-Num": str(n)}).status_code == 200
        assert Vote.objects.filter(review=easy).count() == 1
        assert ChatAction.objects.count() == 1

    def test_after_a_withdrawal_counts_for_nothing(
        self, open_review: Any, bobs: Contact, bob: Any, say: Any
    ) -> None:
        review = open_review(risk="critical")
        Review.objects.filter(pk=review.pk).update(
            min_assurance="chat", expires_at=timezone.now() + timedelta(hours=1)
        )
        body = payload(review, ts="17.1")
        headers = signature(body, timezone.now())
        post(body, headers)
        say(review, bob, "withdraw", at=timezone.now())
        post(body, headers)
        decisions = Vote.objects.filter(review=review).order_by("id").values_list("decision", flat=True)
        assert list(decisions) == ["approve", "withdraw"]


class TestRefusal:
    def press(self, app: Endpoint | None, review: Review, *args: Any, **more: Any) -> str:
        press = slack_actions.read(parse_qs(payload(review, *args, **more))["payload"][0])
        assert press is not None
        assert app is not None
        return slack_actions.act(press, endpoint=app, now=timezone.now())[0]

    def test_of_an_account_that_belongs_to_nobody(self, easy: Review, app: Endpoint) -> None:
        assert "belongs to nobody here" in self.press(app, easy)
        assert not Vote.objects.exists()

    def test_of_an_account_that_was_not_confirmed(self, easy: Review, bobs: Contact) -> None:
        Contact.objects.update(verified_at=None)
        assert "belongs to nobody here" in self.press(bobs.endpoint, easy)

    def test_of_an_account_of_another_app(self, easy: Review, bobs: Contact, alice: Any) -> None:
        other = slack_app(alice, "https://slack.com/api/", "Another workspace")
        assert "belongs to nobody here" in self.press(other, easy)

    def test_of_the_requester(self, easy: Review, app: Endpoint, oscar: Any, person: Any) -> None:
        contact(person("oscar", "hitl.decide_review"), "slack", "U0OSCAR99", app)
        said = self.press(app, easy, member="U0OSCAR99")
        assert not Vote.objects.exists()
        assert "counted" not in said

    def test_of_somebody_without_the_permission(self, easy: Review, app: Endpoint, charlie: Any) -> None:
        contact(charlie, "slack", "U0CHARLIE", app)
        assert self.press(app, easy, member="U0CHARLIE") == "You may read reviews but not decide them."

    def test_of_somebody_who_left(self, easy: Review, bobs: Contact, bob: Any) -> None:
        bob.is_active = False
        bob.save()
        self.press(bobs.endpoint, easy)
        assert not Vote.objects.exists()

    @pytest.mark.parametrize("risk", ["high", "critical"])
    @pytest.mark.parametrize("action", [APPROVE, REJECT])
    def test_of_high_risk(self, open_review: Any, bobs: Contact, risk: str, action: str) -> None:
        review = open_review(risk=risk)
        Review.objects.filter(pk=review.pk).update(expires_at=timezone.now() + timedelta(hours=1))
        assert "on its page" in self.press(bobs.endpoint, review, action, reason="no")
        assert not Vote.objects.exists()

    def test_of_a_version_that_changed(self, easy: Review, bobs: Contact) -> None:
        Review.objects.filter(pk=easy.pk).update(version=2)
        assert "changed since you saw it" in self.press(bobs.endpoint, easy)
        assert not Vote.objects.exists()

    def test_of_a_rejection_without_a_reason(self, easy: Review, bobs: Contact) -> None:
        assert self.press(bobs.endpoint, easy, REJECT) == "Say why you reject."
        assert "rejected" in self.press(bobs.endpoint, easy, REJECT, reason="No receipt")
        easy.refresh_from_db()
        assert easy.status == Review.Status.REJECTED

    @pytest.mark.parametrize(
        "sent",
        [
            "",
            "null",
            "[]",
            "{}",
            '{"actions": []}',
            '{"actions": [{"action_id": "countersign_approve", "value": "{}"}]}',
        ],
    )
    def test_of_what_is_no_press(self, app: Endpoint, sent: str) -> None:
        response = post(urlencode({"payload": sent}))
        assert (response.status_code, response.json()["code"]) == (422, "invalid-input")

    def test_of_a_link_button_is_nothing_at_all(self, easy: Review, bobs: Contact) -> None:
        assert post(payload(easy, "open")).status_code == 200
        assert not Vote.objects.exists()

    @pytest.mark.parametrize("method", ["get", "head", "put", "delete", "options"])
    def test_of_every_method_but_post(self, app: Endpoint, method: str) -> None:
        client = Client(SERVER_NAME="acme.localhost")
        assert getattr(client, method)(PATH).status_code == 405


class TestAnswers:
    @pytest.mark.parametrize(
        "url",
        [
            "", "http://hooks.slack.com/actions/T/1/x", "https://169.254.169.254/", "https://hooks.slack.com.evil.example/",
            "https://hooks.slack.com@evil.example/", "https://evil.example/https://hooks.slack.com/", "https://[::1",
            "https://hooks.slack.com:8443/", "//hooks.slack.com/", "https://evil.example#hooks.slack.com",
            "https://evil.example\\@hooks.slack.com/",
        ],
    )  # fmt: skip
    def test_go_to_slacks_own_host_alone(self, url: str) -> None:
        with pytest.raises(SendFailed) as caught:
            slack_actions.reply(response_url=url, text="Bob approved this.", final=True)
        assert caught.value.detail == "Slack gave no address of its own to answer to."
