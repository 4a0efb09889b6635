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
from agents.runs.spending import Terms
from governance.metering.types import FREE, BudgetExceeded, Charge, PriceUnknown
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
class TooFast:
    """The model was not asked: a minute holds no more requests or tokens."""

    wait_s: float


@dataclass(frozen=True, kw_only=True)
class ModelWork:
    """A stored model step to carry out."""

    hold: Hold
    step: Step
    action: CallModel
    definitions: list[dict[str, Any]]
    terms: Terms
    starts_effect = False

    def perform(self) -> Reply | ModelUnavailable | TooFast:
        """Ask the model, unless a minute holds no more requests."""
        cap = self.hold.config.max_output_tokens
        wait_s = self.hold.spending.too_fast(
            self.action.messages, self.definitions, max_output_tokens=cap, now=self.hold.clock()
        )
        if wait_s:
            return TooFast(wait_s=wait_s)
        hit("model.before-call")
        try:
            reply = client.complete(
                model=self.step.name,
                messages=self.action.messages,
                tools=self.definitions,
                max_output_tokens=cap,
            )
        except ModelUnavailable as error:
            if error.may_be_billed:
                self.hold.spending.count(self.terms.estimate)
            return error
        hit("model.after-call")
        self.hold.run.input_tokens += reply.usage.input_tokens
        self.hold.run.output_tokens += reply.usage.output_tokens
        self.hold.spending.count(self.terms.charge(reply.usage) or self.terms.estimate)
        return reply

    def finish(self, result: Reply | ModelUnavailable | TooFast) -> Work | None:
        """Store the answer, or what is to be done without one."""
        self.hold.spending.ended(self.terms, _actual(self.terms, result))
        if isinstance(result, TooFast):
            _slow_down(self.hold, self.step, result.wait_s)
            return None
        if isinstance(result, ModelUnavailable):
            return _after_failure(self.hold, self.step, self.action, result)
        _close(self, result)
        hit("model.before-commit")
        return None

    def report_late(self, result: Reply | ModelUnavailable | TooFast) -> None:
        """Settle what the answer cost; it changes nothing else, and whoever has the run asks again."""
        self.hold.spending.settle_late(self.terms, _actual(self.terms, result), now=self.hold.clock())


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
    if circuit is not None and not breaker.allows(circuit, hold.clock()):
        wait_s = breaker.seconds_until_try(circuit, hold.clock())
        message = f"The model provider failed repeatedly and is left alone for {wait_s:.0f} s."
        if hold.leave_alone(step, part=f"provider:{PROVIDER}", wait_s=wait_s, message=message):
            return None
        error = ModelUnavailable(message, transient=True, retry_after_s=wait_s, asked=False)
        return _after_failure(hold, step, action, error)
    if not hold.has_slot("provider", PROVIDER):
        hold.move(step, Step.Status.PLANNED)
        hold.queue_for("provider", PROVIDER)
        return None
    return _agreed(hold, step, action, attempts=step.attempts + 1)


def _agreed(hold: Hold, step: Step, action: CallModel, **changes: Any) -> Work | None:
    """Reserve what the call may cost and store that it is made; end the run where a budget does not admit it."""
    definitions = hold.definitions(action.tools)
    try:
        terms = hold.spending.agree_on_model(
            step,
            model=step.name,
            attempt=changes["attempts"],
            messages=action.messages,
            tools=definitions,
            max_output_tokens=hold.config.max_output_tokens,
            max_cost=hold.config.max_cost_micros,
        )
    except (BudgetExceeded, PriceUnknown) as error:
        step.close(Step.Status.FAILED, now=hold.clock(), result=engine.failure(error.code, error.detail))
        body = {"model": step.name, "code": error.code, "message": error.detail, **error.data}
        hold.audit("budget.refused", step=step, outcome="deny", body=body)
        hold.give_up(error.code, error.detail)
        return None
    hold.move(step, Step.Status.EXECUTING, **changes)
    return ModelWork(hold=hold, step=step, action=action, definitions=definitions, terms=terms)


def _actual(terms: Terms, result: Reply | ModelUnavailable | TooFast) -> Charge | None:
    """Return what the call cost; None where nobody knows."""
    return FREE if isinstance(result, TooFast) else terms.cost_of(result)


def _slow_down(hold: Hold, step: Step, wait_s: float) -> None:
    """Queue the run until a minute holds one more request; it is no attempt of the step."""
    request = {**step.request, "slowed": int(step.request.get("slowed", 0)) + 1}
    hold.move(step, Step.Status.PLANNED, attempts=step.attempts - 1, request=request)
    hold.free_slot("provider", PROVIDER)
    wait_s = hold.postpone(attempt=1, retry_after_s=wait_s, waits_for="rate")
    if request["slowed"] == 1:
        hold.audit("model.slowed", step=step, outcome="retry", body={"wait_s": round(wait_s, 3)})


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


def _after_failure(hold: Hold, step: Step, action: CallModel, error: ModelUnavailable) -> Work | None:
    """Try again later, ask the next model, or give the run to a person."""
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
        following: dict[str, Any] = {"name": models[tried][:120], "request": request}
        if hold.weather.stop:
            hold.move(step, Step.Status.PLANNED, attempts=0, **following)
            hold.pause(hold.weather.stop)
            return None
        step.name, step.request = following["name"], request
        return _agreed(hold, step, action, attempts=1, **following)
    failure = engine.failure(error.code, error.detail)
    step.close(Step.Status.FAILED, now=hold.clock(), result=failure)
    hold.audit("model.failed", step=step, outcome="error", body=body)
    if error.transient and hold.config.hand_off_after:
        handoffs.ask(hold, why=f"The model did not answer in {step.attempts} attempts: {error.detail}")
    else:
        hold.give_up(error.code, error.detail)
    return None
