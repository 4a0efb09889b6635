"""What a run has read, and what was found out about a call's arguments. No Django."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import reduce
from typing import Any, Self

from tenants.kernel.jsonvalues import JsonObject


class Origin(StrEnum):
    """Whose words something is."""

    USER = "user"
    PERSON = "person"
    TOOL = "tool"
    MEMORY = "memory"
    MODEL = "model"


class Integrity(StrEnum):
    """Whether outsiders may have had a say, from best to worst.

    `NAMES` stands between: outsiders may have written single words, such as names, but no sentence.
    """

    TRUSTED = "trusted"
    NAMES = "names"
    UNTRUSTED = "untrusted"


class Source(StrEnum):
    """Where the value of an argument comes from, as far as it can be proven."""

    USER = "user"
    PERSON = "person"
    DIRECTORY = "directory"
    RECORD = "record"
    NAME = "name"
    DEFAULT = "default"
    TEXT = "text"
    OWN = "own"


_RISING = list(Integrity)


@dataclass(frozen=True, kw_only=True)
class Label:
    """What is known of everything a run has read. It only falls: joining never gives a better one."""

    integrity: Integrity = Integrity.TRUSTED
    sources: frozenset[str] = frozenset()
    """The untrusted tools, by name."""

    def join(self, other: "Label") -> "Label":
        """Return the label of what both were read into."""
        return Label(
            integrity=max(self.integrity, other.integrity, key=_RISING.index),
            sources=self.sources | other.sources,
        )

    @classmethod
    def of(cls, labels: Iterable["Label"]) -> "Label":
        """Return the join of all."""
        return reduce(cls.join, labels, cls())

    def to_json(self) -> JsonObject:
        """Return it for the record."""
        return {"integrity": str(self.integrity), "sources": sorted(self.sources)}


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing that the run had before it: words, or the result of a tool with its structure kept."""

    origin: Origin
    content: Any
    step: int | None = None
    name: str = ""
    arguments: Any = None
    """What the tool was called with."""
    trusted: bool = True
    consequential: bool = False
    """Whether the tool was called to change something."""
    directories: tuple[str, ...] = ()
    """Fields of the result that an admin trusts; "*" for all of them."""
    members: frozenset[str] = frozenset()
    """Names of members that the tool has declared for its results."""
    plan: tuple[tuple[str, JsonObject], ...] = ()
    """Calls that a person approved as they stand here: tool and arguments."""


@dataclass(frozen=True, kw_only=True)
class Trail:
    """What a run had before it when it proposed a call, oldest first."""

    items: tuple[Item, ...] = ()
    today: date | None = None

    def words(self) -> tuple[str, ...]:
        """Return what the user and other people said."""
        return tuple(str(item.content) for item in self.items if item.origin in {Origin.USER, Origin.PERSON})


@dataclass(frozen=True, kw_only=True)
class Argument:
    """Where one value of a call comes from. `pointer` is an RFC 6901 JSON Pointer into the arguments."""

    pointer: str
    source: Source
    endorsed: bool
    why: str
    step: int | None = None
    tool: str = ""
    field: str = ""

    def to_json(self) -> JsonObject:
        """Return it for the record and the API."""
        return {
            "pointer": self.pointer,
            "source": str(self.source),
            "endorsed": self.endorsed,
            "why": self.why,
            "step": self.step,
            "tool": self.tool,
            "field": self.field,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Restore what `to_json` wrote."""
        return cls(**{**value, "source": Source(value["source"])})


@dataclass(frozen=True, kw_only=True)
class Flow:
    """What was found out about a call: whose influence it is under and whether every argument is accounted for."""

    label: Label = field(default_factory=Label)
    arguments: tuple[Argument, ...] = ()
    planned: bool = False
    """Whether a person approved exactly this call as part of a plan."""
    objection: str = ""
    """Why the call as a whole is not what the user asked for, where it is not."""

    @property
    def is_endorsed(self) -> bool:
        """Tell whether nothing about the call needs a person."""
        return not self.objection and all(argument.endorsed for argument in self.arguments)

    def to_json(self) -> JsonObject:
        """Return it for the request, as the gate reads it and evidence keeps it."""
        return {
            "label": self.label.to_json(),
            "endorsed": self.is_endorsed,
            "objection": self.objection,
            "planned": self.planned,
            "arguments": [argument.to_json() for argument in self.arguments],
        }
