"""What becomes of a review when its time is over: it expires, or a veto window ends without an objection."""

from datetime import datetime, timedelta
from uuid import UUID

from governance.access.models import User
from governance.types import SYSTEM, Risk
from hitl.reviews import eligibility
from hitl.reviews.models import Review
from hitl.reviews.operations import cast, expire
from hitl.reviews.quorum import Verdict
from hitl.reviews.record import changed, note
from hitl.reviews.types import BallotKind

DOUBTS = frozenset({Verdict.REJECT, Verdict.WITHDRAW})


def on_expiry(object_id: UUID, _generation: int, now: datetime) -> datetime | None:
    """Expire the review when its timer is due and it still waits."""
    review = _due(object_id)
    if review is None or review.status != Review.Status.PENDING:
        return _again(object_id, review, now)
    if review.expires_at > now:
        return review.expires_at
    expire(review=review, now=now)
    return None


def on_veto_end(object_id: UUID, _generation: int, now: datetime) -> datetime | None:
    """Let a medium-risk call run to which nobody objected, if somebody could and somebody still answers for it."""
    review = _due(object_id)
    if review is None or review.status != Review.Status.PENDING or review.veto_until is None:
        return _again(object_id, review, now)
    if review.veto_until > now:
        return review.veto_until
    if review.expires_at <= now:  # the tick came late: its time is over
        return None
    people = User.objects.filter(is_active=True, kind=User.Kind.PERSON)
    owner = people.filter(pk=review.owner_id).first() if review.owner_id else None
    doubted = any(vote.verdict in DOUBTS for vote in review.votes.all())
    may_run = review.risk == Risk.MEDIUM and not review.policy_request.influence
    if owner is None or doubted or not may_run or not eligibility.eligible(review, now=now):
        review.veto_until = None
        review.save(update_fields=["veto_until"])
        note(review, "review.window-closed", actor=SYSTEM, at=now)
        changed(review)
        return None
    message = f"Nobody objected until {review.veto_until:%H:%M:%S} UTC. {owner.username} answers for it."
    cast(review=review, kind=BallotKind.WINDOW, user=owner, message=message, now=now)
    return None


def _due(object_id: UUID) -> Review | None:
    """Return the review with its row locked, or None if it is gone or busy."""
    rows = Review.objects.select_for_update(of=("self",), skip_locked=True)
    return rows.filter(pk=object_id).first()


def _again(object_id: UUID, review: Review | None, now: datetime) -> datetime | None:
    """Return when to look again: soon if the row is busy, never if it is settled or gone."""
    is_busy = review is None and Review.objects.filter(pk=object_id).exists()
    return now + timedelta(seconds=1) if is_busy else None
