"""A worker's hold on a run: its steps, its lease, and the rows in which it waits, pauses or ends."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cached_property
from secrets import SystemRandom
from typing import Any, Protocol

from agents.blueprints import registry as blueprints
from agents.blueprints.base import Action, AgentConfig, BaseAgent
from agents.resilience import operations as resilience
from agents.resilience.types import CircuitState
from agents.runs import engine, lease
from agents.runs.backoff import delay_s
from agents.runs.keeper import keeper
from agents.runs.lease import Lease, Weather
from agents.runs.models import Run, Step
from agents.runs.operations import close_open_steps, entry, ring
from agents.runs.spending import Spending
from agents.tools.models import Tool
from governance.audit import operations as audit
from governance.guardrails.engine import Guardrails
from governance.rulebook import parts as rulebook
from governance.types import Actor, RunRef, UserRef
from tenants.kernel import live
from tenants.kernel.context import require_schema
from tenants.kernel.failpoints import hit
from tenants.kernel.jsonvalues import storable
from tenants.kernel.models import uuid7

logger = logging.getLogger(__name__)
Clock = Callable[[], datetime]
LEFT_ALONE_AT_MOST = 5
"""How often a run waits for a breaker before the step counts as failed."""
_random = SystemRandom()
_OWN_FIELDS = [field.attname for field in Run._meta.concrete_fields if field.remote_field is None]


class Work(Protocol):
    """A stored step to carry out: `perform` outside any transaction, then `finish` in one."""

    @property
    def starts_effect(self) -> bool:
        """Tell whether performing it acts on something outside: then a claim stands behind it."""

    @property
    def step(self) -> Step:
        """The step that is carried out."""

    def perform(self) -> Any:
        """Do it; the network may be asked, the database not be held."""

    def finish(self, result: Any) -> "Work | None":
        """Store what it led to; return more work where the step is not over."""

    def report_late(self, result: Any) -> None:
        """Put on record what it led to, though the run no longer belongs to this worker."""


class Hold:
    """One worker's hold on one run, from its claim to its end or to the next wait."""

    def __init__(self, *, run: Run, held: Lease, clock: Clock) -> None:
        self.run = run
        self.lease = held
        self.clock = clock
        self.steps: list[Step] = []
        self.agent = run.agent.ref()
        self.weather = Weather()
        self.spending = Spending(run)
        self._tools: dict[str, dict[str, Any]] | None = None

    @cached_property
    def blueprint(self) -> type[BaseAgent]:
        """Return the behaviour of the run's agent; raises UnknownMember, which ends the run."""
        return blueprints.REGISTRY.get(self.run.snapshot["blueprint"])

    @cached_property
    def config(self) -> AgentConfig:
        """Return the settings that the run began with."""
        return self.blueprint.config_class(**self.run.snapshot["config"])

    @property
    def guardrails(self) -> Guardrails:
        """Return the bindings in force when the lease was last renewed; raise LeaseLost before it ever was."""
        if self.weather.revisions is None:
            raise lease.LeaseLost
        found: Guardrails = rulebook.of(self.weather.revisions)["guardrails"]
        return found

    @property
    def is_running(self) -> bool:
        """Tell whether the run is still this worker's to go on with."""
        return bool(self.run.status == Run.Status.RUNNING)

    def fence(self, *, progress: bool = False) -> None:
        """Renew the lease and read what may be started; raise LeaseLost if the run is somebody else's."""
        self.weather = lease.fence(self.run, self.lease, now=self.clock(), progress=progress)
        self.spending.begin(self.weather.revisions, now=self.clock())

    def load(self) -> Step | None:
        """Read the steps; return the one that the run cannot go past yet."""
        self.steps = list(self.run.steps.all())
        last = self.steps[-1] if self.steps else None
        return last if last is not None and last.is_open else None

    def reload(self, step: Step) -> None:
        """Read the run and its steps again after a transaction was rolled back; `step` stays the same object."""
        self.run.refresh_from_db(fields=_OWN_FIELDS)
        step.refresh_from_db()
        self.load()
        self.steps[step.number - 1] = step

    def definitions(self, names: tuple[str, ...]) -> list[dict[str, Any]]:
        """Return tools in the form that models are offered them, read once for each hold."""
        if self._tools is None:
            self._tools = {
                tool.name: {
                    "type": "function",
                    "function": {
                        "name": tool.name,
                        "description": tool.description,
                        "parameters": tool.parameters,
                    },
                }
                for tool in Tool.objects.offered(self.run.snapshot["tools"])
            }
        return [self._tools[name] for name in names if name in self._tools]

    def next_action(self) -> Action:
        """Ask the blueprint what is next."""
        context = engine.context(run=self.run, steps=self.steps, blueprint=self.blueprint)
        return self.blueprint().plan(context)

    def add(self, *, kind: Step.Kind, name: str, request: dict[str, Any], call_id: str = "") -> Step:
        """Return the next step, planned and not stored yet."""
        step = Step(
            id=uuid7(),
            run=self.run,
            number=len(self.steps) + 1,
            kind=kind,
            status=Step.Status.PLANNED,
            name=name[:120],
            call_id=call_id[:120],
            request=request,
            created_at=self.clock(),
        )
        self.steps.append(step)
        return step

    def refuse(
        self,
        step: Step,
        code: str,
        message: str,
        *,
        status: Step.Status = Step.Status.DENIED,
        **facts: Any,
    ) -> None:
        """Close a call that the gate was not asked about, with the reason for the agent."""
        content = engine.as_told(step, engine.failure(code, message))
        step.close(status, now=self.clock(), result={"content": content})
        body = {"tool": step.name, "input": step.request, "code": code, "message": message, **facts}
        self.audit("tool.refused", step=step, outcome="deny", body=body)

    def move(self, step: Step, status: Step.Status, **changes: Any) -> None:
        """Store the step as it goes on; one that was only planned is inserted as what became of it."""
        step.store(was=None if step._state.adding else step.status, status=status, **changes)

    # --- breakers and caps

    def circuit(self, kind: str, name: str) -> CircuitState | None:
        """Return the breaker of a part if it is not plainly closed."""
        return self.weather.circuit(kind, name)

    def report(self, kind: str, name: str, *, ok: bool) -> None:
        """Tell the breaker of a part how a call went."""
        known = self.circuit(kind, name)
        resilience.record(kind, name, ok=ok, known=known, now=self.clock())

    def has_slot(self, kind: str, name: str) -> bool:
        """Tell whether the part's concurrency cap admits one more."""
        cap = self.weather.cap(kind, name)
        return cap is None or resilience.has_slot(cap, run_id=self.run.pk)

    def free_slot(self, kind: str, name: str) -> None:
        """Ring for the run that has queued longest for what this one no longer uses."""
        if self.weather.cap(kind, name) is not None:
            waiting = resilience.next_waiting(kind, name)
            if waiting is not None:
                ring(waiting)

    # --- how the run waits, pauses and ends

    def wait(self) -> None:
        """Let the run wait for people; the worker is free."""
        self._leave(Run.Status.WAITING)

    def pause(self, reason: str) -> None:
        """Stop before anything new, until somebody resumes the run."""
        self._leave(Run.Status.PAUSED, pause_requested=False, pause_reason=reason)
        self.audit("run.paused", outcome="paused", body={"reason": reason})

    def queue_for(self, kind: str, name: str) -> None:
        """Put the run in the queue for a slot of the part; nobody holds anything meanwhile.

        Who found no slot of the tenant frees none: runs that wait must not ring each other in circles.
        """
        self._leave(Run.Status.QUEUED, frees_slot=kind != "tenant", waits_for=f"{kind}:{name}")

    def postpone(self, *, attempt: int, retry_after_s: float | None, waits_for: str = "") -> float:
        """Queue the run again after a pause that grows with each attempt; return its seconds."""
        wait_s = delay_s(attempt, jitter=_random.random(), retry_after_s=retry_after_s)
        wake_at = self.clock() + timedelta(seconds=wait_s)
        self._leave(Run.Status.QUEUED, wake_at=wake_at, waits_for=waits_for)
        keeper().ring_later(require_schema(), str(self.run.pk), delay_s=wait_s + 0.01)
        return wait_s

    def leave_alone(self, step: Step, *, part: str, wait_s: float, message: str) -> bool:
        """Queue the run until a part's breaker lets calls through again; False when it has waited enough."""
        waited = int(step.request.get("left_alone", 0)) + 1
        if waited > LEFT_ALONE_AT_MOST:
            return False
        self.move(step, Step.Status.PLANNED, request={**step.request, "left_alone": waited})
        self.postpone(attempt=1, retry_after_s=wait_s, waits_for=f"circuit:{part}")
        body = {"name": step.name, "waited": waited, "message": message}
        self.audit(f"{step.kind}.left-alone", step=step, outcome="retry", body=body)
        return True

    def hand_back(self) -> None:
        """Put the run back in the queue for another worker: this one stops."""
        self._leave(Run.Status.QUEUED)
        ring(self.run)

    def _leave(self, status: Run.Status, *, frees_slot: bool = True, **changes: Any) -> None:
        now = self.clock()
        self.run.transition(status, updated_at=now, lease_token=None, lease_expires_at=None, **changes)
        if frees_slot:
            self.free_slot("tenant", "")
        live.publish_on_commit("runs", self.run.pk)

    def succeed(self, output: dict[str, Any], **facts: Any) -> None:
        """End the run with its answer, and the notice that its state had to be restored, if it had."""
        notice = self.run.snapshot.get("notice")
        whole = storable({**output, "notice": notice} if notice else output)
        self._end(Run.Status.SUCCEEDED, output=whole, **facts)

    def give_up(self, code: str, message: str) -> None:
        """End the run with the agent's fallback answer where it states one, else as failed."""
        reason = {"code": code, "message": message}
        if self.config.fallback_answer:
            answer = {"answer": self.config.fallback_answer, "fallback": True, "reason": reason}
            self._end(Run.Status.SUCCEEDED, output=storable(answer))
        else:
            self._end(Run.Status.FAILED, error=storable(reason))

    def fail(self, code: str, message: str) -> None:
        """End the run as failed, open steps too. A call that had started keeps an unknown outcome."""
        close_open_steps(self.run, code=code, message=message, now=self.clock())
        self._end(Run.Status.FAILED, error={"code": code, "message": message})

    def _end(self, status: Run.Status, *, output: Any = None, error: Any = None, **facts: Any) -> None:
        now = self.clock()
        self.run.transition(
            status, output=output, error=error, finished_at=now, updated_at=now, lease_token=None
        )
        self.free_slot("tenant", "")
        self.audit(f"run.{status}", outcome=str(status), body={"output": output, "error": error, **facts})
        live.publish_on_commit("runs", self.run.pk)
        hit("run.ended")

    # --- words

    def evidence(self) -> dict[str, Any]:
        """Return what a person is shown of the run so far."""
        return engine.evidence(self.run, self.steps)

    def user_ref(self) -> UserRef:
        """Return the person the run works for."""
        return UserRef(id=self.run.requester_id, name=self.run.requester.username)

    def run_ref(self, step: Step) -> RunRef:
        """Return where in the run a step stands."""
        return RunRef(run_id=str(self.run.pk), step_id=str(step.pk), trace_id=self.run.trace_id)

    def audit(
        self, action: str, *, step: Step | None = None, outcome: str = "", body: dict[str, Any]
    ) -> None:
        """Record something that the agent did."""
        agent = Actor(kind="agent", id=str(self.run.agent_id), name=self.run.snapshot["agent"])
        audit.record(
            entry(self.run, action, at=self.clock(), actor=agent, step=step, outcome=outcome, body=body)
        )
