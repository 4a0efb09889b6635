"""What became of a closed review, in the words that people ask for."""

from enum import StrEnum
from typing import Any

from django.db.models import Case, F, OuterRef, Q, QuerySet, Subquery, TextField, Value, When

from hitl.reviews.models import Review, Vote
from hitl.reviews.types import BallotKind, DecisionVerb


class Outcome(StrEnum):
    """How a review ended."""

    APPROVED = "approved"
    EDITED = "edited"
    GRANTED = "granted"
    UNOPPOSED = "unopposed"
    FEEDBACK = "feedback"
    REJECTED = "rejected"
    ANSWERED = "answered"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


NAMES = {
    Outcome.APPROVED: "Approved",
    Outcome.EDITED: "Approved with changes",
    Outcome.GRANTED: "Approved by a standing grant",
    Outcome.UNOPPOSED: "Nobody objected",
    Outcome.FEEDBACK: "Sent back with guidance",
    Outcome.REJECTED: "Rejected",
    Outcome.ANSWERED: "Answered",
    Outcome.EXPIRED: "Expired",
    Outcome.CANCELLED: "Cancelled or replaced",
}


def with_outcome(reviews: QuerySet[Review]) -> QuerySet[Any]:
    """Add the column `outcome`: a word of `Outcome`, empty while the review is pending."""
    last = Vote.objects.filter(review=OuterRef("pk"), digest=OuterRef("digest")).order_by("-id")
    approved = Q(status__in=[Review.Status.APPROVED, Review.Status.REVOKED])
    whens = [
        When(approved & Q(last_kind=BallotKind.GRANT), then=Value(Outcome.GRANTED)),
        When(approved & Q(last_kind=BallotKind.WINDOW), then=Value(Outcome.UNOPPOSED)),
        When(approved & ~Q(arguments=F("arguments_proposed")), then=Value(Outcome.EDITED)),
        When(approved, then=Value(Outcome.APPROVED)),
        When(status=Review.Status.REJECTED, last_verb=DecisionVerb.FEEDBACK, then=Value(Outcome.FEEDBACK)),
        When(status=Review.Status.REJECTED, then=Value(Outcome.REJECTED)),
        When(status=Review.Status.ANSWERED, then=Value(Outcome.ANSWERED)),
        When(status=Review.Status.EXPIRED, then=Value(Outcome.EXPIRED)),
        When(status__in=[Review.Status.CANCELLED, Review.Status.SUPERSEDED], then=Value(Outcome.CANCELLED)),
    ]
    return reviews.annotate(
        last_verb=Subquery(last.values("decision")[:1]), last_kind=Subquery(last.values("kind")[:1])
    ).annotate(outcome=Case(*whens, default=Value(""), output_field=TextField()))
