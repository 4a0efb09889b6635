"""Records in what tools returned: which of them the user's words select, and what their fields hold. Pure.

Structure is believed only where the tool itself returned it: a JSON object, or a list of them. A text that looks
like records is a text, because whoever wrote it could write any record.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from governance.flow.types import Item
from governance.flow.words import GENERIC, Words, is_identifier, listed, moment, number, tokens

SHORT = 2
"""Characters below which a word selects nothing and has no plural."""
MAX_NAME = 60
MAX_NAME_WORDS = 6
MAX_WORD = 40
MAX_LETTERS = 16
"""Letters of a word; more of them may be several, written together."""
MAX_SIGNS = 4
"""Letters of a word in a script that has no capitals, some of which write sentences without spaces."""
MAX_RUNS = 3
FEW_NAMES = 4
"""Names of members, each one word, that may stand in a result without its tool declaring them."""
FEW_WORDS = 2
"""Single words of which no sentence can be put together, whatever they are."""
WHO = listed("author by creator from owner recipient sender to user")
"""Fields that say who wrote or owns a record, which does not say which one is meant."""
MAX_RECORDS = 2_000
"""Records of one run that are looked at; a call that needs later ones asks."""
SENTENCE = re.compile(r"[!?;:\n\r\t{}<>]|[.,]\s")
Value = str | int | float | bool | None


@dataclass(frozen=True, kw_only=True)
class Record:
    """An object in a tool's result, with the fields that hold values or lists of values."""

    item: Item
    fields: Mapping[str, tuple[Value, ...]]
    group: int
    """Which list of the result it stands in."""


@dataclass(frozen=True, kw_only=True)
class Selected:
    """A record that the user's words select, and how."""

    record: Record
    value: str
    """The value that the words contain; empty where they were what was searched for."""
    how: str


def is_atom(value: Any) -> bool:
    """Tell whether a value is data by its shape: a number, a date, an identifier or a short name, and no sentence."""
    if not isinstance(value, str):
        return value is None or isinstance(value, bool | int | float)
    if moment(value) is not None:
        return True
    if not value.strip() or len(value) > MAX_NAME or SENTENCE.search(value):
        return not value.strip()
    return len(value.split()) <= MAX_NAME_WORDS


def carries_text(content: Any, declared: frozenset[str] = frozenset()) -> bool:
    """Tell whether a result has room for an instruction: anything beside numbers, dates and single words.

    Names of members are room too, unless the tool has declared them: whoever writes the result may choose them.
    """
    found = list(_everything(content))
    words = {value.casefold() for value in found if isinstance(value, str) and tokens(value)}
    if len(words) > FEW_WORDS and not GENERIC.isdisjoint(words):
        return True
    names = {name for name in _names(content) if name not in declared}
    return len(names) > FEW_NAMES or not all(
        [
            *map(_is_word, found),
            *(_is_word(name) and sum(map(str.isdigit, name)) < FEW_NAMES for name in names),
        ]
    )


def carries_names(content: Any) -> bool:
    """Tell whether a result holds words at all, and not only numbers and dates."""
    return any(
        isinstance(value, str) and value.strip() and moment(value) is None and number(value) is None
        for value in _everything(content)
    )


def _is_word(value: Any) -> bool:
    """Tell whether a value is no longer than one word, however it is spelled."""
    if not isinstance(value, str) or moment(value) is not None or not value.strip():
        return True
    if len(value) > MAX_WORD or any(not c.isalpha() for c in value if not c.isascii()):
        return False
    runs = re.findall(r"[^\W\d_]+", value)
    return (
        not re.search(r"\s", value)
        and len(runs) <= MAX_RUNS
        and sum(len(run) > 1 for run in runs) <= 1
        and all(_is_one(run) for run in runs)
    )


def _is_one(letters: str) -> bool:
    if any(c.lower() == c.upper() for c in letters):
        return len(letters) <= MAX_SIGNS
    capitals = sum(c.isupper() for c in letters[1:])
    return len(letters) <= MAX_LETTERS and capitals in {0, len(letters) - 1}


def _names(content: Any) -> Iterator[str]:
    """Yield the names of all members."""
    if isinstance(content, Mapping):
        yield from content
        for value in content.values():
            yield from _names(value)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _names(value)


def members(schema: Any) -> frozenset[str]:
    """Return the names of members that a schema declares, at whatever depth."""
    if isinstance(schema, Mapping):
        own = schema.get("properties")
        return frozenset(own if isinstance(own, Mapping) else ()).union(*map(members, schema.values()))
    return frozenset().union(*map(members, schema)) if isinstance(schema, list | tuple) else frozenset()


def _everything(content: Any) -> Iterator[Any]:
    """Yield all values; names of members too, unless they are those that a program would give."""
    if isinstance(content, Mapping):
        for name, value in content.items():
            if not re.fullmatch(r"[a-z][a-zA-Z0-9_]{0,29}", name):
                yield name
            yield from _everything(value)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _everything(value)
    else:
        yield content


def atoms(content: Any) -> Iterator[Any]:
    """Yield the values of a result that are data by their shape."""
    yield from (value for value in _everything(content) if is_atom(value))


def texts(content: Any) -> Iterator[str]:
    """Yield every text of a result."""
    yield from (value for value in _everything(content) if isinstance(value, str))


def records_of(item: Item) -> list[Record]:
    """Return the objects in a result, however deep."""
    return list(_records(item, item.content, [0]))


def _records(item: Item, content: Any, counter: list[int]) -> Iterator[Record]:
    counter[0] += 1
    group = counter[0]
    for member in content if isinstance(content, list) else [content]:
        if not isinstance(member, dict):
            continue
        fields = {}
        for name, value in member.items():
            if isinstance(value, list) and all(not isinstance(one, dict | list) for one in value):
                fields[name] = tuple(value)
            elif not isinstance(value, dict | list):
                fields[name] = (value,)
        yield Record(item=item, fields=fields, group=group)
        for value in member.values():
            if isinstance(value, dict | list):
                yield from _records(item, value, counter)


def selected(items: Iterable[tuple[Item, bool]], words: Words) -> list[Selected]:
    """Return the records that the user's words select.

    `items` come with whether the run was still free of outsiders' text when it called them. A record is selected
    by a field whose whole value the words contain; or, if the call was free, by being all that a search for the
    user's own words found. What is the largest or the latest of many selects nothing: outsiders write sizes too.
    """
    found: list[Selected] = []
    left = MAX_RECORDS
    for item, was_free in items:
        records = records_of(item)[:left]
        left -= len(records)
        for record in records:
            by = _naming_field(record, words)
            if by:
                value = str(record.fields[by][0])
                found.append(Selected(record=record, value=value, how=f"the request names its {by}"))
        if was_free and len(records) == 1 and _searched(item, words):
            how = "the only one found for words of the request"
            found.append(Selected(record=records[0], value="", how=how))
    return found


def _naming_field(record: Record, words: Words) -> str:
    for name, values in record.fields.items():
        if len(values) != 1 or not isinstance(values[0], str) or not is_atom(values[0]) or parts(name) & WHO:
            continue
        value = values[0].strip()
        if len(value) < SHORT or "@" in value or moment(value) is not None or number(value) is not None:
            continue
        if words.has_identifier(value) if is_identifier(value) else words.has_name(value):
            return name
    return ""


def _searched(item: Item, words: Words) -> bool:
    """Tell whether the tool was asked for the user's own words, and nothing else."""
    if not isinstance(item.arguments, dict):
        return False
    asked = [value for value in _everything(item.arguments) if value not in (None, "")]
    texts = [value for value in asked if isinstance(value, str)]
    return (
        bool(texts)
        and all(_is_said(value, words) for value in asked)
        and any(not GENERIC.issuperset(tokens(text)) for text in texts)
    )


def _is_said(value: Any, words: Words) -> bool:
    if isinstance(value, str):
        day = moment(value)
        if day is not None:
            return (day.date() if isinstance(day, datetime) else day) in words.dates
        return words.has_identifier(value) if is_identifier(value) else words.has_phrase(value)
    return not isinstance(value, int | float) or isinstance(value, bool) or number(value) in words.numbers


def parts(name: str) -> frozenset[str]:
    """Return the words of a field's or an argument's name, in the singular."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    words = [word for word in re.split(r"[^a-z0-9]+", split) if word]
    return frozenset(_singular(word) for word in words)


def _singular(word: str) -> str:
    is_plural = word.endswith("s") and not word.endswith("ss") and len(word) > len("bus")
    return word[:-1] if is_plural else word


def fields_for(argument: str, tool: str, record: Record) -> list[str]:
    """Return the fields of a record that answer to an argument of a tool, by their names or their kind."""
    wanted = parts(argument)
    found = []
    for name in record.fields:
        has = parts(name)
        if has and wanted and (has <= wanted or wanted <= has):
            if has == {"id"} and not _is_about(wanted - has or parts(tool), record):
                continue
            found.append(name)
    return found


def by_kind(value: str, record: Record, others: Iterable[Record]) -> str:
    """Return the one field that holds addresses, in a record of a result that has no text of outsiders in it."""
    if "@" not in value or any(not is_atom(v) for r in others for vs in r.fields.values() for v in vs):
        return ""
    names = [n for n, values in record.fields.items() if any(isinstance(v, str) and "@" in v for v in values)]
    return names[0] if len(names) == 1 else ""


def _is_about(nouns: frozenset[str], record: Record) -> bool:
    """Tell whether a record's bare id is an id of what the argument or tool speaks of."""
    known = parts(record.item.name) | frozenset(part for name in record.fields for part in parts(name))
    return bool(nouns & known)


def lengths(record: Record) -> Iterator[timedelta]:
    """Yield the time between a record's own start and end, where it has both."""
    starts = [moment(v[0]) for n, v in record.fields.items() if "start" in parts(n) and len(v) == 1]
    ends = [moment(v[0]) for n, v in record.fields.items() if "end" in parts(n) and len(v) == 1]
    if len(starts) == len(ends) == 1 and isinstance(starts[0], datetime) and isinstance(ends[0], datetime):
        yield ends[0] - starts[0]


def days(content: Any) -> Iterator[date]:
    """Yield the day that a clock's result says: one date and nothing else."""
    found = list(_everything(content))
    if len(found) == 1:
        day = moment(found[0])
        if day is not None:
            yield day.date() if isinstance(day, datetime) else day
