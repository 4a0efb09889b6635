"""Steps as JSON: read strictly, with an error that names the step and the field, and told in words."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import available_timezones

from governance.types import Risk
from hitl.escalation.stepping import MAX_LOOPS
from hitl.escalation.types import (
    AddReviewers,
    Day,
    Final,
    FinalAction,
    GoTo,
    IfQueue,
    IfRisk,
    IfWindow,
    Importance,
    Notify,
    NotifyRoundRobin,
    RaisePriority,
    Step,
    Wait,
    Webhook,
)
from tenants.kernel.errors import InvalidInput

MAX_STEPS = 50
MAX_NAMES = 50
MAX_TEXT = 500
CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
WAIT_MINUTES = (1, 14 * 24 * 60)
Word = TypeVar("Word", bound=StrEnum)


@dataclass(frozen=True)
class _Fields:
    """The fields of one step, taken one by one; `number` counts from one, as people do."""

    number: int
    total: int
    values: Mapping[str, Any]

    def wrong(self, field: str, message: str) -> InvalidInput:
        """Return the error that names this step and the field."""
        at = f"/steps/{self.number - 1}/{field}"
        return InvalidInput(
            f"Step {self.number}, {field}: {message}.", errors=[{"at": at, "message": f"{message}."}]
        )

    def names(self, field: str, *, required: bool = False) -> tuple[str, ...]:
        """Return a list of names without repetition."""
        value = self.values.get(field, [])
        if not isinstance(value, list) or not all(isinstance(name, str) and name.strip() for name in value):
            raise self.wrong(field, "must be a list of names")
        if required and not value:
            raise self.wrong(field, "must name at least one")
        if len(value) > MAX_NAMES:
            raise self.wrong(field, f"must name at most {MAX_NAMES}")
        return tuple(dict.fromkeys(name.strip() for name in value))

    def words(self, field: str, kind: type[Word]) -> tuple[Word, ...]:
        """Return a list of words of one vocabulary."""
        found = self.names(field, required=True)
        if unknown := sorted(set(found) - {str(word) for word in kind}):
            raise self.wrong(field, f"does not know {', '.join(unknown)}; use {', '.join(kind)}")
        return tuple(kind(word) for word in found)

    def word(self, field: str, kind: type[Word], default: Word | None = None) -> Word:
        """Return one word of a vocabulary."""
        value = self.values.get(field, default)
        if not isinstance(value, str) or value not in {str(word) for word in kind}:
            raise self.wrong(field, f"must be one of {', '.join(kind)}")
        return kind(value)

    def flag(self, field: str) -> bool:
        """Return true or false; false where it is not given."""
        value = self.values.get(field, False)
        if not isinstance(value, bool):
            raise self.wrong(field, "must be true or false")
        return value

    def number_of(self, field: str, low: float, high: float) -> float | None:
        """Return a number within limits; None where it is not given."""
        value = self.values.get(field)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise self.wrong(field, f"must be a number from {low:g} to {high:g}")
        return value

    def whole(self, field: str, low: int, high: int) -> int | None:
        """Return a whole number within limits; None where it is not given."""
        value = self.number_of(field, low, high)
        if value is not None and int(value) != value:
            raise self.wrong(field, "must be a whole number")
        return None if value is None else int(value)

    def step(self, field: str) -> int | None:
        """Return the number of another step; None where it is not given."""
        return self.whole(field, 1, self.total)

    def clock(self, field: str) -> time:
        """Return a time of day written HH:MM."""
        match = CLOCK.fullmatch(str(self.values.get(field)))
        if match is None:
            raise self.wrong(field, "must be a time such as 08:30")
        return time(int(match[1]), int(match[2]))

    def text(self, field: str) -> str:
        """Return a short text; empty where it is not given."""
        value = self.values.get(field, "")
        if not isinstance(value, str) or len(value) > MAX_TEXT:
            raise self.wrong(field, f"must be a text of at most {MAX_TEXT} characters")
        return value.strip()


def _notify(given: _Fields) -> Notify:
    step = Notify(
        users=given.names("users"),
        groups=given.names("groups"),
        schedule=given.text("schedule"),
        agent_owner=given.flag("agent_owner"),
        assignee=given.flag("assignee"),
        reviewers=given.flag("reviewers"),
        importance=given.word("importance", Importance, Importance.DEFAULT),
    )
    if step.schedule and not _is_uuid(step.schedule):
        raise given.wrong("schedule", "must be the id of an on-call schedule")
    if step == Notify(importance=step.importance):
        raise given.wrong(
            "users", "must name somebody, or give groups, schedule, agent_owner, assignee or reviewers"
        )
    return step


def _is_uuid(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False


def _round_robin(given: _Fields) -> NotifyRoundRobin:
    return NotifyRoundRobin(
        users=given.names("users", required=True),
        importance=given.word("importance", Importance, Importance.DEFAULT),
    )


def _wait(given: _Fields) -> Wait:
    step = Wait(
        minutes=given.number_of("minutes", *WAIT_MINUTES),
        until_sla_percent=given.whole("until_sla_percent", 1, 100),
    )
    if (step.minutes is None) == (step.until_sla_percent is None):
        raise given.wrong("minutes", "give either minutes or until_sla_percent")
    return step


def _if_window(given: _Fields) -> IfWindow:
    step = IfWindow(
        days=given.words("days", Day),
        opens=given.clock("from"),
        closes=given.clock("to"),
        timezone=given.text("timezone"),
    )
    if step.timezone not in _timezones():
        raise given.wrong("timezone", "must be an IANA time zone such as Europe/Berlin")
    return step


@cache
def _timezones() -> frozenset[str]:
    return frozenset(available_timezones())


def _if_risk(given: _Fields) -> IfRisk:
    return IfRisk(risks=given.words("risk", Risk), else_go_to=given.step("else_go_to"))


def _if_queue(given: _Fields) -> IfQueue:
    more_than = given.whole("more_than", 0, 1_000_000)
    if more_than is None:
        raise given.wrong("more_than", "must say how many reviews")
    return IfQueue(more_than=more_than, else_go_to=given.step("else_go_to"))


def _goto(given: _Fields) -> GoTo:
    to_step = given.step("to_step")
    if to_step is None:
        raise given.wrong("to_step", f"must be the number of a step, 1 to {given.total}")
    return GoTo(to_step=to_step)


def _final(given: _Fields) -> Final:
    return Final(action=given.word("action", FinalAction))


READERS: dict[str, tuple[Callable[[_Fields], Step], frozenset[str]]] = {
    "notify": (
        _notify,
        frozenset({"users", "groups", "schedule", "agent_owner", "assignee", "reviewers", "importance"}),
    ),
    "notify_round_robin": (_round_robin, frozenset({"users", "importance"})),
    "wait": (_wait, frozenset({"minutes", "until_sla_percent"})),
    "if_window": (_if_window, frozenset({"days", "from", "to", "timezone"})),
    "if_risk": (_if_risk, frozenset({"risk", "else_go_to"})),
    "if_queue": (_if_queue, frozenset({"more_than", "else_go_to"})),
    "raise_priority": (lambda given: RaisePriority(to=given.word("to", Risk)), frozenset({"to"})),
    "add_reviewers": (
        lambda given: AddReviewers(users=given.names("users", required=True)),
        frozenset({"users"}),
    ),
    "webhook": (lambda given: Webhook(text=given.text("text")), frozenset({"text"})),
    "goto": (_goto, frozenset({"to_step"})),
    "final": (_final, frozenset({"action"})),
}


def parse(document: Any) -> tuple[Step, ...]:
    """Return the typed steps of a JSON list; raise InvalidInput naming the step and the field."""
    if not isinstance(document, list) or not document:
        message = "The steps must be a list with at least one step."
        raise InvalidInput(message, errors=[{"at": "/steps", "message": message}])
    if len(document) > MAX_STEPS:
        message = f"A policy has at most {MAX_STEPS} steps."
        raise InvalidInput(message, errors=[{"at": "/steps", "message": message}])
    return tuple(_step(number, len(document), values) for number, values in enumerate(document, 1))


def _step(number: int, total: int, values: Any) -> Step:
    given = _Fields(number, total, values if isinstance(values, dict) else {})
    kind = given.values.get("step")
    if not isinstance(kind, str) or kind not in READERS:
        raise given.wrong("step", f"must be one of {', '.join(READERS)}")
    read, known = READERS[kind]
    if unknown := sorted(set(given.values) - known - {"step"}):
        raise given.wrong(unknown[0], f"is no field of {kind}; it has {', '.join(sorted(known))}")
    return read(given)


def in_words(steps: Sequence[Step]) -> list[str]:
    """Return one sentence a step."""
    return [_words(step) for step in steps]


def _words(step: Step) -> str:
    match step:
        case Notify():
            loud = ", as important" if step.importance is Importance.IMPORTANT else ""
            return f"Notify {', '.join(_whom(step))}{loud}."
        case NotifyRoundRobin():
            return f"Notify the next of {', '.join(step.users)} in turn."
        case Wait(minutes=None):
            return f"Wait until {step.until_sla_percent} % of the service level have passed."
        case Wait():
            return f"Wait {step.minutes:g} minutes."
        case IfWindow():
            days = ", ".join(day.capitalize() for day in step.days)
            hours = "all day" if step.opens == step.closes else f"{step.opens:%H:%M}-{step.closes:%H:%M}"
            return f"Go on only on {days} {hours} ({step.timezone}); otherwise wait until then."
        case IfRisk():
            return f"If the risk is {' or '.join(step.risks)}, go on; {_otherwise(step.else_go_to)}."
        case IfQueue():
            return f"If more than {step.more_than} reviews wait, go on; {_otherwise(step.else_go_to)}."
        case RaisePriority():
            return f"Raise the priority to {step.to}."
        case AddReviewers():
            return f"Add {', '.join(step.users)} to the reviewers who are told, if they may decide it."
        case Webhook():
            return "Tell the tenant's own channels."
        case GoTo():
            return f"Go to step {step.to_step}, at most {MAX_LOOPS} times in all."
        case Final():
            return FINAL_WORDS[step.action]


FINAL_WORDS = {
    FinalAction.REJECT: "Reject the review.",
    FinalAction.EXPIRE: "Let the review expire at once.",
    FinalAction.CANCEL_RUN: "Cancel the run.",
    FinalAction.PAUSE_AGENT: "Pause the agent; the review stays open.",
    FinalAction.KEEP_PENDING: "Leave the review open until it expires.",
}


def _whom(step: Notify) -> list[str]:
    whom = [*step.users, *(f"the group {name}" for name in step.groups)]
    whom += ["who is on call"] if step.schedule else []
    whom += ["the agent's owner"] if step.agent_owner else []
    whom += ["the assignee, or everybody who may decide"] if step.assignee else []
    return whom + (["everybody who may decide"] if step.reviewers else [])


def _otherwise(else_go_to: int | None) -> str:
    return "otherwise skip the next step" if else_go_to is None else f"otherwise go to step {else_go_to}"
