"""The page of figures; each leads to the list behind it."""

from typing import Any

from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from hitl.desk.analytics import PERIODS, Figures, figures
from hitl.desk.filters import DECIDED, YES, Filters
from hitl.desk.outcomes import NAMES, Outcome
from tenants.kernel import charts
from tenants.kernel.errors import InvalidInput

DEFAULT_DAYS = 30


def period(given: str) -> int:
    """Return the number of days that was asked for; raise InvalidInput for another than 7, 30 or 90."""
    if given not in {"", *map(str, PERIODS)}:
        message = f"Use one of: {', '.join(map(str, PERIODS))}."
        raise InvalidInput(f"days: {message}", errors=[{"at": "/days", "message": message}])
    return int(given or DEFAULT_DAYS)


@login_required
@permission_required("hitl.view_review", raise_exception=True)
@require_safe
def analytics(request: HttpRequest) -> HttpResponse:
    """Show how reviews were decided in a period, of all tools or of one."""
    error: InvalidInput | None = None
    try:
        days = period(request.GET.get("days", ""))
        tool = Filters.parse({"tool": request.GET.get("tool", "")}).get("tool")
    except InvalidInput as raised:
        error, days, tool = raised, DEFAULT_DAYS, ""
    found = figures(days=days, tool=tool, viewer=request.user, now=timezone.now())
    context = {"figures": found, "error": error, "periods": PERIODS, **_context(found)}
    return render(request, "hitl/analytics.html", context, status=error.status if error else 200)


def _context(found: Figures) -> dict[str, Any]:
    base = {"status": DECIDED, "days": str(found.days), **({"tool": found.tool} if found.tool else {})}

    def link(**more: str) -> str:
        return Filters(chosen={**base, **more}).query()

    fastest = {"fast": YES}
    return {
        "links": {
            "closed": link(),
            "breached": link(breached=YES),
            "fast": link(**fastest) if found.everybody else "",
            "oldest": Filters(chosen={"tool": found.tool} if found.tool else {}).query(),
        },
        "shares": [
            {
                "name": NAMES[outcome],
                "outcome": outcome,
                "n": found.outcomes[outcome],
                "link": link(outcome=outcome),
                **charts.share(found.outcomes[outcome], found.closed),
            }
            for outcome in Outcome
        ],
        "days_chart": charts.columns([(f"{day:%-d %b}", n) for day, n in found.per_day.items()]),
        "depths": [
            {
                "depth": depth,
                "link": Filters(chosen={"priority": depth.priority, **_tool(found)}).query(),
                "late": Filters(
                    chosen={"priority": depth.priority, "due": "overdue", **_tool(found)}
                ).query(),
                **charts.share(depth.pending, max((one.pending for one in found.depth), default=0)),
            }
            for depth in found.depth
        ],
        "tools": [
            {
                "figures": one,
                "link": link(tool=one.tool),
                "breached": link(tool=one.tool, breached=YES),
                "narrow": f"?days={found.days}&{Filters(chosen={'tool': one.tool}).query()[1:]}",
                "parts": [
                    {"n": n, "link": link(tool=one.tool, outcome=name)} for name, n in one.outcomes.items()
                ],
            }
            for one in found.tools
        ],
        "people": [
            {
                "figures": one,
                "link": link(reviewer=one.username),
                "fast": link(reviewer=one.username, **fastest),
                "fast_percent": f"{one.fast_share:.0%}",
            }
            for one in found.reviewers
        ],
        "fast_percent": f"{found.fast_share:.0%}",
    }


def _tool(found: Figures) -> dict[str, str]:
    return {"tool": found.tool} if found.tool else {}
