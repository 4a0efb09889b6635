"""Say where each value of a call comes from and where in the evidence it appears. Pure.

Where the gate followed the flow of a call, its finding says whose value each is (`Finding.flow`). Beside it, words
are compared: a value that appears in a result may have been taken from it or not, so those findings say "appears
in", never "comes from".
"""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol

from governance.flow import values
from governance.flow.types import Argument
from tenants.kernel.jsonvalues import JsonObject

SHORT = 2
"""Values of fewer characters appear everywhere by chance, and are not looked for."""
LONG = 2_000
"""Characters up to which a value is also looked for in other spelling."""
TOKEN = re.compile(r"\w+(?:[.,]\d+)*")
NUMBER = re.compile(r"(?<![\w.,])[-+]?\d+(?:[.,]\d+)*(?![\w])")


class Source(StrEnum):
    """Whose words a value was found in."""

    REQUEST = "request"
    RESULT = "result"
    PERSON = "person"


class Match(StrEnum):
    """Whether the value was found to the letter, or but for case, spacing and punctuation."""

    EXACT = "exact"
    LOOSE = "loose"


@dataclass(frozen=True, kw_only=True)
class Text:
    """Something that the run had read before it proposed the call."""

    source: Source
    step: int | None
    name: str
    text: str
    trusted: bool = True


@dataclass(frozen=True, kw_only=True)
class Appearance:
    """One place where a value appears. `step` is the number of the step in the run."""

    source: Source
    step: int | None
    name: str
    match: Match
    trusted: bool = True

    def to_json(self) -> JsonObject:
        """Return the finding for the API."""
        return {
            "source": str(self.source),
            "step": self.step,
            "name": self.name,
            "match": str(self.match),
            "trusted": self.trusted,
        }


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Where one value appears: nowhere means that the agent wrote it itself, as far as words tell.

    `pointer` is an RFC 6901 JSON Pointer into the arguments. `looked_for` is false for values that say
    nothing by appearing somewhere: true, false, null, and those of one character.
    """

    pointer: str
    looked_for: bool
    appears_in: tuple[Appearance, ...] = field(default=())
    flow: Argument | None = None
    """What the gate found out; None where the run was free of outsiders, or a reviewer changed the value."""


class Reviewed(Protocol):
    """What a review knows of its call."""

    arguments: JsonObject
    arguments_proposed: JsonObject
    evidence: JsonObject
    request: JsonObject


def of(review: Reviewed) -> list[Finding]:
    """Return a finding for each value of the call as it stands; a value that a reviewer changed is theirs."""
    findings = trace(review.arguments, review.evidence, review.request.get("influence", ()))
    proposed = dict(values.leaves(review.arguments_proposed))
    followed = flow_of(review)
    current = dict(values.leaves(review.arguments))
    return [
        replace(found, flow=followed.get(found.pointer))
        if found.pointer in proposed and proposed[found.pointer] == current[found.pointer]
        else found
        for found in findings
    ]


def flow_of(review: Reviewed) -> dict[str, Argument]:
    """Return what the gate found out about each proposed value, by JSON Pointer."""
    known = review.request.get("flow") or {}
    return {one["pointer"]: Argument.from_json(one) for one in known.get("arguments", ())}


def trace(arguments: Mapping[str, Any], evidence: Mapping[str, Any], influence: Any = ()) -> list[Finding]:
    """Return a finding for each value in the arguments; `influence` names tools whose output is not trusted."""
    sources = [_Prepared(text) for text in texts(evidence, influence)]
    return [_finding(pointer, value, sources) for pointer, value in values.leaves(dict(arguments))]


def to_json(findings: list[Finding]) -> JsonObject:
    """Return the findings for the API, by JSON Pointer; null for values that were not looked for."""
    return {
        found.pointer: [one.to_json() for one in found.appears_in] if found.looked_for else None
        for found in findings
    }


def sources_to_json(findings: list[Finding]) -> JsonObject:
    """Return for the API where each value comes from, by JSON Pointer, as far as the gate followed it."""
    return {found.pointer: found.flow.to_json() for found in findings if found.flow is not None}


def texts(evidence: Mapping[str, Any], influence: Any = ()) -> Iterator[Text]:
    """Return what the run had read: the person's request, results of tools, and words of people."""
    yield Text(source=Source.REQUEST, step=None, name="", text=str(evidence.get("query", "")))
    for step in evidence.get("steps") or ():
        content = step.get("content")
        if content is None:
            continue
        name, number = str(step.get("name", "")), step.get("number")
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        match step.get("kind"):
            case "tool":
                trusted = name not in influence
                yield Text(source=Source.RESULT, step=number, name=name, text=text, trusted=trusted)
            case "person":
                yield Text(source=Source.PERSON, step=number, name=name, text=text)


class _Prepared:
    """A source, with its words and numbers taken apart once."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self.decoded = text.text.replace("\\n", "\n").replace('\\"', '"')
        self.loose = f" {_loose(text.text)} "
        self.numbers = {_number(found.group()) for found in NUMBER.finditer(text.text)}

    def has(self, value: Any) -> Match | None:
        if isinstance(value, str):
            return self._has_text(value)
        return Match.EXACT if _number(json.dumps(value)) in self.numbers else None

    def _has_text(self, value: str) -> Match | None:
        if any(_stands_in(value, text) for text in (self.text.text, self.decoded)):
            return Match.EXACT
        loose = _loose(value) if len(value) <= LONG else ""
        if loose and f" {loose} " in self.loose:
            return Match.LOOSE
        return Match.LOOSE if NUMBER.fullmatch(value) and _number(value) in self.numbers else None


def _finding(pointer: str, value: Any, sources: list[_Prepared]) -> Finding:
    if not _is_telling(value):
        return Finding(pointer=pointer, looked_for=False)
    found = []
    for source in sources:
        match = source.has(value)
        if match is not None:
            text = source.text
            found.append(
                Appearance(
                    source=text.source, step=text.step, name=text.name, match=match, trusted=text.trusted
                )
            )
    return Finding(pointer=pointer, looked_for=True, appears_in=tuple(found))


def _is_telling(value: Any) -> bool:
    match value:
        case bool() | None:
            return False
        case str():
            return len(value.strip()) >= SHORT
        case int() | float():
            return len(json.dumps(abs(value))) >= SHORT
        case _:
            return False


def _stands_in(value: str, text: str) -> bool:
    """Tell whether the value stands in the text as whole words: 12 does not stand in 1234."""
    at = text.find(value)
    while at >= 0:
        before, after = text[at - 1 : at], text[at + len(value) : at + len(value) + 1]
        if not (value[:1].isalnum() and before.isalnum()) and not (value[-1:].isalnum() and after.isalnum()):
            return True
        at = text.find(value, at + 1)
    return False


def _loose(text: str) -> str:
    return " ".join(TOKEN.findall(unicodedata.normalize("NFKC", text).casefold()))


def _number(text: str) -> float | None:
    """Return what a number says, however it is written: 1,250.00 is 1250, and 3,5 is 3.5."""
    plain = text.lstrip("+")
    if re.fullmatch(r"-?\d{1,3}(,\d{3})+(\.\d+)?", plain):
        plain = plain.replace(",", "")
    try:
        return float(plain.replace(",", "."))
    except ValueError:
        return None
