"""Count what a tenant used, each in one statement."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import connection

from tenants.kernel.context import HasSchema, tenant_context
from tenants.kernel.errors import InvalidInput
from tenants.tiers.quotas import day_of
from tenants.tiers.types import Limit
from tenants.usage.registry import IN_USE, METERS

MAX_DAYS = 366
DEFAULT_DAYS = 30


@dataclass(frozen=True, kw_only=True)
class Period:
    """Days of UTC, both included."""

    first: date
    last: date

    @classmethod
    def parse(cls, *, first: str, last: str, now: datetime) -> "Period":
        """Return the days asked for; the last 30 if none are. Raises InvalidInput naming `from` or `to`."""
        today = now.astimezone(UTC).date()
        end = _day("to", last) if last else today
        start = _day("from", first) if first else end - timedelta(days=DEFAULT_DAYS - 1)
        if start > end or (end - start).days >= MAX_DAYS:
            message = f"not after 'to', and at most {MAX_DAYS} days"
            raise InvalidInput(f"from: {message}.", errors=[{"at": "/from", "message": message}])
        return cls(first=start, last=end)

    @property
    def days(self) -> list[date]:
        """Return each day, the first one first."""
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]


def _day(field: str, value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        message = "a day such as 2026-11-30"
        raise InvalidInput(
            f"{field}: give {message}.", errors=[{"at": f"/{field}", "message": message}]
        ) from error


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What was used on each day of a period, and in all."""

    days: Sequence[tuple[date, Mapping[str, int]]]
    totals: Mapping[str, int]


def usage(*, tenant: HasSchema, period: Period) -> Usage:
    """Count every meter of the tenant for each day."""
    parts = [f"SELECT '{name}', day, n::bigint FROM ({METERS.get(name)}) m" for name in METERS]  # noqa: S608
    values = {
        "since": datetime.combine(period.first, time.min, UTC),
        "until": datetime.combine(period.last + timedelta(days=1), time.min, UTC),
    }
    with tenant_context(tenant), connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts), values)
        counted = {(name, day): n for name, day, n in cursor.fetchall()}
    days = [(day, {name: counted.get((name, day), 0) for name in METERS}) for day in period.days]
    return Usage(days=days, totals={name: sum(row[name] for _, row in days) for name in METERS})


def in_use(*, tenant: HasSchema, now: datetime) -> dict[Limit, int]:
    """Return how much of each limit the tenant uses now, of those that somebody counts."""
    parts = [f"SELECT '{name}', ({IN_USE.get(name)})::bigint" for name in IN_USE]
    day = day_of(now)
    with tenant_context(tenant), connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts), {"day": day, "month": day.replace(day=1)})
        return {Limit(name): n or 0 for name, n in cursor.fetchall()}


def to_csv(*, name: str, tier: str, found: Usage) -> str:
    """Return one line for each day, for whoever writes the bill."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["tenant", "tier", "day", *METERS])
    rows: list[list[Any]] = [[name, tier, day.isoformat(), *row.values()] for day, row in found.days]
    writer.writerows(rows)
    return text.getvalue()
