"""Hand a run that failed repeatedly to a person, and act on what they say."""

from datetime import timedelta

from django.conf import settings

from agents.runs import engine
from agents.runs.hold import Hold
from agents.runs.models import Step
from hitl.reviews import operations as reviews
from hitl.reviews.models import Review
from hitl.reviews.types import DecisionVerb

HAND_OFF = "hand-off"


def ask(hold: Hold, *, why: str) -> None:
    """Give the run to a person with its whole context; it waits for them."""
    now = hold.clock()
    step = hold.add(kind=Step.Kind.PERSON, name=HAND_OFF, request={"why": why})
    review = reviews.hand_off(
        run=hold.run_ref(step),
        user=hold.user_ref(),
        agent=hold.agent,
        subject=why,
        evidence=hold.evidence(),
        expires_at=now + timedelta(seconds=settings.HANDOFF_TTL_S),
        now=now,
    )
    hold.move(step, Step.Status.WAITING, review_id=review.pk)
    hold.audit("run.handed-off", step=step, outcome="waiting", body={"why": why})
    hold.wait()


def ask_after_failures(hold: Hold, last_error: str) -> None:
    """Give the run to a person once as many calls failed in a row as its agent bears."""
    limit = hold.config.hand_off_after
    if limit and engine.failures_in_a_row(hold.steps) >= limit:
        ask(hold, why=f"{limit} calls failed in a row, the last one so: {last_error}")


def after_answer(hold: Hold, step: Step) -> None:
    """Answer in the agent's place, let it try again with guidance, or give up."""
    review = Review.objects.filter(step_id=step.pk).latest("id")
    now = hold.clock()
    rejected = review.status == Review.Status.REJECTED and reviews.rejection_of(review) is not None
    if review.status != Review.Status.ANSWERED and not rejected:
        step.close(Step.Status.FAILED, now=now, result={"answer": str(review.status)})
        hold.give_up("handed-off", f"Nobody took the run over in time. {step.request['why']}")
        return
    answer = reviews.answer_of(review)
    result = {"answer": str(answer.verb), "message": answer.message, "by": answer.by}
    step.close(
        Step.Status.REJECTED if answer.verb is DecisionVerb.REJECT else Step.Status.SUCCEEDED,
        now=now,
        result=result,
    )
    match answer.verb:
        case DecisionVerb.RESPOND:
            hold.succeed({"answer": answer.message, "answered_by": answer.by})
        case DecisionVerb.REJECT:
            hold.give_up("handed-off", f"{answer.by} gave the run up: {answer.message}")
        case _:
            return
