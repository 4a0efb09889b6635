"""Put an agent's question to a person, and give the agent the answer. Nothing is executed."""

from datetime import timedelta
from typing import Any

from django.conf import settings

from agents.runs import engine
from agents.runs.hold import Hold
from agents.runs.models import Step
from governance import gate
from governance.types import Decision, PolicyRequest, Risk
from hitl.reviews import operations as reviews
from hitl.reviews.models import Review
from hitl.reviews.types import Answer, DecisionVerb
from tenants.kernel.failpoints import hit


def ask(hold: Hold, step: Step, decision: Decision) -> None:
    """Ask what the permitted call asks; the run waits for the answer.

    What is asked is what was permitted: the arguments as a reviewer may have edited them. The permit is
    left unused, for nothing runs.
    """
    now, given = hold.clock(), decision.request.arguments
    review = reviews.ask(
        request=decision.request,
        subject=str(given["question"]),
        details=str(given.get("details") or ""),
        options=[str(option) for option in given.get("options") or ()],
        evidence=hold.evidence(),
        expires_at=now + timedelta(seconds=settings.HANDOFF_TTL_S),
        now=now,
    )
    request = {**step.request, "asked": True}
    hold.move(step, Step.Status.WAITING, review_id=review.pk, request=request)
    hold.audit("run.asked", step=step, outcome="waiting", body={"tool": step.name, "review": str(review.pk)})
    hold.wait()
    hit("review.requested")


def after_answer(hold: Hold, step: Step, review: Review) -> None:
    """Close the call with the answer, or tell the agent that there is none."""
    match review.status:
        case Review.Status.PENDING:
            hold.wait()
        case Review.Status.ANSWERED:
            answer = reviews.answer_of(review)
            content = {"answer": answer.message, "answered_by": answer.by}
            step.close(Step.Status.SUCCEEDED, now=hold.clock(), result={"content": content})
            hold.audit("run.answered", step=step, outcome="ok", body={"tool": step.name, "output": content})
        case _:
            message = "Nobody answered in time. Go on without the answer, or say that you need it."
            content = engine.failure("no-answer", message)
            step.close(Step.Status.FAILED, now=hold.clock(), result={"content": content})


def ask_outcome(hold: Hold, step: Step, request: PolicyRequest, message: str) -> None:
    """Let a person say what became of the call; nothing else runs it again."""
    now = hold.clock()
    verdict, _ = gate.evaluate(request, now=now)
    review = reviews.ask_outcome(
        request=request,
        risk=max(request.tool.risk, Risk.HIGH, key=list(Risk).index),
        required=max(1, verdict.requirement.approvals if verdict.requirement else 1),
        groups=verdict.requirement.groups if verdict.requirement else (),
        message=message,
        evidence=hold.evidence(),
        expires_at=now + timedelta(seconds=settings.OUTCOME_TTL_S),
        now=now,
    )
    hold.move(step, Step.Status.UNKNOWN, review_id=review.pk, request={**step.request, "was_unknown": True})
    hold.wait()


def settle(hold: Hold, step: Step, answer: Answer) -> None:
    """Close a call whose outcome was unknown with what a person found out about it."""
    now = hold.clock()
    if answer.verb is DecisionVerb.IT_HAPPENED:
        notice = f"{answer.by} confirmed that this call took effect. Its result was lost."
        content: Any = {"notice": notice, "note": answer.message}
        step.close(Step.Status.SUCCEEDED, now=now, result={"content": content})
    else:
        content = engine.failure("did-not-happen", f"{answer.by} found that this call took no effect.")
        step.close(Step.Status.FAILED, now=now, result={"content": {**content, "note": answer.message}})
