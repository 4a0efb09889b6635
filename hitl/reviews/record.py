"""What every change of a review shares: its errors, its audit entry, its nudges."""

from datetime import datetime
from typing import Any
from uuid import UUID

from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.types import Actor, Subject, UserRef
from hitl.reviews.models import Review
from hitl.reviews.signals import review_changed, review_decided
from tenants.kernel import live
from tenants.kernel.errors import DomainError, NotFound, PermissionMissing, StaleTransition


class AlreadyDecided(StaleTransition):
    """The review was decided, or this person has voted."""

    code = "already-decided"
    title = "This review has been decided"


class ReviewChanged(StaleTransition):
    """The action is not the one the reviewer saw."""

    code = "review-changed"
    title = "The proposed action has changed since you saw it"


class AssuranceTooLow(PermissionMissing):
    """The platform must be surer of who decides than it is on this way."""

    code = "assurance-too-low"


class ApprovalNotUsable(DomainError):
    """The approval is missing, spent, expired or for another action; `reason` says which."""

    code = "approval-not-usable"
    status = 409


def locked(review_id: UUID | str) -> Review:
    """Return the review, its row locked until the transaction ends; raise NotFound."""
    review = Review.objects.select_for_update(of=("self",)).filter(pk=review_id).first()
    if review is None:
        raise NotFound("There is no such review.")
    return review


def actor_of(user: Any) -> Actor:
    """Return the user as the audit log names them."""
    return Actor(kind=user.kind, id=str(user.pk), name=user.username)


def note(review: Review, action: str, *, actor: Actor, at: datetime, **body: Any) -> None:
    """Write one event of the review to the audit log and tell the pages."""
    request = review.request
    audit.record(
        Entry(
            at=at,
            action=action,
            actor=actor,
            user=UserRef(**request["user"]),
            agent_id=str(review.agent_id or ""),
            agent_name=review.agent_name,
            run_id=str(review.run_id) if review.run_id else None,
            step_id=str(review.step_id) if review.step_id else None,
            trace_id=request["run"]["trace_id"],
            subject=Subject(kind="review", id=str(review.pk)),
            outcome=str(review.status),
            body={"kind": review.kind, "tool": review.tool, "digest": review.digest, **body},
        )
    )
    live.publish_on_commit("reviews", review.pk)


def changed(review: Review) -> None:
    """Nudge whoever follows a review that changed and is not closed by it."""
    review_changed.send(sender=Review, review=review)


def closed(review: Review) -> None:
    """Nudge whoever waits for a review that has just been closed."""
    review_decided.send(sender=Review, review=review)
