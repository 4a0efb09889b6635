"""Slack: a message with a link, and with buttons where a click there is enough to decide."""

import json
import re
from collections.abc import Mapping
from typing import Any

from hitl.notifications.base import Channel, SendFailed, Setting, host_of, post, refused
from hitl.notifications.pace import CHAT_S
from hitl.notifications.types import Message, Target
from tenants.kernel.errors import InvalidInput
from tenants.templatetags.display import cut

API = "https://slack.com/api/"
TOKEN = re.compile(r"[!-~]+\Z")
MEMBER = re.compile(r"[UW][A-Z0-9]{6,20}\Z")
MAX_HEADER, MAX_FIELD, MAX_TEXT = 150, 2000, 2900
LOST = frozenset({"invalid_auth", "account_inactive", "token_revoked", "token_expired", "not_authed"})
NOW_AND_THEN = frozenset({"ratelimited", "internal_error", "fatal_error", "service_unavailable"})
APPROVE, REJECT, REASON = "countersign_approve", "countersign_reject", "countersign_reason"


class Slack(Channel):
    """A Slack app of the tenant's: its bot writes to a channel, and to members by direct message."""

    name = "slack"
    label = "Slack"
    personal = True
    tenant_wide = True
    settings = (
        Setting(
            name="bot_token",
            label="Bot token",
            help="Begins with xoxb-; needs the scope chat:write. Not needed with an incoming webhook.",
            secret=True,
            required=False,
            sent_to="api_url",
        ),
        Setting(
            name="channel", label="Channel", help="Its id, such as C0123456789. For the bot.", required=False
        ),
        Setting(
            name="webhook_url",
            label="Incoming webhook",
            help="Instead of a bot: one channel, and no direct messages.",
            secret=True,
            required=False,
            is_url=True,
        ),
        Setting(
            name="signing_secret",
            label="Signing secret",
            help="For the buttons: Slack signs what it sends to /hooks/slack/actions with it.",
            secret=True,
            required=False,
        ),
        Setting(name="api_url", label="API", help="GovSlack has another one.", default=API, is_url=True),
    )
    schedule = CHAT_S

    def check_address(self, address: str) -> str:
        """Return a member id; raise InvalidInput for what is none."""
        cleaned = address.strip()
        if not MEMBER.match(cleaned):
            raise InvalidInput(
                "Give the member ID that Slack shows under Profile, More, Copy member ID; it begins with U or W.",
                errors=[{"at": "/address", "message": "is no member ID"}],
            )
        return cleaned

    def check(self, config: Mapping[str, str]) -> dict[str, str]:
        """Ask for a bot or a webhook."""
        cleaned = super().check(config)
        if "bot_token" not in cleaned and "webhook_url" not in cleaned:
            raise refused("bot_token", "Give a bot token or an incoming webhook.")
        if not TOKEN.match(cleaned.get("bot_token", "-")):
            raise refused("bot_token", "A token has letters, digits and dashes.")
        cleaned["api_url"] = cleaned["api_url"].rstrip("/") + "/"
        return cleaned

    def describe(self, config: Mapping[str, str]) -> str:
        """Return the channel, or that it is a webhook."""
        if "bot_token" not in config:
            return f"incoming webhook at {host_of(config['webhook_url'])}"
        return f"channel {config['channel']}" if "channel" in config else "direct messages"

    def send(self, message: Message, target: Target) -> str:
        """Post with the bot, or through the webhook; return channel and timestamp of a bot's message."""
        config = target.config
        can_decide = bool(config.get("signing_secret"))
        body: dict[str, Any] = {
            "text": escaped(message.subject),
            "blocks": blocks(message, with_buttons=can_decide),
            "unfurl_links": False,
        }
        if not config.get("bot_token"):
            if target.address:
                raise SendFailed("This Slack endpoint has no bot, so no direct messages.", permanent=True)
            post(config["webhook_url"], json=body)
            return ""
        channel = target.address or config.get("channel")
        if not channel:
            raise SendFailed("This Slack endpoint names no channel.", permanent=True)
        answer = post(
            f"{config['api_url']}chat.postMessage",
            json={**body, "channel": channel},
            headers={"Authorization": f"Bearer {config['bot_token']}"},
        )
        return _receipt(answer.body)


def _receipt(body: bytes) -> str:
    """Return `channel/timestamp`; Slack says 200 for its errors too."""
    try:
        said = json.loads(body)
    except ValueError as error:
        raise SendFailed("Slack's answer is no JSON.") from error
    if not isinstance(said, dict):
        raise SendFailed("Slack's answer is not what it should be.")
    if said.get("ok") is True:
        return f"{said.get('channel', '')}/{said.get('ts', '')}"
    code = str(said.get("error", "unknown"))[:80]
    known = code if code.replace("_", "").isalnum() else "unknown"
    raise SendFailed(f"Slack refused: {known}.", permanent=known not in NOW_AND_THEN, disables=known in LOST)


def escaped(text: str) -> str:
    """Return text that mrkdwn shows as it is: no links, no mentions, no formatting of its own."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def blocks(message: Message, *, with_buttons: bool) -> list[dict[str, Any]]:
    """Return Block Kit blocks. Text from outside stands in plain_text alone, where nothing is markup."""
    shown: list[dict[str, Any]] = [{"type": "header", "text": _plain(cut(message.subject, MAX_HEADER))}]
    if message.text:
        shown.append({"type": "section", "text": _plain(cut(message.text, MAX_TEXT))})
    for item in message.items[:10]:
        shown.append({"type": "section", "text": _plain(cut(item.subject, MAX_FIELD)), **_link(item.url)})
    if message.facts:
        fields = [_plain(cut(f"{name}: {value}", MAX_FIELD)) for name, value in message.facts[:10]]
        shown.append({"type": "section", "fields": fields})
    decide = message.buttons is not None and with_buttons
    if decide:
        shown.append(_reason())
    elements = [*(_decide(message) if decide else []), *_open(message)]
    return [*shown, {"type": "actions", "elements": elements}] if elements else shown


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text or "-", "emoji": False}


def _link(url: str) -> dict[str, Any]:
    if not url:
        return {}
    return {"accessory": {"type": "button", "text": _plain("Open"), "url": url, "action_id": "open_item"}}


def _open(message: Message) -> list[dict[str, Any]]:
    if not message.url:
        return []
    label = "Open" if message.buttons else "Open to decide" if message.review_id else "Open"
    return [{"type": "button", "text": _plain(label), "url": message.url, "action_id": "open"}]


def _reason() -> dict[str, Any]:
    return {
        "type": "input",
        "block_id": REASON,
        "optional": True,
        "label": _plain("Reason (needed to reject)"),
        "element": {"type": "plain_text_input", "action_id": REASON, "max_length": 500},
    }


def _decide(message: Message) -> list[dict[str, Any]]:
    assert message.buttons is not None  # noqa: S101  # narrows the type
    seen = message.buttons
    value = json.dumps({"review": seen.review_id, "version": seen.version, "digest": seen.digest})
    return [
        {
            "type": "button",
            "style": "primary",
            "text": _plain("Approve"),
            "action_id": APPROVE,
            "value": value,
            "confirm": {
                "title": _plain("Approve?"),
                "text": _plain("The page of the review shows all that it would do."),
                "confirm": _plain("Approve"),
                "deny": _plain("Not yet"),
            },
        },
        {
            "type": "button",
            "style": "danger",
            "text": _plain("Reject"),
            "action_id": REJECT,
            "value": value,
        },
    ]


CHANNEL = Slack()
