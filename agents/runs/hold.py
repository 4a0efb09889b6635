"""A worker's hold on a run: one short transaction a step, nothing held across the network."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from agents.blueprints import registry as blueprints
from agents.blueprints.base import Action, BaseAgent, CallModel, CallTool, Finish, GiveUp, ProposedCall
from agents.llm import client
from agents.llm.types import Reply
from agents.runs import engine
from agents.runs.models import Run, Step
from agents.runs.operations import close_open_steps, entry, lease_seconds
from agents.tools import executor
from agents.tools.models import Tool
from governance import gate
from governance.audit import operations as audit
from governance.types import (
    Actor,
    Approval,
    Decision,
    Effect,
    EffectClass,
    Outcome,
    PolicyRequest,
    RunRef,
    UserRef,
)
from hitl.reviews import operations as reviews
from hitl.reviews.models import Review
from hitl.reviews.types import ReviewRequest
from tenants.kernel import live
from tenants.kernel.context import require_schema
from tenants.kernel.errors import DomainError
from tenants.kernel.jsonvalues import sha256_hex, storable
from tenants.kernel.models import uuid7

logger = logging.getLogger(__name__)
Clock = Callable[[], datetime]


class LeaseLost(Exception):
    """The run was cancelled or given to another worker; nothing of this worker may be committed."""


@dataclass(frozen=True, kw_only=True)
class ModelWork:
    """A stored model step to carry out."""

    step: Step
    messages: tuple[dict[str, Any], ...]
    tools: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ToolWork:
    """A stored, permitted and claimed tool step to carry out."""

    step: Step
    claim: executor.Claim
    edited: bool


Work = ModelWork | ToolWork


class Hold:
    """One worker's hold on one run, from its claim to its end or to the next wait."""

    def __init__(self, *, run: Run, clock: Clock) -> None:
        self.run = run
        self.clock = clock
        self.steps: list[Step] = []
        self.agent = run.agent.ref()
        self.tools: dict[str, dict[str, Any]] | None = None

    @cached_property
    def blueprint(self) -> type[BaseAgent]:
        """Return the behaviour of the run's agent; raises UnknownMember, which ends the run."""
        return blueprints.REGISTRY.get(self.run.snapshot["blueprint"])

    def resume(self) -> Work | None:
        """Go on from the stored steps; return what to carry out."""
        with transaction.atomic():
            self._fence()
            self.steps = list(self.run.steps.all())
            last = self.steps[-1] if self.steps else None
            if last is None or last.status not in Step.OPEN:
                return self._plan()
            if last.kind == Step.Kind.MODEL:
                return self._model_work(last)
            if last.status == Step.Status.WAITING:
                return self._after_review(last)
            if last.status == Step.Status.EXECUTING:
                return self._after_crash(last)
            return self._propose(last) or self._plan_unless_waiting()

    def carry_on(self, work: Work) -> Work | None:
        """Carry out one step outside any transaction, then close it and plan the next in one."""
        match work:
            case ModelWork():
                connection.close()
                reply = client.complete(
                    model=work.step.name, messages=work.messages, tools=self._definitions(work.tools)
                )
                with transaction.atomic():
                    self._close_model(work, reply)
                    return self._plan()
            case ToolWork():
                outcome = executor.execute(work.claim)
                try:
                    with transaction.atomic():
                        self._close_tool(work, outcome)
                        return self._plan()
                except LeaseLost:
                    self._report_late(work, outcome)
                    raise
                except Exception:
                    with transaction.atomic():  # what has run is on record, whatever became of the plan
                        self._close_tool(work, outcome)
                    raise

    def fail(self, code: str, message: str) -> None:
        """End the run as failed, unless it no longer belongs to this worker.

        A call that had started keeps an unknown outcome: nothing says that it did not take effect.
        """
        try:
            with transaction.atomic():
                self._fence()
                close_open_steps(self.run, code=code, message=message, now=self.clock())
                self._end(Run.Status.FAILED, error={"code": code, "message": message})
        except LeaseLost:
            logger.info("Run %s was taken from this worker", self.run.pk)

    def _fence(self, **changes: int) -> None:
        """Renew the lease and set `changes`, or raise LeaseLost: a worker that lost it commits nothing."""
        now = self.clock()
        held = Run.objects.filter(
            pk=self.run.pk, status=Run.Status.RUNNING, lease_token=self.run.lease_token
        ).update(lease_expires_at=now + timedelta(seconds=lease_seconds()), updated_at=now, **changes)
        if not held:
            raise LeaseLost

    def _plan(self) -> Work | None:
        """Ask the blueprint what is next until something is to be carried out, or the run waits or ends."""
        while True:
            action = self._next_action()
            if len(self.steps) >= settings.RUN_MAX_STEPS and isinstance(action, CallModel | CallTool):
                action = GiveUp(
                    code="too-many-steps", message=f"The run used all of its {len(self.steps)} steps."
                )
            match action:
                case CallModel():
                    return self._model_work(self._add_model_step(action), action)
                case CallTool():
                    work = self._propose(self._add_tool_step(action.call))
                    if work is not None or self.run.status == Run.Status.WAITING:
                        return work
                case Finish():
                    self._end(Run.Status.SUCCEEDED, output=storable(action.output))
                    return None
                case GiveUp():
                    self._end(Run.Status.FAILED, error={"code": action.code, "message": action.message})
                    return None

    def _next_action(self) -> Action:
        context = engine.context(
            snapshot=self.run.snapshot, query=self.run.query, steps=self.steps, blueprint=self.blueprint
        )
        return self.blueprint().plan(context)

    def _plan_unless_waiting(self) -> Work | None:
        return None if self.run.status == Run.Status.WAITING else self._plan()

    # --- model steps

    def _add_model_step(self, action: CallModel) -> Step:
        model = self.run.snapshot["config"].get("model") or settings.OPENAI_MODEL
        request = {"messages": len(action.messages), "digest": sha256_hex(list(action.messages))}
        step = self._add(kind=Step.Kind.MODEL, name=model, request={**request, "tools": list(action.tools)})
        step.save(force_insert=True)
        return step

    def _model_work(self, step: Step, action: CallModel | None = None) -> Work:
        if action is None:
            planned = self._next_action()
            if not isinstance(planned, CallModel):
                raise DomainError("The blueprint plans another action than the stored step.")
            action = planned
        return ModelWork(step=step, messages=action.messages, tools=action.tools)

    def _definitions(self, names: tuple[str, ...]) -> list[dict[str, Any]]:
        if self.tools is None:
            self.tools = {
                tool.name: {
                    "type": "function",
                    "function": {
                        "name": tool.name,
                        "description": tool.description,
                        "parameters": tool.parameters,
                    },
                }
                for tool in Tool.objects.filter(name__in=self.run.snapshot["tools"], enabled=True)
            }
            connection.close()
        return [self.tools[name] for name in names if name in self.tools]

    def _close_model(self, work: ModelWork, reply: Reply) -> None:
        now = self.clock()
        step = work.step
        step.input_tokens, step.output_tokens = reply.usage.input_tokens, reply.usage.output_tokens
        self.run.input_tokens += step.input_tokens
        self.run.output_tokens += step.output_tokens
        self._fence(input_tokens=self.run.input_tokens, output_tokens=self.run.output_tokens)
        calls = [
            {"id": c.id, "name": c.name, "arguments": c.arguments, "raw_arguments": c.raw_arguments}
            for c in reply.tool_calls
        ]
        result = {
            "text": reply.text,
            "calls": calls,
            "model": reply.model,
            "finish_reason": reply.finish_reason,
        }
        step.close(Step.Status.SUCCEEDED, now=now, result=result)
        body = {"input": {**step.request, "new": engine.since_last_answer(work.messages)}, "output": result}
        body["usage"] = {"input_tokens": step.input_tokens, "output_tokens": step.output_tokens}
        self._audit("model.replied", step=step, outcome="ok", body=body)

    # --- tool steps

    def _add_tool_step(self, call: ProposedCall) -> Step:
        arguments = call.arguments if call.arguments is not None else {"raw": call.raw_arguments}
        request = {"arguments": arguments, "parsed": call.arguments is not None}
        return self._add(kind=Step.Kind.TOOL, name=call.name[:120], call_id=call.id[:120], request=request)

    def _propose(self, step: Step) -> Work | None:
        """Ask the gate about a planned call; None if it was refused or waits for people."""
        if not step.request["parsed"]:
            message = "The arguments were not a JSON object. Send the call again with valid JSON."
            self._refuse(step, "invalid-json", message, status=Step.Status.FAILED)
            return None
        tool = self._tool(step.name)
        if tool is None:
            known = ", ".join(self.run.snapshot["tools"]) or "none"
            self._refuse(step, "unknown-tool", f"There is no tool '{step.name}' for you. Tools: {known}.")
            return None
        request = self._policy_request(step, tool, step.request["arguments"])
        decision = gate.authorize(request, now=self.clock())
        return self._act_on(step, decision)

    def _act_on(self, step: Step, decision: Decision, *, edited: bool = False) -> Work | None:
        match decision.effect:
            case Effect.PERMIT:
                claim = executor.claim(decision, idempotency_key=str(step.pk), now=self.clock())
                self._set_step(step, Step.Status.EXECUTING)
                return ToolWork(step=step, claim=claim, edited=edited)
            case Effect.DENY:
                content = engine.failure("denied", decision.explanation)
                step.close(Step.Status.DENIED, now=self.clock(), result={"content": content})
                return None
            case Effect.REQUIRE_APPROVAL:
                self._wait_for_review(step, decision)
                return None

    def _wait_for_review(self, step: Step, decision: Decision) -> None:
        now = self.clock()
        evidence = {
            "requester": self.run.requester.username,
            "query": self.run.query,
            "agent": self.run.snapshot["agent"],
            "steps": engine.story(self.steps),
            "usage": {"input_tokens": self.run.input_tokens, "output_tokens": self.run.output_tokens},
        }
        expires_at = now + timedelta(seconds=settings.REVIEW_TTL_S)
        request = ReviewRequest(decision=decision, evidence=evidence, expires_at=expires_at)
        review = reviews.request_review(request=request, now=now)
        step.review_id = review.pk
        self._set_step(step, Step.Status.WAITING)
        self.run.transition(Run.Status.WAITING, updated_at=now, lease_token=None, lease_expires_at=None)
        live.publish_on_commit("runs", self.run.pk)

    def _after_review(self, step: Step) -> Work | None:
        """Act on what people decided about the waiting step."""
        review = Review.objects.filter(step_id=step.pk).latest("id")
        now = self.clock()
        match review.status:
            case Review.Status.APPROVED:
                work = self._approved(step, review)
            case Review.Status.REJECTED:
                who, why = reviews.rejection_of(review)
                content = engine.failure("rejected", f"{who} rejected this call: {why}")
                step.close(Step.Status.REJECTED, now=now, result={"content": content})
                work = None
            case Review.Status.PENDING:
                raise DomainError("The run was woken before its review was decided.")
            case _:
                content = engine.failure(review.status, "Nobody approved this call in time; it was not run.")
                step.close(Step.Status.REJECTED, now=now, result={"content": content})
                work = None
        return work or self._plan_unless_waiting()

    def _approved(self, step: Step, review: Review) -> Work | None:
        now = self.clock()
        tool = self._tool(step.name)
        if tool is None:
            self._refuse(step, "unknown-tool", f"The tool '{step.name}' no longer exists.")
            return None
        request = self._policy_request(step, tool, review.arguments)
        approval: Approval | None = None
        try:
            approval = reviews.consume(review_id=review.pk, digest=request.digest(), now=now)
        except reviews.ApprovalNotUsable as error:
            self._refuse(step, "approval-not-usable", error.detail)
            return None
        decision = gate.authorize(request, now=now, approval=approval)
        return self._act_on(step, decision, edited=review.is_edited)

    def _after_crash(self, step: Step) -> Work | None:
        """A worker died after it claimed the call. Only calls that may be repeated are."""
        tool = self._tool(step.name)
        if (
            tool is not None
            and tool.effect in {EffectClass.READ, EffectClass.IDEMPOTENT}
            and not step.review_id
        ):
            return self._propose(step) or self._plan_unless_waiting()
        message = (
            f"The worker died while {step.name} ran; whether it took effect is unknown. It was not repeated."
        )
        step.close(
            Step.Status.UNKNOWN,
            now=self.clock(),
            result={"content": engine.failure("outcome-unknown", message)},
        )
        self._audit("tool.unknown", step=step, outcome="unknown", body={"message": message})
        self._end(Run.Status.FAILED, error={"code": "outcome-unknown", "message": message})
        return None

    def _close_tool(self, work: ToolWork, outcome: Outcome) -> None:
        self._fence()
        now = self.clock()
        request = work.claim.decision.request
        content: Any = outcome.value if outcome.ok else engine.failure("tool-failed", outcome.error)
        if work.edited:
            content = {
                "notice": "A reviewer changed this call. It has run with executed_arguments; do not repeat it.",
                "executed_arguments": request.arguments,
                "result": content,
            }
        status = Step.Status.SUCCEEDED if outcome.ok else Step.Status.FAILED
        work.step.close(
            status,
            now=now,
            result={"content": content, "arguments": request.arguments, "ms": outcome.duration_ms},
        )
        gate.complete(work.claim.decision, outcome, now=now)
        live.publish_on_commit("runs", self.run.pk)

    def _report_late(self, work: ToolWork, outcome: Outcome) -> None:
        """Record what a call led to whose run was cancelled or given away while it ran."""
        now = self.clock()
        content = outcome.value if outcome.ok else engine.failure("tool-failed", outcome.error)
        with transaction.atomic():
            Step.objects.filter(
                pk=work.step.pk, status__in=[Step.Status.EXECUTING, Step.Status.UNKNOWN]
            ).update(
                status=Step.Status.SUCCEEDED if outcome.ok else Step.Status.FAILED,
                result={"content": content, "arguments": work.claim.decision.request.arguments},
                finished_at=now,
            )
            gate.complete(work.claim.decision, outcome, now=now)
            live.publish_on_commit("runs", self.run.pk)

    def _refuse(
        self, step: Step, code: str, message: str, *, status: Step.Status = Step.Status.DENIED
    ) -> None:
        step.close(status, now=self.clock(), result={"content": engine.failure(code, message)})
        body = {"tool": step.name, "input": step.request, "code": code, "message": message}
        self._audit("tool.refused", step=step, outcome="deny", body=body)

    def _tool(self, name: str) -> Tool | None:
        if name not in self.run.snapshot["tools"]:
            return None
        return Tool.objects.filter(name=name).first()

    def _policy_request(self, step: Step, tool: Tool, arguments: dict[str, Any]) -> PolicyRequest:
        return PolicyRequest(
            tenant=require_schema(),
            user=UserRef(id=self.run.requester_id, name=self.run.requester.username),
            agent=self.agent,
            tool=tool.ref(),
            arguments=arguments,
            run=RunRef(run_id=str(self.run.pk), step_id=str(step.pk), trace_id=self.run.trace_id),
        )

    # --- rows

    def _add(self, *, kind: Step.Kind, name: str, request: dict[str, Any], call_id: str = "") -> Step:
        step = Step(
            id=uuid7(),
            run=self.run,
            number=len(self.steps) + 1,
            kind=kind,
            status=Step.Status.PLANNED,
            name=name,
            call_id=call_id,
            request=request,
            created_at=self.clock(),
        )
        self.steps.append(step)
        return step

    def _set_step(self, step: Step, status: Step.Status) -> None:
        """Store the step as executing or waiting; a tool step is inserted as what the gate made of it."""
        if step._state.adding:
            step.status = status
            step.save(force_insert=True)
            return
        moved = Step.objects.filter(pk=step.pk, status=step.status).update(
            status=status, review_id=step.review_id
        )
        if not moved:
            raise LeaseLost
        step.status = status

    def _end(self, status: Run.Status, *, output: Any = None, error: Any = None) -> None:
        now = self.clock()
        self.run.transition(
            status, output=output, error=error, finished_at=now, updated_at=now, lease_token=None
        )
        self._audit(f"run.{status}", outcome=str(status), body={"output": output, "error": error})
        live.publish_on_commit("runs", self.run.pk)

    def _audit(
        self, action: str, *, step: Step | None = None, outcome: str = "", body: dict[str, Any]
    ) -> None:
        agent = Actor(kind="agent", id=str(self.run.agent_id), name=self.run.snapshot["agent"])
        audit.record(
            entry(self.run, action, at=self.clock(), actor=agent, step=step, outcome=outcome, body=body)
        )
