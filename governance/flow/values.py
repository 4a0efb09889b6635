"""Values and schemas: when two are the same, what an argument asks for, and where a value stands. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from governance.flow import records
from governance.flow.types import Item
from governance.flow.words import listed, moment, number, tokens

CONTENT = listed("body caption comment content description message note subject summary text title")
"""Names of arguments that say something rather than where an effect goes."""
MESSAGES = CONTENT - listed("subject summary title")
"""Those of them that are texts of their own, and no mere headings."""
MOMENTS = listed("date day deadline time")
ADDRESSES = listed("email mail")
LINKS = listed("link uri url website")
MAX_REFERENCES = 8


def leaves(value: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    """Return each value that is neither object nor list, with its JSON Pointer; empty ones of those too."""
    match value:
        case dict() if value:
            for name, member in value.items():
                yield from leaves(member, f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}")
        case list() if value:
            for position, member in enumerate(value):
                yield from leaves(member, f"{pointer}/{position}")
        case _ if pointer:
            yield pointer, value


def may_be(kind: frozenset[str], text: str, about: Mapping[str, Any]) -> bool:
    """Tell whether a text that is no moment has the shape that its argument asks for by name, format or description."""
    described = " ".join(tokens(str(about.get("description", ""))))
    if kind & MOMENTS or about.get("format") in {"date", "date-time", "time"}:
        return False
    if kind & ADDRESSES or about.get("format") == "email" or "email address" in described:
        return "@" in text
    if kind & LINKS or about.get("format") == "uri":
        return "." in text
    return not (kind & CONTENT and "@" in text and not text.count(" "))


def resolved(about: Any, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a schema with a local reference, or the one choice beside null, followed."""
    for _ in range(MAX_REFERENCES):
        if not isinstance(about, Mapping):
            return {}
        choices = [one for one in about.get("anyOf", ()) if one != {"type": "null"}]
        if "$ref" in about:
            name = str(about["$ref"]).removeprefix("#/$defs/")
            about = schema.get("$defs", {}).get(name, {})
        elif len(choices) == 1 and isinstance(choices[0], Mapping):
            about = {**{k: v for k, v in about.items() if k != "anyOf"}, **choices[0]}
        else:
            break
    return about if isinstance(about, Mapping) else {}


def same(one: Any, other: Any) -> bool:
    """Compare values, not spellings: 7 and "7" are the same, and so are two ways to write a moment."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    a, b = number(one), number(other)
    if a is not None and b is not None:
        return a == b
    if not isinstance(one, str) or not isinstance(other, str):
        return False
    x, y = moment(one), moment(other)
    if x is not None and y is not None:
        return x == y
    return one.casefold() == other.casefold() if "@" in one else one.strip() == other.strip()


def place(item: Item, value: Any) -> str | None:
    """Return the field of a result that holds a value, empty for a text that contains it, None for neither."""
    for record in records.records_of(item):
        for name, values in record.fields.items():
            if any(same(value, one) for one in values):
                return name
    if isinstance(value, str):
        phrase = f" {' '.join(tokens(value))} "
        if phrase.strip() and any(
            phrase in f" {' '.join(tokens(text))} " for text in records.texts(item.content)
        ):
            return ""
    return None
