"""Everything else, by Apprise: services whose URL names no host of its own.

Apprise opens its own connections, past the guarded client; see docs/decisions/0011. So a URL may name
a service whose address is fixed in Apprise's code, and nothing that leads elsewhere.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import apprise

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
REFUSED_OPTIONS = frozenset({"verify", "redirect", "rto", "cto", "store", "emojis"})


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
        url = cleaned["url"]
        scheme = urlsplit(url).scheme.lower()
        if scheme not in FIXED:
            raise refused(
                "url",
                f"{scheme or 'This'} is refused: only services with an address of their own may be used,"
                f" not URLs that name a host. Known: {', '.join(sorted(FIXED))}.",
            )
        options = REFUSED_OPTIONS & {name.lower() for name in parse_qs(urlsplit(url).query)}
        if options:
            raise refused("url", f"These options are refused: {', '.join(sorted(options))}.")
        if _service(url) is None:
            raise refused("url", f"Apprise does not understand this {scheme} URL.")
        return cleaned

    def describe(self, config: Mapping[str, str]) -> str:
        """Return the service; the rest of the URL is a secret."""
        return f"{urlsplit(config['url']).scheme} by Apprise"

    def send(self, message: Message, target: Target) -> str:
        """Let Apprise send plain text; it says only whether it worked."""
        url = target.config["url"]
        if urlsplit(url).scheme.lower() not in FIXED:
            raise SendFailed("Apprise may not use this URL.", disables=True)
        service = _service(url)
        if service is None:
            raise SendFailed("Apprise does not understand the URL any more.", disables=True)
        sent = service.notify(title=message.subject, body=_body(message), body_format="text")
        if not sent:
            raise SendFailed("Apprise could not send it.")
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
