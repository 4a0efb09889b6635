"""Words and values of metering. No Django. Money is in integer micro-dollars: 1,000,000 make one dollar."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from tenants.kernel.errors import DomainError

MILLION = 1_000_000
MICROS_PER_CENT = 10_000


class Scope(StrEnum):
    """Whose calls a budget counts."""

    REQUEST = "request"
    RUN = "run"
    USER = "user"
    AGENT = "agent"
    TEAM = "team"
    TENANT = "tenant"
    PLATFORM = "platform"


class Window(StrEnum):
    """When a budget starts anew: with each call, with each run, or with the hour, day or month in UTC."""

    REQUEST = "request"
    RUN = "run"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


class Unit(StrEnum):
    """What a budget counts: micro-dollars, or tokens in and out."""

    MICROS = "micros"
    TOKENS = "tokens"


class PriceKind(StrEnum):
    """What a price is for: tokens, in micro-dollars per 1,000,000, or one call of a tool."""

    INPUT = "input"
    CACHED = "cached"
    OUTPUT = "output"
    TOOL_CALL = "tool_call"


class CallKind(StrEnum):
    """What was called."""

    MODEL = "model"
    TOOL = "tool"


class BudgetExceeded(DomainError):
    """What a call may cost does not fit into a budget."""

    code = "budget-exceeded"
    status = 402
    title = "A budget does not admit this call"


class PriceUnknown(DomainError):
    """A budget in money applies to a model that has no price."""

    code = "price-unknown"
    status = 402
    title = "The model has no price, so a budget in money cannot hold it"


@dataclass(frozen=True, kw_only=True)
class Spender:
    """Who calls: what decides which budgets apply."""

    tenant: str
    user_id: int
    user_name: str
    agent_id: str
    agent_name: str
    run_id: str
    run_started_at: datetime


@dataclass(frozen=True, kw_only=True)
class Charge:
    """What one call costs or may cost. `micros` is None where no price is known."""

    micros: int | None
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    prices: tuple[str, ...] = ()
    """The prices that it was computed with."""

    def amount(self, unit: Unit) -> int:
        """Return what a budget of this unit counts."""
        return self.input_tokens + self.output_tokens if unit is Unit.TOKENS else self.micros or 0


FREE = Charge(micros=0)


@dataclass(frozen=True, kw_only=True)
class Called:
    """One attempt of one call; `key` names it for ever."""

    kind: CallKind
    name: str
    step_id: str
    key: str


@dataclass(frozen=True, kw_only=True)
class BudgetRule:
    """A budget in force, as the rulebook has it. `subject` names one user, agent or team; empty means each."""

    id: UUID
    is_platforms: bool
    is_tiers: bool
    name: str
    scope: Scope
    subject: str
    window: Window
    unit: Unit
    limit: int


@dataclass(frozen=True, kw_only=True)
class Share:
    """The part of a budget that a call is counted in: one subject in one window."""

    budget: BudgetRule
    subject: str
    started_at: datetime
    ends_at: datetime | None

    @property
    def place(self) -> tuple[str, str, str]:
        """Return where it stands in the one order in which shares are locked."""
        return (str(self.budget.id), self.subject, self.started_at.isoformat())


@dataclass(frozen=True, kw_only=True)
class RateRule:
    """A limit per minute, as the rulebook has it."""

    scope: Scope
    subject: str
    unit: str
    per_minute: int


@dataclass(frozen=True, kw_only=True)
class PriceRule:
    """A price as the rulebook has it; `pattern` is a name or a glob of model or tool."""

    id: str
    pattern: str
    kind: PriceKind
    micros: int
    valid_from: datetime


@dataclass(frozen=True, kw_only=True)
class MeteringRules:
    """Prices and budgets in force in a schema, and who belongs to the teams that have one."""

    prices: Sequence[PriceRule] = ()
    budgets: Sequence[BudgetRule] = ()
    rates: Sequence[RateRule] = ()
    members: Mapping[str, frozenset[int]] = field(default_factory=dict)
