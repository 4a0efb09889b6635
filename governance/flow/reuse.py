"""What a call may take over whole: the text of a record that the user has copied, the id of what the run made. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any

from governance.flow import records, values, verbs
from governance.flow.records import Record, Selected
from governance.flow.types import Item
from governance.flow.words import Words, listed

COPYING = listed("append copy forward paste quote repost share")
"""What users say who want a text to go on as it is."""


def copied(value: Any, selected: Iterable[Selected], words: Words) -> Selected | None:
    """Return the record whose text a value is, to the letter, where the user names the record and has it copied.

    It must be the only text of the record, and all records of that name must agree on it.
    """
    if not isinstance(value, str) or not COPYING & words.tokens:
        return None
    found = [(one, _texts(one.record)) for one in selected if one.value]
    if not found or any(texts != [value.strip()] for _, texts in found):
        return None
    return found[0][0]


def _texts(record: Record) -> list[str]:
    held = [value for several in record.fields.values() for value in several]
    return [value.strip() for value in held if isinstance(value, str) and not records.is_atom(value)]


def made(name: str, tool: str, value: Any, items: Sequence[Item]) -> Item | None:
    """Return the call of the run that made what a value is the id of, where it made but one such thing.

    Its tool must be one that makes something, and have told nothing but data beside what it was given: what a tool
    fetched from outside is not of the run's making.
    """
    if "id" not in records.parts(name) or not records.is_atom(value) or isinstance(value, bool):
        return None
    found: list[tuple[Item, Any]] = []
    for item in items:
        if not item.consequential or not verbs.makes(item.name) or _says_more(item):
            continue
        for record in records.records_of(item):
            fields = [f for f in records.fields_for(name, tool, record) if "id" in records.parts(f)]
            found += [(item, one) for f in fields for one in record.fields[f] if not is_echo(item, one)]
    if not found or any(not values.same(value, one) for _, one in found):
        return None
    return found[-1][0]


def _says_more(item: Item) -> bool:
    told = [value for _, value in values.leaves(item.content) if not is_echo(item, value)]
    return not isinstance(item.content, dict) or records.carries_text(told)


def is_echo(item: Item, value: Any) -> bool:
    """Tell whether a tool may but have repeated what it was given: whoever leads the agent on chose that."""
    return any(values.same(value, given) for _, given in values.leaves(item.arguments))
