"""Words of notifications. No Django."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tenants.kernel.jsonvalues import JsonObject


class Importance(StrEnum):
    """How a person wants to hear of it: each has rules for both."""

    DEFAULT = "default"
    IMPORTANT = "important"


class Kind(StrEnum):
    """What notifications are about, as far as the platform itself sends them."""

    REVIEW_OPENED = "review_opened"
    REVIEW_QUESTION = "review_question"
    REVIEW_ANSWER = "review_answer"
    REVIEW_DECIDED = "review_decided"
    ESCALATION = "escalation"
    SERVICE_LEVEL = "service_level"
    COVERAGE = "coverage"
    ENDPOINT_DISABLED = "endpoint_disabled"
    BUDGET = "budget"
    NOT_DELIVERED = "not_delivered"
    CONTACT_CODE = "contact_code"
    TEST = "test"


class Status(StrEnum):
    """Where a row of the outbox stands. `bundled` went out in the message of another row."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    BUNDLED = "bundled"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class Buttons:
    """What a chat message needs to decide a review: the version that its reader sees."""

    review_id: str
    version: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class Message:
    """What a channel sends. `subject`, `text` and `facts` may hold text that attackers wrote.

    `id` stays the same over all attempts. `items` are the messages that travel in this one.
    """

    id: str
    kind: str
    importance: Importance
    subject: str
    text: str
    url: str
    settings_url: str
    facts: tuple[tuple[str, str], ...]
    risk: str
    data: JsonObject
    at: datetime
    now: datetime
    review_id: str = ""
    resolves: bool = False
    buttons: Buttons | None = None
    items: tuple["Message", ...] = ()


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a message goes: an endpoint's settings, a person's address, or both (a Slack app and a member)."""

    config: JsonObject = field(default_factory=dict)
    address: str = ""
