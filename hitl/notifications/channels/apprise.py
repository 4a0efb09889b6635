"""Everything else, by Apprise: services whose URL names no host of its own.

Apprise opens its own connections, past the guarded client; see docs/decisions/0011. So a URL may name
a service whose address is fixed in Apprise's code, and nothing that leads elsewhere.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import apprise
from apprise.manager_plugins import NotificationManager

from hitl.notifications.base import Channel, SendFailed, Setting, refused
from hitl.notifications.pace import CHAT_S
from hitl.notifications.types import Message, Target

FIXED = frozenset(
    {
        "46elks",
        "atalk",
        "bulksms",
        "chanify",
        "clickatell",
        "clicksend",
        "d7sms",
        "dingtalk",
        "discord",
        "feishu",
        "flock",
        "gchat",
        "groupme",
        "guilded",
        "ifttt",
        "join",
        "kook",
        "lark",
        "line",
        "msg91",
        "msgbird",
        "nexmo",
        "opsgenie",
        "pagertree",
        "pbul",
        "plivo",
        "pover",
        "prowl",
        "psafers",
        "push",
        "pushed",
        "pushy",
        "qq",
        "revolt",
        "schan",
        "seven",
        "signl4",
        "spike",
        "spush",
        "tgram",
        "threema",
        "twilio",
        "viber",
        "voipms",
        "vonage",
        "webex",
        "wecombot",
        "wxpusher",
        "wxteams",
    }
)
"""Schemas whose host stands in Apprise's code. A test asks Apprise about each."""
PLUGINS: Any = NotificationManager()  # type: ignore[no-untyped-call]  # untyped upstream
OPTIONS = frozenset(
    {
        "action",
        "alias",
        "entity",
        "expire",
        "flash",
        "from",
        "interval",
        "label",
        "preview",
        "priority",
        "region",
        "silent",
        "sound",
        "tags",
        "thread",
        "to",
        "topic",
        "ttl",
        "unicode",
        "urgency",
    }
)
"""Options that a URL may have: recipients, and how loud it is. Others load files and addresses (`template`),
loosen connections (`verify`) or hold the sender up (`wait`, `retry`)."""
ONE = re.compile(r"[A-Za-z0-9]+://(?:(?!://)[^\s#;])*\Z")
"""One URL: Apprise takes several with blanks or commas between for a list."""


class Apprise(Channel):
    """One of the services that Apprise knows and that nothing above is for."""

    name = "apprise"
    label = "Another service (Apprise)"
    tenant_wide = True
    settings = (
        Setting(
            name="url",
            label="Apprise URL",
            help="Such as tgram://BOT_TOKEN/CHAT_ID or pover://USER@TOKEN; see docs/notifications.md.",
            secret=True,
        ),
    )
    schedule = CHAT_S

    def check(self, config: Mapping[str, str]) -> dict[str, str]:
        """Refuse what names a host, and what Apprise does not understand."""
        cleaned = super().check(config)
        if problem := _problem(cleaned["url"]):
            raise refused("url", problem)
        return cleaned

    def describe(self, config: Mapping[str, str]) -> str:
        """Return the service; the rest of the URL is a secret."""
        return f"{urlsplit(config['url']).scheme} by Apprise"

    def send(self, message: Message, target: Target) -> str:
        """Let Apprise send plain text; it says only whether it worked."""
        url = target.config["url"]
        service = None if _problem(url) else _service(url)
        if service is None:
            raise SendFailed("Apprise may not use this URL; save another one.", disables=True)
        sent = service.notify(title=message.subject, body=_body(message), body_format="text")
        if not sent:
            raise SendFailed("Apprise could not send it.")
        return ""


def _problem(url: str) -> str:
    """Return why a URL is refused; empty if it may be used. Options are read as Apprise reads them."""
    scheme = urlsplit(url).scheme.lower()
    if scheme not in FIXED:
        return (
            f"{scheme or 'This'} is refused: only services with an address of their own may be used,"
            f" not URLs that name a host. Known: {', '.join(sorted(FIXED))}."
        )
    if not ONE.match(url):
        return "Give one URL, with blanks, # and ; percent-encoded."
    parsed = PLUGINS[scheme].parse_url(url)
    if not parsed or _service(url) is None:
        return f"Apprise does not understand this {scheme} URL."
    options = {name for mark in ("", "+", "-", ":") for name in parsed[f"qsd{mark}"]} - OPTIONS
    if options:
        return (
            f"These options are refused: {', '.join(sorted(options))}. Known: {', '.join(sorted(OPTIONS))}."
        )
    return ""


def _service(url: str) -> Any:
    """Return Apprise with this one service, or None; secrets are kept out of its log, URLs are not loaded."""
    asset = apprise.AppriseAsset(
        app_id="Countersign", app_desc="Countersign", app_url="", secure_logging=True, async_mode=False
    )
    found = apprise.Apprise(asset=asset)
    return found if found.add(url) and len(found) == 1 else None


def _body(message: Message) -> str:
    facts = [f"{name}: {value}" for name, value in message.facts]
    items = [f"- {item.subject}" for item in message.items]
    return "\n".join(line for line in [message.text, *facts, *items, message.url] if line)


CHANNEL = Apprise()
