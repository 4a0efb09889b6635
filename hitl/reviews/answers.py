"""What people said about earlier calls, for who asks."""

from django.db.models import Q

from governance.types import PolicyRequest
from hitl.reviews import opening
from hitl.reviews.models import Review, Vote
from hitl.reviews.quorum import Verdict
from hitl.reviews.types import Answer, DecisionVerb
from hitl.reviews.verbs import DECIDED
from tenants.kernel.errors import NotFound


def rejected_before(request: PolicyRequest) -> Review | None:
    """Return the review in which exactly this call, as proposed or as edited, was turned down in its run, or None."""
    rejected = Review.objects.filter(
        run_id=request.run.run_id, status__in=Review.TURNED_DOWN, kind=Review.Kind.TOOL_CALL
    )
    same = Q(fingerprint=opening.fingerprint(request)) | Q(
        tool=request.tool.name, arguments_proposed=request.arguments
    )
    return rejected.filter(same).order_by("-id").first()


def answer_of(review: Review) -> Answer:
    """Return the word that closed a review, for the agent; raise NotFound if people did not close it."""
    votes = review.votes.filter(digest=review.digest).select_related("reviewer").order_by("id")
    last = votes.last() if review.status in DECIDED else None
    if last is None:
        raise NotFound("Nobody has answered this review.")
    return Answer(verb=DecisionVerb(last.decision), message=last.message, by=last.reviewer.username)


def rejection_of(review: Review) -> Vote | None:
    """Return the vote that rejected the review, with its reviewer, or None."""
    votes = Vote.objects.filter(review=review, verdict=Verdict.REJECT).select_related("reviewer")
    return votes.order_by("-id").first()
