"""Load scripts from TOML files and refuse those that cannot mean what they say."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

from agents.llm.scripted.extract import EXTRACTORS, Extractor
from agents.llm.scripted.scripts import BUILT_IN, BUILT_IN_AFTER_ERROR, Call, Clarify, Script, Turn
from agents.llm.scripted.table import ScriptError, Table, parse_arguments, roots
from agents.llm.scripted.types import Fault
from agents.llm.scripted.words import Condition, by_pattern, by_words, value_of


def load_directory(folder: Path) -> tuple[Script, ...]:
    """Load every `*.toml` of a folder. Raises ScriptError, also for a folder without scripts."""
    scripts = [script for path in sorted(folder.glob("*.toml")) for script in load_file(path)]
    if not scripts:
        raise ScriptError(f"{folder} holds no scripts (*.toml)")
    names = [script.name for script in scripts]
    for name in names:
        if names.count(name) > 1:
            raise ScriptError(f"{folder}: two scripts are named {name!r}")
    return tuple(scripts)


def load_file(path: Path) -> tuple[Script, ...]:
    """Load the scripts of one file. Raises ScriptError."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScriptError(f"{path.name}: {error}") from error
    top = Table(data, path.name)
    scripts = tuple(_script(table) for table in top.tables("script"))
    top.close()
    return scripts


def _script(table: Table) -> Script:
    name = table.need("name", str)
    table.where = f"{table.where.partition('.script[')[0]}: script {name!r}"
    turns = tuple(_turn(turn) for turn in table.tables("turns"))
    when = _conditions(table, "when")
    captures = _captures(table, "captures")
    for group in (group for condition in when for group in condition.pattern.groupindex if group != "value"):
        captures[group] = _group(when, group)
    script = Script(
        name=name,
        example=table.take("example", str, "") or None,
        tools=table.strings("tools"),
        when=when,
        unless=_conditions(table, "unless"),
        captures=captures,
        told=_captures(table, "told"),
        clarify=tuple(_clarify(clarify) for clarify in table.tables("clarify")),
        turns=tuple(turn for turn in turns if not turn.if_error),
        reactions=tuple(turn for turn in turns if turn.if_error),
    )
    table.close()
    _check(script, turns, table)
    return script


def _turn(table: Table) -> Turn:
    turn = Turn(
        content=table.template("content"),
        calls=tuple(_call(call) for call in table.tables("tool_calls")),
        only_if=table.strings("only_if"),
        unless=table.strings("unless"),
        repeat=table.template("repeat"),
        if_error=table.flag_or_strings("if_error"),
        after=table.take("after", str, "") or None,
        fault=_fault(table),
    )
    says_something = bool(turn.content or turn.calls)
    if table.take("empty", bool, False) == (says_something or turn.fault.status is not None):
        raise table.error("empty", "must be true where content, tool_calls and status are absent, only there")
    if turn.fault.status is not None and says_something:
        raise table.error("status", "cannot stand beside content or tool_calls")
    if turn.if_error and turn.repeat:
        raise table.error("if_error", "answers once, without repeat")
    if turn.after and not turn.if_error:
        raise table.error("after", "is for turns with if_error")
    table.close()
    return turn


def _fault(table: Table) -> Fault:
    fault = Fault(
        status=table.need("status", int) if table.has("status") else None,
        retry_after_s=table.need("retry_after", int) if table.has("retry_after") else None,
        delay_ms=table.take("delay_ms", int, 0),
        cut=table.take("cut", bool, False),
    )
    if fault.status is not None and fault.status not in range(400, 600):
        raise table.error("status", "must be an HTTP error, 400 to 599")
    if fault.retry_after_s is not None and fault.status is None:
        raise table.error("retry_after", "is for turns with status")
    if fault.delay_ms < 0 or (fault.retry_after_s or 0) < 0:
        raise table.error("delay_ms" if fault.delay_ms < 0 else "retry_after", "cannot be negative")
    return fault


def _call(table: Table) -> Call:
    if table.has("raw_arguments") == table.has("arguments"):
        raise table.error("arguments", "is needed, or raw_arguments in its place")
    call = Call(
        name=table.need("name", str),
        arguments=parse_arguments(table.take("arguments", dict, {}), f"{table.where}.arguments"),
        raw_arguments=table.need("raw_arguments", str) if table.has("raw_arguments") else None,
        unoffered=table.take("unoffered", bool, False),
    )
    table.close()
    return call


def _clarify(table: Table) -> Clarify:
    say = table.template("say")
    missing = table.take("missing", str, "") or None
    when = _conditions(table, "when")
    if say is None or not (missing or when):
        raise table.error("say", "is needed, with missing, when or both")
    table.close()
    return Clarify(missing=missing, when=when, say=say)


def _conditions(table: Table, key: str) -> tuple[Condition, ...]:
    specs = enumerate(table.take(key, list, []), 1)
    return tuple(_condition(spec, f"{table.where}.{key}[{i}]") for i, spec in specs)


def _condition(spec: object, where: str) -> Condition:
    phrases = isinstance(spec, list) and spec and all(isinstance(item, str) and item.strip() for item in spec)
    if not phrases and not (isinstance(spec, str) and spec):
        raise ScriptError(f"{where} must be a pattern (string) or a list of phrases")
    try:
        return by_pattern(spec) if isinstance(spec, str) else by_words(cast(list[str], spec))
    except re.error as error:
        raise ScriptError(f"{where} is no regular expression: {error}") from error


def _captures(table: Table, key: str) -> dict[str, Extractor]:
    return {name: _capture(spec, f"{table.where}.{key}.{name}") for name, spec in table.items(key)}


def _capture(spec: object, where: str) -> Extractor:
    if isinstance(spec, str) and spec in EXTRACTORS:
        return EXTRACTORS[spec]
    match spec:
        case {"pattern": str(pattern), **rest} if not rest:
            return _found(_condition(pattern, where))
        case {"words": list(words), **rest} if not rest:
            return _found(_condition(words, where))
        case {"choice": dict(choices), **rest} if not rest and choices:
            return _chosen(
                {label: _condition(of, f"{where}.choice.{label}") for label, of in choices.items()}
            )
    known = ", ".join(EXTRACTORS)
    raise ScriptError(f"{where} must be one of {known}, or a table with pattern, words or choice")


def _found(condition: Condition) -> Extractor:
    return lambda text: (value_of(match).strip(),) if (match := condition.find(text)) else ()


def _chosen(choices: Mapping[str, Condition]) -> Extractor:
    return lambda text: tuple(label for label, condition in choices.items() if condition.find(text))[:1]


def _group(conditions: Iterable[Condition], group: str) -> Extractor:
    condition = next(c for c in conditions if group in c.pattern.groupindex)
    return lambda text: (match[group],) if (match := condition.find(text)) and match[group] else ()


def _check(script: Script, turns: tuple[Turn, ...], table: Table) -> None:
    """Raise ScriptError for names that stand for nothing."""
    if not script.when or not script.turns:
        raise table.error("turns" if script.when else "when", "cannot be empty")
    tools = script.tools | {call.name for turn in turns for call in turn.calls}
    if both := script.captures.keys() & (tools | BUILT_IN | BUILT_IN_AFTER_ERROR | {"n"}):
        raise table.error(f"captures.{min(both)}", "has the name of a tool or of a built-in value")
    known = tools | script.captures.keys() | BUILT_IN
    for i, clarify in enumerate(script.clarify, 1):
        _known(table, f"clarify[{i}]", {*clarify.say.roots, *filter(None, [clarify.missing])}, known - tools)
    for i, turn in enumerate(turns, 1):
        where = f"turns[{i}]"
        told = {f"told.{name}" for name in script.told} if turn.if_error else set()
        _known(table, where, turn.only_if | turn.unless, script.captures.keys() | told)
        _known(table, where, set(turn.repeat.roots if turn.repeat else ()), known - tools)
        extra = BUILT_IN_AFTER_ERROR if turn.if_error else {"n"} if turn.repeat else set()
        used = set(turn.content.roots if turn.content else ())
        _known(table, where, used.union(*(roots(call.arguments) for call in turn.calls)), known | extra)
        for call in turn.calls:
            if not (call.name in script.tools or call.unoffered or turn.only_if or turn.unless):
                problem = (
                    f"calls {call.name!r}, which tools does not list; if that is meant: unoffered = true"
                )
                raise table.error(where, problem)
        if turn.after and turn.after not in tools:
            raise table.error(where, f"is after {turn.after!r}, which the script never calls")


def _known(table: Table, where: str, used: Iterable[str], known: Iterable[str]) -> None:
    for name in sorted(set(used) - set(known)):
        raise table.error(where, f"uses {name!r}, which is no capture, tool or built-in value")
