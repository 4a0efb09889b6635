"""How much a minute may hold: limits for each user, each agent or the tenant, counted in Redis."""

from datetime import datetime

from governance.metering.models import RateLimit
from governance.metering.types import MeteringRules, RateRule, Spender
from tenants.kernel import rates

UNITS = RateLimit.Unit


def applying(rules: MeteringRules, spender: Spender, unit: str) -> list[RateRule]:
    """Return the limits of a unit that count this spender. Pure."""
    subjects = _subjects(spender)
    return [rule for rule in rules.rates if rule.unit == unit and rule.subject in {"", subjects[rule.scope]}]


def wait_s(rules: MeteringRules, spender: Spender, *, unit: str, amount: int = 1, now: datetime) -> float:
    """Take the amount from every limit of the unit that counts the spender; return how long to wait, 0 for not at all.

    An amount above what a minute holds takes a whole minute's. Raises RatesUnavailable when Redis does not answer.
    """
    longest = 0.0
    for rule in applying(rules, spender, unit):
        taken = rates.take(
            f"{unit}:{rule.scope}:{_subjects(spender)[rule.scope]}",
            capacity=rule.per_minute,
            per_minute=rule.per_minute,
            amount=min(amount, rule.per_minute),
            now=now,
        )
        longest = max(longest, 0.0 if taken.allowed else taken.retry_after_s)
    return longest


def _subjects(spender: Spender) -> dict[str, str]:
    return {
        RateLimit.Scope.USER: str(spender.user_id),
        RateLimit.Scope.AGENT: spender.agent_id,
        RateLimit.Scope.TENANT: "",
    }
