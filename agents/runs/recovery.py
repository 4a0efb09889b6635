"""Restore a run whose stored steps were damaged.

Each step is a checkpoint of the run: the steps before a damaged one are the newest valid checkpoint.
What comes after it is rebuilt from the audit log, whose events are hashed and sealed on their own.
A step that cannot be rebuilt is dropped with all that follows, and the run goes on from the checkpoint
before, provided that none of what is dropped can have had an effect; if the first step is lost, that is a
fresh start. A run that may have had an effect which nothing proves is ended, for a person to look at.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from agents.runs import checksum, engine
from agents.runs.models import Run, Step
from agents.runs.operations import entry, wake
from governance.audit import operations as audit
from governance.audit.models import AuditEvent
from governance.policies.models import PolicyDecision
from governance.types import Effect, EffectClass
from hitl.reviews import operations as reviews
from tenants.kernel.errors import DomainError, StaleTransition

NOTICE = "The stored state of this run was damaged and restored; see its audit trail."


class StateLost(DomainError):
    """The run's state is damaged beyond what can be proved, and effects may have happened."""

    code = "state-lost"
    status = 500


def damaged(run: Run) -> list[int]:
    """Return the numbers of the run's steps that are not as they were written, or missing."""
    steps = list(run.steps.all())
    present = {step.number for step in steps}
    last = max(present, default=0)
    gaps = set(range(1, last + 1)) - present
    if _may_have_had_effect(run, besides=[step.pk for step in steps]):
        gaps.add(last + 1)
    altered = {step.number for step in steps if not checksum.is_intact(step)}
    return sorted(gaps | altered | _done_before(run, steps))


def is_sound(run: Run, steps: Sequence[Step]) -> bool:
    """Tell whether the steps are as they were written, none is missing and no effect is lost or to come twice."""
    whole = all(step.number == number and checksum.is_intact(step) for number, step in enumerate(steps, 1))
    if not whole or _done_before(run, steps):
        return False
    return not _may_have_had_effect(run, besides=[step.pk for step in steps])


def _done_before(run: Run, steps: Sequence[Step]) -> set[int]:
    """Return the numbers of calls that are still to be made, though the audit log has it that they succeeded.

    A checksum can be computed by who may write the row; what is in the audit log stays there.
    """
    to_come = {Step.Status.PLANNED, Step.Status.WAITING}
    ahead = {s.pk: s.number for s in steps if s.kind == Step.Kind.TOOL and s.status in to_come}
    if not ahead:
        return set()
    done = AuditEvent.objects.filter(run_id=run.pk, step_id__in=ahead, action="tool.succeeded")
    return {ahead[pk] for pk in done.values_list("step_id", flat=True) if pk}


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What was found and done: numbers of steps."""

    damaged: list[int]
    rebuilt: list[int]
    dropped: list[int]

    @property
    def outcome(self) -> str:
        """Return how much of the run is left."""
        return "fresh-start" if 1 in self.dropped else "restored"


@transaction.atomic
def restore(run: Run, *, now: datetime) -> Restored | None:
    """Repair the run's steps, its row locked by the caller; None if nothing is wrong.

    Records `run.restored` with the damaged and the dropped rows as they were. Raises StateLost where nothing is proved.
    """
    bad = damaged(run)
    if not bad:
        return None
    rows = {step.number: step for step in run.steps.all()}
    found_rows = {number: _as_found(step) for number, step in rows.items()}
    rebuilt: list[int] = []
    kept = max(rows, default=0)
    for number in bad:
        step = rows.get(number)
        if step is not None and _rebuild(step, before=[rows[n] for n in sorted(rows) if n < number]):
            rebuilt.append(number)
        else:
            kept = number - 1
            break
    dropped = [number for number in rows if number > kept]
    found = {str(number): found_rows[number] for number in sorted(found_rows) if number in {*bad, *dropped}}
    if _may_have_had_effect(run, besides=[step.pk for number, step in rows.items() if number <= kept]):
        raise StateLost(
            f"Step {kept + 1} of the run is damaged, the audit log does not say what it or a later one led to,"
            " and it may have had an effect. The run was ended; start it again once you have looked."
        )
    if dropped:
        reviews.cancel_for_run(run_id=run.pk, now=now)
        run.steps.filter(number__in=dropped).delete()
    done = Restored(damaged=bad, rebuilt=rebuilt, dropped=dropped)
    audit.record(
        entry(run, "run.restored", at=now, outcome=done.outcome, body={**asdict(done), "found": found})
    )
    run.snapshot = {**run.snapshot, "notice": NOTICE}
    Run.objects.filter(pk=run.pk).update(snapshot=run.snapshot)
    return done


@transaction.atomic
def recover(run_id: Any, *, now: datetime) -> Restored | None:
    """Repair a run that no worker has, and let it go on if it had been waiting for a step that was dropped.

    Raises StateLost, nothing changed, where nothing is proved, and StaleTransition for a run that a worker has.
    """
    run = Run.objects.select_for_update(of=("self",)).select_related("requester").get(pk=run_id)
    if run.status == Run.Status.RUNNING:
        raise StaleTransition("A worker has the run; it checks the steps itself.")
    done = restore(run, now=now)
    if done is not None and done.dropped:
        wake(run, now=now)
    return done


def _as_found(step: Step) -> dict[str, Any]:
    values = {name: getattr(step, name) for name in checksum.COVERED}
    return {**values, "review_id": str(step.review_id or "")}


def _rebuild(step: Step, *, before: Sequence[Step]) -> bool:
    """Write the step as the audit log tells it; return whether it does."""
    events = {
        event.action: event
        for event in AuditEvent.objects.filter(step_id=step.pk).order_by("id")
        if event.is_intact()
    }
    if "model.replied" in events:
        return _rebuild_turn(step, events["model.replied"])
    outcome = events.get("tool.succeeded") or events.get("tool.failed")
    if outcome is None or "tool.retried" in events:
        return False
    return _rebuild_call(step, outcome, before=before)


def _rebuild_turn(step: Step, event: AuditEvent) -> bool:
    given = {name: value for name, value in event.body["input"].items() if name != "new"}
    step.store(
        was=step.status,
        kind=Step.Kind.MODEL,
        call_id="",
        status=Step.Status.SUCCEEDED,
        request=given,
        result=event.body["output"],
        finished_at=event.at,
        **event.body["usage"],
    )
    return True


def _rebuild_call(step: Step, event: AuditEvent, *, before: Sequence[Step]) -> bool:
    permit = (
        PolicyDecision.objects.filter(step_id=step.pk, effect=Effect.PERMIT, consumed_at__isnull=False)
        .order_by("id")
        .last()
    )
    if permit is None:
        return False
    arguments = event.body["arguments"]
    name = permit.request["tool"]["name"]
    turns = [turn for turn in before if turn.kind == Step.Kind.MODEL and turn.result]
    proposed = (turns[-1].result or {}).get("calls", ()) if turns else ()
    call_id = next((c["id"] for c in proposed if (c["name"], c["arguments"]) == (name, arguments)), None)
    if call_id is None:  # edited, or a fallback: which call of the model it answers is not on record
        return False
    ok = event.action == "tool.succeeded"
    content = event.body["output"] if ok else engine.failure("tool-failed", event.body["error"])
    step.store(
        was=step.status,
        kind=Step.Kind.TOOL,
        name=name,
        call_id=call_id,
        status=Step.Status.SUCCEEDED if ok else Step.Status.FAILED,
        request={"arguments": arguments, "parsed": True},
        attempts=max(step.attempts, 1),
        result={"content": content, "arguments": arguments, "ms": event.body["duration_ms"]},
        finished_at=event.at,
    )
    return True


def _may_have_had_effect(run: Run, *, besides: Sequence[UUID]) -> bool:
    """Tell whether a call with an effect was started by a step other than these.

    An idempotent one too: another step has another key, under which its target would act again.
    """
    started = PolicyDecision.objects.filter(run_id=run.pk, effect=Effect.PERMIT, consumed_at__isnull=False)
    lost = started.exclude(step_id__in=besides)
    return any(permit.request["tool"]["effect"] != EffectClass.READ for permit in lost)
