"""Fill values into texts and arguments: `{order}`, `{amount|lookup_order.total:number}`, `{percent|'10'}`."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from textwrap import shorten

from agents.llm.scripted.types import Json

_SHORT = 160
_SOURCE = r"(?:[A-Za-z_]\w*(?:\.\w+)*|'[^'{}]*')"
_FIELD = re.compile(rf"\{{({_SOURCE}(?:\|{_SOURCE})*)(?::(\w+))?\}}")
_TOKEN = re.compile(r"\{\{|\}\}|\{[^{}]*\}|[{}]")


class TemplateError(ValueError):
    """Say which placeholder is not written as one."""


class MissingValueError(Exception):
    """Say which value is missing or of the wrong kind, in words fit for the answer."""


def _text(value: Json) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case float() if value.is_integer():
            return str(int(value))
        case str():
            return value
        case _:
            return json.dumps(value, ensure_ascii=False)


def _decimal(value: Json) -> Decimal:
    number = Decimal(_text(value).strip().replace(",", ""))
    if not number.is_finite():
        raise InvalidOperation
    return number


def _number(value: Json) -> Json:
    return value if isinstance(value, int) and not isinstance(value, bool) else float(_decimal(value))


def _sentence(value: Json) -> str:
    text = _text(value).strip()
    return text[:1].upper() + text[1:] + ("." if text and text[-1] not in ".!?" else "")


def _short(value: Json) -> str:
    return shorten(_text(value), _SHORT, placeholder=" ...")


KINDS: dict[str, Callable[[Json], Json]] = {
    "text": _text,
    "number": _number,
    "integer": lambda value: int(_decimal(value)),
    "money": lambda value: f"{_decimal(value):,.2f}",
    "sentence": _sentence,
    "short": _short,
}


@dataclass(frozen=True)
class Field:
    """Name the places to look for one value, first found wins, and the kind it is written as."""

    sources: tuple[str, ...]
    kind: str

    def value(self, values: Mapping[str, Json]) -> Json:
        """Return the value in its kind. Raises MissingValueError."""
        for source in self.sources:
            found = source[1:-1] if source.startswith("'") else _lookup(source, values)
            if found is None:
                continue
            try:
                return KINDS[self.kind](found)
            except (InvalidOperation, OverflowError) as error:
                raise MissingValueError(f"{source} is {found!r}, not of the kind {self.kind}") from error
        missing = " or ".join(self.sources)
        raise MissingValueError(f"{missing} is in neither the request nor a tool's result")


@dataclass(frozen=True)
class Template:
    """Hold a text with fields."""

    parts: tuple[str | Field, ...]

    @property
    def roots(self) -> Iterator[str]:
        """Yield the first name of every source."""
        for part in self.parts:
            if isinstance(part, Field):
                yield from (source.partition(".")[0] for source in part.sources if not source.startswith("'"))

    def value(self, values: Mapping[str, Json]) -> Json:
        """Return the filled text, or the bare value of a lone field. Raises MissingValueError."""
        if len(self.parts) == 1 and isinstance(self.parts[0], Field):
            return self.parts[0].value(values)
        return "".join(part if isinstance(part, str) else _text(part.value(values)) for part in self.parts)

    def text(self, values: Mapping[str, Json]) -> str:
        """Return the filled text. Raises MissingValueError."""
        return _text(self.value(values))


def parse(text: str) -> Template:
    """Read a text with fields; `{{` and `}}` stand for braces. Raises TemplateError."""
    parts: list[str | Field] = []
    end = 0
    for token in _TOKEN.finditer(text):
        parts.append(text[end : token.start()])
        parts.append(token[0][0] if token[0] in ("{{", "}}") else _field(token[0]))
        end = token.end()
    parts.append(text[end:])
    return Template(tuple(part for part in parts if part != ""))


def _field(token: str) -> Field:
    match = _FIELD.fullmatch(token)
    if match is None:
        raise TemplateError(
            f"{token} is no placeholder; write {{name}} or {{name|other.path|'default':kind}}"
        )
    kind = match[2] or "text"
    if kind not in KINDS:
        raise TemplateError(f"{token} has the unknown kind {kind!r}; known are {', '.join(KINDS)}")
    return Field(tuple(re.findall(_SOURCE, match[1])), kind)


def _lookup(path: str, values: Mapping[str, Json]) -> Json:
    root, *rest = path.split(".")
    found: Json = values.get(root)
    for name in rest:
        if isinstance(found, dict):
            found = found.get(name)
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found
