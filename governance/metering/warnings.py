"""Tell people once a window that half, four fifths or all of a budget is spent."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.metering.models import LEVELS
from governance.metering.signals import budget_warned
from governance.metering.types import BudgetRule, Scope, Share
from governance.types import Subject
from tenants.kernel import prepared

_WARN = """
UPDATE {schema}governance_budgetwindow SET warned = %(level)s WHERE id = %(id)s AND warned < %(level)s RETURNING 1
"""
_FIND = """
SELECT b.name, b.scope, w.subject, b.unit, b."limit", w.spent, w.warned, w.ends_at, w.id::text
FROM {schema}governance_budgetwindow w JOIN {schema}governance_budget b ON b.id = w.budget_id
WHERE b.id = %(budget)s AND w.subject = %(subject)s AND w.started_at = %(started_at)s
"""


@dataclass(frozen=True, kw_only=True)
class BudgetWarning:
    """A budget that has reached a percentage of its limit in one window."""

    window: str
    name: str
    scope: str
    subject: str
    unit: str
    level: int
    limit: int
    spent: int
    refused: bool
    is_platforms: bool


def level_of(spent: int, limit: int) -> int:
    """Return the highest percentage reached; 0 for none, and 100 for a budget of nothing."""
    reached = [level for level in LEVELS if spent * 100 >= level * limit]
    return max(reached, default=0)


def after(
    row: Sequence[Any], *, window: str, is_platforms: bool, now: datetime, refused: bool = False
) -> None:
    """Warn if the window has reached a percentage that nobody was told of; its row is locked by the caller."""
    name, scope, subject, unit, limit, spent, warned, _ = row
    level = LEVELS[-1] if refused else level_of(spent, limit)
    if level <= warned:
        return
    values = {"level": level, "id": UUID(window)}
    if not prepared.execute(_WARN.format(schema="public." if is_platforms else ""), values):
        return
    warning = BudgetWarning(
        window=window,
        name=name,
        scope=scope,
        subject=subject,
        unit=unit,
        level=level,
        limit=limit,
        spent=spent,
        refused=refused,
        is_platforms=is_platforms,
    )
    # What all tenants together spend is for the platform to know.
    hidden = {"limit", "spent"} if scope == Scope.PLATFORM else set()
    entry = Entry(
        at=now,
        action="budget.warned",
        subject=Subject(kind="budget", id=name),
        outcome=str(level),
        body={name: value for name, value in asdict(warning).items() if name not in hidden},
    )
    audit.record(entry)
    budget_warned.send(sender=BudgetRule, warning=warning, now=now)


def refused(share: Share, *, now: datetime) -> None:
    """Warn that a budget refuses calls now, although the last of it may not be spent."""
    budget = share.budget
    schema = "public." if budget.is_platforms else ""
    values = {"budget": budget.id, "subject": share.subject, "started_at": share.started_at}
    for *row, window in prepared.execute(_FIND.format(schema=schema), values):
        after(row, window=window, is_platforms=budget.is_platforms, now=now, refused=True)
