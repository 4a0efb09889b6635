"""What was spent, on whom and on what, and how full budgets are."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db.models import Count, F, Q, QuerySet, Sum, Value
from django.db.models.functions import Concat, TruncDate

from governance.access.models import User
from governance.metering.anomalies import DAYS, Judgement, judge
from governance.metering.models import Budget, BudgetWindow, UsageRecord
from governance.metering.types import Scope, Window
from governance.metering.warnings import level_of
from tenants.kernel.errors import InvalidInput

GROUPS = ("agent", "user", "model", "day")
MAX_DAYS = 366
LEVELS_IN_WORDS = {0: "low", 50: "half", 80: "high", 100: "full"}
SEE_OTHERS = "governance.view_budgetwindow"
_KEYS: dict[str, Any] = {
    "agent": (F("agent_id"), F("agent_name")),
    "user": (F("user_id"), F("user_name")),
    "model": (Concat("kind", Value(":"), "name"), F("name")),
    "day": (TruncDate("at", tzinfo=UTC), TruncDate("at", tzinfo=UTC)),
}


@dataclass(frozen=True, kw_only=True)
class Line:
    """What one agent, user, model or day used. `cost_micros` leaves out calls without a price, counted beside."""

    key: str
    name: str
    calls: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_micros: int
    unpriced: int
    estimated: int


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How full one window of a budget is."""

    budget: Budget
    whose: str
    started_at: datetime
    ends_at: datetime | None
    spent: int
    reserved: int

    @property
    def left(self) -> int:
        """Return what can still be reserved, 0 at least."""
        return max(0, self.budget.limit - self.spent - self.reserved)

    def part(self, amount: int) -> float:
        """Return a part of the limit as the length of a bar of 100."""
        return round(min(100.0, 100 * amount / self.budget.limit), 2) if self.budget.limit else 100.0

    @property
    def spent_part(self) -> float:
        """Return how much of the bar is spent."""
        return self.part(self.spent)

    @property
    def reserved_part(self) -> float:
        """Return how much of the bar is reserved, beside what is spent."""
        return round(min(100 - self.spent_part, self.part(self.reserved)), 2)

    @property
    def level(self) -> str:
        """Return how it stands, in a word."""
        return LEVELS_IN_WORDS[level_of(self.spent + self.reserved, self.budget.limit)]


@dataclass(frozen=True, kw_only=True)
class Anomaly:
    """An agent or a person, and what today costs beside the two weeks before."""

    kind: str
    name: str
    judgement: Judgement


def alone(viewer: Any) -> int | None:
    """Return the one person whose costs the viewer sees person by person: themselves, or None for everybody's."""
    return None if viewer.has_perm(SEE_OTHERS) else int(viewer.pk)


def shown_to(viewer: Any) -> QuerySet[Budget]:
    """Return the budgets that the viewer sees: all but those of other single people."""
    person = alone(viewer)
    if person is None:
        return Budget.objects.all()
    return Budget.objects.exclude(Q(scope=Scope.USER) & ~Q(subject__in=["", str(person)]))


def windows_of(budgets: Iterable[Any], *, now: datetime, person: int | None) -> QuerySet[BudgetWindow]:
    """Return the windows that budgets have now; of those that count each person, `person`'s alone if given."""
    found = BudgetWindow.objects.filter(budget__in=list(budgets), started_at__lte=now, ends_at__gt=now)
    return found if person is None else found.exclude(Q(budget__scope=Scope.USER) & ~Q(subject=str(person)))


def usage(*, group_by: str, since: datetime, until: datetime, person: int | None = None) -> list[Line]:
    """Return what was used from `since` on and before `until`: days in their order, others by cost.

    Where it is told person by person, `person` alone is told of if given. Raises InvalidInput for another
    grouping, or for more than 366 days.
    """
    if group_by not in GROUPS:
        message = f"Use one of: {', '.join(GROUPS)}."
        raise InvalidInput(f"group_by: {message}", errors=[{"at": "/group_by", "message": message}])
    if not timedelta(0) < until - since <= timedelta(days=MAX_DAYS):
        message = f"A time after `from`, {MAX_DAYS} days later at most."
        raise InvalidInput(f"to: {message}", errors=[{"at": "/to", "message": message}])
    key, name = _KEYS[group_by]
    mine = {"user_id": person} if person is not None and group_by == "user" else {}
    rows = (
        UsageRecord.objects.filter(at__gte=since, at__lt=until, **mine)
        .order_by()
        .values(grouped_by=key, called=name)
        .annotate(
            n=Count("pk", filter=Q(correction=False)),
            input=Sum("input_tokens"),
            cached=Sum("cached_tokens"),
            output=Sum("output_tokens"),
            cost=Sum("cost_micros"),
            unpriced=Count("pk", filter=Q(cost_micros=None)),
            guessed=Count("pk", filter=Q(estimated=True)),
        )
    )
    lines = [
        Line(
            key=str(row["grouped_by"]),
            name=str(row["called"]),
            calls=row["n"],
            input_tokens=row["input"],
            cached_tokens=row["cached"],
            output_tokens=row["output"],
            cost_micros=row["cost"] or 0,
            unpriced=row["unpriced"],
            estimated=row["guessed"],
        )
        for row in rows
    ]
    if group_by == "day":
        return sorted(lines, key=lambda line: line.key)
    return sorted(lines, key=lambda line: (-line.cost_micros, line.name))


def by_day(*, since: datetime, until: datetime) -> dict[date, int]:
    """Return the cost of each day, days without a call included."""
    costs = {line.key: line.cost_micros for line in usage(group_by="day", since=since, until=until)}
    days = ((since + timedelta(days=n)).date() for n in range((until - since).days + 1))
    return {day: costs.get(day.isoformat(), 0) for day in days}


def anomalies(*, now: datetime, person: int | None = None) -> list[Anomaly]:
    """Return how today compares with the two weeks before, for each agent and person; what stands out first.

    Of people, `person` alone if given.
    """
    today = now.date()
    first = datetime.combine(today - timedelta(days=DAYS), datetime.min.time(), tzinfo=UTC)
    found = []
    for kind in ("agent", "user"):
        key, name = _KEYS[kind]
        mine = {"user_id": person} if person is not None and kind == "user" else {}
        rows = (
            UsageRecord.objects.filter(at__gte=first, at__lte=now, **mine)
            .order_by()
            .values(day=TruncDate("at", tzinfo=UTC), grouped_by=key, called=name)
            .annotate(cost=Sum("cost_micros"))
        )
        costs: dict[tuple[str, str], dict[date, int]] = defaultdict(dict)
        for row in rows:
            costs[str(row["grouped_by"]), row["called"]][row["day"]] = row["cost"] or 0
        for (_, called), per_day in costs.items():
            before = [per_day.get(today - timedelta(days=n), 0) for n in range(1, DAYS + 1)]
            found.append(
                Anomaly(kind=kind, name=called, judgement=judge(today=per_day.get(today, 0), before=before))
            )
    return sorted(found, key=lambda one: (not one.judgement.is_anomaly, -one.judgement.today, one.name))


def standings(budgets: Iterable[Budget], *, now: datetime, person: int | None = None) -> list[Standing]:
    """Return the windows that the budgets have now, the fullest first; those of single runs and calls are left out.

    Of budgets that count each person, `person`'s alone if given.
    """
    shown = {b.pk: b for b in budgets if b.enabled and b.window not in {Window.RUN, Window.REQUEST}}
    open_now = windows_of(shown, now=now, person=person)
    names = _names(open_now)
    found = [
        Standing(
            budget=shown[row.budget_id],
            whose=names.get(row.subject, row.subject),
            started_at=row.started_at,
            ends_at=row.ends_at,
            spent=row.spent,
            reserved=row.reserved,
        )
        for row in open_now
    ]
    unused = shown.keys() - {row.budget_id for row in open_now}
    found += [
        Standing(budget=shown[pk], whose="", started_at=now, ends_at=None, spent=0, reserved=0)
        for pk in unused
    ]
    return sorted(found, key=lambda s: (-s.part(s.spent + s.reserved), s.budget.name, s.whose))


def _names(windows: Iterable[BudgetWindow]) -> dict[str, str]:
    """Return the names behind the ids of users and agents."""
    scopes = defaultdict(set)
    for window in windows:
        scopes[window.budget.scope].add(window.subject)
    people = User.objects.filter(pk__in=[pk for pk in scopes[Scope.USER] if pk.isdigit()])
    names = {str(pk): name for pk, name in people.values_list("pk", "username")}
    agents = UsageRecord.objects.filter(agent_id__in=scopes[Scope.AGENT]).order_by("agent_id", "-at")
    found = agents.distinct("agent_id").values_list("agent_id", "agent_name")
    return names | {agent_id: name for agent_id, name in found if agent_id}
