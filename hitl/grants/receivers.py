"""What grants do when reviews open, change and close."""

from typing import Any

from hitl.grants import operations
from hitl.reviews.models import Review
from hitl.reviews.signals import review_changed, review_decided, review_opened

AGAINST = frozenset({Review.Status.REJECTED, Review.Status.REVOKED})


def listen() -> None:
    """Connect; called when apps are ready, before those who tell people of open reviews."""
    review_opened.connect(_opened, dispatch_uid="grants.opened")
    review_changed.connect(_changed, dispatch_uid="grants.changed")
    review_decided.connect(_decided, dispatch_uid="grants.decided")


def _opened(review: Review, **_kwargs: Any) -> None:
    operations.use(review=review, now=review.created_at)
    if review.kind == Review.Kind.OUTCOME:
        operations.pause_after_doubt(review=review, now=review.created_at)


def _changed(review: Review, **_kwargs: Any) -> None:
    if review.effect_outcome and review.effect_at:
        operations.pause_after_effect(review=review, now=review.effect_at)


def _decided(review: Review, **_kwargs: Any) -> None:
    if review.status in AGAINST and review.decided_at:
        operations.pause_after_rejection(review=review, now=review.decided_at)
