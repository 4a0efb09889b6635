"""PagerDuty, Events API v2: one incident for each review, resolved when it is decided."""

from collections.abc import Mapping

from governance.types import Risk
from hitl.notifications.base import Channel, Setting, host_of, post
from hitl.notifications.pace import CHAT_S
from hitl.notifications.types import Importance, Message, Target
from tenants.kernel.jsonvalues import JsonObject
from tenants.templatetags.display import cut

EVENTS = "https://events.pagerduty.com/v2/enqueue"
MAX_SUMMARY = 1024
SEVERITY = {Risk.CRITICAL: "critical", Risk.HIGH: "error", Risk.MEDIUM: "warning", Risk.LOW: "info"}


class PagerDuty(Channel):
    """A service of PagerDuty's, by its integration key."""

    name = "pagerduty"
    label = "PagerDuty"
    tenant_wide = True
    resolves = True
    settings = (
        Setting(
            name="routing_key",
            label="Integration key",
            help="Of an Events API v2 integration of the service.",
            secret=True,
            sent_to="url",
        ),
        Setting(
            name="url",
            label="Events URL",
            help="Accounts in Europe use https://events.eu.pagerduty.com/v2/enqueue.",
            default=EVENTS,
            is_url=True,
        ),
    )
    schedule = CHAT_S

    def describe(self, config: Mapping[str, str]) -> str:
        """Return the host of the events API."""
        return f"service behind {host_of(config['url'])}"

    def send(self, message: Message, target: Target) -> str:
        """Trigger the incident of a review or of the message, or resolve it."""
        post(target.config["url"], json=event(message, routing_key=target.config["routing_key"]))
        return ""


def event(message: Message, *, routing_key: str) -> JsonObject:
    """Return the event. PagerDuty shows its text as text."""
    key = message.review_id or message.id
    named = {"routing_key": routing_key, "dedup_key": key}
    if message.resolves:
        return {**named, "event_action": "resolve"}
    severity = SEVERITY.get(Risk(message.risk)) if message.risk else None
    fallback = "error" if message.importance is Importance.IMPORTANT else "warning"
    links = [{"href": message.url, "text": "Open the page"}] if message.url else []
    return {
        **named,
        "event_action": "trigger",
        "client": "Countersign",
        "links": links,
        "payload": {
            "summary": cut(message.subject, MAX_SUMMARY),
            "source": "countersign",
            "severity": severity or fallback,
            "timestamp": message.at.isoformat(),
            "custom_details": {"text": message.text, **dict(message.facts)},
        },
    }


CHANNEL = PagerDuty()
