"""Words of a review. No Django."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from governance.types import Decision
from tenants.kernel.jsonvalues import JsonObject


class DecisionVerb(StrEnum):
    """What a person can say to a review; which of them, depends on its kind."""

    APPROVE = "approve"
    EDIT = "edit"
    REJECT = "reject"
    IT_HAPPENED = "it_happened"
    IT_DID_NOT = "it_did_not"
    RETRY = "retry"
    RESPOND = "respond"


class Channel(StrEnum):
    """Where a decision was made."""

    ADMIN = "admin"
    DASHBOARD = "dashboard"
    API = "api"


@dataclass(frozen=True, kw_only=True)
class ReviewRequest:
    """A call that the gate holds until people decide."""

    decision: Decision
    evidence: JsonObject
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Response:
    """What one reviewer says, about the version and the digest that they saw."""

    verb: DecisionVerb
    channel: Channel
    message: str = ""
    arguments: JsonObject | None = None
    version: int | None = None
    digest: str | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What closed a review: the last word, what was said with it, and the name of who said it."""

    verb: DecisionVerb
    message: str
    by: str
