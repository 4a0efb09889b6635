"""What a person may say to a review, and how it counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from governance.access.models import User
from hitl.reviews import eligibility
from hitl.reviews.eligibility import DECIDE
from hitl.reviews.models import Review
from hitl.reviews.quorum import EDITOR, Plan, Verdict
from hitl.reviews.types import BallotKind, DecisionVerb

COUNTS_AS: dict[str, dict[DecisionVerb, Verdict]] = {
    Review.Kind.TOOL_CALL: {
        DecisionVerb.APPROVE: Verdict.APPROVE,
        DecisionVerb.EDIT: Verdict.APPROVE,
        DecisionVerb.FEEDBACK: Verdict.REJECT,
        DecisionVerb.REJECT: Verdict.REJECT,
    },
    Review.Kind.OUTCOME: {
        DecisionVerb.IT_HAPPENED: Verdict.ANSWER,
        DecisionVerb.IT_DID_NOT: Verdict.ANSWER,
        DecisionVerb.RETRY: Verdict.APPROVE,
    },
    Review.Kind.HANDOFF: {
        DecisionVerb.RESPOND: Verdict.ANSWER,
        DecisionVerb.RETRY: Verdict.ANSWER,
        DecisionVerb.REJECT: Verdict.REJECT,
    },
    Review.Kind.QUESTION: {DecisionVerb.RESPOND: Verdict.ANSWER},
    Review.Kind.ESCALATION: {DecisionVerb.RESPOND: Verdict.ANSWER},
}
"""What each kind of review can be told, and how it counts. Repeating a call of unknown outcome is an approval."""
DECIDED = frozenset({Review.Status.APPROVED, Review.Status.REJECTED, Review.Status.ANSWERED})


@dataclass(frozen=True, kw_only=True)
class Availability:
    """What a person may do with a review, and why not more."""

    verbs: tuple[DecisionVerb, ...]
    why_not: str = ""


def available_actions(review: Review, user: Any, *, stands_in: Sequence[Any] | None = None) -> Availability:
    """Return what `user` may do; every face asks here. Superusers are not exempt.

    For many reviews at once, give the people whom the user stands in for, and prefetch `votes__reviewer`.
    """
    if review.status != Review.Status.PENDING:
        return Availability(verbs=(), why_not=how_it_ended(review))
    if not user.has_perm(DECIDE):
        return Availability(verbs=(), why_not="You may read reviews but not decide them.")
    if user.kind != User.Kind.PERSON:
        return Availability(verbs=(), why_not="Only people decide reviews.")
    plan = review.decided_by
    why_excluded = eligibility.why_excluded(review, user, stands_in=stands_in)
    is_editor = user.pk == plan.editor and EDITOR in plan.exclude and user.pk not in plan.excluded
    if why_excluded and not is_editor:
        return Availability(verbs=(), why_not=why_excluded)
    besides = _besides(review)
    mine = [v for v in review.votes.all() if v.reviewer_id == user.pk and v.digest == review.digest]
    mine.sort(key=lambda vote: vote.pk)
    if mine and mine[-1].verdict == Verdict.APPROVE:
        verbs = (DecisionVerb.WITHDRAW, *besides)
        return Availability(verbs=verbs, why_not="You have voted; another person must decide too.")
    if mine and mine[-1].verdict == Verdict.REJECT:
        return Availability(verbs=besides, why_not="You have voted; another person must decide too.")
    if why_excluded:  # the last editor may change their mind, not approve their own work
        verbs = tuple(verb for verb in COUNTS_AS[review.kind] if verb is not DecisionVerb.APPROVE)
        return Availability(verbs=(*_offered(verbs, plan), *besides), why_not=why_excluded)
    reviewer = eligibility.as_reviewer(user)
    if not plan.counting_rules(reviewer, review.ballots(), digest=review.digest):
        why_not = "Your vote would not count for this review as it stands: its plan asks other people"
        why_not += " first." if eligibility.counts_in(plan, reviewer) else "."
        return Availability(verbs=besides, why_not=why_not)
    return Availability(verbs=(*_offered(tuple(COUNTS_AS[review.kind]), plan), *besides))


def _offered(verbs: tuple[DecisionVerb, ...], plan: Plan) -> tuple[DecisionVerb, ...]:
    """Return the verbs without sending back, once that was done as often as the tier allows."""
    return tuple(verb for verb in verbs if verb is not DecisionVerb.FEEDBACK or plan.feedback_left)


def _besides(review: Review) -> tuple[DecisionVerb, ...]:
    """Return what may be said beside a vote."""
    if review.kind == Review.Kind.ESCALATION:
        return (DecisionVerb.REQUEST_INFO,)
    return (DecisionVerb.REQUEST_INFO, DecisionVerb.CANCEL_RUN)


def how_it_ended(review: Review) -> str:
    """Return in words how a review ended, or that it has not."""
    last = max(review.votes.all(), key=lambda vote: vote.pk, default=None)
    if review.status == Review.Status.SUPERSEDED:
        return "An edit raised its risk, so another review took its place."
    if last is None or review.status not in DECIDED:
        return f"This review is {review.status}."
    if last.kind == BallotKind.WINDOW:
        return "Nobody objected in its veto window, so it was let through."
    said = "sent this back" if was_sent_back(review) else f"{review.status} this"
    return f"{last.reviewer.username} has {said} already."


def was_sent_back(review: Review) -> bool:
    """Tell whether the vote that closed a review sent it back: the agent was given guidance, not turned down."""
    if review.status != Review.Status.REJECTED:
        return False
    last = max(review.votes.all(), key=lambda vote: vote.pk, default=None)
    return last is not None and last.decision == DecisionVerb.FEEDBACK
