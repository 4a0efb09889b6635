"""Model steps: ask, try again, ask another model, and hand the run over when none answers."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings

from agents.blueprints.base import CallModel
from agents.llm import client
from agents.llm.client import ModelUnavailable
from agents.llm.types import Reply
from agents.resilience import breaker
from agents.runs import engine, handoffs
from agents.runs.hold import Hold, Work
from agents.runs.models import Step
from tenants.kernel.errors import DomainError
from tenants.kernel.failpoints import hit
from tenants.kernel.jsonvalues import sha256_hex

PROVIDER = "default"
"""The one provider there is: the endpoint that the operator configured."""


class HistoryMismatch(DomainError):
    """The code of today plans something else than the step that is stored."""

    code = "history-mismatch"
    status = 409


@dataclass(frozen=True, kw_only=True)
class ModelWork:
    """A stored model step to carry out."""

    hold: Hold
    step: Step
    action: CallModel
    definitions: list[dict[str, Any]]
    starts_effect = False

    def perform(self) -> Reply | ModelUnavailable:
        """Ask the model."""
        hit("model.before-call")
        try:
            reply = client.complete(
                model=self.step.name, messages=self.action.messages, tools=self.definitions
            )
        except ModelUnavailable as error:
            return error
        hit("model.after-call")
        self.hold.run.input_tokens += reply.usage.input_tokens
        self.hold.run.output_tokens += reply.usage.output_tokens
        return reply

    def finish(self, result: Reply | ModelUnavailable) -> Work | None:
        """Store the answer, or what is to be done without one."""
        if isinstance(result, ModelUnavailable):
            return _after_failure(self, result)
        _close(self, result)
        hit("model.before-commit")
        return None

    def report_late(self, result: Any) -> None:
        """Do nothing: an answer changes nothing outside, and whoever has the run asks again."""


def begin(hold: Hold, action: CallModel) -> Work | None:
    """Store a model step and return it as work; None if the run must wait for its provider."""
    digest = sha256_hex(list(action.messages))
    request = {"messages": len(action.messages), "digest": digest, "tools": list(action.tools)}
    step = hold.add(kind=Step.Kind.MODEL, name=_models(hold)[0], request=request)
    return _start(hold, step, action)


def resume(hold: Hold, step: Step) -> Work | None:
    """Ask again what a lost worker asked, or what was put off."""
    action = hold.next_action()
    if not isinstance(action, CallModel) or sha256_hex(list(action.messages)) != step.request["digest"]:
        raise HistoryMismatch(f"Step {step.number} was planned by other code than the agent has today.")
    return _start(hold, step, action)


def _start(hold: Hold, step: Step, action: CallModel) -> Work | None:
    circuit = hold.circuit("provider", PROVIDER)
    work = ModelWork(hold=hold, step=step, action=action, definitions=hold.definitions(action.tools))
    if circuit is not None and not breaker.allows(circuit, hold.clock()):
        wait_s = breaker.seconds_until_try(circuit, hold.clock())
        message = f"The model provider failed repeatedly and is left alone for {wait_s:.0f} s."
        if hold.leave_alone(step, part=f"provider:{PROVIDER}", wait_s=wait_s, message=message):
            return None
        error = ModelUnavailable(message, transient=True, retry_after_s=wait_s, asked=False)
        return _after_failure(work, error)
    if not hold.has_slot("provider", PROVIDER):
        hold.move(step, Step.Status.PLANNED)
        hold.queue_for("provider", PROVIDER)
        return None
    hold.move(step, Step.Status.EXECUTING, attempts=step.attempts + 1)
    return work


def _models(hold: Hold) -> list[str]:
    return [hold.config.model or settings.OPENAI_MODEL, *hold.config.fallback_models]


def _close(work: ModelWork, reply: Reply) -> None:
    hold, step = work.hold, work.step
    calls = [
        {"id": c.id, "name": c.name, "arguments": c.arguments, "raw_arguments": c.raw_arguments}
        for c in reply.tool_calls
    ]
    result = {"text": reply.text, "calls": calls, "model": reply.model, "finish_reason": reply.finish_reason}
    usage = {"input_tokens": reply.usage.input_tokens, "output_tokens": reply.usage.output_tokens}
    step.close(Step.Status.SUCCEEDED, now=hold.clock(), result=result, **usage)
    body = {"input": {**step.request, "new": engine.since_last_answer(work.action.messages)}}
    hold.audit("model.replied", step=step, outcome="ok", body={**body, "output": result, "usage": usage})
    hold.report("provider", PROVIDER, ok=True)
    hold.free_slot("provider", PROVIDER)


def _after_failure(work: ModelWork, error: ModelUnavailable) -> Work | None:
    """Try again later, ask the next model, or give the run to a person."""
    hold, step = work.hold, work.step
    if error.asked:
        hold.report("provider", PROVIDER, ok=not error.transient)
        hold.free_slot("provider", PROVIDER)
    body = {"model": step.name, "attempt": step.attempts, "message": error.detail}
    if error.asked and error.transient and step.attempts < settings.MODEL_MAX_ATTEMPTS:
        hold.move(step, Step.Status.PLANNED)
        wait_s = hold.postpone(attempt=step.attempts, retry_after_s=error.retry_after_s)
        hold.audit("model.failed", step=step, outcome="retry", body={**body, "wait_s": round(wait_s, 3)})
        return None
    models = _models(hold)
    tried = int(step.request.get("tried", 1))
    if error.asked and tried < len(models):
        request = {**step.request, "tried": tried + 1}
        hold.audit("model.failed", step=step, outcome="fallback", body={**body, "next": models[tried]})
        following = {"name": models[tried][:120], "request": request}
        if hold.weather.stop:
            hold.move(step, Step.Status.PLANNED, attempts=0, **following)
            hold.pause(hold.weather.stop)
            return None
        hold.move(step, Step.Status.EXECUTING, attempts=1, **following)
        return work
    failure = engine.failure(error.code, error.detail)
    step.close(Step.Status.FAILED, now=hold.clock(), result=failure)
    hold.audit("model.failed", step=step, outcome="error", body=body)
    if error.transient and hold.config.hand_off_after:
        handoffs.ask(hold, why=f"The model did not answer in {step.attempts} attempts: {error.detail}")
    else:
        hold.give_up(error.code, error.detail)
    return None
