"""The inbox, the page of contacts and rules, and endpoints and outbox in the admin."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from governance.audit.models import AuditEvent
from hitl.notifications import operations
from hitl.notifications.models import Contact, Endpoint, Notification, NotificationRule
from hitl.notifications.types import Status
from hitl.reviews.models import Review, Vote
from tests.governance.samples import NOW
from tests.hitl.outbox import HOSTILE, SECRET, contact, deliver, endpoint, rows, rule

ADD = "/admin/hitl/endpoint/add/?channel={}"


def browser(user: Any) -> Client:
    client = Client(SERVER_NAME="acme.localhost")
    client.force_login(user)
    return client


@pytest.fixture
def as_bob(bob: Any) -> Client:
    """Return Bob's browser."""
    return browser(bob)


@pytest.fixture
def as_alice(alice: Any) -> Client:
    """Return Alice's browser."""
    return browser(alice)


def put(user: Any, subject: str = "Look", n: int = 0, text: str = "") -> Notification:
    operations.tell(
        recipients=[user], review=None, kind="test", subject=subject, text=text, dedup=f"n{n}{subject}",
        now=NOW, inbox_only=True,
    )  # fmt: skip
    return Notification.objects.filter(recipient=user).latest("id")


class TestInbox:
    def test_shows_only_ones_own(self, as_bob: Client, bob: Any, rita: Any) -> None:
        put(bob, "For Bob")
        put(rita, "For Rita")
        html = as_bob.get("/inbox/").content.decode()
        assert "For Bob" in html
        assert "For Rita" not in html

    def test_tells_reviews_of_the_same_tool_apart(
        self, open_review: Any, oscar: Any, bob: Any, say: Any
    ) -> None:
        rejected, sent_back = open_review(), open_review()
        say(rejected, bob, "reject", message="No.")
        say(sent_back, bob, "feedback", message="Offer 20.")
        html = browser(oscar).get("/inbox/").content.decode()
        assert "Rejected: Refund order" in html
        assert "Sent back: Refund order" in html
        for review in (rejected, sent_back):
            assert f">{str(review.pk)[-8:]}</code>" in html

    def test_counts_what_is_unread_on_every_page(self, as_bob: Client, bob: Any) -> None:
        put(bob, n=1)
        put(bob, n=2)
        assert re.search(r'id="unread-count" class="count">2<', as_bob.get("/reviews/").content.decode())
        as_bob.post("/inbox/read/")
        assert re.search(r'id="unread-count" class="count" hidden>0<', as_bob.get("/inbox/").content.decode())

    def test_marks_one_as_read(self, as_bob: Client, bob: Any, rita: Any) -> None:
        mine, other, hers = put(bob, n=1), put(bob, n=2), put(rita)
        as_bob.post("/inbox/read/", {"id": str(mine.pk)})
        as_bob.post("/inbox/read/", {"id": str(hers.pk)})
        read = set(Notification.objects.exclude(read_at=None).values_list("pk", flat=True))
        assert mine.pk in read
        assert not {other.pk, hers.pk} & read

    def test_refuses_what_is_no_id(self, as_bob: Client) -> None:
        assert as_bob.post("/inbox/read/", {"id": "x"}).status_code == 422

    @pytest.mark.parametrize("text", HOSTILE)
    def test_shows_hostile_text_as_text(self, as_bob: Client, bob: Any, text: str) -> None:
        put(bob, text, text=text)
        html = as_bob.get("/inbox/").content.decode()
        for mark in ("<script>alert", "<img src=x", "<svg onload", "\u202e"):
            assert mark not in html
        assert "unsafe" not in as_bob.get("/inbox/")["Content-Security-Policy"]

    @pytest.mark.parametrize("path", ["/inbox/", "/inbox/unread/", "/notifications/"])
    def test_asks_to_sign_in(self, acme: Any, path: str) -> None:
        response = Client(SERVER_NAME="acme.localhost").get(path)
        assert response["Location"].startswith("/login/")

    def test_over_the_api_is_ones_own_too(self, client_of: Any, bob: Any, rita: Any) -> None:
        mine, hers = put(bob, "For Bob"), put(rita, "For Rita")
        api = client_of(bob)
        listed = api.get("/api/v1/hitl/notifications").json()["results"]
        assert [item["subject"] for item in listed if item["kind"] == "test"] == ["For Bob"]
        assert api.post(f"/api/v1/hitl/notifications/{mine.pk}/read").json()["read_at"]
        assert api.post(f"/api/v1/hitl/notifications/{hers.pk}/read").status_code == 404


class TestLinks:
    def test_of_every_message_change_nothing_when_a_scanner_follows_them(
        self, review: Review, as_bob: Client, bob: Any, oscar: Any
    ) -> None:
        """Acceptance test 11: GET and HEAD on every link, signed in and not."""
        Review.objects.filter(pk=review.pk).update(expires_at=timezone.now() + timedelta(hours=1))
        rule(bob, contact(bob, "email", "bob@example.com"))
        operations.notify(
            recipients=[bob], review=review, kind="escalation", importance="default", subject="s", text="t",
            dedup="d", now=NOW,
        )  # fmt: skip
        deliver()
        links = set()
        for message in mail.outbox:
            parts: Any = message
            links |= set(re.findall(r"https?://[^\s\"<>]+", f"{parts.body}{parts.alternatives[0][0]}"))
        paths = {re.sub(r"https?://[^/]+", "", link) for link in links}
        assert f"/reviews/{review.pk}/" in paths
        before = (
            list(Review.objects.values()),
            list(Vote.objects.values()),
            list(Notification.objects.values()),
        )
        clients = (Client(SERVER_NAME="acme.localhost"), as_bob, browser(oscar))
        changed = AuditEvent.objects.count()
        for client in clients:
            for path in paths | {"/inbox/", "/inbox/unread/"}:
                for method in ("get", "head"):
                    assert getattr(client, method)(path).status_code in {200, 302}
        after = (
            list(Review.objects.values()),
            list(Vote.objects.values()),
            list(Notification.objects.values()),
        )
        assert before == after
        assert AuditEvent.objects.count() == changed


class TestSettingsPage:
    def test_adds_confirms_and_uses_a_contact(self, as_bob: Client, bob: Any) -> None:
        path = "/notifications/"
        as_bob.post(path, {"action": "add", "channel": "email", "address": "bob@example.com"})
        deliver(timezone.now())
        code = re.search(r"^\d{8}$", str(mail.outbox[-1].body), re.MULTILINE)
        mine = Contact.objects.get(user=bob)
        assert code is not None
        wrong = as_bob.post(path, {"action": "confirm", "contact": str(mine.pk), "code": "1"})
        assert (wrong.status_code, "not the code" in wrong.content.decode()) == (422, True)
        as_bob.post(path, {"action": "confirm", "contact": str(mine.pk), "code": code[0]})
        as_bob.post(
            path,
            {
                "action": "rules",
                "importance": "default",
                "to": ["in_app", str(mine.pk), ""],
                "wait": ["5", "0", "0"],
            },
        )
        steps = NotificationRule.objects.filter(user=bob).order_by("position")
        assert [(step.contact_id, step.wait_s) for step in steps] == [(None, 300), (mine.pk, 0)]
        as_bob.post(path, {"action": "remove", "contact": str(mine.pk)})
        assert not Contact.objects.filter(user=bob).exists()

    @pytest.mark.parametrize(
        "form",
        [{}, {"action": "x"}, {"action": "confirm", "contact": "x", "code": "1"}, {"action": "add"},
         {"action": "rules", "importance": "x"},
         {"action": "rules", "importance": "default", "to": ["in_app"], "wait": ["-5"]},
         {"action": "rules", "importance": "default", "to": ["in_app"], "wait": ["soon"]},
         {"action": "rules", "importance": "default", "to": ["in_app"], "wait": []},
         {"action": "add", "channel": "slack:x", "address": "U0123456"}],
    )  # fmt: skip
    def test_says_what_is_wrong(self, as_bob: Client, form: dict[str, Any]) -> None:
        response = as_bob.post("/notifications/", form)
        assert response.status_code == 422
        assert 'role="alert"' in response.content.decode()


class TestEndpointAdmin:
    def test_asks_for_the_channel_first(self, as_alice: Client) -> None:
        html = as_alice.get("/admin/hitl/endpoint/add/").content.decode()
        assert all(f"?channel={name}" in html for name in ("slack", "teams", "webhook", "apprise", "email"))

    def test_saves_and_never_shows_a_secret(self, as_alice: Client, alice: Any) -> None:
        form = {"name": "ERP", "enabled": "on", "importance": "default", "config_url": "https://erp.example.com/h",
                "config_secrets": SECRET, "kinds": ["review_opened"]}  # fmt: skip
        response = as_alice.post(ADD.format("webhook"), form)
        assert response.status_code == 302, response.context["errors"]
        made = Endpoint.objects.get(name="ERP")
        assert (made.channel, made.kinds, made.target) == (
            "webhook",
            ["review_opened"],
            "program at erp.example.com",
        )
        page = f"/admin/hitl/endpoint/{made.pk}/change/"
        html = as_alice.get(page).content.decode()
        assert SECRET not in html
        assert "https://erp.example.com/h" in html
        kept = {**form, "config_secrets": "", "config_url": "https://erp.example.com/new"}
        assert as_alice.post(page, kept).status_code == 302
        from hitl.notifications.endpoints import config_of

        made.refresh_from_db()
        assert config_of(made) == {"url": "https://erp.example.com/new", "secrets": SECRET}

    def test_says_what_to_mend(self, as_alice: Client) -> None:
        form = {
            "name": "ERP",
            "importance": "default",
            "config_url": "http://169.254.169.254/",
            "config_secrets": "x",
        }
        html = as_alice.post(ADD.format("webhook"), form).content.decode()
        assert "private, local or reserved" in html
        assert not Endpoint.objects.filter(name="ERP").exists()

    def test_sends_a_test_and_shows_the_result(self, as_alice: Client, alice: Any) -> None:
        team = endpoint("email", alice, to="team@example.com")
        response = as_alice.post(f"/admin/hitl/endpoint/{team.pk}/send-test/", follow=True)
        assert "It was sent to Our email" in response.content.decode()
        assert mail.outbox[-1].to == ["team@example.com"]
        assert as_alice.get(f"/admin/hitl/endpoint/{team.pk}/send-test/").status_code == 405

    def test_is_for_those_who_may_change_endpoints(self, alice: Any, person: Any) -> None:
        team = endpoint("email", alice, to="team@example.com")
        reader = person("norman", "hitl.view_endpoint")
        reader.is_staff = True
        reader.save()
        client = browser(reader)
        page = client.get(f"/admin/hitl/endpoint/{team.pk}/change/")
        assert page.status_code == 200
        assert "Send a test" not in page.content.decode()
        assert client.post(f"/admin/hitl/endpoint/{team.pk}/send-test/").status_code == 403
        assert client.get("/admin/hitl/endpoint/add/").status_code == 403

    def test_changes_reach_the_audit_log_without_secrets(self, as_alice: Client) -> None:
        form = {"name": "ERP", "enabled": "on", "importance": "default", "config_url": "https://erp.example.com/h",
                "config_secrets": SECRET}  # fmt: skip
        as_alice.post(ADD.format("webhook"), form)
        events = AuditEvent.objects.filter(action="config.changed", subject_kind="endpoint")
        assert events.count() == 1
        assert SECRET not in str(events[0].body)


class TestOutboxAdmin:
    def test_is_read_only_and_offers_another_try(self, as_alice: Client, bob: Any) -> None:
        put(bob, "<b>Look</b>")
        Notification.objects.filter(recipient=bob).update(status=Status.FAILED, last_error="It answered 500.")
        [row] = rows(recipient=bob, kind="test")
        page = f"/admin/hitl/notification/{row.pk}/change/"
        html = as_alice.get(page).content.decode()
        assert "&lt;b&gt;Look" in html
        assert "Try again" in html
        assert as_alice.post(page, {"subject": "x"}).status_code == 403
        as_alice.post(f"/admin/hitl/notification/{row.pk}/try-again/")
        assert rows(pk=row.pk)[0].status == Status.PENDING
        assert AuditEvent.objects.filter(action="notification.tried_again").count() == 1
        assert as_alice.get("/admin/hitl/notification/").status_code == 200
