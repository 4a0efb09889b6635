"""Read a conversation: what was asked last, how far the answer is, and what the tools returned since."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import shorten

from agents.llm.scripted.types import Json, Message, ToolCall
from agents.llm.scripted.words import normalise

_FROM_A_REVIEWER = re.compile(
    r"(?P<who>\S+) (?:(?P<back>sent this call back)|rejected this call): (?P<why>.*)", re.DOTALL
)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Hold the error in a tool's result; `code` has hyphens, and is empty for a tool's own bare error."""

    tool: str
    code: str
    message: str

    @property
    def words(self) -> str:
        """Return what a reviewer wrote; the whole message where it is not a reviewer's."""
        said = _FROM_A_REVIEWER.fullmatch(self.message)
        return said["why"] if said else self.message

    @property
    def refusal(self) -> str:
        """Return a clause that says who or what refused, and quotes the message."""
        if said := _FROM_A_REVIEWER.fullmatch(self.message):
            return f'{said["who"]} {"sent it back" if said["back"] else "rejected it"}: "{said["why"]}"'
        match self.code:
            case "rejected":
                what = "a reviewer rejected it"
            case "feedback":
                what = "a reviewer sent it back"
            case "no-answer":
                what = "nobody answered"
            case "denied":
                what = "it was denied"
            case "invalid-arguments" | "invalid-json":
                what = "its arguments were refused"
            case "" | "tool-failed":
                what = f"{self.tool} reported an error"
            case _:
                what = f"it was refused or failed ({self.code})"
        return f'{what}: "{self.message}"'


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """Hold the last user message, and what followed it.

    `turn` counts the assistant messages with tool calls since, but for those that answer a failure: they
    try a turn again. `results` holds the last result of each tool;
    `failure` is the first error among the results that nobody answered yet; `edits` says what reviewers
    changed in the calls.
    """

    request: str
    turn: int
    results: Mapping[str, Json]
    failure: Failure | None
    edits: str


MAX_REQUEST = 4000
"""Characters of the last user message that are read: a pattern must not take seconds over a pasted book."""


def read(messages: Sequence[Message]) -> Exchange:
    """Return the exchange that starts at the last user message (an empty request when there is none)."""
    start = max((i for i, message in enumerate(messages) if message.role == "user"), default=len(messages))
    calls: dict[str, ToolCall] = {}
    results: dict[str, Json] = {}
    edits: list[str] = []
    failure: Failure | None = None
    turn = 0
    for message in messages[start + 1 :]:
        if message.role == "assistant" and message.calls:
            turn += failure is None
            failure = None
            calls.update({call.id: call for call in message.calls})
        elif message.role == "tool" and (call := calls.get(message.call_id)):
            value, edit = _result(message.text, call)
            results[call.name] = value
            edits += [edit] if edit else []
            failure = failure or _failure(call.name, value)
    request = normalise(messages[start].text[:MAX_REQUEST]).strip() if start < len(messages) else ""
    return Exchange(request=request, turn=turn, results=results, failure=failure, edits=" ".join(edits))


def _result(text: str, call: ToolCall) -> tuple[Json, str]:
    """Return the value of a tool message, out of the wrapper of an edited call, and what was edited."""
    value = _json(text)
    if isinstance(value, dict) and "executed_arguments" in value and "result" in value:
        return value["result"], _edit(call, value["executed_arguments"])
    return value, ""


def _json(text: str) -> Json:
    try:
        value: Json = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value


def _edit(call: ToolCall, executed: Json) -> str:
    proposed = _json(call.arguments)
    if not isinstance(proposed, dict) or not isinstance(executed, dict):
        return f"A reviewer changed the call of {call.name}."
    changed = {key: value for key, value in executed.items() if key not in proposed or proposed[key] != value}
    shown = (
        f"{key} = {shorten(json.dumps(value), 80, placeholder=' ...')}" for key, value in changed.items()
    )
    return f"A reviewer changed the call of {call.name}: {', '.join(shown) or 'arguments were removed'}."


def _failure(tool: str, value: Json) -> Failure | None:
    error = value.get("error") if isinstance(value, dict) else None
    if not error:
        return None
    if isinstance(error, dict):
        code = str(error.get("code") or "").replace("_", "-")
        return Failure(tool=tool, code=code, message=str(error.get("message") or code or "no reason given"))
    return Failure(tool=tool, code="", message=error if isinstance(error, str) else json.dumps(error))
