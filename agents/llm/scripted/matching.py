"""Decide what the scripted model says: messages and offered tools in, one reply out."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence

from agents.llm.scripted import conversation, table, templates
from agents.llm.scripted.conversation import Exchange, Failure
from agents.llm.scripted.scripts import MAX_REPEAT, Call, Script, Turn
from agents.llm.scripted.templates import MissingValueError
from agents.llm.scripted.types import Json, Message, Reply, ToolCall

_MAX_EXAMPLES = 5
_DEFAULT_REACTION = templates.parse("I stopped, because {failed_tool} was not carried out: {refusal}.")

Captured = Mapping[str, tuple[str, ...]]
Values = Mapping[str, Json]


class _CannotPlayError(Exception):
    """Say why a script that applies cannot go on, in words fit for the answer."""


def reply(*, messages: Sequence[Message], offered: Collection[str], scripts: Sequence[Script]) -> Reply:
    """Return the turn of the first script that applies, else an answer that says no script does."""
    exchange = conversation.read(messages)
    for script in scripts:
        if script.tools <= set(offered) and (captured := _capture(script, exchange.request)) is not None:
            played = _play(script, captured, exchange, offered)
            if played is not None:
                return played
    return Reply(content=_uncovered(scripts, offered))


def _capture(script: Script, request: str) -> Captured | None:
    """Return every value found for each capture, or None when the request is not the script's."""
    if not all(condition.find(request) for condition in script.when):
        return None
    if any(condition.find(request) for condition in script.unless):
        return None
    return {name: extract(request) for name, extract in script.captures.items()}


def _play(script: Script, captured: Captured, exchange: Exchange, offered: Collection[str]) -> Reply | None:
    turns = [turn for turn in script.turns if _applies(turn, captured)]
    if not {call.name for turn in turns for call in turn.calls if not call.unoffered} <= set(offered):
        return None
    values: dict[str, Json] = {name: found[0] for name, found in captured.items() if found}
    values |= {"request": exchange.request, "edits": exchange.edits} | dict(exchange.results)
    try:
        if question := _question(script, captured, exchange.request, values):
            return Reply(content=question, script=script.name)
        if exchange.failure:
            return _react(script, captured, exchange.failure, values)
        return _say(script, *_current(turns, exchange.turn, values))
    except MissingValueError as error:
        problem = f"{error} (script {script.name!r})"
    except _CannotPlayError as error:
        problem = str(error)
    return Reply(content=f"I cannot go on: {problem}.", script=script.name)


def _applies(turn: Turn, captured: Captured) -> bool:
    return all(captured[name] for name in turn.only_if) and not any(captured[name] for name in turn.unless)


def _question(script: Script, captured: Captured, request: str, values: Values) -> str | None:
    for name, found in captured.items():
        if len(found) > 1:
            return f"I found more than one {name} in your request: {', '.join(found)}. Please name only one."
    for clarify in script.clarify:
        missing = clarify.missing is None or not captured[clarify.missing]
        if missing and all(condition.find(request) for condition in clarify.when):
            return clarify.say.text(values)
    return None


def _react(script: Script, captured: Captured, failure: Failure, values: Values) -> Reply:
    said = {name: extract(failure.words) for name, extract in script.told.items()}
    captured = {**captured, **{f"told.{name}": found for name, found in said.items()}}
    told: dict[str, Json] = {
        "error": failure.message,
        "error_code": failure.code,
        "refusal": failure.refusal,
        "failed_tool": failure.tool,
        "words": failure.words,
        "told": {name: found[0] for name, found in said.items() if found},
    }
    for turn in script.reactions:
        codes = turn.if_error if isinstance(turn.if_error, frozenset) else {failure.code}
        if failure.code in codes and turn.after in (None, failure.tool) and _applies(turn, captured):
            return _say(script, turn, {**values, **told})
    return Reply(content=_DEFAULT_REACTION.text(told), script=script.name)


def _current(turns: Sequence[Turn], index: int, values: Values) -> tuple[Turn, Values]:
    played = list(_repeated(turns, values))
    if index < len(played):
        return played[index]
    if played and not played[-1][0].calls:
        return played[-1]
    raise _CannotPlayError("the script has no further turn")


def _repeated(turns: Sequence[Turn], values: Values) -> Iterator[tuple[Turn, Values]]:
    for turn in turns:
        if turn.repeat is None:
            yield turn, values
            continue
        times = turn.repeat.text(values)
        if not times.isdecimal() or int(times) > MAX_REPEAT:
            raise _CannotPlayError(
                f"a turn is repeated {MAX_REPEAT} times at most, and {times} were asked for"
            )
        yield from ((turn, {**values, "n": n}) for n in range(1, int(times) + 1))


def _say(script: Script, turn: Turn, values: Values) -> Reply:
    return Reply(
        content=turn.content.text(values).strip() if turn.content else None,
        calls=tuple(ToolCall(name=call.name, arguments=_arguments(call, values)) for call in turn.calls),
        fault=turn.fault,
        script=script.name,
    )


def _arguments(call: Call, values: Values) -> str:
    if call.raw_arguments is not None:
        return call.raw_arguments
    return json.dumps(table.fill(call.arguments, values), ensure_ascii=False)


def _uncovered(scripts: Sequence[Script], offered: Collection[str]) -> str:
    examples = [script.example for script in scripts if script.example and script.tools <= set(offered)]
    listed = " ".join(f'"{example}"' for example in examples[:_MAX_EXAMPLES])
    return (
        "I am the scripted stand-in model that ships with Countersign, not a real language model, "
        "and no script covers this request. "
        + (f"Try for example: {listed}. " if listed else "")
        + "To use a real model, set OPENAI_API_KEY (and OPENAI_BASE_URL) and restart."
    )
