"""Pages of costs: how full budgets are, and what was spent on what."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from governance.metering import reports
from governance.metering.models import Reservation
from governance.metering.words import amount_in_words, dollars, whose
from tenants.kernel import charts
from tenants.kernel.errors import InvalidInput

PERIODS = (7, 30, 90)
DEFAULT_DAYS = 30


@login_required
@permission_required("governance.view_usagerecord", raise_exception=True)
@require_safe
def usage(request: HttpRequest) -> HttpResponse:
    """Show what agents, people and models cost in a period, and which of them stand out today."""
    error: InvalidInput | None = None
    given = request.GET.get("days", "") or str(DEFAULT_DAYS)
    if given not in map(str, PERIODS):
        error = InvalidInput(f"days: use one of {', '.join(map(str, PERIODS))}.")
        given = str(DEFAULT_DAYS)
    now = timezone.now()
    days = int(given)
    today = datetime.combine(now.date(), datetime.min.time(), tzinfo=UTC)
    since, until = today - timedelta(days=days - 1), now
    person = reports.alone(request.user)
    per_day = reports.by_day(since=since, until=until)
    groups = [
        (title, group, [_bar(line, lines) for line in lines])
        for title, group in (("By agent", "agent"), ("By person", "user"), ("By model and tool", "model"))
        for lines in [reports.usage(group_by=group, since=since, until=until, person=person)]
    ]
    agents = [bar["line"] for bar in groups[0][2]]
    context = {
        "error": error,
        "days": days,
        "periods": PERIODS,
        "since": since,
        "total": dollars(sum(line.cost_micros for line in agents)),
        "calls": sum(line.calls for line in agents),
        "tokens": sum(line.input_tokens + line.output_tokens for line in agents),
        "unpriced": sum(line.unpriced for line in agents),
        "estimated": sum(line.estimated for line in agents),
        "waiting": Reservation.objects.filter(status=Reservation.Status.UNKNOWN).count(),
        "chart": charts.columns([(f"{day:%-d %b}", cost) for day, cost in per_day.items()]),
        "day_costs": [(day, dollars(cost)) for day, cost in per_day.items()],
        "largest": dollars(max(per_day.values(), default=0)),
        "groups": groups,
        "anomalies": [_anomaly(one) for one in reports.anomalies(now=now, person=person)],
    }
    return render(request, "governance/usage.html", context, status=error.status if error else 200)


@login_required
@permission_required("governance.view_budget", raise_exception=True)
@require_safe
def budgets(request: HttpRequest) -> HttpResponse:
    """Show how much of each budget is spent, reserved and left."""
    person = reports.alone(request.user)
    found = list(reports.shown_to(request.user).order_by("name"))
    context = {
        "standings": [_standing(one) for one in reports.standings(found, now=timezone.now(), person=person)],
        "single": [
            {
                "budget": budget,
                "whose": whose(budget.scope, budget.subject),
                "limit": amount_in_words(budget.limit, budget.unit),
            }
            for budget in found
            if budget.enabled and budget.window in {"run", "request"}
        ],
        "off": [budget for budget in found if not budget.enabled],
        "waiting": Reservation.objects.filter(status=Reservation.Status.UNKNOWN).count(),
    }
    return render(request, "governance/budgets.html", context)


def _bar(line: reports.Line, lines: list[reports.Line]) -> dict[str, Any]:
    most = max((one.cost_micros for one in lines), default=0)
    return {"line": line, "cost": dollars(line.cost_micros), **charts.share(max(0, line.cost_micros), most)}


def _standing(one: reports.Standing) -> dict[str, Any]:
    unit = one.budget.unit
    subject = one.whose or one.budget.subject
    return {
        "standing": one,
        "whose": whose(one.budget.scope, subject),
        "limit": amount_in_words(one.budget.limit, unit),
        "spent": amount_in_words(one.spent, unit),
        "reserved": amount_in_words(one.reserved, unit) if one.reserved else "",
        "left": amount_in_words(one.left, unit),
    }


def _anomaly(one: reports.Anomaly) -> dict[str, Any]:
    judged = one.judgement
    return {
        "kind": "person" if one.kind == "user" else one.kind,
        "name": one.name,
        "judgement": judged,
        "today": dollars(judged.today),
        "median": dollars(judged.median),
        "mad": dollars(judged.mad),
        "limit": dollars(judged.limit),
    }
