"""Steps of an escalation, and what one of them leads to. No Django."""

from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum

from governance.types import Risk


class Importance(StrEnum):
    """Which of a person's rules a notice follows."""

    DEFAULT = "default"
    IMPORTANT = "important"


class FinalAction(StrEnum):
    """How an escalation ends that nobody answered. None of them approves."""

    REJECT = "reject"
    EXPIRE = "expire"
    CANCEL_RUN = "cancel_run"
    PAUSE_AGENT = "pause_agent"
    KEEP_PENDING = "keep_pending"


class Day(StrEnum):
    """A day of the week, in Python's order."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


@dataclass(frozen=True, kw_only=True)
class Notify:
    """Tell people: by name, by group, who is on call, the agent's owner, the assignee or all reviewers.

    `assignee` is who works on the review or, where nobody does, everybody who may decide it.
    """

    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    schedule: str = ""
    agent_owner: bool = False
    assignee: bool = False
    reviewers: bool = False
    importance: Importance = Importance.DEFAULT


@dataclass(frozen=True, kw_only=True)
class NotifyRoundRobin:
    """Tell the next of these people."""

    users: tuple[str, ...]
    importance: Importance = Importance.DEFAULT


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Wait some minutes, or until a part of the service level has passed."""

    minutes: float | None = None
    until_sla_percent: int | None = None


@dataclass(frozen=True, kw_only=True)
class IfWindow:
    """Go on inside this window of the week only. It may cross midnight; equal times are the whole day."""

    days: tuple[Day, ...]
    opens: time
    closes: time
    timezone: str


@dataclass(frozen=True, kw_only=True)
class IfRisk:
    """Go on with the next step if the review has one of these risks, else skip it or go elsewhere."""

    risks: tuple[Risk, ...]
    else_go_to: int | None = None


@dataclass(frozen=True, kw_only=True)
class IfQueue:
    """Go on with the next step if more reviews than this wait, else skip it or go elsewhere."""

    more_than: int
    else_go_to: int | None = None


@dataclass(frozen=True, kw_only=True)
class RaisePriority:
    """Make the review more pressing; its service level follows."""

    to: Risk


@dataclass(frozen=True, kw_only=True)
class AddReviewers:
    """Tell these people of the review too, now and with every later step for all reviewers.

    Only those who may decide it are added.
    """

    users: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """Tell the tenant's own channels."""

    text: str = ""


@dataclass(frozen=True, kw_only=True)
class GoTo:
    """Go to another step, at most five times in all."""

    to_step: int


@dataclass(frozen=True, kw_only=True)
class Final:
    """End the escalation."""

    action: FinalAction


Action = Notify | NotifyRoundRobin | RaisePriority | AddReviewers | Webhook | Final
Step = Action | Wait | IfWindow | IfRisk | IfQueue | GoTo


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where an escalation stands: the index of its next step, and how often it went back."""

    index: int
    loops: int = 0


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the steps ask about a review."""

    risk: Risk
    waiting: int
    """How many reviews wait."""
    created_at: datetime
    due_at: datetime


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What one step leads to: what to do, where the escalation then stands, and when it goes on.

    `next_at` is None at its end.
    """

    event: str
    position: Position
    next_at: datetime | None
    action: Action | None = None
