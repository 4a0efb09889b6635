"""Trip and lift a tenant's kill switches, and move runs out of their way and back.

Everything here is rows: a halt works with the broker down, because every worker reads standing halts in
each of its transactions. Runs that a worker has stop there; runs in the queue are paused here.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from agents.catalog.models import Agent
from agents.halts import standing
from agents.halts.models import Halt
from agents.runs.models import Run
from agents.runs.operations import entry, ring, waited_for
from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.types import SYSTEM, Actor, Subject
from hitl.reviews.models import Review
from tenants.kernel import live
from tenants.kernel.context import require_schema
from tenants.kernel.errors import InvalidInput, PermissionMissing, StaleTransition
from tenants.kernel.jsonvalues import JsonObject
from tenants.tenancy.models import PlatformHalt, State, Tenant

TRIP = "agents.add_halt"
LIFT = "agents.lift_halt"
MAX_RUN_EVENTS = 100
"""Runs whose pausing is an audit event of its own; the halt's event has the number of all.

Events cost half a millisecond of CPU each, and the halt stands only once they are written.
"""
RING_AT_ONCE = 200
"""Runs rung when a halt is lifted; the sweeper rings the others, so that lifting does not take long."""


class AlreadyHalted(StaleTransition):
    """A kill switch stands over exactly this already."""

    code = "already-halted"
    title = "This kill switch stands already"


class AlreadyLifted(StaleTransition):
    """Somebody lifted the kill switch first."""

    code = "already-lifted"
    title = "This kill switch has been lifted"


@transaction.atomic
def trip(*, agent: Agent | None, reason: str, by: Any, now: datetime) -> Halt:
    """Stop the agent, or all agents of the tenant where `agent` is None: nothing new starts from now on.

    A call that is under way is not torn out; its result is recorded and the run stops after it.
    Raises PermissionMissing without `agents.add_halt`, InvalidInput without a reason, AlreadyHalted.
    """
    if not by.has_perm(TRIP):
        raise PermissionMissing("You may not trip kill switches.")
    return _trip(agent=agent, reason=valid_reason(reason), by=by, now=now)


@transaction.atomic
def on_agent_to_pause(review: Review, now: datetime, **_kwargs: Any) -> None:
    """Stop the agent of a review whose escalation ends so, in the transaction of that step.

    Nothing happens where a switch stands over the agent already.
    """
    agent = Agent.objects.filter(pk=review.agent_id).first() if review.agent_id else None
    if agent is None or Halt.objects.standing().filter(agent=agent).exists():
        return
    what = f"a call of {review.tool}" if review.tool else "what was asked about it"
    _trip(agent=agent, reason=f"Nobody decided {what} in time", by=None, now=now)


def _trip(*, agent: Agent | None, reason: str, by: Any, now: datetime) -> Halt:
    try:
        with transaction.atomic():
            halt = Halt.objects.create(agent=agent, reason=reason, by=by, at=now)
    except IntegrityError as error:
        raise AlreadyHalted from error
    paused = pause_for_halt(halt, now=now)
    audit.record(_entry(halt, "halt.tripped", at=now, by=by, body={"paused": paused}))
    live.publish_on_commit("halts", halt.pk)
    return halt


def valid_reason(reason: str) -> str:
    """Return the reason without space around it; raise InvalidInput if it is empty or too long."""
    reason = reason.strip()
    if not reason or len(reason) > standing.MAX_REASON or "\x00" in reason:
        raise InvalidInput(
            "A kill switch needs a reason.",
            errors=[{"at": "/reason", "message": f"a text of 1 to {standing.MAX_REASON} characters"}],
        )
    return reason


@transaction.atomic
def lift(*, halt: Halt, by: Any, now: datetime) -> Halt:
    """Lift the halt; the runs it had stopped go on unless another halt stands over them.

    Raises PermissionMissing without `agents.lift_halt`, AlreadyLifted.
    """
    if not by.has_perm(LIFT):
        raise PermissionMissing("You may not lift kill switches.")
    if not Halt.objects.filter(pk=halt.pk, lifted_at=None).update(lifted_at=now, lifted_by=by):
        raise AlreadyLifted
    halt.lifted_at, halt.lifted_by = now, by
    resumed = resume_unhalted(now)
    audit.record(_entry(halt, "halt.lifted", at=now, by=by, body={"resumed": resumed}))
    live.publish_on_commit("halts", halt.pk)
    return halt


def pause_for_halt(halt: Halt, *, now: datetime) -> int:
    """Pause the queued runs in the halt's scope; return how many. The first 100 get an event each.

    A run that somebody has locked is passed over: it is being claimed or ended, and a worker that has
    claimed it meets the halt at its next fence.
    """
    queued = Run.objects.filter(status=Run.Status.QUEUED)
    if halt.agent_id is not None:
        queued = queued.filter(agent_id=halt.agent_id)
    reason = standing.pause_reason(halt.reason, halt.who)
    return _pause(queued, reason=reason, actor=_actor(halt.by), about={"halt": str(halt.pk)}, now=now)


@transaction.atomic
def on_tenant_suspended(reason: str, by: str, now: datetime, **_kwargs: Any) -> None:
    """Pause the queued runs of a tenant that the platform suspends; workers meet it at their next fence."""
    queued = Run.objects.filter(status=Run.Status.QUEUED)
    said = standing.pause_reason(reason, by, prefix=standing.SUSPENDED)
    _pause(queued, reason=said, actor=SYSTEM, about={}, now=now)


def on_tenant_activated(now: datetime, **_kwargs: Any) -> None:
    """Let the runs of a tenant go on that is served again, where no kill switch stands."""
    resume_unhalted(now)


def _pause(queued: QuerySet[Run], *, reason: str, actor: Actor, about: JsonObject, now: datetime) -> int:
    found = list(queued.select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True))
    paused = Run.objects.filter(pk__in=found, status=Run.Status.QUEUED).update(
        status=Run.Status.PAUSED, pause_reason=reason, updated_at=now
    )
    _record_paused(found[:MAX_RUN_EVENTS], actor=actor, body={"reason": reason, **about}, at=now)
    _publish_runs(found)
    return paused


def _record_paused(runs: list[UUID], *, actor: Actor, body: JsonObject, at: datetime) -> None:
    entries = [
        entry(run, "run.paused", at=at, actor=actor, outcome="paused", body=body) for run in _told(runs)
    ]
    if entries:
        audit.record(*entries)


def _record_resumed(runs: list[UUID], *, at: datetime) -> None:
    body: JsonObject = {"reason": "No kill switch stands over the run any more."}
    entries = [entry(run, "run.resumed", at=at, body=body) for run in _told(runs)]
    if entries:
        audit.record(*entries)


def _told(runs: list[UUID]) -> QuerySet[Run]:
    """Return of the runs what an event tells."""
    told = Run.objects.filter(pk__in=runs).select_related("requester")
    return told.only("agent_id", "snapshot", "trace_id", "requester__username").order_by("pk")


@transaction.atomic
def resume_unhalted(now: datetime) -> int:
    """Let runs that kill switches or a suspension had paused go on where none stands any more; return how many.

    The first 100 get an event each.

    They go back to the queue, or to waiting for people if their review is still undecided. Called when
    a halt is lifted and by the sweeper, for halts of the platform and for runs that a worker paused
    while the halt was being lifted.
    """
    candidates = list(_unhalted().values_list("pk", flat=True))
    if not candidates:
        return 0
    waiting = _with_open_reviews(candidates)
    free = Run.objects.filter(pk__in=candidates).order_by("pk")
    found = list(free.select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True))
    changes: dict[str, Any] = {"pause_reason": "", "updated_at": now}
    paused = Run.objects.filter(pk__in=found, status=Run.Status.PAUSED)
    moved = paused.filter(pk__in=waiting).update(status=Run.Status.WAITING, **changes)
    moved += paused.exclude(pk__in=waiting).update(status=Run.Status.QUEUED, **changes)
    for pk in [pk for pk in found if pk not in waiting][:RING_AT_ONCE]:
        ring(Run(pk=pk))
    _record_resumed(found[:MAX_RUN_EVENTS], at=now)
    _publish_runs(found)
    return moved


def _unhalted() -> QuerySet[Run]:
    halts = Halt.objects.filter(Q(agent=None) | Q(agent_id=OuterRef("agent_id")), lifted_at=None)
    platform = PlatformHalt.objects.filter(schema__in=["", require_schema()], lifted_at=None)
    served = Tenant.objects.filter(schema_name=require_schema(), state=State.ACTIVE)
    stopped = Q(pause_reason__startswith=standing.PREFIX) | Q(pause_reason__startswith=standing.SUSPENDED)
    return Run.objects.filter(
        stopped, ~Exists(halts), ~Exists(platform), Exists(served), status=Run.Status.PAUSED
    )


def _with_open_reviews(runs: list[UUID]) -> set[UUID]:
    """Return the runs that people are asked about, the reviews locked: none is decided meanwhile.

    Reviews before runs, in the order in which a decision locks them.
    """
    reviews = waited_for().filter(run_id__in=runs).order_by("pk")
    found = reviews.select_for_update(of=("self",)).values_list("run_id", flat=True)
    return {run_id for run_id in found if run_id is not None}


def _publish_runs(runs: list[UUID]) -> None:
    for pk in runs[:RING_AT_ONCE]:
        live.publish_on_commit("runs", pk)


def _entry(halt: Halt, action: str, *, at: datetime, by: Any, body: JsonObject) -> Entry:
    return Entry(
        at=at,
        action=action,
        actor=_actor(by),
        agent_id=str(halt.agent_id or ""),
        agent_name=halt.agent.name if halt.agent else "",
        subject=Subject(kind="halt", id=str(halt.pk)),
        body={"scope": str(halt), "reason": halt.reason, **body},
    )


def _actor(person: Any) -> Actor:
    return Actor(kind=person.kind, id=str(person.pk), name=person.username) if person else SYSTEM
