"""Budgets in words. Pure."""

from datetime import datetime
from typing import Any

from governance.metering import subjects
from governance.metering.types import MILLION, BudgetExceeded, BudgetRule, Scope, Unit, Window

PER = {
    Window.REQUEST: "a call",
    Window.RUN: "a run",
    Window.HOUR: "an hour",
    Window.DAY: "a day",
    Window.MONTH: "a month",
}
SHOWN_DECIMALS = 4


def dollars(micros: int) -> str:
    """Return micro-dollars as dollars: to the cent, or to the micro-dollar below one."""
    sign, micros = ("-" if micros < 0 else ""), abs(micros)
    whole, part = divmod(micros, MILLION)
    digits = f"{part:06d}".rstrip("0").ljust(2, "0")
    if whole:  # cents are enough for what is more than a dollar, rounded half up
        cents = (micros + 5_000) // 10_000
        return f"{sign}${cents // 100:,}.{cents % 100:02d}"
    return f"{sign}${whole}.{digits}"


def amount_in_words(amount: int, unit: str) -> str:
    """Return an amount of a budget's unit for people."""
    return f"{amount:,} tokens" if unit == Unit.TOKENS else dollars(amount)


def whose(scope: str, subject: str) -> str:
    """Return whose calls a budget counts."""
    match scope:
        case Scope.TENANT:
            return "this tenant"
        case Scope.PLATFORM:
            return "the whole platform"
        case Scope.REQUEST | Scope.RUN:
            return f"each {scope}"
        case _:
            return f"{scope} {subjects.name_of(scope, subject)}" if subject else f"each {scope}"


def who_can_raise(*, is_platforms: bool, is_tiers: bool = False) -> str:
    """Return who may change the limit."""
    if is_tiers:
        return "The operator of the platform, with a higher tier,"
    return "The operator of the platform" if is_platforms else "An administrator (Admin, Budgets)"


def refusal(
    budget: BudgetRule, *, spent: int, reserved: int, limit: int, wanted: int, ends_at: datetime | None
) -> BudgetExceeded:
    """Return the error that says which budget refused what, and who can change that.

    Of the budget over all tenants it tells no figures: what the others spend is theirs.
    """
    unit = budget.unit
    facts = f": {amount_in_words(limit, unit)} {PER[budget.window]}, {amount_in_words(spent, unit)} spent"
    if reserved:
        facts += f", {amount_in_words(reserved, unit)} reserved"
    figures: dict[str, Any] = {"limit": limit, "spent": spent, "reserved": reserved}
    if budget.scope is Scope.PLATFORM:
        facts, figures = "", {}
    begins = f" It starts anew at {ends_at:%Y-%m-%d %H:%M} UTC." if ends_at else ""
    return BudgetExceeded(
        f"The budget “{budget.name}” of {whose(budget.scope, budget.subject)} does not admit this call{facts}; "
        f"the call may cost {amount_in_words(wanted, unit)}. "
        f"{who_can_raise(is_platforms=budget.is_platforms, is_tiers=budget.is_tiers)} can raise it.{begins}",
        budget=budget.name,
        scope=budget.scope.value,
        unit=unit.value,
        wanted=wanted,
        **figures,
    )
