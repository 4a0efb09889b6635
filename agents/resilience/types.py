"""Breakers and caps as plain data. No Django."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class CircuitState:
    """A breaker as it was read; `failures` and `successes` count in a row, `opened_at` is null while closed."""

    kind: str
    name: str
    state: str = "closed"
    failures: int = 0
    successes: int = 0
    opened_at: datetime | None = None
    fail_after: int = 5
    retry_after_s: int = 60
    close_after: int = 3

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """Restore a row that PostgreSQL gave as JSON, its time as text; other columns are left out."""
        return cls(
            kind=row["kind"],
            name=row["name"],
            state=row["state"],
            failures=row["failures"],
            successes=row["successes"],
            opened_at=datetime.fromisoformat(row["opened_at"]) if row["opened_at"] else None,
            fail_after=row["fail_after"],
            retry_after_s=row["retry_after_s"],
            close_after=row["close_after"],
        )


@dataclass(frozen=True, kw_only=True)
class CapState:
    """How many calls of a part, or runs of the tenant, may be under way at once."""

    kind: str
    name: str
    limit: int

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """Restore a row that PostgreSQL gave as JSON; other columns are left out."""
        return cls(kind=row["kind"], name=row["name"], limit=row["limit"])
