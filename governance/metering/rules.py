"""Prices, budgets and rates as the rulebook holds them."""

from governance.metering.types import (
    BudgetRule,
    MeteringRules,
    PriceKind,
    PriceRule,
    RateRule,
    Scope,
    Unit,
    Window,
)
from tenants.kernel import prepared
from tenants.kernel.context import PUBLIC, require_schema

_PRICES = "SELECT id::text, pattern, kind, micros, valid_from FROM governance_price"
_BUDGETS = """
SELECT id, FALSE, source = 'tier', name, scope, subject, "window", unit, "limit" FROM governance_budget WHERE enabled
"""
_PLATFORMS = """
SELECT id, TRUE, FALSE, name, scope, subject, "window", unit, "limit" FROM public.governance_budget WHERE enabled
"""
_RATES = "SELECT scope, subject, unit, per_minute FROM governance_ratelimit WHERE enabled ORDER BY id"
_MEMBERS = """
SELECT g.name, array_agg(m.user_id) FROM auth_group g JOIN governance_user_groups m ON m.group_id = g.id
GROUP BY g.name
"""


def standing() -> MeteringRules:
    """Return what is in force in the current schema, the platform's budgets included."""
    own = [] if require_schema() == PUBLIC else prepared.execute(_BUDGETS, {})
    rows = [*own, *prepared.execute(_PLATFORMS, {})]
    budgets = tuple(
        BudgetRule(
            id=pk,
            is_platforms=is_platforms,
            is_tiers=is_tiers,
            name=name,
            scope=Scope(scope),
            subject=subject,
            window=Window(window),
            unit=Unit(unit),
            limit=limit,
        )
        for pk, is_platforms, is_tiers, name, scope, subject, window, unit, limit in rows
    )
    has_teams = any(budget.scope is Scope.TEAM for budget in budgets)
    members = prepared.execute(_MEMBERS, {}) if has_teams else []
    return MeteringRules(
        prices=tuple(
            PriceRule(id=pk, pattern=pattern, kind=PriceKind(kind), micros=micros, valid_from=valid_from)
            for pk, pattern, kind, micros, valid_from in prepared.execute(_PRICES, {})
        ),
        budgets=budgets,
        rates=tuple(
            RateRule(scope=Scope(scope), subject=subject, unit=unit, per_minute=per_minute)
            for scope, subject, unit, per_minute in prepared.execute(_RATES, {})
        ),
        members={name: frozenset(people) for name, people in members},
    )
