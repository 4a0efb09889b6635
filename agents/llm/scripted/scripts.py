"""Describe scripts: what each key of a script file means.

A file holds `[[script]]` tables. Files are read in the order of their names, scripts in the order of the
file; the first script that applies plays.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from agents.llm.scripted.extract import Extractor
from agents.llm.scripted.table import Arguments
from agents.llm.scripted.templates import Template
from agents.llm.scripted.types import Fault
from agents.llm.scripted.words import Condition

MAX_REPEAT = 50
BUILT_IN = frozenset({"request", "edits"})
"""Values for every template: the last user message, and what reviewers changed in the calls since."""
BUILT_IN_AFTER_ERROR = frozenset({"error", "error_code", "refusal", "failed_tool", "words", "told"})
"""Values for turns with `if_error`.

`refusal` is a clause that says who refused and quotes the message, `words` what a reviewer wrote, and
`told.x` what the capture x of the script's `told` found in it.
"""


@dataclass(frozen=True, kw_only=True)
class Call:
    """Describe a tool call: `name`, `arguments`, or `raw_arguments` sent as they are (they may be no JSON).

    `unoffered = true` marks a call of a tool that the request does not offer, as a bad model makes it.
    """

    name: str
    arguments: Arguments
    raw_arguments: str | None
    unoffered: bool


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Describe one reply: `content`, `tool_calls`, both, or neither (`empty = true`, `status`).

    `only_if` / `unless` name captures (one or a list) that must / must not have a value. `repeat` plays
    the turn several times, with `{n}` counting from 1. `if_error` (true, or a list of codes) makes it the
    answer to a failed call, `after` to those of one tool only; its `only_if` may name `told.x`, and a call
    in it is made in place of the failed one. Faults: `status`, `retry_after` (s),
    `delay_ms`, `cut`.
    """

    content: Template | None
    calls: tuple[Call, ...]
    only_if: frozenset[str]
    unless: frozenset[str]
    repeat: Template | None
    if_error: bool | frozenset[str]
    after: str | None
    fault: Fault


@dataclass(frozen=True, kw_only=True)
class Clarify:
    """Describe an answer that asks back before any call: capture `missing`, `when` matches, or both."""

    missing: str | None
    when: tuple[Condition, ...]
    say: Template


@dataclass(frozen=True, kw_only=True)
class Script:
    """Describe what to play, and when: all `tools` offered, all of `when` found, none of `unless`.

    `when` and `unless` hold patterns (strings) and lists of phrases. Named groups of `when` are captures.
    `told` holds captures too: they read what a reviewer wrote about a call.
    """

    name: str
    example: str | None
    tools: frozenset[str]
    when: tuple[Condition, ...]
    unless: tuple[Condition, ...]
    captures: Mapping[str, Extractor]
    told: Mapping[str, Extractor]
    clarify: tuple[Clarify, ...]
    turns: tuple[Turn, ...]
    reactions: tuple[Turn, ...]
