"""What a tier limits, as a budget of the tenant that nobody in it can change."""

from typing import Any

from governance.metering.models import Budget
from governance.metering.types import Scope, Unit, Window

TOKENS = "Tier: tokens a month"


def on_limits_changed(*, limits: Any, **_kwargs: Any) -> None:
    """Hold the tenant to its tokens per month; `limits.tokens_per_month` of None lifts it."""
    held = {"scope": Scope.TENANT, "window": Window.MONTH, "unit": Unit.TOKENS, "subject": ""}
    budgets = Budget.objects.filter(source=Budget.Source.TIER, name=TOKENS)
    limit = limits.tokens_per_month
    if limit is None:
        budgets.filter(enabled=True).update(enabled=False)
    elif not budgets.filter(limit=limit, enabled=True).exists():
        values = {**held, "limit": limit, "enabled": True}
        Budget.objects.update_or_create(name=TOKENS, source=Budget.Source.TIER, defaults=values)
