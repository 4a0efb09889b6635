"""Figures of how people decide: how long it takes, what they say, who carries the load, what is late."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Aggregate, Count, DurationField, ExpressionWrapper, F, Min, Q, QuerySet
from django.db.models.functions import TruncDate

from governance.types import Risk
from hitl.desk.listing import ANALYTICS, breached, fast_votes, overdue
from hitl.desk.outcomes import Outcome, with_outcome
from hitl.reviews.models import Review, Vote
from hitl.reviews.types import BallotKind, DecisionVerb

PERIODS = (7, 30, 90)
MAX_TOOLS = 20
RUBBER_STAMP_SHARE, RUBBER_STAMP_VOTES = 0.2, 10
"""Who decides a fifth of at least ten votes in under three seconds is flagged."""
BY_PEOPLE = (Outcome.APPROVED, Outcome.EDITED, Outcome.FEEDBACK, Outcome.REJECTED, Outcome.ANSWERED)


class _Percentile(Aggregate):
    """The value below which a share of the values lie, interpolated (SQL's PERCENTILE_CONT)."""

    function = "PERCENTILE_CONT"
    template = "%(function)s(%(share)s) WITHIN GROUP (ORDER BY %(expressions)s)"

    def __init__(self, expression: Any, share: float, **extra: Any) -> None:
        super().__init__(expression, share=share, output_field=DurationField(), **extra)


@dataclass(frozen=True, kw_only=True)
class Times:
    """Median and 95th percentile in seconds; None where nothing was measured."""

    p50_s: float | None
    p95_s: float | None


@dataclass(frozen=True, kw_only=True)
class ByTool:
    """How the calls of one tool were decided."""

    tool: str
    decided: int
    from_created: Times
    outcomes: dict[str, int]
    breaches: int


@dataclass(frozen=True, kw_only=True)
class ByReviewer:
    """What one person decided, and what is assigned to them now."""

    username: str
    votes: int
    from_viewed: Times
    verbs: dict[str, int]
    timed: int
    fast: int
    assigned: int

    @property
    def fast_share(self) -> float:
        """Return the share of votes, among those whose reading time is known, cast in under three seconds."""
        return self.fast / self.timed if self.timed else 0.0

    @property
    def flagged(self) -> bool:
        """Tell whether so many votes were so fast that they hardly were read."""
        return self.timed >= RUBBER_STAMP_VOTES and self.fast_share >= RUBBER_STAMP_SHARE


@dataclass(frozen=True, kw_only=True)
class Depth:
    """How many reviews of a priority wait, and since when."""

    priority: str
    pending: int
    overdue: int
    oldest: datetime | None


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The figures of a period."""

    days: int
    tool: str
    closed: int
    outcomes: dict[str, int]
    per_day: dict[date, int]
    from_created: Times
    from_viewed: Times
    breaches: int
    timed_votes: int
    fast_votes: int
    tools: list[ByTool]
    reviewers: list[ByReviewer]
    everybody: bool
    depth: list[Depth]

    @property
    def oldest(self) -> datetime | None:
        """Return since when the oldest pending review waits."""
        return min((one.oldest for one in self.depth if one.oldest), default=None)

    @property
    def fast_share(self) -> float:
        """Return the share of all timed votes that were cast in under three seconds."""
        return self.fast_votes / self.timed_votes if self.timed_votes else 0.0


def figures(*, days: int, tool: str, viewer: Any, now: datetime) -> Figures:
    """Return the figures of the last so many days, of one tool or (empty) of all; seven queries.

    Times count what people decided; the figures of others are for those alone who hold `view_analytics`.
    """
    since = now - timedelta(days=days)
    closed = Review.objects.exclude(status=Review.Status.PENDING).filter(decided_at__gte=since)
    pending = Review.objects.pending()
    votes = Vote.objects.filter(kind=BallotKind.PERSON, review__in=closed)
    if tool:
        closed, pending = closed.filter(tool=tool), pending.filter(tool=tool)
        votes = votes.filter(review__tool=tool)
    per_outcome, per_day = _outcomes(closed, since, now)
    everybody = viewer.has_perm(ANALYTICS)
    reviewers = _reviewers(votes)
    totals = _times(closed)
    return Figures(
        days=days,
        tool=tool,
        closed=per_outcome.total(),
        outcomes={outcome: per_outcome[outcome] for outcome in Outcome},
        per_day=per_day,
        from_created=Times(p50_s=_s(totals["p50"]), p95_s=_s(totals["p95"])),
        from_viewed=Times(p50_s=_s(totals["viewed_p50"]), p95_s=_s(totals["viewed_p95"])),
        breaches=totals["breaches"],
        timed_votes=sum(one.timed for one in reviewers),
        fast_votes=sum(one.fast for one in reviewers),
        tools=_tools(closed),
        reviewers=[one for one in reviewers if everybody or one.username == viewer.username],
        everybody=everybody,
        depth=_depth(pending, now),
    )


def _s(value: timedelta | None) -> float | None:
    return None if value is None else value.total_seconds()


def _between(start: str, end: str) -> "ExpressionWrapper[Any]":
    return ExpressionWrapper(F(end) - F(start), output_field=DurationField())


def _outcomes(
    closed: QuerySet[Review], since: datetime, now: datetime
) -> tuple[Counter[str], dict[date, int]]:
    """Return how many reviews ended how, and on which day, quiet days included."""
    grouped = with_outcome(closed).annotate(day=TruncDate("decided_at")).order_by()
    rows = grouped.values("outcome", "day").annotate(n=Count("pk")).values_list("outcome", "day", "n")
    outcomes: Counter[str] = Counter()
    first, last = since.date(), now.date()
    days = {first + timedelta(days=n): 0 for n in range((last - first).days + 1)}
    for outcome, day, n in rows:
        outcomes[outcome] += n
        days[day] = days.get(day, 0) + n
    return outcomes, days


def _times(closed: QuerySet[Review]) -> dict[str, Any]:
    spoken = with_outcome(closed).filter(outcome__in=BY_PEOPLE)
    whole, read = _between("created_at", "decided_at"), _between("first_viewed_at", "decided_at")
    times = spoken.aggregate(
        p50=_Percentile(whole, 0.5),
        p95=_Percentile(whole, 0.95),
        viewed_p50=_Percentile(read, 0.5),
        viewed_p95=_Percentile(read, 0.95),
    )
    return {**times, "breaches": closed.filter(breached()).count()}


def _tools(closed: QuerySet[Review]) -> list[ByTool]:
    whole = _between("created_at", "decided_at")
    edited = ~Q(arguments=F("arguments_proposed"))
    rows = (
        closed.exclude(tool="")
        .order_by()
        .values("tool")
        .annotate(
            n=Count("pk"),
            p50=_Percentile(whole, 0.5),
            p95=_Percentile(whole, 0.95),
            breaches=Count("pk", filter=breached()),
            approved=Count("pk", filter=Q(status=Review.Status.APPROVED) & ~edited),
            edited=Count("pk", filter=Q(status=Review.Status.APPROVED) & edited),
            rejected=Count("pk", filter=Q(status=Review.Status.REJECTED)),
            expired=Count("pk", filter=Q(status=Review.Status.EXPIRED)),
        )
        .order_by("-n", "tool")[:MAX_TOOLS]
    )
    return [
        ByTool(
            tool=row["tool"],
            decided=row["n"],
            from_created=Times(p50_s=_s(row["p50"]), p95_s=_s(row["p95"])),
            outcomes={name: row[name] for name in ("approved", "edited", "rejected", "expired")},
            breaches=row["breaches"],
        )
        for row in rows
    ]


def _reviewers(votes: QuerySet[Vote]) -> list[ByReviewer]:
    read = _between("viewed_at", "at")
    verbs = (DecisionVerb.APPROVE, DecisionVerb.EDIT, DecisionVerb.FEEDBACK, DecisionVerb.REJECT)
    rows: Any = (
        votes.order_by()
        .values("reviewer__username")
        .annotate(
            n=Count("pk"),
            p50=_Percentile(read, 0.5),
            p95=_Percentile(read, 0.95),
            timed=Count("pk", filter=Q(viewed_at__isnull=False)),
            fast=Count("pk", filter=fast_votes()),
            **{f"said_{verb}": Count("pk", filter=Q(decision=verb)) for verb in verbs},
        )
        .order_by("-n", "reviewer__username")
    )
    mine = Review.objects.pending().exclude(assigned_to=None).order_by()
    assigned = dict(
        mine.values("assigned_to__username").annotate(n=Count("pk")).values_list("assigned_to__username", "n")
    )
    found = [
        ByReviewer(
            username=row["reviewer__username"],
            votes=row["n"],
            from_viewed=Times(p50_s=_s(row["p50"]), p95_s=_s(row["p95"])),
            verbs={str(verb): row[f"said_{verb}"] for verb in verbs},
            timed=row["timed"],
            fast=row["fast"],
            assigned=assigned.pop(row["reviewer__username"], 0),
        )
        for row in rows
    ]
    nothing = Times(p50_s=None, p95_s=None)
    return found + [
        ByReviewer(
            username=name,
            votes=0,
            from_viewed=nothing,
            verbs={str(verb): 0 for verb in verbs},
            timed=0,
            fast=0,
            assigned=n,
        )
        for name, n in sorted(assigned.items())
    ]


def _depth(pending: QuerySet[Review], now: datetime) -> list[Depth]:
    rows: dict[str, dict[str, Any]] = {
        row["priority"]: dict(row)
        for row in pending.order_by()
        .values("priority")
        .annotate(n=Count("pk"), late=Count("pk", filter=overdue(now)), oldest=Min("created_at"))
    }
    nothing = {"n": 0, "late": 0, "oldest": None}
    return [
        Depth(priority=risk, pending=row["n"], overdue=row["late"], oldest=row["oldest"])
        for risk in reversed(Risk)
        for row in [rows.get(risk, nothing)]
    ]
