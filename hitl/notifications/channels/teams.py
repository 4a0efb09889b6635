"""Microsoft Teams: an Adaptive Card with a link, through a workflow's webhook.

Such a webhook cannot tell who pressed a button, so nothing is decided in Teams.
"""

from collections.abc import Mapping
from typing import Any

from hitl.notifications.base import Channel, Setting, host_of, post
from hitl.notifications.pace import CHAT_S
from hitl.notifications.types import Message, Target

CARD = "application/vnd.microsoft.card.adaptive"
SCHEMA = "http://adaptivecards.io/schemas/adaptive-card.json"


class Teams(Channel):
    """A chat or channel that a workflow posts to."""

    name = "teams"
    label = "Microsoft Teams"
    tenant_wide = True
    settings = (
        Setting(
            name="url",
            label="Workflow URL",
            help="From the workflow “Send webhook alerts to a channel”.",
            secret=True,
            is_url=True,
        ),
    )
    schedule = CHAT_S

    def describe(self, config: Mapping[str, str]) -> str:
        """Return the host; the path is the secret."""
        return f"workflow at {host_of(config['url'])}"

    def send(self, message: Message, target: Target) -> str:
        """Post the card."""
        attachment = {"contentType": CARD, "contentUrl": None, "content": card(message)}
        post(target.config["url"], json={"type": "message", "attachments": [attachment]})
        return ""


def card(message: Message) -> dict[str, Any]:
    """Return an Adaptive Card. Text from outside stands in text runs, which know no Markdown."""
    body = [_runs(message.subject, weight="Bolder", size="Medium")]
    if message.text:
        body.append(_runs(message.text))
    body += [_runs(f"{name}: {value}") for name, value in message.facts]
    body += [_runs(f"• {item.subject}") for item in message.items]
    actions = [{"type": "Action.OpenUrl", "title": "Open", "url": message.url}] if message.url else []
    return {"$schema": SCHEMA, "type": "AdaptiveCard", "version": "1.4", "body": body, "actions": actions}


def _runs(text: str, **style: str) -> dict[str, Any]:
    """Return a block of plain text; `{{` would begin a date function or a template of the card."""
    inert = text.replace("{{", "{ {").replace("${", "$ {")
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": inert, **style}]}


CHANNEL = Teams()
