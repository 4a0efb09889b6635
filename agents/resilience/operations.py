"""Record what calls led to, take slots under caps, and reset breakers.

Reading costs nothing extra: the worker's fence brings circuits and caps along as plain data. Only what
changes something writes.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from agents.resilience import breaker
from agents.resilience.models import Circuit, PartKind
from agents.resilience.types import CapState, CircuitState
from agents.runs.models import Run, Step
from agents.runs.operations import ring
from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.types import SYSTEM, Actor, Subject
from tenants.kernel import live
from tenants.kernel.context import require_schema
from tenants.kernel.errors import PermissionMissing
from tenants.kernel.jsonvalues import JsonObject

CHANGE = "agents.change_circuit"
CAP_LOCK = 0x63_61_70_73
RING_AT_ONCE = 200
EVENTS = {
    Circuit.State.OPEN: "circuit.opened",
    Circuit.State.HALF_OPEN: "circuit.half_opened",
    Circuit.State.CLOSED: "circuit.closed",
}


def record(kind: str, name: str, *, ok: bool, known: CircuitState | None, now: datetime) -> None:
    """Count one result of a call; open, half open or close the part's circuit when its rules say so.

    `known` is the circuit as the fence read it, None if it was plainly closed: then a success is no
    statement at all.
    """
    if ok and known is None:
        return
    with transaction.atomic(savepoint=False):
        row = _locked(kind, name)
        if row is None:
            if ok:
                return
            # Not save(): a row that a failure makes is no change of configuration.
            Circuit.objects.bulk_create([Circuit(kind=kind, name=name)], ignore_conflicts=True)
            row = Circuit.objects.select_for_update().get(kind=kind, name=name)
        before = state_of(row)
        _move(row, before, breaker.after(before, ok, now), now=now)


def _locked(kind: str, name: str) -> Circuit | None:
    return Circuit.objects.select_for_update().filter(kind=kind, name=name).first()


def state_of(circuit: Circuit) -> CircuitState:
    """Return the row as the pure rules see it."""
    return CircuitState(
        kind=circuit.kind,
        name=circuit.name,
        state=circuit.state,
        failures=circuit.failures,
        successes=circuit.successes,
        opened_at=circuit.opened_at,
        fail_after=circuit.fail_after,
        retry_after_s=circuit.retry_after_s,
        close_after=circuit.close_after,
    )


def _move(circuit: Circuit, before: CircuitState, after: CircuitState, *, now: datetime) -> None:
    if after == before:
        return
    _write(circuit, after)
    if after.state != before.state:
        event = EVENTS[Circuit.State(after.state)]
        audit.record(_entry(circuit, event, at=now, body={"was": before.state, "failures": after.failures}))
        live.publish_on_commit("circuits", circuit.pk)


def _write(circuit: Circuit, state: CircuitState) -> None:
    changes: dict[str, Any] = {
        "state": state.state,
        "failures": state.failures,
        "successes": state.successes,
        "opened_at": state.opened_at,
    }
    Circuit.objects.filter(pk=circuit.pk).update(**changes)
    for field, value in changes.items():
        setattr(circuit, field, value)


def _entry(circuit: Circuit, action: str, *, at: datetime, body: JsonObject, actor: Actor = SYSTEM) -> Entry:
    return Entry(
        at=at,
        action=action,
        actor=actor,
        subject=Subject(kind="circuit", id=str(circuit.pk)),
        outcome=circuit.state,
        body={"kind": circuit.kind, "name": circuit.name, **body},
    )


@transaction.atomic
def reset(*, circuit: Circuit, by: Any, now: datetime) -> Circuit:
    """Close the circuit by hand: the next calls go through, and failures are counted from zero.

    Raises PermissionMissing without `agents.change_circuit`.
    """
    if not by.has_perm(CHANGE):
        raise PermissionMissing("You may not reset circuits.")
    circuit = Circuit.objects.select_for_update().get(pk=circuit.pk)
    before = state_of(circuit)
    _write(circuit, breaker.closed(before))
    person = Actor(kind=by.kind, id=str(by.pk), name=by.username)
    body: JsonObject = {"was": before.state, "failures": before.failures}
    audit.record(_entry(circuit, "circuit.reset", at=now, actor=person, body=body))
    _wake_waiting(circuit, now=now)
    live.publish_on_commit("circuits", circuit.pk)
    return circuit


def _wake_waiting(circuit: Circuit, *, now: datetime) -> None:
    """Let the runs that waited for the breaker go on; the sweeper rings for those beyond RING_AT_ONCE."""
    waiting = Run.objects.filter(status=Run.Status.QUEUED, waits_for=f"circuit:{circuit}")
    found = list(waiting.select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True))
    Run.objects.filter(pk__in=found).update(wake_at=None, waits_for="", updated_at=now)
    for pk in found[:RING_AT_ONCE]:
        ring(Run(pk=pk))


def has_slot(cap: CapState, *, run_id: UUID) -> bool:
    """Tell whether one more may be under way, and keep others from asking until the transaction ends.

    The slot is the row that says it is under way: commit the step as executing (for the tenant: the run
    as running) in this transaction, or the slot is not taken. A crash keeps it until recovery settles
    the row. Who asks for several caps asks in one order, tenant, provider, tool, or two may wait for
    each other.
    """
    with connection.cursor() as cursor:
        # A statement of its own: the count below must begin after the lock is held, to see what the
        # last holder committed.
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, hashtext(%s))",
            [CAP_LOCK, f"{require_schema()}:{cap.kind}:{cap.name}"],
        )
    return _under_way(cap, except_run=run_id) < cap.limit


def _under_way(cap: CapState, *, except_run: UUID) -> int:
    executing = Step.objects.filter(status=Step.Status.EXECUTING).exclude(run_id=except_run)
    match PartKind(cap.kind):
        case PartKind.TOOL:
            return executing.filter(kind=Step.Kind.TOOL, name=cap.name).count()
        case PartKind.PROVIDER:
            return executing.filter(kind=Step.Kind.MODEL).count()
        case PartKind.TENANT:
            return Run.objects.filter(status=Run.Status.RUNNING).exclude(pk=except_run).count()


def next_waiting(kind: str, name: str) -> Run | None:
    """Return the oldest run that queues for the cap, locked, for whoever has freed a slot to ring."""
    queue = Run.objects.filter(status=Run.Status.QUEUED, waits_for=f"{kind}:{name}").order_by("pk")
    return queue.select_for_update(skip_locked=True, of=("self",)).first()
