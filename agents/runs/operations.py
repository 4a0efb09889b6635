"""Start, wake, cancel and end runs."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from agents.blueprints import registry as blueprints
from agents.catalog.models import Agent
from agents.runs import engine
from agents.runs.models import Run, Step
from governance.access import permissions
from governance.access.models import User
from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.types import SYSTEM, Actor, Subject, UserRef
from hitl.reviews import operations as reviews
from hitl.reviews.models import Review
from tenants.kernel import live
from tenants.kernel.errors import InvalidInput, PermissionMissing, StaleTransition
from tenants.kernel.jsonvalues import JsonObject, canonical, storable
from tenants.kernel.tasks import enqueue

MAX_QUERY = 20_000
MAX_INPUT_BYTES = 64 * 1024
ADVANCE = "agents.advance_run"


@transaction.atomic
def start(
    *, agent: Agent, user: Any, input: JsonObject, trace_id: str, now: datetime, session_id: str = ""
) -> Run:
    """Queue a run of the agent on behalf of the user, with a snapshot of the agent as it is now.

    Raises PermissionMissing if the user may not execute the agent, InvalidInput naming the field.
    """
    if user.kind != User.Kind.PERSON or user.pk not in permissions.holders(
        model=Agent, codename="execute_agent", object_pk=agent.pk, users=[user.pk]
    ):
        raise PermissionMissing(f"You may not start runs of {agent.name}.")
    query = input.get("query")
    if not isinstance(query, str) or not query.strip() or len(query) > MAX_QUERY:
        raise InvalidInput(
            "The input needs a 'query' with what to do.",
            errors=[{"at": "/input/query", "message": f"a text of 1 to {MAX_QUERY} characters"}],
        )
    if len(canonical(storable(input))) > MAX_INPUT_BYTES:
        raise InvalidInput(f"The input is larger than {MAX_INPUT_BYTES // 1024} KB.")
    blueprints.validate_config(agent.blueprint, agent.config)
    run = Run.objects.create(
        agent=agent,
        agent_version=agent.version,
        snapshot={
            "agent": agent.name,
            "blueprint": agent.blueprint,
            "config": agent.config,
            "tools": sorted(agent.tools.values_list("name", flat=True)),
        },
        requester=user,
        session_id=session_id,
        input=storable(input),
        trace_id=trace_id,
        created_at=now,
        updated_at=now,
    )
    person = Actor(kind="person", id=str(user.pk), name=user.username)
    audit.record(entry(run, "run.started", at=now, actor=person, body={"input": run.input}))
    ring(run)
    return run


def ring(run: Run) -> None:
    """Tell workers and pages, on commit, that the run may be runnable."""
    enqueue(ADVANCE, run_id=str(run.pk))
    live.publish_on_commit("runs", run.pk)


def on_review_decided(review: Review, **_kwargs: Any) -> None:
    """Queue the run that waits for this review, in the deciding transaction."""
    now = timezone.now()
    woken = Run.objects.filter(pk=review.run_id, status=Run.Status.WAITING).update(
        status=Run.Status.QUEUED, updated_at=now
    )
    if woken:
        ring(Run(pk=review.run_id))


@transaction.atomic
def cancel(*, run: Run, user: Any, now: datetime) -> Run:
    """End a run before its next effect; its open reviews are cancelled with it.

    The requester may, and whoever holds `agents.cancel_run`. Raises StaleTransition if it has ended.
    """
    if run.requester_id != user.pk and not user.has_perm("agents.cancel_run"):
        raise PermissionMissing("Only the requester or an operator may cancel this run.")
    # Reviews before the run, in the order in which a decision locks them; and once more for a review
    # that the worker opened before the run was locked here.
    reviews.cancel_for_run(run_id=run.pk, now=now)
    run = Run.objects.select_for_update(of=("self",)).select_related("requester").get(pk=run.pk)
    if run.status in Run.ENDED:
        raise StaleTransition(f"The run has {run.status} already.")
    run.transition(Run.Status.CANCELLED, finished_at=now, updated_at=now, lease_token=None)
    reviews.cancel_for_run(run_id=run.pk, now=now)
    started = close_open_steps(run, code="cancelled", message=f"{user.username} cancelled the run.", now=now)
    person = Actor(kind="person", id=str(user.pk), name=user.username)
    body = {"already_started": started}
    audit.record(entry(run, "run.cancelled", at=now, actor=person, outcome="cancelled", body=body))
    live.publish_on_commit("runs", run.pk)
    return run


def close_open_steps(run: Run, *, code: str, message: str, now: datetime) -> list[str]:
    """Close what a run leaves open when it ends; return the tools whose call had started.

    Such a call keeps an unknown outcome, and an event that says so: nothing tells that it took no
    effect. Its worker may still report what it led to.
    """
    started = []
    for step in run.steps.filter(status__in=Step.OPEN):
        executing = step.status == Step.Status.EXECUTING
        step.close(
            Step.Status.UNKNOWN if executing else Step.Status.FAILED,
            now=now,
            result={"content": engine.failure(code, message)},
        )
        if executing:
            started.append(step.name)
            body = {"tool": step.name, "code": code, "message": message}
            audit.record(entry(run, "tool.unknown", at=now, step=step, outcome="unknown", body=body))
    return started


@transaction.atomic
def requeue(*, run: Run, now: datetime) -> None:
    """Put a stalled run back in the queue: its doorbell was lost, or its worker is gone.

    The old lease token dies with it, so a worker that was only slow can no longer commit.
    """
    moved = Run.objects.filter(
        pk=run.pk, status=run.status, lease_token=run.lease_token, updated_at=run.updated_at
    ).update(status=Run.Status.QUEUED, lease_token=None, lease_expires_at=None, updated_at=now)
    if moved:
        if run.status == Run.Status.RUNNING:
            audit.record(entry(run, "run.recovered", at=now, body={"lease": str(run.lease_token)}))
        ring(run)


def lease_seconds() -> int:
    """Return how long a worker may go without a commit before its run is given to another."""
    return int(settings.RUN_LEASE_S)


def entry(
    run: Run,
    action: str,
    *,
    at: datetime,
    actor: Actor = SYSTEM,
    step: Step | None = None,
    outcome: str = "",
    body: JsonObject | None = None,
) -> Entry:
    """Return an audit entry about a run, or about one of its steps."""
    return Entry(
        at=at,
        action=action,
        actor=actor,
        user=UserRef(id=run.requester_id, name=run.requester.username),
        agent_id=str(run.agent_id),
        agent_name=run.snapshot["agent"],
        run_id=str(run.pk),
        step_id=str(step.pk) if step else None,
        trace_id=run.trace_id,
        subject=Subject(kind="run", id=str(run.pk)),
        outcome=outcome,
        body=body or {},
    )
