"""Records in the text of a result, where an admin says that a program writes that text. Pure.

A text is never guessed to be records: a page may look like them. Where the tool is said to return JSON or YAML, a
real parser reads the whole text; what it cannot read, or reads in more than one way, stays text.
"""

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any

import yaml

MAX_CHARACTERS = 262_144
MAX_DEPTH = 20
MAX_NODES = 20_000
MAX_DIGITS = 40
"""Digits of a number; a longer one costs too much to read, and is an identifier anyway."""
BOOLEANS = {"true": True, "false": False}
SCALAR, SEQUENCE, MAPPING = yaml.ScalarNode, yaml.SequenceNode, yaml.MappingNode
PREFIX = "tag:yaml.org,2002:"


class ResultFormat(StrEnum):
    """What the text of a tool's results is."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


class _Unreadable(ValueError):
    """The text is no plain data of the format."""


def of(content: Any, format_: str) -> Any:
    """Return the records of a result's text, or the result as it is where it is none of the stated format.

    A result that has structure already keeps it. Of an MCP tool the text stands in a member of its own.
    """
    text = content["text"] if isinstance(content, Mapping) and set(content) == {"text"} else content
    if format_ == ResultFormat.TEXT or not isinstance(text, str) or len(text) > MAX_CHARACTERS:
        return content
    try:
        found = _read(text, format_)
    except (ValueError, RecursionError, yaml.YAMLError):
        return content
    return found if isinstance(found, dict | list) else content


@lru_cache(maxsize=32)
def _read(text: str, format_: str) -> Any:
    found = _json(text) if format_ == ResultFormat.JSON else _yaml(text)
    written = json.dumps(found, ensure_ascii=False, allow_nan=False)
    written.encode()  # raises where there is half a character
    if "\\u0000" in written:
        raise _Unreadable("It holds what cannot be kept.")
    return found


# --- JSON


def _json(text: str) -> Any:
    found = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse, parse_int=_integer)
    _check(found, 0, [0])
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Unreadable("A member stands there twice.")
    return members


def _refuse(name: str) -> Any:
    raise _Unreadable(f"{name} is no JSON.")


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise _Unreadable("A number is too long.")
    return int(digits)


def _check(value: Any, depth: int, counter: list[int]) -> None:
    counter[0] += 1
    if depth > MAX_DEPTH or counter[0] > MAX_NODES:
        raise _Unreadable("There is too much of it.")
    if isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            _check(member, depth + 1, counter)


# --- YAML


def _yaml(text: str) -> Any:
    """Read one document of mappings, lists and plain values: no anchor, alias or tag, no second document."""
    depth = 0
    for nodes, event in enumerate(yaml.parse(text, Loader=_loader())):
        if (
            isinstance(event, yaml.AliasEvent)
            or getattr(event, "anchor", None)
            or getattr(event, "tag", None)
        ):
            raise _Unreadable("It has an anchor, an alias or a tag.")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH or nodes > MAX_NODES:
            raise _Unreadable("There is too much of it.")
    return _plain(yaml.compose(text, Loader=_loader()))


def _loader() -> Any:
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _plain(node: Any) -> Any:
    if isinstance(node, MAPPING):
        names = [name.value if isinstance(name, SCALAR) else None for name, _ in node.value]
        if None in names or len(set(names)) != len(names):
            raise _Unreadable("A member has no name, or stands there twice.")
        if "<<" in names:
            raise _Unreadable("It merges mappings.")
        return {name: _plain(value) for name, (_, value) in zip(names, node.value, strict=True)}
    if isinstance(node, SEQUENCE):
        return [_plain(member) for member in node.value]
    return _scalar(node) if isinstance(node, SCALAR) else None


def _scalar(node: Any) -> Any:
    """Return a number, a truth value or nothing as such where it is not quoted; a date stays the text it is."""
    text, kind = str(node.value), node.tag.removeprefix(PREFIX)
    if kind == "null":
        return None
    if kind == "bool" and text.casefold() in BOOLEANS:
        return BOOLEANS[text.casefold()]
    try:
        if kind == "int" and re.fullmatch(r"[-+]?(0|[1-9]\d*)", text):
            return _integer(text)
        if kind == "float" and len(text) <= MAX_DIGITS and not text.startswith((".", "-.", "+.")):
            return float(text)
    except ValueError:
        return text
    return text
