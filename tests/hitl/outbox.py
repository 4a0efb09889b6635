"""People with addresses, endpoints on loopback, and what is in the outbox."""

from datetime import datetime
from typing import Any

from hitl.notifications import delivery, endpoints
from hitl.notifications.models import Contact, Endpoint, Notification, NotificationRule
from hitl.notifications.types import Importance, Status
from tests.governance.samples import NOW

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SIGNING = "8f742231b10e8888abcd99yyyzzz85a5"
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</title><svg onload=alert(1)>",
    "\"><a href='javascript:alert(1)'>x</a>",
    "<!channel> <@U0123456> <https://evil.example|your bank>",
    "*bold* _under_ ~gone~ `code` ```block```",
    "[click](https://evil.example) ![x](https://evil.example/x.png)",
    "{{DATE(2026-01-01T00:00:00Z,SHORT)}} ${name} {{settings.SECRET_KEY}}",
    "Bcc: victim@example.com\r\nSubject: other",
    "safe\u202egnp.exe\u2066\u200b",
    "&lt;b&gt; &amp;amp;",
    "{% load x %}{% debug %}",
]


def endpoint(kind: str, by: Any, name: str = "", **config: str) -> Endpoint:
    """Save an endpoint of a channel."""
    row = Endpoint(name=name or f"Our {kind}", channel=kind)
    return endpoints.save_endpoint(endpoint=row, config=config, by=by, now=NOW)


def slack_app(by: Any, url: str, name: str = "Our slack") -> Endpoint:
    """Save a Slack app whose API is on loopback."""
    return endpoint(
        "slack", by, name, bot_token="xoxb-1", channel="C012345678", api_url=url, signing_secret=SIGNING
    )


def contact(user: Any, channel: str, address: str, endpoint: Endpoint | None = None) -> Contact:
    """Give a person a contact that they have confirmed."""
    return Contact.objects.create(
        user=user, channel=channel, address=address, endpoint=endpoint, code_sent_at=NOW, verified_at=NOW
    )


def rule(user: Any, to: Contact | None, *, wait_s: int = 0, importance: str = Importance.DEFAULT) -> None:
    """Add a step to a person's rules."""
    position = NotificationRule.objects.filter(user=user, importance=importance).count()
    NotificationRule.objects.create(
        user=user, importance=importance, position=position, contact=to, wait_s=wait_s
    )


def rows(**filters: Any) -> list[Notification]:
    """Return rows of the outbox, oldest first."""
    return list(Notification.objects.filter(**filters).order_by("id"))


def statuses(**filters: Any) -> list[str]:
    """Return where rows stand, oldest first."""
    return [str(row.status) for row in rows(**filters)]


def waiting() -> int:
    """Return how many rows wait."""
    return Notification.objects.filter(status=Status.PENDING).count()


def deliver(now: datetime = NOW) -> int:
    """Send what is due."""
    return delivery.deliver(now=now)
