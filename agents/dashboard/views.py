"""The tenant's dashboard: runs, queue and feed on one live page, and a page a run."""

from typing import Any

from django.contrib.auth.decorators import login_required, permission_required
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from rest_framework.generics import get_object_or_404

from agents.catalog.models import Agent
from agents.halts import standing
from agents.runs import assurance, engine, escalations, influence, intake, operations
from agents.runs.models import Run
from governance.access.rights.holding import held
from governance.audit.models import AuditEvent
from governance.signin.factors import ProofRefused
from governance.types import Risk
from hitl.desk import stepup
from hitl.reviews import operations as reviews
from hitl.reviews.models import Review
from tenants.kernel.errors import DomainError, InvalidInput
from tenants.kernel.models import uuid7

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
    """Start a run in a session of its own and show it; who comes back from signing in finds the form."""
    if request.method == "GET":
        return HttpResponseRedirect(reverse("home"))
    agent = get_object_or_404(Agent, pk=request.POST.get("agent", ""))
    query = request.POST.get("query", "").replace("\r\n", "\n")  # browsers send CR LF
    try:
        run = operations.start(
            agent=agent,
            user=request.user,
            input={"query": query},
            session_id=str(uuid7()),
            step_up=assurance.confirmed(request),
            trace_id=request.trace_id,  # type: ignore[attr-defined]
            now=timezone.now(),
        )
    except DomainError as error:
        needs_password = isinstance(error, intake.StepUpRequired | ProofRefused)
        context = {
            **_home(request),
            "error": error,
            "query": query,
            "needs_password": needs_password,
            "asks": stepup.asks(request.user),
        }
        return render(request, "dashboard/home.html", context, status=error.status)
    return HttpResponseRedirect(reverse("run", args=[run.pk]))


@login_required
@permission_required("agents.view_run", raise_exception=True)
@require_safe
def run(request: HttpRequest, pk: str) -> HttpResponse:
    """Show a run, live; an htmx request gets its changing part."""
    item = get_object_or_404(Run.objects.select_related("agent", "requester", "delegator"), pk=pk)
    steps = list(item.steps.all())
    asked = list(Review.objects.filter(run_id=item.pk).prefetch_related("votes").order_by("pk"))
    context = {
        "run": item,
        "steps": [
            {**told, "step": step, "reviews": [review for review in asked if review.step_id == step.pk]}
            for told, step in zip(engine.story(steps), steps, strict=True)
        ],
        "pending": [review for review in asked if _holds_up(review)],
        "escalations": [_escalation(review) for review in asked if review.kind == Review.Kind.ESCALATION],
        "influence": influence.of(item, steps),
        "next_try": steps[-1].attempts + 1 if steps else 1,
        "halted": _is_halted(item),
        "circuit": _circuit(item),
        **_may(item, request.user),
    }
    template = "dashboard/_run.html" if request.headers.get("HX-Request") else "dashboard/run.html"
    return render(request, template, context)


@login_required
@require_POST
def steer(request: HttpRequest, pk: str, verb: str) -> HttpResponse:
    """Pause, resume or cancel a run and show it."""
    item = get_object_or_404(Run.objects.select_related("requester"), pk=pk)
    now = timezone.now()
    try:
        match verb:
            case "pause":
                reason = request.POST.get("reason", "")
                operations.pause(run=item, user=request.user, reason=reason, now=now)
            case "resume":
                operations.resume(run=item, user=request.user, now=now)
            case _:
                operations.cancel(run=item, user=request.user, now=now)
    except DomainError as error:
        return render(request, "error.html", {"error": error}, status=error.status)
    return HttpResponseRedirect(reverse("run", args=[item.pk]))


@login_required
@require_POST
def escalate(request: HttpRequest, pk: str) -> HttpResponse:
    """Put a run before a person and show it; the run goes on meanwhile."""
    item = get_object_or_404(Run.objects.select_related("agent", "requester"), pk=pk)
    priority = request.POST.get("priority", "")
    try:
        if priority not in set(Risk):
            raise InvalidInput(
                "Choose a priority.", errors=[{"at": "/priority", "message": "not a priority"}]
            )
        escalations.escalate(
            by=request.user,
            run=item,
            subject=request.POST.get("subject", ""),
            details=request.POST.get("details", "").replace("\r\n", "\n"),  # browsers send CR LF
            priority=Risk(priority),
            now=timezone.now(),
        )
    except DomainError as error:
        return render(request, "error.html", {"error": error}, status=error.status)
    return HttpResponseRedirect(reverse("run", args=[item.pk]))


def _holds_up(review: Review) -> bool:
    return review.status == Review.Status.PENDING and review.kind != Review.Kind.ESCALATION


def _escalation(review: Review) -> dict[str, Any]:
    answered = review.status == Review.Status.ANSWERED
    return {"review": review, "answer": reviews.answer_of(review) if answered else None}


def _may(run: Run, user: Any) -> dict[str, bool]:
    """Return what the person may do with the run now; the operations have the last word."""
    mine = run.requester_id == user.pk
    alive = run.status not in Run.ENDED
    may_pause = alive and (mine or user.has_perm("agents.pause_run"))
    paused = run.status == Run.Status.PAUSED or run.pause_requested
    may_undo = run.paused_by in {"", user.username} or user.has_perm("agents.pause_run")
    return {
        "may_cancel": alive and (mine or user.has_perm("agents.cancel_run")),
        "may_pause": may_pause and not paused,
        "may_escalate": escalations.may_escalate(run, user),
        "may_resume": may_pause and paused and may_undo and not _is_halted(run),
    }


def _is_halted(run: Run) -> bool:
    """Tell whether a kill switch paused the run: then lifting it lets the run go on, and nothing else."""
    return run.status == Run.Status.PAUSED and run.pause_reason.startswith(standing.PREFIX)


def _circuit(run: Run) -> dict[str, str] | None:
    """Return kind and name of the part whose circuit the run waits for, if it waits for one."""
    what, _, part = run.waits_for.partition(":")
    if what != "circuit":
        return None
    kind, _, name = part.partition(":")
    return {"kind": kind, "name": name}


def _home(request: HttpRequest) -> dict[str, Any]:
    context: dict[str, Any] = {"agents": held(Agent.objects.order_by("name"), request.user, "execute_agent")}
    for part in _PARTS.values():
        context |= part(request)
    return context


def _counts(request: HttpRequest) -> dict[str, Any]:
    if not request.user.has_perm("agents.view_run"):
        return {"counts": None}
    by_status = Run.objects.aggregate(
        running=Count("pk", filter=Q(status__in=[Run.Status.QUEUED, Run.Status.RUNNING])),
        waiting=Count("pk", filter=Q(status=Run.Status.WAITING)),
        paused=Count("pk", filter=Q(status=Run.Status.PAUSED)),
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
