"""What is on record about a tool step: its tool, its review, the action as it was permitted."""

from collections import Counter
from datetime import datetime
from itertools import takewhile
from typing import Any

from agents.runs import engine, handles, influence, trail
from agents.runs.hold import Hold
from agents.runs.models import Step
from agents.tools.models import Tool
from governance.audit.models import AuditEvent
from governance.flow import analysis
from governance.policies.models import PolicyDecision
from governance.types import Decision, Effect, Outcome, PolicyRequest, UserRef
from hitl.reviews import operations as reviews
from hitl.reviews.models import Review
from hitl.reviews.types import DecisionVerb
from tenants.kernel import prepared
from tenants.kernel.context import require_schema

CALLED = frozenset({Step.Status.SUCCEEDED, Step.Status.FAILED, Step.Status.UNKNOWN})


def tool_of(hold: Hold, step: Step) -> Tool | None:
    """Return the tool's row: one that the run began with, or the fallback of one. The gate asks for rights."""
    if step.name not in hold.run.snapshot["tools"] and "instead_of" not in step.request:
        return None
    return prepared.first(Tool, "name = %s", [step.name])


def review_of(step: Step) -> Review:
    """Return the last review about the step."""
    return Review.objects.filter(step_id=step.pk).latest("id")


def request_of(hold: Hold, step: Step, tool: Tool, arguments: dict[str, Any]) -> PolicyRequest:
    """Return the action that the gate is asked about, with what influenced it and where each value is from.

    A call that is given a withheld result is influenced by whoever wrote it, whatever its run has read.
    """
    delegator, ref = hold.run.delegator, tool.ref()
    given = handles.sources(step, hold.steps)
    trust = Tool.objects.trust(influence.read(hold.steps) | given)
    trusted = {name for name, known in trust.items() if known.output_trusted}
    sources = set(influence.sources(snapshot=hold.run.snapshot, steps=hold.steps, trusted=trusted))
    sources |= given - trusted
    flow = None
    if sources and ref.is_consequential:
        today = hold.clock().date()
        read = trail.of(run=hold.run, steps=hold.steps, trust=trust, today=today, withheld=bool(given))
        flow = analysis.analyse(
            tool=ref.name, schema=ref.parameters, arguments=arguments, trail=read
        ).to_json()
    return PolicyRequest(
        tenant=require_schema(),
        user=hold.user_ref(),
        agent=hold.agent,
        tool=ref,
        arguments=arguments,
        run=hold.run_ref(step),
        delegator=UserRef(id=delegator.pk, name=delegator.username) if delegator else None,
        influence=tuple(sorted(sources)),
        flow=flow,
        circumstances={
            "user": {"step_up": hold.run.snapshot.get("step_up", False)},
            "run": _so_far(hold, step),
            "cost": {
                "estimate": hold.spending.price_of(tool).micros or 0,
                "run_spent": hold.run.cost_micros or 0,
            },
        },
    )


def _so_far(hold: Hold, step: Step) -> dict[str, Any]:
    """Return what rules may ask about the run: its steps before this one, and its calls of each tool."""
    before = [one for one in hold.steps if one.pk != step.pk]
    called = Counter(one.name for one in before if one.kind == Step.Kind.TOOL and one.status in CALLED)
    return {"steps": len(before), "tool_counts": {step.name: 0, **called}}


def claimed(step: Step) -> tuple[PolicyRequest, datetime]:
    """Return the action exactly as it was last permitted, and when its permit was used."""
    permits = PolicyDecision.objects.filter(step_id=step.pk, effect=Effect.PERMIT)
    permit = permits.latest("id")
    return PolicyRequest.from_json(permit.request), permit.consumed_at or permit.at


def is_reported(step: Step, decision: Decision) -> bool:
    """Tell whether the audit log says what this permit led to: a commit may go through and yet seem to fail."""
    outcomes = AuditEvent.objects.filter(
        step_id=step.pk, action__in=["tool.succeeded", "tool.failed", "tool.unknown"]
    )
    return outcomes.filter(body__decision_id=str(decision.id)).exists()


def why_denied(step: Step, decision: Decision) -> str:
    """Return what the agent is told of a refusal: nothing that could repeat a withheld value."""
    if not step.request.get("handles"):
        return decision.explanation
    return f"Refused: {', '.join(dict.fromkeys(reason.code for reason in decision.reasons))}."


def keep_effect(step: Step, result: Outcome, *, now: datetime) -> None:
    """Keep beside the review, if there was one, what its call led to."""
    if step.review_id:
        reviews.record_effect(review_id=review_of(step).pk, outcome=result, now=now)


def rejection(review: Review) -> dict[str, Any]:
    """Return what the agent is told: a reason, or guidance for another try."""
    vote = reviews.rejection_of(review)
    if vote is None:
        return engine.failure("rejected", "The call was rejected.")
    who, why = vote.reviewer.username, vote.message
    if vote.decision == DecisionVerb.FEEDBACK:
        left = review.decided_by.feedback_left - 1
        told = engine.failure("feedback", f"{who} sent this call back: {why}")
        return {**told, "retry": {"allowed": True, "left": left}}
    told = engine.failure("rejected", f"{who} rejected this call: {why}")
    return {**told, "retry": {"allowed": False}}


def fallback_of(hold: Hold, step: Step, tool: Tool) -> Tool | None:
    """Return the tool to propose instead, unless it was tried for this call already."""
    if step.request.get("was_unknown"):  # an earlier attempt may have done it
        return None
    since_model = takewhile(lambda s: s.kind != Step.Kind.MODEL, reversed(hold.steps))
    tried = {s.name for s in since_model if s.call_id == step.call_id}
    return tool.fallback if tool.fallback is not None and tool.fallback.name not in tried else None
