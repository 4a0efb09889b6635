"""Signed webhooks by the Standard Webhooks specification (https://www.standardwebhooks.com)."""

import binascii
import json
from collections.abc import Mapping
from datetime import datetime

from standardwebhooks.webhooks import Webhook as Signer

from hitl.notifications.base import Channel, Setting, host_of, post, refused
from hitl.notifications.pace import WEBHOOK_S
from hitl.notifications.types import Message, Target
from tenants.kernel.jsonvalues import JsonObject

PREFIX = "whsec_"
MIN_BYTES, MAX_BYTES = 24, 64
MAX_SECRETS = 3
MAX_BODY = 20_000


class Webhook(Channel):
    """A program of the tenant's that is told what happens."""

    name = "webhook"
    label = "Webhook"
    tenant_wide = True
    settings = (
        Setting(name="url", label="URL", help="It gets a signed POST for each event.", is_url=True),
        Setting(
            name="secrets",
            label="Signing secrets",
            help="whsec_ and 24 to 64 random bytes in base64; one a line. To rotate, add the new one first, "
            "and take the old one away when the receiver knows the new one.",
            secret=True,
        ),
    )
    schedule = WEBHOOK_S

    def check(self, config: Mapping[str, str]) -> dict[str, str]:
        """Refuse secrets of another form than the specification asks for."""
        cleaned = super().check(config)
        secrets = cleaned["secrets"].split()
        if len(secrets) > MAX_SECRETS or not all(map(_is_secret, secrets)):
            raise refused(
                "secrets",
                f"Give one to {MAX_SECRETS} secrets: whsec_ and {MIN_BYTES} to {MAX_BYTES} bytes in base64.",
            )
        return {**cleaned, "secrets": "\n".join(secrets)}

    def describe(self, config: Mapping[str, str]) -> str:
        """Return the host; paths and queries may hold secrets."""
        return f"program at {host_of(config['url'])}"

    def send(self, message: Message, target: Target) -> str:
        """Post the event, signed with each secret. `webhook-id` stays the same over all attempts."""
        body = content(message)
        headers = sign(
            body, message_id=message.id, secrets=target.config["secrets"].split(), timestamp=message.now
        )
        post(target.config["url"], content=body, headers={**headers, "Content-Type": "application/json"})
        return ""


def content(message: Message) -> bytes:
    """Return the body: type, time and what names the review; the API has the rest."""
    data: JsonObject = {**message.data, "subject": message.subject, "url": message.url}
    event = {
        "type": message.kind.replace("_", ".", 1),
        "timestamp": message.at.isoformat(),
        "data": data,
    }
    body = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
    if len(body) > MAX_BODY:
        event["data"] = {"review": message.review_id, "url": message.url}
        body = json.dumps(event, separators=(",", ":")).encode()
    return body


def sign(body: bytes, *, message_id: str, secrets: list[str], timestamp: datetime) -> dict[str, str]:
    """Return the three headers of the specification, with a `v1` signature for each secret."""
    text = body.decode()
    signatures = [Signer(secret).sign(message_id, timestamp, text) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(timestamp.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _is_secret(secret: str) -> bool:
    try:
        size = len(binascii.a2b_base64(secret.removeprefix(PREFIX) + "==", strict_mode=False))
    except (binascii.Error, ValueError):
        return False
    return secret.startswith(PREFIX) and MIN_BYTES <= size <= MAX_BYTES


CHANNEL = Webhook()
