"""The tenant's dashboard: runs, queue and feed on one live page, and a page a run."""

from typing import Any

from django.contrib.auth.decorators import login_required, permission_required
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from guardian.shortcuts import get_objects_for_user
from rest_framework.generics import get_object_or_404

from agents.catalog.models import Agent
from agents.runs import engine, operations
from agents.runs.models import Run
from governance.audit.models import AuditEvent
from hitl.reviews.models import Review
from tenants.kernel.errors import DomainError

RUNS, FEED, QUEUE = 15, 20, 10


@login_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show the live page."""
    return render(request, "dashboard/home.html", _home(request))


@login_required
@require_safe
def fragment(request: HttpRequest, name: str) -> HttpResponse:
    """Return one part of the live page, as the database has it now."""
    return render(request, f"dashboard/_{name}.html", _PARTS[name](request))


@login_required
@require_http_methods(["GET", "POST"])
def ask(request: HttpRequest) -> HttpResponse:
    """Start a run and show it; who comes back here from signing in finds the form."""
    if request.method == "GET":
        return HttpResponseRedirect(reverse("home"))
    agent = get_object_or_404(Agent, pk=request.POST.get("agent", ""))
    query = request.POST.get("query", "").replace("\r\n", "\n")  # browsers send CR LF
    try:
        run = operations.start(
            agent=agent,
            user=request.user,
            input={"query": query},
            trace_id=request.trace_id,  # type: ignore[attr-defined]
            now=timezone.now(),
        )
    except DomainError as error:
        context = {**_home(request), "error": error, "query": query}
        return render(request, "dashboard/home.html", context, status=error.status)
    return HttpResponseRedirect(reverse("run", args=[run.pk]))


@login_required
@permission_required("agents.view_run", raise_exception=True)
@require_safe
def run(request: HttpRequest, pk: str) -> HttpResponse:
    """Show a run, live; an htmx request gets its changing part."""
    item = get_object_or_404(Run.objects.select_related("agent", "requester"), pk=pk)
    steps = list(item.steps.all())
    context = {
        "run": item,
        "steps": [{**told, "step": step} for told, step in zip(engine.story(steps), steps, strict=True)],
        "may_cancel": item.status not in Run.ENDED
        and (item.requester_id == request.user.pk or request.user.has_perm("agents.cancel_run")),
        "ended": item.status in Run.ENDED,
    }
    template = "dashboard/_run.html" if request.headers.get("HX-Request") else "dashboard/run.html"
    return render(request, template, context)


@login_required
@require_POST
def cancel(request: HttpRequest, pk: str) -> HttpResponse:
    """Cancel a run and show it."""
    item = get_object_or_404(Run.objects.select_related("requester"), pk=pk)
    try:
        operations.cancel(run=item, user=request.user, now=timezone.now())
    except DomainError as error:
        return render(request, "error.html", {"error": error}, status=error.status)
    return HttpResponseRedirect(reverse("run", args=[item.pk]))


def _home(request: HttpRequest) -> dict[str, Any]:
    context: dict[str, Any] = {
        "agents": get_objects_for_user(request.user, "agents.execute_agent", klass=Agent).order_by("name")
    }
    for part in _PARTS.values():
        context |= part(request)
    return context


def _counts(request: HttpRequest) -> dict[str, Any]:
    if not request.user.has_perm("agents.view_run"):
        return {"counts": None}
    by_status = Run.objects.aggregate(
        running=Count("pk", filter=Q(status__in=[Run.Status.QUEUED, Run.Status.RUNNING])),
        waiting=Count("pk", filter=Q(status=Run.Status.WAITING)),
        succeeded=Count("pk", filter=Q(status=Run.Status.SUCCEEDED)),
        failed=Count("pk", filter=Q(status=Run.Status.FAILED)),
    )
    return {"counts": by_status}


def _runs(request: HttpRequest) -> dict[str, Any]:
    if not request.user.has_perm("agents.view_run"):
        return {"runs": None}
    return {"runs": Run.objects.select_related("agent", "requester").order_by("-id")[:RUNS]}


def _queue(request: HttpRequest) -> dict[str, Any]:
    if not request.user.has_perm("hitl.view_review"):
        return {"reviews": None}
    return {"reviews": Review.objects.pending().queue_order().select_related("requester")[:QUEUE]}


def _feed(request: HttpRequest) -> dict[str, Any]:
    if not request.user.has_perm("governance.view_auditevent"):
        return {"events": None}
    return {"events": AuditEvent.objects.order_by("-id")[:FEED]}


def _shared(request: HttpRequest) -> dict[str, Any]:
    return {}  # asked for by the template, which every page shares


_PARTS = {
    "counts": _counts,
    "runs": _runs,
    "queue": _queue,
    "feed": _feed,
    "pending": _shared,
    "halts": _shared,
}
