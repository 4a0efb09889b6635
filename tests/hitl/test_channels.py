"""Every channel: what it sends to a real server, how it fails, and that text from outside stays text."""

import email
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import default as policy
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from hitl.notifications import plain
from hitl.notifications.base import Channel, SendFailed
from hitl.notifications.channels import apprise, pagerduty, slack, teams, webhook
from hitl.notifications.registry import CHANNELS
from hitl.notifications.types import Buttons, Importance, Message, Target
from tenants.kernel.errors import InvalidInput
from tests.governance.samples import NOW
from tests.hitl.outbox import HOSTILE, SECRET
from tests.hitl.smtp_sink import Sink, taking_mail
from tests.tenants.sinks import Target as Server
from tests.tenants.sinks import answer, hang_up, listening

VECTORS = Path(__file__).parent / "webhook_vectors.json"
ALL = sorted(CHANNELS)
OVER_HTTP = ["slack", "teams", "pagerduty", "webhook"]
MESSAGE = Message(
    id="msg_0189",
    kind="review_opened",
    importance=Importance.DEFAULT,
    subject="Approval needed: Refund order (high risk)",
    text="The page of the review shows what exactly it would do.",
    url="https://acme.example.com/reviews/1/",
    settings_url="https://acme.example.com/notifications/",
    facts=(("Tool", "refund_order"), ("Risk", "high"), ("Asked by", "oscar")),
    risk="high",
    data={"review": "r-1", "tool": "refund_order"},
    at=NOW,
    now=NOW,
    review_id="r-1",
)
BUNDLE = replace(MESSAGE, subject="2 notifications", facts=(), text="", items=(MESSAGE, MESSAGE))


def hostile(text: str) -> Message:
    """Return the message with the text in every place that others write, cleaned as the outbox cleans it."""
    line = plain.one_line(text)
    facts = tuple((name, line) for name, _ in MESSAGE.facts)
    item = replace(MESSAGE, subject=line)
    return replace(MESSAGE, subject=line, text=plain.paragraph(text), facts=facts, items=(item,))


def config(channel: str, url: str) -> dict[str, str]:
    """Return the settings of an endpoint whose far side is at the URL."""
    return {
        "slack": {"bot_token": "xoxb-1", "channel": "C012345678", "api_url": f"{url}/"},
        "teams": {"url": f"{url}/workflow"},
        "pagerduty": {"routing_key": "R" * 32, "url": url},
        "webhook": {"url": url, "secrets": SECRET},
    }[channel]


@pytest.fixture
def server(settings: Any) -> Iterator[Server]:
    """Answer as Slack does, which suits the others too."""
    settings.OUTBOUND_ALLOWED_CIDRS = ["127.0.0.1/32"]
    with listening() as target:
        target.reply = lambda handler: answer(handler, 200, b'{"ok": true, "channel": "C1", "ts": "17.5"}')
        yield target


@pytest.fixture
def smtp(settings: Any) -> Iterator[Sink]:
    """Take mail over a real connection."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    with taking_mail() as sink:
        settings.EMAIL_PORT = sink.port
        yield sink


def send(channel: str, server: Server, message: Message = MESSAGE, **more: Any) -> str:
    member = CHANNELS.get(channel)
    return member.send(message, Target(config=member.check(config(channel, server.url)), **more))


def body(server: Server) -> Any:
    return json.loads(server.seen[-1]["body"])


def strings(value: Any) -> Iterator[tuple[str, Any]]:
    """Return every string of a JSON value with the object that it stands in."""
    match value:
        case dict():
            for item in value.values():
                if isinstance(item, str):
                    yield item, value
                else:
                    yield from strings(item)
        case list():
            for item in value:
                yield from strings(item)


class TestContract:
    @pytest.mark.parametrize("name", ALL)
    def test_every_channel_is_what_it_says(self, name: str) -> None:
        channel = CHANNELS.get(name)
        assert isinstance(channel, Channel)
        assert channel.name == name
        assert channel.label
        assert channel.schedule or name == "in_app"
        if channel.tenant_wide:
            assert channel.settings
        if channel.personal:
            with pytest.raises(InvalidInput):
                channel.check_address("not an address")

    @pytest.mark.parametrize("name", [n for n in ALL if n != "in_app"])
    def test_every_channel_refuses_settings_that_are_missing_or_unknown(self, name: str) -> None:
        for given in ({}, {"whatever": "x"}):
            with pytest.raises(InvalidInput) as caught:
                CHANNELS.get(name).check(given)
            assert all(problem["at"].startswith("/config/") for problem in caught.value.errors)

    @pytest.mark.parametrize("name", OVER_HTTP)
    @pytest.mark.parametrize("message", [MESSAGE, BUNDLE], ids=["one", "bundle"])
    def test_every_http_channel_sends_a_small_body_with_the_link(
        self, name: str, message: Message, server: Server
    ) -> None:
        send(name, server, message)
        sent = server.seen[-1]
        assert sent["method"] == "POST"
        assert len(sent["body"]) < 20_000
        assert message.url in sent["body"].decode()

    @pytest.mark.parametrize("name", OVER_HTTP)
    @pytest.mark.parametrize(
        ("status", "permanent", "disables"),
        [(500, False, False), (503, False, False), (429, False, False), (404, True, False), (301, True, False),
         (410, True, True)],
    )  # fmt: skip
    def test_every_http_channel_knows_which_failures_pass(
        self, name: str, status: int, permanent: bool, disables: bool, server: Server
    ) -> None:
        server.reply = lambda handler: answer(handler, status, b"{}", Retry_After="7", Location="http://x/")
        with pytest.raises(SendFailed) as caught:
            send(name, server)
        assert (caught.value.permanent, caught.value.disables) == (permanent, disables)
        assert status == 410 or caught.value.retry_after_s == 7.0
        assert len(server.seen) == 1  # a redirect is not followed

    @pytest.mark.parametrize("name", OVER_HTTP)
    def test_every_http_channel_may_try_again_after_a_lost_connection(
        self, name: str, server: Server
    ) -> None:
        server.reply = hang_up
        with pytest.raises(SendFailed) as caught:
            send(name, server)
        assert not caught.value.permanent

    @pytest.mark.parametrize("name", OVER_HTTP)
    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:{port}", "http://169.254.169.254", "http://[::1]:{port}"]
    )
    def test_every_http_channel_refuses_a_private_address_at_save_and_at_send(
        self, name: str, url: str, server: Server, settings: Any
    ) -> None:
        settings.OUTBOUND_ALLOWED_CIDRS = []
        given = config(name, url.format(port=server.port))
        with pytest.raises(InvalidInput) as caught:
            CHANNELS.get(name).check(given)
        assert "private, local or reserved" in caught.value.errors[0]["message"]
        with pytest.raises(SendFailed) as failed:
            CHANNELS.get(name).send(MESSAGE, Target(config=given))
        assert failed.value.permanent
        assert server.connections == 0

    @pytest.mark.parametrize("name", OVER_HTTP)
    def test_no_http_channel_sends_to_a_name_that_leads_to_a_private_address(
        self, name: str, server: Server, settings: Any
    ) -> None:
        settings.OUTBOUND_ALLOWED_CIDRS = []
        given = CHANNELS.get(name).check(
            config(name, f"http://localhost:{server.port}")
        )  # a name passes here
        with pytest.raises(SendFailed):
            CHANNELS.get(name).send(MESSAGE, Target(config=given))
        assert server.connections == 0

    @pytest.mark.parametrize("name", OVER_HTTP)
    def test_no_description_gives_a_secret_away(self, name: str, server: Server) -> None:
        channel = CHANNELS.get(name)
        given = channel.check(config(name, f"{server.url}/s3cret-path"))
        for secret in ("xoxb-1", "R" * 32, SECRET, "s3cret-path"):
            assert secret not in channel.describe(given)


class TestHostileText:
    @pytest.mark.parametrize("text", HOSTILE)
    def test_in_slack_is_plain_text(self, text: str, server: Server) -> None:
        send("slack", server, hostile(text))
        sent = body(server)
        assert not {"<", ">"} & set(sent["text"])
        assert "\u202e" not in json.dumps(sent, ensure_ascii=False)
        kinds = {holder["type"] for value, holder in strings(sent["blocks"]) if value == holder.get("text")}
        assert kinds == {"plain_text"}

    @pytest.mark.parametrize("text", HOSTILE)
    def test_in_teams_stands_in_text_runs(self, text: str, server: Server) -> None:
        send("teams", server, hostile(text))
        card = body(server)["attachments"][0]["content"]
        assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
        assert {run["type"] for block in card["body"] for run in block["inlines"]} == {"TextRun"}
        assert "{{" not in json.dumps(card["body"])
        assert [action["url"] for action in card["actions"]] == [MESSAGE.url]

    @pytest.mark.parametrize("text", HOSTILE)
    def test_in_mail_is_escaped_and_changes_no_header(self, text: str, smtp: Sink) -> None:
        CHANNELS.get("email").send(hostile(text), Target(address="bob@example.com"))
        mail = email.message_from_string(smtp.mails[0], policy=policy)
        assert isinstance(mail, EmailMessage)
        assert mail["Bcc"] is None
        assert mail["To"] == "bob@example.com"
        html = mail.get_body(("html",))
        assert html is not None
        seen = Tags()
        seen.feed(html.get_content())
        assert seen.tags <= {"html", "head", "meta", "title", "body", "div", "h1", "p", "table", "tr", "td",
                             "strong", "ul", "li", "a", "span"}  # fmt: skip
        assert seen.links <= {MESSAGE.url, MESSAGE.settings_url}
        assert not any(name.startswith("on") for name in seen.attributes)
        assert "\u202e" not in smtp.mails[0]

    @pytest.mark.parametrize("text", HOSTILE)
    def test_in_a_webhook_and_for_pagerduty_is_json(self, text: str, server: Server) -> None:
        for name in ("webhook", "pagerduty"):
            send(name, server, hostile(text))
            assert plain.one_line(text) in json.dumps(body(server), ensure_ascii=False).replace('\\"', '"')


class Tags(HTMLParser):
    """Collects what a mail's HTML is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links |= {value or "" for name, value in attrs if name == "href"}


class TestWebhook:
    vectors = json.loads(VECTORS.read_text())

    def test_signs_exactly_as_the_fixed_vector(self) -> None:
        fixed = self.vectors["vectors"][0]["headers"]
        at = datetime.fromtimestamp(self.vectors["now"], tz=UTC)
        signed = webhook.sign(
            self.vectors["body"].encode(),
            message_id=fixed["webhook-id"],
            secrets=[self.vectors["secret"]],
            timestamp=at,
        )
        assert signed == fixed

    @pytest.mark.parametrize("vector", vectors["vectors"], ids=lambda vector: vector["name"])
    def test_signatures_are_judged_as_by_the_library(self, vector: Any, monkeypatch: Any) -> None:
        import standardwebhooks.webhooks as library

        class Fixed(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
                return datetime.fromtimestamp(TestWebhook.vectors["now"], tz=tz)

        monkeypatch.setattr(library, "datetime", Fixed)
        verifier = Verifier(self.vectors["secret"])
        if vector["valid"]:
            assert verifier.verify(self.vectors["body"], vector["headers"]) == {"test": 2432232314}
        else:
            with pytest.raises(WebhookVerificationError):
                verifier.verify(self.vectors["body"], vector["headers"])

    def test_is_verified_by_every_receiver_while_secrets_rotate(self, server: Server) -> None:
        newer = "whsec_" + "b" * 40
        channel = CHANNELS.get("webhook")
        given = channel.check({"url": server.url, "secrets": f"{newer}\n{SECRET}"})
        channel.send(replace(MESSAGE, now=datetime.now(UTC)), Target(config=given))
        sent = server.seen[-1]
        for secret in (newer, SECRET):
            event = Verifier(secret).verify(sent["body"], sent["headers"])
            assert event["type"] == "review.opened"
            assert event["data"]["review"] == "r-1"
        with pytest.raises(WebhookVerificationError):
            Verifier("whsec_" + "c" * 40).verify(sent["body"], sent["headers"])

    def test_stays_small_whatever_is_in_it(self) -> None:
        big = replace(MESSAGE, data={"review": "r-1", "tool": "x" * 50_000})
        assert len(webhook.content(big)) < 20_000

    @pytest.mark.parametrize(
        "secrets", ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!"]
    )
    def test_refuses_weak_secrets(self, secrets: str, server: Server) -> None:
        with pytest.raises(InvalidInput):
            CHANNELS.get("webhook").check({"url": server.url, "secrets": secrets})


class TestSlack:
    BUTTONS = Buttons(review_id="0189", version=3, digest="d" * 64)

    def test_posts_with_the_bot_and_keeps_where(self, server: Server) -> None:
        assert send("slack", server) == "C1/17.5"
        sent = server.seen[-1]
        assert (sent["path"], sent["headers"]["Authorization"]) == ("/chat.postMessage", "Bearer xoxb-1")
        assert body(server)["channel"] == "C012345678"

    def test_writes_to_a_member(self, server: Server) -> None:
        send("slack", server, address="U0123456")
        assert body(server)["channel"] == "U0123456"

    @pytest.mark.parametrize(
        ("error", "permanent", "disables"),
        [("ratelimited", False, False), ("channel_not_found", True, False), ("token_revoked", True, True),
         ("<script>", True, False)],
    )  # fmt: skip
    def test_reads_errors_that_come_with_200(
        self, error: str, permanent: bool, disables: bool, server: Server
    ) -> None:
        server.reply = lambda handler: answer(
            handler, 200, json.dumps({"ok": False, "error": error}).encode()
        )
        with pytest.raises(SendFailed) as caught:
            send("slack", server)
        assert (caught.value.permanent, caught.value.disables) == (permanent, disables)
        assert "<" not in caught.value.detail

    def test_has_buttons_only_where_a_click_is_enough(self) -> None:
        def actions(message: Message, with_buttons: bool = True) -> list[str]:
            shown = slack.blocks(message, with_buttons=with_buttons)
            return [
                e["action_id"] for block in shown if block["type"] == "actions" for e in block["elements"]
            ]

        decidable = replace(MESSAGE, buttons=self.BUTTONS)
        assert actions(decidable) == [slack.APPROVE, slack.REJECT, "open"]
        assert actions(decidable, with_buttons=False) == ["open"]
        assert actions(MESSAGE) == ["open"]

    def test_can_be_an_incoming_webhook(self, server: Server) -> None:
        channel = CHANNELS.get("slack")
        channel.send(MESSAGE, Target(config=channel.check({"webhook_url": f"{server.url}/services/T/B/x"})))
        assert server.seen[-1]["path"] == "/services/T/B/x"
        with pytest.raises(SendFailed):
            channel.send(MESSAGE, Target(config={"webhook_url": server.url}, address="U0123456"))


class TestPagerDuty:
    def test_opens_one_incident_for_a_review_and_resolves_it(self, server: Server) -> None:
        send("pagerduty", server)
        opened = body(server)
        send("pagerduty", server, replace(MESSAGE, resolves=True))
        closed = body(server)
        assert (opened["event_action"], closed["event_action"]) == ("trigger", "resolve")
        assert opened["dedup_key"] == closed["dedup_key"] == "r-1"
        assert opened["payload"]["severity"] == "error"

    def test_is_as_severe_as_the_risk(self) -> None:
        event = pagerduty.event(replace(MESSAGE, risk="critical"), routing_key="k")
        assert event["payload"]["severity"] == "critical"
        assert pagerduty.event(replace(MESSAGE, risk=""), routing_key="k")["payload"]["severity"] == "warning"


class TestTeams:
    def test_has_no_button_that_decides(self) -> None:
        card = teams.card(replace(MESSAGE, buttons=TestSlack.BUTTONS))
        assert [action["type"] for action in card["actions"]] == ["Action.OpenUrl"]


class TestEmail:
    def test_has_text_and_html_and_one_id_over_all_attempts(self, smtp: Sink) -> None:
        for _ in range(2):
            CHANNELS.get("email").send(MESSAGE, Target(address="bob@example.com"))
        first, second = (email.message_from_string(mail, policy=policy) for mail in smtp.mails)
        assert first["Message-ID"] == second["Message-ID"] == "<msg_0189@localhost>"
        assert first["Auto-Submitted"] == "auto-generated"
        assert [part.get_content_type() for part in first.walk()][1:] == ["text/plain", "text/html"]
        assert MESSAGE.url in smtp.mails[0].replace("=\n", "")

    @pytest.mark.parametrize(
        ("said", "permanent"), [("550 no such user", True), ("451 later", False), ("421 busy", False)]
    )
    def test_knows_which_refusals_pass(self, said: str, permanent: bool, smtp: Sink) -> None:
        smtp.refuse = said
        with pytest.raises(SendFailed) as caught:
            CHANNELS.get("email").send(MESSAGE, Target(address="bob@example.com"))
        assert caught.value.permanent is permanent

    def test_waits_for_a_server_that_is_away(self, settings: Any) -> None:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
        with pytest.raises(SendFailed) as caught:
            CHANNELS.get("email").send(MESSAGE, Target(address="bob@example.com"))
        assert not caught.value.permanent


DISCORD = "discord://123456789/abcdefghijklmnopqrstuvwxyz/"


class TestApprise:
    @pytest.mark.parametrize("schema", sorted(apprise.FIXED))
    def test_allows_only_services_whose_url_has_no_host(self, schema: str) -> None:
        from apprise.manager_plugins import NotificationManager

        manager: Any = NotificationManager
        plugin = manager()[schema]
        assert plugin.enabled
        for template in plugin.templates:
            assert not {"{host}", "{hostname}", "{port}"} & set(
                template.replace("}", "} ").replace("{", " {").split()
            )
        secure = plugin.secure_protocol or ()
        assert schema in ([secure] if isinstance(secure, str) else secure)

    @pytest.mark.parametrize(
        "url",
        ["json://127.0.0.1/", "jsons://example.com/", "xml://10.0.0.1", "form://169.254.169.254/latest",
         "mailto://user:pass@example.com", "gotify://host/token", "ntfy://localhost/topic", "matrix://host/",
         "syslog://", "dbus://", "macosx://", "file:///etc/passwd", "http://127.0.0.1/", "rsyslog://10.0.0.1",
         "mqtt://127.0.0.1", "splunk://x", "fcm://p/t/?keyfile=/etc/passwd", "vapid://x", "bluesky://u:p",
         "apprise://127.0.0.1/x", "workflows://host/w/s", "", "tgram", "TGRAM://", "tgram://x",
         "pover://u@t?verify=no", *(f"{DISCORD}{more}" for more in (
             "?template=http%3A%2F%2F127.0.0.1%2F", "?template=file%3A%2F%2F%2Fetc%2Fpasswd", "?TEMPLATE=x",
             "?%74emplate=x", "?to=a;template=x", "#?template=x", "?a=b#&template=x",
             "?avatar_url=http%3A%2F%2F127.0.0.1%2F", "?:name=x", "?+h=x",
             "?wait=900&retry=99", "?store=no", "?verify=", "?template", ", json://127.0.0.1/", ",json://127.0.0.1/",
             "\njson://127.0.0.1/"))],
    )  # fmt: skip
    def test_refuses_everything_else_and_says_why(self, url: str) -> None:
        with pytest.raises(InvalidInput) as caught:
            CHANNELS.get("apprise").check({"url": url})
        assert caught.value.errors

    def test_takes_a_service_and_hides_its_token(self) -> None:
        url = "tgram://123456789:AAbbccddeeffgghhiijjkkllmmnnooppqqr/12345678"
        given = CHANNELS.get("apprise").check({"url": url})
        assert CHANNELS.get("apprise").describe(given) == "tgram by Apprise"

    def test_takes_recipients_and_priorities(self) -> None:
        CHANNELS.get("apprise").check({"url": f"pover://{'u' * 30}@{'t' * 30}/?priority=high&to=phone"})

    @pytest.mark.parametrize("service", ["discord", "guilded"])
    def test_loads_nothing_although_a_stored_url_asks_for_it(self, service: str, server: Server) -> None:
        where = quote(f"{server.url}/latest", safe="")
        url = DISCORD.replace("discord", service) + f"?template={where}"
        with pytest.raises(SendFailed) as caught:
            CHANNELS.get("apprise").send(MESSAGE, Target(config={"url": url}))
        assert caught.value.disables
        assert server.seen == []
