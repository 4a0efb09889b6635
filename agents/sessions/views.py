"""The pages of sessions: a person's own, and the conversation of one."""

from typing import Any

from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe
from rest_framework.generics import get_object_or_404

from agents.catalog.models import Agent
from agents.runs import assurance, intake, operations
from agents.runs.models import Run
from agents.sessions.questions import conversation, latest_runs
from governance.access.rights.holding import held
from governance.signin.factors import ProofRefused
from hitl.desk import stepup
from tenants.kernel.errors import DomainError, PermissionMissing

SESSIONS = 50


@login_required
@permission_required("agents.view_run", raise_exception=True)
@require_safe
def sessions(request: HttpRequest) -> HttpResponse:
    """List the person's own sessions, latest first; an htmx request gets the list alone."""
    mine = Run.objects.filter(requester=request.user.pk).select_related("agent")
    context = {"sessions": latest_runs(mine)[:SESSIONS], "limit": SESSIONS}
    return render(request, _template(request, "sessions"), context)


@login_required
@permission_required("agents.view_run", raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def session(request: HttpRequest, pk: str) -> HttpResponse:
    """Show the conversation that a run belongs to; on POST its requester goes on in it."""
    run = get_object_or_404(Run.objects.select_related("agent", "requester"), pk=pk)
    context: dict[str, Any] = {}
    if request.method == "POST":
        query = request.POST.get("query", "").replace("\r\n", "\n")  # browsers send CR LF
        try:
            _go_on(request, run, query)
        except DomainError as error:
            needs_password = isinstance(error, intake.StepUpRequired | ProofRefused)
            context = {
                "error": error,
                "query": query,
                "needs_password": needs_password,
                "asks": stepup.asks(request.user),
            }
        else:
            return HttpResponseRedirect(request.path)
    runs = list(conversation(run).select_related("requester"))
    context |= {
        "run": run,
        "runs": runs,
        "may_go_on": _may_go_on(request, run),
        "unanswered": runs[-1].status not in Run.ENDED,
    }
    status = context["error"].status if "error" in context else 200
    return render(request, _template(request, "session"), context, status=status)


def _template(request: HttpRequest, name: str) -> str:
    return f"dashboard/_{name}.html" if request.headers.get("HX-Request") else f"dashboard/{name}.html"


def _may_go_on(request: HttpRequest, run: Run) -> bool:
    usable = held(Agent.objects.all(), request.user, "execute_agent")
    return bool(
        run.session_id and run.requester_id == request.user.pk and usable.filter(pk=run.agent_id).exists()
    )


def _go_on(request: HttpRequest, run: Run, query: str) -> None:
    if run.requester_id != request.user.pk or not run.session_id:
        raise PermissionMissing("Only the person who began a session goes on in it.")
    operations.start(
        agent=run.agent,
        user=request.user,
        input={"query": query},
        session_id=run.session_id,
        step_up=assurance.confirmed(request),
        trace_id=request.trace_id,  # type: ignore[attr-defined]
        now=timezone.now(),
    )
