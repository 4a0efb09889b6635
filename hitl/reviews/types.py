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
    FEEDBACK = "feedback"
    REJECT = "reject"
    REQUEST_INFO = "request_info"
    WITHDRAW = "withdraw"
    CANCEL_RUN = "cancel_run"
    IT_HAPPENED = "it_happened"
    IT_DID_NOT = "it_did_not"
    RETRY = "retry"
    RESPOND = "respond"


class Channel(StrEnum):
    """Where a decision was made."""

    ADMIN = "admin"
    DASHBOARD = "dashboard"
    API = "api"
    CHAT = "chat"


class Assurance(StrEnum):
    """How sure the platform is of who decided, in rising order.

    A button in a mapped chat account; a token; a session; on the page of the review, a password or a code
    given again; or there a passkey, which cannot be phished.
    """

    CHAT = "chat"
    TOKEN = "token"  # noqa: S105  # the name of a level, not a secret
    SESSION = "session"
    STEP_UP = "step_up"
    PASSKEY = "passkey"


class BallotKind(StrEnum):
    """Who cast a vote: a person, a standing grant, or the end of a veto window."""

    PERSON = "person"
    GRANT = "grant"
    WINDOW = "window"


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
    assurance: Assurance = Assurance.TOKEN
    not_before: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What closed a review: the last word, what was said with it, and the name of who said it."""

    verb: DecisionVerb
    message: str
    by: str
