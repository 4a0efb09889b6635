"""Words of a standing grant. No Django."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from hitl.reviews.types import Assurance
from tenants.kernel.jsonvalues import JsonObject

DEFAULT_USES, MAX_USES = 10, 100
DEFAULT_LASTS, MAX_LASTS = timedelta(hours=1), timedelta(hours=8)


class Scope(StrEnum):
    """Which calls of the tool a grant covers."""

    EXACT_ARGS = "exact_args"
    ARGS_PATTERN = "args_pattern"
    TOOL = "tool"


SCOPES = [(scope.value, scope.value) for scope in Scope]
"""As fields of forms and of the API take them."""


class Op(StrEnum):
    """What a condition asks of an argument."""

    EQ = "eq"
    IN = "in"
    LE = "le"
    GE = "ge"
    PREFIX = "prefix"
    PRESENT = "present"


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One thing that must hold of the arguments; `path` has a dot before each member of a member."""

    path: str
    op: Op
    value: Any


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Which calls a grant answers for."""

    agent_id: str
    agent_version: int
    tool_id: int
    tool: str
    schema_version: str
    scope: Scope
    arguments: JsonObject | None
    """Of scope `exact_args`; an empty object covers calls without arguments, and nothing else."""
    conditions: tuple[Condition, ...]
    requester_id: int | None
    """The only person whose runs are covered; None covers everybody's."""
    assurance: Assurance


@dataclass(frozen=True, kw_only=True)
class GrantRequest:
    """What a person asks for when they give a grant; checked when it is given."""

    scope: str
    reason: str
    assurance: Assurance
    conditions: Any = ()
    uses: int = DEFAULT_USES
    lasts: timedelta = DEFAULT_LASTS
    anyone: bool = False
    digest: str | None = None
    """Of the action that the giver saw; None where they name none."""
