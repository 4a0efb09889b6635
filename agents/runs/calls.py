"""Tool steps: propose, claim, run, and settle what a crash or a failure leaves open."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from agents.blueprints.base import ProposedCall
from agents.resilience import breaker
from agents.runs import engine, handles, handoffs, quarantine, questions, screening
from agents.runs.hold import Hold, Work
from agents.runs.lease import LeaseLost
from agents.runs.models import Run, Step
from agents.runs.operations import wake
from agents.runs.record import (
    claimed,
    fallback_of,
    is_reported,
    keep_effect,
    rejection,
    request_of,
    review_of,
    tool_of,
    why_denied,
)
from agents.runs.screening import Screened
from agents.tools import executor
from agents.tools.base import Happened
from agents.tools.models import Tool
from governance import gate
from governance.types import Approval, Decision, Effect, EffectClass, Outcome, PolicyRequest
from hitl.reviews import operations as reviews
from hitl.reviews.models import Review
from hitl.reviews.types import ReviewRequest
from tenants.kernel.failpoints import hit
from tenants.kernel.jsonvalues import JsonObject

REPEATABLE = frozenset({EffectClass.READ, EffectClass.IDEMPOTENT})
NEVER_STARTED = "The worker lost the run before it called the tool; the call took no effect."


@dataclass(frozen=True, kw_only=True)
class ToolWork:
    """A stored, permitted and claimed tool step to carry out."""

    hold: Hold
    step: Step
    tool: Tool
    claim: executor.Claim
    edited: bool
    attempt: int
    arguments: JsonObject | None = None
    """The arguments with the originals of what guardrails took out, where the tool gets them."""
    starts_effect = True

    def perform(self) -> Screened:
        """Run the tool, unless the lease ended since the claim: then nothing is run. Look through what it says."""
        hit("tool.before-effect")
        if not self.hold.lease.is_alive():
            self.report_late(Screened(outcome=Outcome(ok=False, error=NEVER_STARTED, started=False)))
            raise LeaseLost
        too_fast = self.hold.spending.why_too_fast(self.tool, now=self.hold.clock())
        outcome = too_fast or executor.execute(self.claim, tool=self.tool, arguments=self.arguments)
        hit("tool.after-effect")
        return screening.of_outcome(self.hold, self.step, outcome)

    def finish(self, screened: Screened) -> Work | None:
        """Store the receipt; try again, fall back or ask a person where it did not succeed."""
        hold, step, request, result = self.hold, self.step, self.claim.decision.request, screened.outcome
        screening.keep(screened, run=hold.run, step=step, now=hold.clock())
        gate.complete(self.claim.decision, result, now=hold.clock())
        hold.spending.call_ended(result)
        keep_effect(step, result, now=hold.clock())
        hold.report("tool", step.name, ok=hold.spending.is_healthy(result))
        hold.free_slot("tool", step.name)
        if result.unknown:
            return _ambiguous(hold, step, request, result.error, over_at=None)
        if not result.ok:
            return _after_failure(hold, step, self.tool, result)
        step.close(Step.Status.SUCCEEDED, now=hold.clock(), result=self._receipt(screened))
        if screened.held:
            handoffs.ask(hold, why=screened.held)
        hit("tool.before-commit")
        return None

    def report_late(self, screened: Screened) -> None:
        """Settle the step with what the call led to, although the run was cancelled or given away.

        Only if the step still stands as this worker's attempt left it. What a person was asked about
        it is withdrawn, and the run goes on.
        """
        now, run, result = self.hold.clock(), Run(pk=self.hold.run.pk), screened.outcome
        self.hold.spending.call_ended_late(result, now=now)
        with transaction.atomic():
            screening.keep(screened, run=run, step=self.step, now=now)
            if not is_reported(self.step, self.claim.decision):
                gate.complete(self.claim.decision, result, now=now)
                keep_effect(self.step, result, now=now)
            found = Step.objects.select_for_update(of=("self",)).get(pk=self.step.pk)
            is_open = found.status in {Step.Status.EXECUTING, Step.Status.UNKNOWN}
            if result.unknown or found.attempts != self.attempt or not is_open:
                return
            if found.is_open and found.status == Step.Status.UNKNOWN:
                reviews.cancel_for_run(run_id=run.pk, now=now)
            content = engine.failure("tool-failed", result.error)
            request = self.claim.decision.request
            failed = {"content": content, "arguments": request.arguments, **screened.marks}
            found.close(
                Step.Status.SUCCEEDED if result.ok else Step.Status.FAILED,
                now=now,
                result=self._receipt(screened) if result.ok else failed,
            )
            wake(run, now=now)

    def _receipt(self, screened: Screened) -> JsonObject:
        """Return what the step keeps of a call that succeeded."""
        content, arguments = screened.outcome.value, self.claim.decision.request.arguments
        receipt: JsonObject = {"arguments": arguments, "ms": screened.outcome.duration_ms, **screened.marks}
        if self.edited:
            content = engine.after_edit(self.step, arguments, content)
            receipt["edited"] = True
        if self.tool.withholds_results:
            receipt |= {"withheld": True, "schema": self.tool.output_schema}
        return {"content": content, **receipt}


@dataclass(frozen=True, kw_only=True)
class PreviewWork:
    """A call that people will be asked about: the tool says first what it would do."""

    hold: Hold
    step: Step
    tool: Tool
    request: PolicyRequest
    starts_effect = False

    def perform(self) -> Any:
        """Ask the tool; it changes nothing."""
        return executor.preview(self.request, tool=self.tool)

    def finish(self, result: Any) -> Work | None:
        """Keep the preview for the reviewer and ask the gate."""
        step = self.step
        step.store(was=step.status, request={**step.request, "preview": result})
        return propose(self.hold, step)

    def report_late(self, result: Any) -> None:
        """Do nothing: a preview leaves no trace."""


@dataclass(frozen=True, kw_only=True)
class ProbeWork:
    """A call whose outcome is unknown: the tool can ask its target whether it took effect."""

    hold: Hold
    step: Step
    tool: Tool
    request: PolicyRequest
    message: str
    over_at: datetime | None
    """When a call whose worker was lost must have ended; None for one that may still run."""
    starts_effect = False

    def perform(self) -> Happened:
        """Ask the target."""
        return executor.probe(self.request, tool=self.tool, idempotency_key=str(self.step.pk))

    def finish(self, result: Happened) -> Work | None:
        """Go on with what the target says; ask a person if it cannot tell, or if the call may still run."""
        hold, step = self.hold, self.step
        hold.audit("tool.probed", step=step, outcome=str(result), body={"tool": step.name})
        match result:
            case Happened.YES:
                content = {"notice": "The call took effect; its result was lost with the worker."}
                step.close(Step.Status.SUCCEEDED, now=hold.clock(), result={"content": content})
                return None
            case Happened.NO if self.over_at is not None and hold.clock() >= self.over_at:
                return propose(hold, step)
            case Happened.NO if self.over_at is not None:  # a worker that was only cut off may still send it
                left_s = (self.over_at - hold.clock()).total_seconds()
                hold.postpone(attempt=1, retry_after_s=left_s)
                return None
            case _:
                questions.ask_outcome(hold, step, self.request, self.message)
                return None

    def report_late(self, result: Any) -> None:
        """Do nothing: a probe leaves no trace."""


def begin(hold: Hold, call: ProposedCall) -> Work | None:
    """Propose a call of the model to the gate; None if it was refused or the run waits."""
    arguments = call.arguments if call.arguments is not None else {"raw": call.raw_arguments}
    request = {"arguments": arguments, "parsed": call.arguments is not None}
    step = hold.add(kind=Step.Kind.TOOL, name=call.name, call_id=call.id, request=request)
    try:
        step.request = handles.put_in(request, hold.steps[:-1])
    except handles.BadHandle as error:
        hold.refuse(step, error.code, error.detail)
        return None
    return propose(hold, step)


def resume(hold: Hold, step: Step) -> Work | None:
    """Go on with a stored call where a worker, or people, left it."""
    match step.status:
        case Step.Status.WAITING:
            return _after_review(hold, step)
        case Step.Status.EXECUTING:
            return _after_crash(hold, step)
        case Step.Status.UNKNOWN:
            return _after_answer(hold, step)
        case _:
            return propose(hold, step)


def propose(hold: Hold, step: Step) -> Work | None:
    """Ask the gate about a call, with the approval it has; None if it was refused or the run waits.

    Nothing is proposed under a kill switch or a pause: the call stays planned.
    """
    if hold.weather.stop:
        hold.move(step, Step.Status.PLANNED)
        hold.pause(hold.weather.stop)
        return None
    if not step.request["parsed"]:
        message = "The arguments were not a JSON object. Send the call again with valid JSON."
        hold.refuse(step, "invalid-json", message, status=Step.Status.FAILED)
        handoffs.ask_after_failures(hold, message)
        return None
    tool = tool_of(hold, step)
    if tool is None:
        known = ", ".join(hold.run.snapshot["tools"]) or "none"
        hold.refuse(step, "unknown-tool", f"There is no tool '{step.name}' for you. Tools: {known}.")
        return None
    circuit = hold.circuit("tool", tool.name)
    if circuit is not None and not breaker.allows(circuit, hold.clock()):
        return _left_alone(hold, step, tool, breaker.seconds_until_try(circuit, hold.clock()))
    if not hold.has_slot("tool", tool.name):
        hold.move(step, Step.Status.PLANNED)
        hold.queue_for("tool", tool.name)
        return None
    review = review_of(step) if step.review_id else None
    request = request_of(hold, step, tool, review.arguments if review else step.request["arguments"])
    approval: Approval | None = None
    if review is not None:
        try:
            approval = _approval_of(hold, step, review, request)
        except reviews.ApprovalNotUsable as error:
            hold.refuse(step, "approval-not-usable", error.detail)
            return None
    elif executor.has_preview(tool) and "preview" not in step.request:
        verdict, _ = gate.evaluate(request, now=hold.clock())
        if verdict.effect is Effect.REQUIRE_APPROVAL:
            hold.move(step, Step.Status.PLANNED)
            return PreviewWork(hold=hold, step=step, tool=tool, request=request)
    decision = gate.authorize(request, now=hold.clock(), approval=approval)
    return _act_on(hold, step, tool, decision, edited=review is not None and review.is_edited)


def _approval_of(hold: Hold, step: Step, review: Review, request: PolicyRequest) -> Approval:
    """Use the approval up, or show the one under which this very call had started before."""
    now = hold.clock()
    if step.request.get("started_under") == str(review.pk):
        return reviews.consumed_approval(review_id=review.pk, digest=request.digest(), now=now)
    approval = reviews.consume(review_id=review.pk, digest=request.digest(), now=now)
    hit("approval.consumed")
    return approval


def _act_on(hold: Hold, step: Step, tool: Tool, decision: Decision, *, edited: bool) -> Work | None:
    match decision.effect:
        case Effect.PERMIT if executor.asks_person(tool):
            questions.ask(hold, step, decision)
        case Effect.PERMIT if executor.asks_model(tool):
            return quarantine.begin(hold, step, decision.request)
        case Effect.PERMIT if refused := hold.spending.why_not(step, tool, config=hold.config):
            hold.refuse(step, refused.code, refused.detail)
        case Effect.PERMIT:
            claim = executor.claim(decision, idempotency_key=str(step.pk), now=hold.clock())
            attempt = step.attempts + 1
            under = {"started_under": str(step.review_id)} if step.review_id else {}
            hold.move(step, Step.Status.EXECUTING, attempts=attempt, request={**step.request, **under})
            hit("tool.claimed")
            return ToolWork(
                hold=hold, step=step, tool=tool, claim=claim, edited=edited, attempt=attempt,
                arguments=screening.given_back(hold, step, decision),
            )  # fmt: skip
        case Effect.DENY:
            content = engine.as_told(step, engine.failure("denied", why_denied(step, decision)))
            step.close(Step.Status.DENIED, now=hold.clock(), result={"content": content})
        case Effect.REQUIRE_APPROVAL:
            return _wait_for_review(hold, step, decision)
    return None


def _wait_for_review(hold: Hold, step: Step, decision: Decision) -> Work | None:
    """Let people decide; a standing grant may have done so already. What was rejected is not asked twice."""
    now = hold.clock()
    before = reviews.rejected_before(decision.request)
    if before is not None:
        message = (
            "A reviewer has rejected exactly this call in this run; it was not asked again. Do not repeat it."
        )
        hold.refuse(step, "rejected-before", message, review_id=str(before.pk))
        return None
    evidence = hold.evidence()
    if "preview" in step.request:
        evidence["preview"] = step.request["preview"]
    expires_at = now + timedelta(seconds=settings.REVIEW_TTL_S)
    request = ReviewRequest(decision=decision, evidence=evidence, expires_at=expires_at)
    review = reviews.request_review(request=request, now=now)
    hold.move(step, Step.Status.WAITING, review_id=review.pk)
    hit("review.requested")
    if review.status == Review.Status.APPROVED:
        return propose(hold, step)
    hold.wait()
    return None


def _after_review(hold: Hold, step: Step) -> Work | None:
    """Act on what people decided about the waiting step."""
    review, now = review_of(step), hold.clock()
    if review.kind == Review.Kind.QUESTION:
        questions.after_answer(hold, step, review)
        return None
    match review.status:
        case Review.Status.APPROVED if review.not_before is not None and review.not_before > now:
            hold.postpone(attempt=1, retry_after_s=(review.not_before - now).total_seconds())
            return None
        case Review.Status.APPROVED:
            return propose(hold, step)
        case Review.Status.PENDING:
            hold.wait()
            return None
        case Review.Status.REJECTED:
            content = rejection(review)
        case Review.Status.REVOKED:
            content = engine.failure("revoked", "The approval of this call was taken back; it was not run.")
        case _:
            content = engine.failure(review.status, "Nobody approved this call in time; it was not run.")
    step.close(Step.Status.REJECTED, now=now, result={"content": content})
    return None


# --- after a crash


def _after_crash(hold: Hold, step: Step) -> Work | None:
    """Repeat with the same key what may be repeated; for everything else find out what happened."""
    tool, (permitted, started_at) = tool_of(hold, step), claimed(step)
    if tool is not None and {tool.effect, permitted.tool.effect} <= REPEATABLE:
        return propose(hold, step)
    message = f"The worker was lost while {step.name} ran. Nothing tells whether it took effect."
    hold.audit("tool.unknown", step=step, outcome="unknown", body={"tool": step.name, "message": message})
    keep_effect(step, Outcome(ok=False, unknown=True), now=hold.clock())
    over_at = started_at + timedelta(seconds=tool.timeout_s) if tool is not None else None
    return _ambiguous(hold, step, permitted, message, over_at=over_at)


def _ambiguous(
    hold: Hold, step: Step, request: PolicyRequest, message: str, *, over_at: datetime | None
) -> Work | None:
    tool = tool_of(hold, step)
    if tool is not None and executor.has_probe(tool):
        return ProbeWork(hold=hold, step=step, tool=tool, request=request, message=message, over_at=over_at)
    questions.ask_outcome(hold, step, request, message)
    return None


def _after_answer(hold: Hold, step: Step) -> Work | None:
    """Act on what a person said about a call with an unknown outcome."""
    review = review_of(step)
    match review.status:
        case Review.Status.PENDING:
            hold.wait()
            return None
        case Review.Status.APPROVED:
            return propose(hold, step)
        case Review.Status.ANSWERED:
            answer = reviews.answer_of(review)
        case _:
            message = f"Nobody said in time whether {step.name} took effect. It was not repeated."
            hold.fail("outcome-unknown", message)
            return None
    questions.settle(hold, step, answer)
    return None


# --- after a failure


def _left_alone(hold: Hold, step: Step, tool: Tool, wait_s: float) -> Work | None:
    """Wait for a tool whose breaker is open, or propose its fallback at once."""
    message = f"{tool.name} failed repeatedly and is left alone for {wait_s:.0f} s."
    has_fallback = fallback_of(hold, step, tool) is not None
    if not has_fallback and hold.leave_alone(step, part=f"tool:{tool.name}", wait_s=wait_s, message=message):
        return None
    return _failed(hold, step, tool, Outcome(ok=False, error=message, started=False))


def _after_failure(hold: Hold, step: Step, tool: Tool, outcome: Outcome) -> Work | None:
    """Try again later if that is safe, else propose the fallback tool, else tell the agent."""
    may_repeat = tool.effect in REPEATABLE or not outcome.started
    if not (outcome.transient and may_repeat and step.attempts < tool.max_attempts):
        return _failed(hold, step, tool, outcome)
    hold.move(step, Step.Status.PLANNED)
    wait_s = hold.postpone(attempt=step.attempts, retry_after_s=outcome.retry_after_s)
    body = {"tool": step.name, "attempt": step.attempts, "wait_s": round(wait_s, 3), "error": outcome.error}
    hold.audit("tool.retried", step=step, outcome="retry", body=body)
    return None


def _failed(hold: Hold, step: Step, tool: Tool, outcome: Outcome) -> Work | None:
    fallback = fallback_of(hold, step, tool)
    result: dict[str, Any] = {
        "content": engine.as_told(step, engine.failure("tool-failed", outcome.error)),
        "ms": outcome.duration_ms,
    }
    if fallback is not None:
        result["fallback"] = fallback.name
    step.close(Step.Status.FAILED, now=hold.clock(), result=result)
    if fallback is None:
        handoffs.ask_after_failures(hold, outcome.error)
        return None
    request = {**step.request, "instead_of": step.name, "because": outcome.error}
    if step.review_id:
        request["arguments"] = review_of(step).arguments
    for name in ("preview", "started_under", "left_alone", "was_unknown"):
        request.pop(name, None)
    return propose(
        hold, hold.add(kind=Step.Kind.TOOL, name=fallback.name, call_id=step.call_id, request=request)
    )
