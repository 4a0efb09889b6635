"""What the scripted model costs, and Globex's budgets."""

from datetime import UTC, datetime

from governance.metering.models import Budget, Price
from governance.metering.types import MILLION

MODEL = "scripted*"
SOURCE = "Made up for the demo: the list price of gpt-4.1-mini"
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
PER_MILLION = {"input": 400_000, "cached": 100_000, "output": 1_600_000}
BUDGETS = (
    ("Globex, a day", "tenant", "day", "micros", MILLION // 10),
    ("Each person, a day", "user", "day", "micros", MILLION // 10),
    ("Globex, a month", "tenant", "month", "tokens", 200_000),
    ("Each run", "run", "run", "micros", MILLION // 20),
)


def seed_costs(*, budgets: bool) -> None:
    """Give the scripted model a price, and the tenant some budgets if it is to have them."""
    if not Price.objects.filter(pattern=MODEL).exists():
        Price.objects.bulk_create(
            Price(pattern=MODEL, kind=kind, micros=micros, valid_from=SINCE, source=SOURCE)
            for kind, micros in PER_MILLION.items()
        )
    for name, scope, window, unit, limit in BUDGETS if budgets else ():
        defaults = {"scope": scope, "window": window, "unit": unit, "limit": limit}
        Budget.objects.get_or_create(name=name, defaults=defaults)
