"""Draw attention to a review, answer its questions, and keep who has seen it when."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from governance.types import SYSTEM, Risk
from hitl.reviews.eligibility import DECIDE
from hitl.reviews.models import Review, ReviewMessage, ReviewView
from hitl.reviews.record import AlreadyDecided, actor_of, changed, locked, note
from hitl.reviews.verbs import how_it_ended
from tenants.kernel.errors import InvalidInput, PermissionMissing
from tenants.kernel.jsonvalues import storable


@transaction.atomic
def reply(*, review_id: UUID | str, author: Any, text: str, now: datetime) -> ReviewMessage:
    """Answer a question about a pending review: as its requester, or as somebody who may decide it.

    Raises NotFound, AlreadyDecided, PermissionMissing and InvalidInput for an empty text.
    """
    review = locked(review_id)
    if review.status != Review.Status.PENDING:
        raise AlreadyDecided(how_it_ended(review), review_status=review.status)
    if author.pk != review.requester_id and not author.has_perm(DECIDE):
        raise PermissionMissing("Only the requester and reviewers may write here.")
    if not text.strip():
        raise InvalidInput("Write the answer.", errors=[{"at": "/message", "message": "A text is required."}])
    message = review.messages.create(author=author, is_question=False, text=storable(text.strip()), at=now)
    note(review, "review.replied", actor=actor_of(author), at=now, message=message.text)
    changed(review)
    return message


@transaction.atomic
def raise_priority(*, review_id: UUID | str, priority: str, by: Any | None, now: datetime) -> Review:
    """Move a pending review further up; `by` is None where an escalation does. It never sinks.

    Raises NotFound, AlreadyDecided and InvalidInput for a word that is no priority or no higher one.
    """
    review = locked(review_id)
    if review.status != Review.Status.PENDING:
        raise AlreadyDecided(how_it_ended(review), review_status=review.status)
    ranks = [risk.value for risk in Risk]
    if priority not in ranks or ranks.index(priority) <= ranks.index(review.priority):
        raise InvalidInput(f"Its priority is {review.priority}; use one above, of {', '.join(ranks)}.")
    review.priority = priority
    review.save(update_fields=["priority"])
    note(review, "review.raised", actor=actor_of(by) if by is not None else SYSTEM, at=now, priority=priority)
    changed(review)
    return review


@transaction.atomic
def mark_viewed(*, review: Review, viewer: Any, now: datetime) -> None:
    """Keep when a person first opened the review; time to decision is measured from there."""
    _, is_new = ReviewView.objects.get_or_create(review=review, viewer=viewer, defaults={"at": now})
    if not is_new:
        return
    Review.objects.filter(pk=review.pk, first_viewed_at=None).update(first_viewed_at=now)
    note(review, "review.viewed", actor=actor_of(viewer), at=now)


def mark_presented(*, review_ids: Iterable[UUID], now: datetime) -> None:
    """Keep when people were first told of these reviews."""
    Review.objects.filter(pk__in=list(review_ids), presented_at=None).update(presented_at=now)
