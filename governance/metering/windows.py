"""Which budgets count a call, and in which window. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from governance.metering.types import BudgetRule, MeteringRules, Scope, Share, Spender, Window


def span(window: Window, *, now: datetime, run_started_at: datetime) -> tuple[datetime, datetime | None]:
    """Return when the window that holds `now` began, and when the next one does; a run's has no end."""
    match window:
        case Window.HOUR:
            start = now.replace(minute=0, second=0, microsecond=0)
            return start, start + timedelta(hours=1)
        case Window.DAY:
            start = now.replace(hour=0, minute=0, second=0, microsecond=0)
            return start, start + timedelta(days=1)
        case Window.MONTH:
            start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
            return start, (start + timedelta(days=32)).replace(day=1)
        case _:
            return run_started_at, None


def applying(rules: MeteringRules, spender: Spender) -> Iterable[tuple[BudgetRule, str]]:
    """Yield the budgets that count the spender's calls, each with the subject that it counts them for."""
    for budget in rules.budgets:
        for subject in _subjects(budget, rules, spender):
            yield budget, subject


def shares(rules: MeteringRules, spender: Spender, *, now: datetime) -> list[Share]:
    """Return what the spender's next call is counted in, in the order of locks; single calls are not counted."""
    found = []
    for budget, subject in applying(rules, spender):
        if budget.window is Window.REQUEST:
            continue
        start, end = span(budget.window, now=now, run_started_at=spender.run_started_at)
        within = f"{subject}/{spender.run_id}" if budget.window is Window.RUN else subject
        found.append(Share(budget=budget, subject=within, started_at=start, ends_at=end))
    return sorted(found, key=lambda share: share.place)


def _subjects(budget: BudgetRule, rules: MeteringRules, spender: Spender) -> list[str]:
    match budget.scope:
        case Scope.USER:
            return _if_named(budget, str(spender.user_id))
        case Scope.AGENT:
            return _if_named(budget, spender.agent_id)
        case Scope.TEAM:
            teams = sorted(name for name, people in rules.members.items() if spender.user_id in people)
            return [team for team in teams if budget.subject in {"", team}]
        case Scope.TENANT if budget.is_platforms:
            return _if_named(budget, spender.tenant)
        case _:
            return [""]


def _if_named(budget: BudgetRule, subject: str) -> list[str]:
    return [subject] if budget.subject in {"", subject} else []
