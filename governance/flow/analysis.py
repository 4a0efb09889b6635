"""Account for every argument of a call: whose words it is, and whether that is enough. Pure.

A value is endorsed when it is the user's own (whole words, whole identifiers, the number, the date they wrote), a
value of a directory that an admin trusts, or the field of a record that the user's words select. Whatever else a run
proposes after it has read text of outsiders is for a person to look at.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from typing import Any

from governance.flow import records, reuse, values, verbs
from governance.flow.records import Selected
from governance.flow.types import Argument, Flow, Integrity, Item, Label, Origin, Source, Trail
from governance.flow.values import ADDRESSES, CONTENT, LINKS, MESSAGES
from governance.flow.words import FILLERS, GENERIC, Words, is_identifier, moment, number, tokens
from tenants.kernel.jsonvalues import JsonObject, canonical

LONG_NUMBER = 4
"""Digits from which a number is no everyday one."""
SPAN = 4
"""Words in a row that a composed text must take from the user's own."""
WHOLE_DAY = frozenset({time(0), time(23, 59)})


def label_of(item: Item) -> Label:
    """Return what reading an item makes of a run."""
    if item.origin in {Origin.USER, Origin.PERSON} or item.trusted:
        return Label()
    integrity = Integrity.TRUSTED
    if item.origin is Origin.MEMORY or records.carries_text(item.content, item.members):
        integrity = Integrity.UNTRUSTED
    elif records.carries_names(item.content):
        integrity = Integrity.NAMES
    sources = frozenset({item.name}) if integrity is not Integrity.TRUSTED else frozenset[str]()
    return Label(integrity=integrity, sources=sources)


def label(trail: Trail) -> Label:
    """Return the label of a run that has read all of this."""
    return Label.of(label_of(item) for item in trail.items)


def analyse(*, tool: str, schema: Mapping[str, Any], arguments: JsonObject, trail: Trail) -> Flow:
    """Return where each argument of a consequential call comes from. Nothing is asked of a run free of outsiders."""
    known = label(trail)
    if known.integrity is Integrity.TRUSTED:
        return Flow(label=known)
    planned = plan_of(tool=tool, arguments=arguments, trail=trail)
    if planned is not None:
        why = "A person approved exactly this call as part of a plan."
        approved = tuple(
            Argument(
                pointer=at, source=Source.PERSON, endorsed=True, why=why, step=planned.step, tool=planned.name
            )
            for at, _ in values.leaves(arguments)
        )
        return Flow(label=known, arguments=approved, planned=True)
    judge = _Judge(tool=tool, schema=schema, arguments=arguments, trail=trail, label=known)
    found = tuple(judge.argument(pointer, value) for pointer, value in values.leaves(arguments))
    return Flow(label=known, arguments=found, objection=judge.objection(arguments))


def plan_of(*, tool: str, arguments: JsonObject, trail: Trail) -> Item | None:
    """Return the approved plan that exactly this call still stands in; each entry is good for one call."""
    left: list[Item] = []
    for item in trail.items:
        left += [
            item for name, planned in item.plan if name == tool and canonical(planned) == canonical(arguments)
        ]
        if (
            left
            and item.consequential
            and item.name == tool
            and canonical(item.arguments) == canonical(arguments)
        ):
            left.pop()
    return left[-1] if left else None


class _Judge:
    """Everything that the arguments of one call are compared with, taken apart once."""

    def __init__(
        self, *, tool: str, schema: Mapping[str, Any], arguments: JsonObject, trail: Trail, label: Label
    ) -> None:
        self.tool, self.schema, self.trail, self.label = tool, schema, trail, label
        self.values = [value for _, value in values.leaves(arguments)]
        called = [arguments, *(item.arguments for item in trail.items if isinstance(item.arguments, dict))]
        self.nouns = (
            frozenset(noun for one in called for name in one for noun in records.parts(name)) - CONTENT
        )
        self.results = [item for item in trail.items if item.origin is Origin.TOOL]
        clocks = {day for item in self.results for day in records.days(item.content)}
        today = frozenset(clocks | ({trail.today} if trail.today else set()))
        self.words = Words(trail.words(), today=today)
        self.selected = [
            one
            for one in records.selected(self._with_freedom(), self.words)
            if not self._is_argument(one.value)
        ]
        self.names = frozenset(
            value.strip()
            for item in self.results
            for value in records.atoms(item.content)
            if isinstance(value, str) and len(value.split()) == 1
        )

    def _is_argument(self, value: str) -> bool:
        """Tell whether what selects a record is itself given to the tool: then it is meant as that."""
        return bool(value) and any(values.same(value, one) for one in self.values)

    def _with_freedom(self) -> Iterator[tuple[Item, bool]]:
        so_far = Label()
        for item in self.trail.items:
            if item.origin is Origin.TOOL:
                yield item, so_far.integrity is not Integrity.UNTRUSTED
            so_far = so_far.join(label_of(item))

    def objection(self, arguments: JsonObject) -> str:
        """Return why no person asked for this call, whatever its arguments are; empty where one may have.

        Single words cannot ask for a call either, so what only they influenced is as the agent was asked.
        """
        if self.label.integrity is Integrity.NAMES:
            return ""
        if not verbs.is_asked_for(self.tool, self.words.tokens):
            return f"Nobody asked for anything like {self.tool}."
        for item in self.results:
            if item.consequential and item.name == self.tool and item.arguments == arguments:
                return f"Exactly this call was made before, in step {item.step}; nobody asked for it twice."
        return ""

    def argument(self, pointer: str, value: Any) -> Argument:
        """Return where one value comes from."""
        name = next((part for part in reversed(pointer.split("/")) if part and not part.isdigit()), "")
        about = self._schema_of(pointer)
        for found in (
            self._default(pointer, name, value, about),
            self._said(pointer, name, value, about),
            self._directory(pointer, value),
            self._record(pointer, name, value),
            self._reused(pointer, name, value),
            self._single_word(pointer, value),
            self._own_text(pointer, name, value),
        ):
            if found is not None:
                return found
        return self._not_endorsed(pointer, value)

    # --- what endorses

    def _default(self, pointer: str, name: str, value: Any, about: Mapping[str, Any]) -> Argument | None:
        is_empty = value in (None, "", [], {}) and not isinstance(value, bool | int | float)
        is_message = bool(records.parts(name) & MESSAGES)
        says_nothing = isinstance(value, str) and not tokens(value) and not is_message
        is_default = (
            "default" in about and about["default"] == value and type(about["default"]) is type(value)
        )
        if is_empty or says_nothing or is_default or ("const" in about and about["const"] == value):
            why = "The tool's own default." if is_default else "It says nothing."
            return Argument(pointer=pointer, source=Source.DEFAULT, endorsed=True, why=why)
        return None

    def _said(self, pointer: str, name: str, value: Any, about: Mapping[str, Any]) -> Argument | None:
        why = self._why_said(name, value, about)
        if not why:
            return None
        return Argument(pointer=pointer, source=Source.USER, endorsed=True, why=why)

    def _why_said(self, name: str, value: Any, about: Mapping[str, Any]) -> str:
        words = self.words
        if isinstance(value, bool):
            return self._why_flag(name, value)
        if isinstance(value, int | float):
            if "id" in records.parts(name):
                return self._why_counted(name, str(value))
            return "The number stands in the request." if number(value) in words.numbers else ""
        text, kind = str(value).strip(), records.parts(name)
        day = moment(text)
        if day is not None:
            return "" if kind & (CONTENT | ADDRESSES | LINKS) else self._why_moment(day)
        if number(text) is not None:
            return self._why_counted(name, text)
        if "enum" in about:
            return self._why_choice(name, text, about["enum"])
        if not values.may_be(kind, text, about) or (kind & CONTENT and self._is_a_mere_name(text)):
            return ""
        if is_identifier(text):
            return "It stands whole in the request." if words.has_identifier(text) else ""
        if kind & {"id"} or (" " not in text and self._is_of_another_kind(kind, text)):
            return ""
        if words.has_name(text):
            return "The words stand in the request."
        return "It is put together from the request's own words." if self._is_covered(text) else ""

    def _is_a_mere_name(self, text: str) -> bool:
        """Tell whether a text is but a name that the run has read, or a word for what its tools handle."""
        return text in self.names or text.casefold() in self.nouns | records.parts(self.tool)

    def _is_of_another_kind(self, kind: frozenset[str], word: str) -> bool:
        """Tell whether the user said a name of something else than the argument is for."""
        return self.words.is_only_of(self.nouns - kind, word) or not (
            kind & CONTENT or self.words.is_of(kind, word)
        )

    def _why_counted(self, name: str, text: str) -> str:
        """A bare number may be any number of the request; for what is called one it must be called so there."""
        noun = next((part for part in sorted(records.parts(name) - {"id"}) if part), "id")
        if self.words.named(noun, text) or (len(text) >= LONG_NUMBER and self.words.has_identifier(text)):
            return f"The request names {noun} {text}."
        return ""

    def _why_flag(self, name: str, value: bool) -> str:
        said = self.words.flat
        for part in records.parts(name):
            if part not in GENERIC and part in self.words.tokens:
                negated = any(
                    f" {no} {part} " in said for no in ("not", "no", "non", "t", "without", "never")
                )
                if value is not negated:
                    return f"The request says {'not ' if negated else ''}{part}."
        return ""

    def _why_choice(self, name: str, text: str, choices: Any) -> str:
        if text.casefold() in self.words.tokens and len(text) > 1:
            return "The request names this choice."
        others = [str(choice).casefold() for choice in choices if str(choice) != text]
        for noun in records.parts(name):
            for form in (noun, f"{noun}s"):
                before = self.words.flat.split(f" {form} ")[:-1]
                near = {part.split()[-1] for part in before if part.split()}
                if any(word.startswith(text.casefold()) and word not in others for word in near):
                    return f"The request names this choice before '{form}'."
        return ""

    def _why_moment(self, value: date) -> str:
        if self._is_said_moment(value):
            return "The request says when."
        lasting = set(self.words.lasting)
        lasting |= {length for one in self.selected for length in records.lengths(one.record)}
        given = [moment(one) for one in self.values]
        for length in lasting:
            if value - length in given and self._is_said_moment(value - length):
                return "It ends as long after the start as the request says."
        return ""

    def _is_said_moment(self, value: date) -> bool:
        if not isinstance(value, datetime):
            return value in self.words.dates
        if value.date() not in self.words.dates:
            return False
        at = value.time()
        return at in self.words.times or (not self.words.times and at in WHOLE_DAY)

    def _is_covered(self, text: str) -> bool:
        """Tell whether a text is made of long runs of the user's words, with nothing but fillers between."""
        said, left, covered = self.words.flat, tokens(text), 0
        total = len(left)
        while left:
            size = next((n for n in range(len(left), SPAN - 1, -1) if f" {' '.join(left[:n])} " in said), 0)
            if size:
                covered += size
            elif left[0] not in FILLERS:
                return False
            left = left[size or 1 :]
        return covered * 4 >= total * 3 and total > 0

    def _directory(self, pointer: str, value: Any) -> Argument | None:
        if not records.is_atom(value) or isinstance(value, bool):
            return None
        for item in self.results:
            if item.trusted:
                pool = list(records.atoms(item.content))
            elif item.directories:
                pool = [
                    v
                    for record in records.records_of(item)
                    for name, held in record.fields.items()
                    if name in item.directories or "*" in item.directories
                    for v in held
                    if records.is_atom(v)
                ]
            else:
                continue
            if any(values.same(value, one) for one in pool) and not reuse.is_echo(item, value):
                why = f"It is a value of {item.name}, which an admin trusts."
                return Argument(
                    pointer=pointer,
                    source=Source.DIRECTORY,
                    endorsed=True,
                    why=why,
                    step=item.step,
                    tool=item.name,
                )
        return None

    def _record(self, pointer: str, name: str, value: Any) -> Argument | None:
        if not records.is_atom(value) or isinstance(value, bool) or self._is_given(name, value):
            return None
        answers: list[tuple[Selected, str, tuple[Any, ...]]] = []
        for one in self.selected:
            fields = records.fields_for(name, self.tool, one.record)
            if not fields and isinstance(value, str):
                same_result = [r for r in records.records_of(one.record.item) if r.group == one.record.group]
                fields = [field for field in [records.by_kind(value, one.record, same_result)] if field]
            answers += [
                (one, field, one.record.fields[field]) for field in fields if one.record.fields[field]
            ]
        if not answers or any(len(answers[0][2]) != len(held) for _, _, held in answers):
            return None
        first = answers[0][2]
        if any(not all(any(values.same(a, b) for b in held) for a in first) for _, _, held in answers):
            return None
        if not any(values.same(value, one) for one in first if records.is_atom(one)):
            return None
        chosen, field, _ = answers[0]
        if "id" not in records.parts(field) and reuse.is_echo(chosen.record.item, value):
            return None
        item = chosen.record.item
        why = f"{field} of the record in the result of {item.name}: {chosen.how}."
        return Argument(
            pointer=pointer,
            source=Source.RECORD,
            endorsed=True,
            why=why,
            step=item.step,
            tool=item.name,
            field=field,
        )

    def _is_given(self, name: str, value: Any) -> bool:
        """Tell whether the user gave values of this kind: then no record's is meant."""
        if "id" in records.parts(name):
            return False
        if isinstance(value, int | float):
            return bool(self.words.numbers)
        return (
            bool(self.words.addresses)
            if "@" in value
            else moment(value) is not None and bool(self.words.dates)
        )

    def _reused(self, pointer: str, name: str, value: Any) -> Argument | None:
        """The whole text of a record that the user has copied, or the id of what the run itself made."""
        one = reuse.copied(value, self.selected, self.words) if records.parts(name) & MESSAGES else None
        if one is not None:
            item, why = one.record.item, f"The whole text of the record: {one.how}."
        else:
            is_named = any(records.fields_for(name, self.tool, one.record) for one in self.selected)
            made = None if is_named else reuse.made(name, self.tool, value, self.results)
            if made is None:
                return None
            item, why = made, f"{made.name} made it in this run."
        return Argument(
            pointer=pointer, source=Source.RECORD, endorsed=True, why=why, step=item.step, tool=item.name
        )

    def _single_word(self, pointer: str, value: Any) -> Argument | None:
        """A name from a result that holds nothing but single words, as long as the run has read nothing else."""
        if self.label.integrity is not Integrity.NAMES or isinstance(value, bool):
            return None
        for item in self.results:
            if any(values.same(value, one) for one in records.atoms(item.content)):
                return Argument(
                    pointer=pointer,
                    source=Source.NAME,
                    endorsed=True,
                    why=f"A name from {item.name}; the run has read no text of outsiders.",
                    step=item.step,
                    tool=item.name,
                )
        return None

    # --- what does not

    def _own_text(self, pointer: str, name: str, value: Any) -> Argument | None:
        """What the agent composed while the run had read no sentence of anybody: nothing could lead it on."""
        is_text = isinstance(value, str) and (bool(records.parts(name) & CONTENT) or " " in value.strip())
        if self.label.integrity is not Integrity.NAMES or not is_text or moment(value) is not None:
            return None
        why = "The agent's own; the run has read no text of outsiders."
        return Argument(pointer=pointer, source=Source.OWN, endorsed=True, why=why)

    def _not_endorsed(self, pointer: str, value: Any) -> Argument:
        for item in reversed(self.results):
            where = values.place(item, value)
            if where is not None:
                part = f"the field {where} of" if where else "the text of"
                return Argument(
                    pointer=pointer,
                    source=Source.TEXT,
                    endorsed=False,
                    why=f"It stands in {part} the result of {item.name}, and the request does not name it.",
                    step=item.step,
                    tool=item.name,
                    field=where,
                )
        why = "The agent's own, written after it had read text of outsiders."
        return Argument(pointer=pointer, source=Source.OWN, endorsed=False, why=why)

    def _schema_of(self, pointer: str) -> Mapping[str, Any]:
        here: Any = self.schema
        for part in pointer.split("/")[1:]:
            here = values.resolved(here, self.schema)
            if part.isdigit() and "items" in here:
                here = {"description": here.get("description", ""), **here["items"]}
            else:
                here = here.get("properties", {}).get(part.replace("~1", "/").replace("~0", "~"), {})
        return values.resolved(here, self.schema)
