"""Start, wake, cancel and end runs."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from agents.blueprints import registry as blueprints
from agents.catalog.models import Agent
from agents.halts import standing
from agents.runs import engine, influence, intake
from agents.runs.models import Run, Step
from governance.access.models import User
from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.guardrails import operations as redactions
from governance.guardrails.engine import Screening
from governance.guardrails.types import Action as GuardrailAction
from governance.guardrails.types import Stage
from governance.standing import rules as standing_rules
from governance.types import SYSTEM, Actor, Subject, UserRef
from hitl.reviews import operations as reviews
from hitl.reviews.models import Review
from hitl.reviews.types import DecisionVerb
from tenants.kernel import live
from tenants.kernel.errors import InvalidInput, PermissionMissing, StaleTransition
from tenants.kernel.failpoints import hit
from tenants.kernel.jsonvalues import JsonObject, storable
from tenants.kernel.tasks import enqueue
from tenants.tiers.quotas import ensure_room, first_id_of_day
from tenants.tiers.types import Limit

MEMORY_RUNS = 10
DOORBELL_GRACE_S = 5.0
BATCH = 200
MEMORY_CHARACTERS = 4000
ADVANCE = "agents.advance_run"


def start(
    *,
    agent: Agent,
    user: Any,
    input: JsonObject,
    trace_id: str,
    now: datetime,
    session_id: str = "",
    on_behalf_of: str = "",
    step_up: bool = False,
) -> Run:
    """Queue a run of the agent for the user, with a snapshot of the agent as it is now.

    `on_behalf_of` names the person whom the user asks for: that adds no right, and neither of the two may
    approve what the agent proposes. `step_up` says that the user has just confirmed who they are. Guardrails look
    through the input first: it may begin without what they take out, or in the hands of a person. Raises
    PermissionMissing if the user may not execute the agent or is not cleared for it, StepUpRequired for a
    restricted agent without that, InvalidInput naming the field or what guardrails found and where, QuotaExceeded
    when the tier allows no more runs today.
    """
    intake.check(agent=agent, user=user, input=input, step_up=step_up)
    screened = standing_rules()["guardrails"].screen(storable(input), Stage.INPUT, agent=agent.name)
    if screened.action is GuardrailAction.BLOCK:
        intake.refuse(agent=agent, user=user, screened=screened, trace_id=trace_id, now=now)
    return _start(
        agent=agent,
        user=user,
        screened=screened,
        trace_id=trace_id,
        now=now,
        session_id=session_id,
        on_behalf_of=on_behalf_of,
        step_up=step_up,
    )


@transaction.atomic
def _start(
    *,
    agent: Agent,
    user: Any,
    screened: Screening,
    trace_id: str,
    now: datetime,
    session_id: str,
    on_behalf_of: str,
    step_up: bool,
) -> Run:
    blueprints.validate_config(agent.blueprint, agent.config)
    ensure_room(Limit.RUNS_PER_DAY, used=lambda: _runs_of_day(now), now=now)
    delegator = _delegator(on_behalf_of, user=user)
    remembered = _remembered(agent=agent, user=user, session_id=session_id)
    read_before = influence.of_each(remembered).values()
    doubted = {influence.REQUEST} if screened.is_untrusted else set()
    held = screened.words(GuardrailAction.REQUIRE_APPROVAL)
    run = Run.objects.create(
        agent=agent,
        agent_version=agent.version,
        engine_version=engine.ENGINE_VERSION,
        snapshot={
            "agent": agent.name,
            "blueprint": agent.blueprint,
            "config": agent.config,
            "tools": sorted(agent.tools.values_list("name", flat=True)),
            "memory": [_exchange(earlier) for earlier in remembered],
            **({"step_up": True} if step_up else {}),
            "influence": sorted({name for names in read_before for name in names} | doubted),
            **({"held": held} if held else {}),
            **({"doubted": True} if screened.is_untrusted else {}),
        },
        requester=user,
        delegator=delegator,
        session_id=session_id,
        input=screened.value,
        trace_id=trace_id,
        created_at=now,
        updated_at=now,
    )
    person = Actor(kind="person", id=str(user.pk), name=user.username)
    body = {"input": run.input} | ({"on_behalf_of": delegator.username} if delegator else {})
    if screened.hits:
        told = screened.told()
        body |= {"guardrails": told}
        redactions.keep(
            findings=told,
            removed=screened.removed,
            stage=Stage.INPUT,
            run_id=str(run.pk),
            step_id=None,
            now=now,
        )
    audit.record(entry(run, "run.started", at=now, actor=person, body=body))
    ring(run)
    hit("run.started")
    transaction.on_commit(lambda: hit("run.start-committed"))
    return run


def _runs_of_day(now: datetime) -> int:
    return Run.objects.filter(pk__gte=first_id_of_day(now)).count()


def _delegator(username: str, *, user: Any) -> User | None:
    """Return the person named; None for nobody, and for the user, who asks for themselves anyway."""
    if username in {"", user.username}:
        return None
    person = User.objects.filter(username=username, kind=User.Kind.PERSON, is_active=True).first()
    if person is None:
        raise InvalidInput(
            "Nobody active has that name here.",
            errors=[{"at": "/on_behalf_of", "message": "the username of an active person"}],
        )
    return person


def _remembered(*, agent: Agent, user: Any, session_id: str) -> list[Run]:
    """Return the runs of this session of this person with this agent that are remembered, oldest first."""
    if not session_id:
        return []
    earlier = Run.objects.filter(
        agent=agent, requester=user, session_id=session_id, status=Run.Status.SUCCEEDED
    ).order_by("-id")[:MEMORY_RUNS]
    return [run for run in reversed(earlier) if _exchange(run)["answer"].strip()]


def _exchange(run: Run) -> dict[str, str]:
    """Return what was asked and answered, as later runs remember it."""
    answer = str((run.output or {}).get("answer", ""))
    return {"query": run.query[:MEMORY_CHARACTERS], "answer": answer[:MEMORY_CHARACTERS]}


def ring(run: Run) -> None:
    """Tell workers and pages, on commit, that the run may be runnable."""
    enqueue(ADVANCE, run_id=str(run.pk))
    live.publish_on_commit("runs", run.pk)


def on_review_decided(review: Review, **_kwargs: Any) -> None:
    """Queue the run that waits for this review, or cancel it if the reviewer said so, in the deciding transaction.

    A run does not wait for an escalation, which a person made beside it.
    """
    if review.run_id is None or review.status == Review.Status.SUPERSEDED:
        return
    now = timezone.now()
    last = review.votes.select_related("reviewer").order_by("-id").first()
    if last is not None and last.decision == DecisionVerb.CANCEL_RUN:
        _cancel_for(review.run_id, review=review, by=last.reviewer, now=now)
    elif review.kind != Review.Kind.ESCALATION:
        wake(Run(pk=review.run_id), now=now)


def on_run_to_cancel(review: Review, now: datetime, **_kwargs: Any) -> None:
    """Cancel the run of a review that nobody decided, in the transaction of the escalation that says so."""
    if review.run_id is not None:
        _cancel_for(review.run_id, review=review, by=None, now=now)


def _cancel_for(run_id: UUID, *, review: Review, by: Any, now: datetime) -> None:
    """Cancel a review's run as the doing of a reviewer, whom `available_actions` let do so, or of nobody.

    Nothing happens if it has ended or is gone.
    """
    runs = Run.objects.select_for_update(of=("self",)).select_related("requester")
    run = runs.filter(pk=run_id).first()
    if run is not None and run.status not in Run.ENDED:
        _end_cancelled(run, by=by, now=now, body={"review": str(review.pk)})


def waited_for() -> QuerySet[Review]:
    """Return the reviews without which a run does not go on."""
    return Review.objects.pending().exclude(kind=Review.Kind.ESCALATION)


def wake(run: Run, *, now: datetime) -> None:
    """Queue the run if it waits for people; a paused one stays paused."""
    waiting = Run.objects.filter(pk=run.pk, status=Run.Status.WAITING)
    if waiting.update(status=Run.Status.QUEUED, updated_at=now):
        ring(run)


@transaction.atomic
def pause(*, run: Run, user: Any, reason: str, now: datetime) -> Run:
    """Stop a run before its next step until somebody resumes it; a call under way is not torn out.

    The requester may, and whoever holds `agents.pause_run`. Raises StaleTransition if it has ended or is
    paused.
    """
    _check_may_pause(run, user)
    run = Run.objects.select_for_update(of=("self",)).select_related("requester").get(pk=run.pk)
    why = storable(reason.strip())[:150] or "No reason given"
    if standing.is_of_switch(why):  # by which runs are found that go on when a kill switch is lifted
        why = f"Paused: {why}"
    why = f"{why} (by {user.username})"[:200]
    if run.status in Run.ENDED or run.status == Run.Status.PAUSED or run.pause_requested:
        raise StaleTransition(f"The run is {'pausing' if run.pause_requested else run.status} already.")
    if run.status == Run.Status.RUNNING:
        Run.objects.filter(pk=run.pk).update(pause_requested=True, pause_reason=why, paused_by=user.username)
        run.pause_requested, run.pause_reason, run.paused_by = True, why, user.username
    else:
        run.transition(Run.Status.PAUSED, pause_reason=why, paused_by=user.username, updated_at=now)
    person = Actor(kind="person", id=str(user.pk), name=user.username)
    audit.record(entry(run, "run.pause-requested", at=now, actor=person, body={"reason": why}))
    live.publish_on_commit("runs", run.pk)
    return run


@transaction.atomic
def resume(*, run: Run, user: Any, now: datetime) -> Run:
    """Let a paused run go on from its last step, or wait on for the people it waited for.

    Who paused it may, and whoever holds `agents.pause_run`. Raises StaleTransition if it is not paused, or
    was stopped by a kill switch: it goes on when that is lifted.
    """
    _check_may_pause(run, user)
    # Reviews before the run, in the order in which a decision locks them: none is decided meanwhile.
    undecided = waited_for().filter(run_id=run.pk).order_by("pk")
    is_undecided = bool(undecided.select_for_update(of=("self",)))
    run = Run.objects.select_for_update(of=("self",)).select_related("requester").get(pk=run.pk)
    if run.status == Run.Status.RUNNING and run.pause_requested:
        _check_may_resume(run, user)
        Run.objects.filter(pk=run.pk).update(pause_requested=False, pause_reason="", paused_by="")
        run.pause_requested, run.pause_reason, run.paused_by = False, "", ""
    elif run.status != Run.Status.PAUSED:
        raise StaleTransition(f"The run is {run.status}, not paused.")
    elif standing.is_of_switch(run.pause_reason):
        raise StaleTransition("A kill switch stopped this run; it goes on when that is lifted.")
    else:
        _check_may_resume(run, user)
        following = Run.Status.WAITING if is_undecided else Run.Status.QUEUED
        run.transition(following, pause_reason="", paused_by="", updated_at=now)
        if not is_undecided:
            ring(run)
    person = Actor(kind="person", id=str(user.pk), name=user.username)
    audit.record(entry(run, "run.resumed", at=now, actor=person))
    live.publish_on_commit("runs", run.pk)
    return run


def _check_may_pause(run: Run, user: Any) -> None:
    if run.requester_id != user.pk and not user.has_perm("agents.pause_run"):
        raise PermissionMissing("Only the requester or an operator may pause or resume this run.")


def _check_may_resume(run: Run, user: Any) -> None:
    if run.paused_by not in {"", user.username} and not user.has_perm("agents.pause_run"):
        raise PermissionMissing(f"{run.paused_by} paused this run; only they or an operator may resume it.")


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
    _end_cancelled(run, by=user, now=now, body={})
    return run


def _end_cancelled(run: Run, *, by: Any, now: datetime, body: JsonObject) -> None:
    run.transition(Run.Status.CANCELLED, finished_at=now, updated_at=now, lease_token=None)
    reviews.cancel_for_run(run_id=run.pk, now=now)
    message = f"{by.username if by else 'An escalation'} cancelled the run."
    started = close_open_steps(run, code="cancelled", message=message, now=now)
    actor = Actor(kind="person", id=str(by.pk), name=by.username) if by else SYSTEM
    body = {"already_started": started, **body}
    audit.record(entry(run, "run.cancelled", at=now, actor=actor, outcome="cancelled", body=body))
    live.publish_on_commit("runs", run.pk)


def close_open_steps(run: Run, *, code: str, message: str, now: datetime) -> list[str]:
    """Close what a run leaves open when it ends; return the tools whose call had started and is not settled.

    Such a call keeps an unknown outcome, and an event that says so: nothing tells that it took no
    effect. Its worker may still report what it led to.
    """
    started = []
    unsettled = Q(status=Step.Status.UNKNOWN, result__isnull=True)
    for step in run.steps.filter(Q(status__in=Step.OPEN) | unsettled):
        has_started = step.status in {Step.Status.EXECUTING, Step.Status.UNKNOWN}
        step.close(
            Step.Status.UNKNOWN if has_started else Step.Status.FAILED,
            now=now,
            result={"content": engine.failure(code, message)},
        )
        if has_started:
            started.append(step.name)
            body = {"tool": step.name, "code": code, "message": message}
            audit.record(entry(run, "tool.unknown", at=now, step=step, outcome="unknown", body=body))
    return started


@transaction.atomic
def requeue(*, run: Run, now: datetime) -> None:
    """Put a stalled run back in the queue: its doorbell was lost, or its worker is gone.

    The old lease token dies with it, so a worker that was only slow can no longer commit. A run that
    lost its worker RUN_MAX_RECOVERIES times without getting one step further is ended: it may be what
    kills them.
    """
    if not Run.objects.select_for_update(of=("self",), skip_locked=True).filter(pk=run.pk):
        return  # somebody is at work on its row; waiting for them would hold up every other run
    lost = run.status == Run.Status.RUNNING
    moved = Run.objects.filter(
        pk=run.pk,
        status=run.status,
        lease_token=run.lease_token,
        lease_expires_at=run.lease_expires_at,
        updated_at=run.updated_at,
    ).update(
        status=Run.Status.QUEUED,
        lease_token=None,
        lease_expires_at=None,
        wake_at=None,
        updated_at=now,
        recoveries=run.recoveries + lost,
    )
    if not moved:
        return
    if lost:
        body = {"lease": str(run.lease_token), "recoveries": run.recoveries + 1}
        audit.record(entry(run, "run.recovered", at=now, body=body))
    if run.recoveries + lost > settings.RUN_MAX_RECOVERIES:
        _end_lost(Run.objects.select_related("requester").get(pk=run.pk), now=now)
    else:
        ring(run)


def requeue_stalled(*, now: datetime) -> int:
    """Queue again up to 200 runs of this tenant that stalled; return how many there were."""
    stalled = Run.objects.stalled(now, grace_s=DOORBELL_GRACE_S).select_related("requester")
    runs = list(stalled.order_by("updated_at")[:BATCH])
    for run in runs:
        requeue(run=run, now=now)
    return len(runs)


def _end_lost(run: Run, *, now: datetime) -> None:
    message = f"Its worker was lost {run.recoveries} times in a row at the same step."
    error = {"code": "worker-lost", "message": message}
    close_open_steps(run, now=now, **error)
    Run.objects.filter(pk=run.pk).update(
        status=Run.Status.FAILED, error=error, finished_at=now, updated_at=now
    )
    audit.record(entry(run, "run.failed", at=now, outcome="failed", body={"error": error}))
    live.publish_on_commit("runs", run.pk)


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
