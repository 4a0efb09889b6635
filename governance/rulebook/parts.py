"""What a rulebook consists of, and the copy of it that this process holds.

Each part is loaded by one function, named here by the app that has the rules. A copy is used as long as both
revisions, the tenant's and the platform's, are those it was loaded under; the gate reads them in the statement
that it makes anyway. So a rule counts from the commit that changed it, in every process, and costs no query.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tenants.kernel.context import require_schema
from tenants.kernel.registry import Registry

Loader = Callable[[], Any]
PARTS: Registry[Loader] = Registry("part of the rulebook", {}, group="countersign.rulebook")
"""Fill it in an app's `ready()`: PARTS.add("thresholds", "governance.policies.thresholds:standing").

A loader reads the tables of the current schema, all of which must have the trigger of migration 0006.
"""


@dataclass(frozen=True, kw_only=True)
class Rulebook:
    """The rules in force, by the name of their part."""

    version: str
    parts: Mapping[str, Any]

    def __getitem__(self, part: str) -> Any:
        return self.parts[part]


_held: dict[str, Rulebook] = {}


def of(revisions: tuple[UUID, UUID]) -> Rulebook:
    """Return the rules in force in the current schema, given its revision and the platform's."""
    schema, version = require_schema(), f"{revisions[0]}/{revisions[1]}"
    book = _held.get(schema)
    if book is None or book.version != version:
        book = Rulebook(version=version, parts={name: PARTS.get(name)() for name in PARTS})
        _held[schema] = book
    return book
