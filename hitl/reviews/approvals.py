"""Use approvals up, take them back, and keep what they led to."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from governance.types import Approval, Outcome
from hitl.reviews import eligibility, predicates, quorum
from hitl.reviews.models import Review, Vote
from hitl.reviews.record import ApprovalNotUsable, actor_of, changed, closed, locked, note
from hitl.reviews.types import BallotKind
from tenants.kernel import live
from tenants.kernel.errors import PermissionMissing, StaleTransition

REPEAT_WITHIN = timedelta(hours=24)
WORDS = {
    Review.Status.PENDING: ("not_approved", "The call has not been approved."),
    Review.Status.REJECTED: ("not_approved", "The call was rejected."),
    Review.Status.EXPIRED: ("expired", "Nobody approved the call in time."),
    Review.Status.CANCELLED: ("cancelled", "The review was cancelled."),
    Review.Status.SUPERSEDED: ("not_approved", "Another review took the place of this one."),
    Review.Status.REVOKED: ("revoked", "The approval was taken back."),
}


@transaction.atomic
def consume(*, review_id: UUID, digest: str, now: datetime) -> Approval:
    """Use an approval up for one execution of exactly this action.

    Approvers who no longer may decide do not count. Raises ApprovalNotUsable, whose data names the
    reason: not_approved, expired, cancelled, revoked, already_claimed, too_early, digest_mismatch or
    reviewer_no_longer_eligible.
    """
    used = Review.objects.filter(
        pk=review_id, status=Review.Status.APPROVED, digest=digest, consumed_at=None, execute_by__gt=now
    ).exclude(not_before__gt=now)
    if not used.update(consumed_at=now):
        raise _not_usable(Review.objects.filter(pk=review_id).first(), digest=digest, now=now)
    return _approval(Review.objects.get(pk=review_id))


def _not_usable(review: Review | None, *, digest: str, now: datetime) -> ApprovalNotUsable:
    if review is None:
        reason, message = "not_approved", "There is no approval."
    elif review.status != Review.Status.APPROVED:
        reason, message = WORDS.get(Review.Status(review.status), ("not_approved", "It was not approved."))
    elif review.consumed_at is not None:
        reason, message = "already_claimed", "The approval was used before."
    elif review.digest != digest:
        reason, message = "digest_mismatch", "The approval is for another action than this one."
    elif review.not_before is not None and review.not_before > now:
        reason, message = "too_early", f"It must not run before {review.not_before:%Y-%m-%d %H:%M} UTC."
    else:
        reason, message = "expired", "The approval was not used in time."
    return ApprovalNotUsable(message, reason=reason)


def consumed_approval(*, review_id: UUID, digest: str, now: datetime) -> Approval:
    """Return the approval that this very call was started with, to repeat it after a crash or a failure.

    For the same step under the same idempotency key alone: it is the caller's to see to that. Approvers
    who no longer may decide do not count. Raises ApprovalNotUsable if it was never used, was used 24
    hours ago, was cancelled or is bound to another digest.
    """
    review = Review.objects.filter(
        pk=review_id, status=Review.Status.APPROVED, digest=digest, consumed_at__gt=now - REPEAT_WITHIN
    ).first()
    if review is None:
        raise ApprovalNotUsable("The approval was not used for this action, or is too old to repeat it.")
    return _approval(review)


def _approval(review: Review) -> Approval:
    """Return what is left of an approval: the votes of those who still may decide must still meet the plan."""
    votes = list(review.votes.filter(digest=review.digest).select_related("reviewer").order_by("id"))
    window = next((vote for vote in votes if vote.kind == BallotKind.WINDOW), None)
    if window is not None:
        if not window.reviewer.is_active:
            message = "Who answers for it was deactivated; nobody had approved it."
            raise ApprovalNotUsable(message, reason="reviewer_no_longer_eligible")
        return _approval_of(review, [window], unopposed=True)
    plan = review.decided_by
    may = set(eligibility.deciders().values_list("pk", flat=True))
    standing = [vote for vote in votes if vote.reviewer_id in may and vote.reviewer_id not in plan.excluded]
    ballots = [vote.ballot() for vote in standing]
    if quorum.resolve(plan, ballots, digest=review.digest) is not quorum.Outcome.APPROVED:
        message = "Too many of those who approved it may no longer decide reviews."
        raise ApprovalNotUsable(message, reason="reviewer_no_longer_eligible")
    approve = quorum.approvers(plan, ballots, digest=review.digest)
    return _approval_of(review, [vote for vote in standing if vote.reviewer_id in approve])


def _approval_of(review: Review, votes: list[Vote], *, unopposed: bool = False) -> Approval:
    people = dict.fromkeys(vote.reviewer.username for vote in votes)
    return Approval(
        review_id=str(review.pk),
        digest=review.digest,
        approvals=len(people),
        approvers=tuple(people),
        decided_at=review.decided_at or review.created_at,
        unopposed=unopposed,
        groups=_groups(review, votes),
    )


def _groups(review: Review, votes: list[Vote]) -> tuple[str, ...]:
    """Return the groups for which the votes count, as it was frozen into them: once for each person."""
    of = {
        rule.id: predicates.group_of(rule.where)
        for stage in review.decided_by.stages
        for rule in stage.any_of
    }
    people: dict[int, set[str]] = {}
    for vote in votes:
        people.setdefault(vote.reviewer_id, set()).update(of.get(rule, "") for rule in vote.rules)
    return tuple(sorted(group for groups in people.values() for group in groups if group))


def may_revoke(review: Review, user: Any) -> bool:
    """Tell whether the user may take the approval back: nothing ran yet, and they may decide reviews."""
    is_open = review.status == Review.Status.APPROVED and review.consumed_at is None
    return is_open and user.has_perm(eligibility.DECIDE) and not eligibility.why_excluded(review, user)


@transaction.atomic
def revoke(*, review_id: UUID | str, by: Any, message: str, now: datetime) -> Review:
    """Take an approval back before anything ran under it; the agent is told that it was not run.

    Raises NotFound, StaleTransition once it was used or is no approval, PermissionMissing.
    """
    review = locked(review_id)
    if review.status != Review.Status.APPROVED or review.consumed_at is not None:
        raise StaleTransition("There is no unused approval to take back.", review_status=review.status)
    if not may_revoke(review, by):
        raise PermissionMissing("Only who may decide this review may take its approval back.")
    review.transition(Review.Status.REVOKED)
    note(review, "review.revoked", actor=actor_of(by), at=now, message=message)
    closed(review)
    return review


def record_effect(*, review_id: UUID | str, outcome: Outcome, now: datetime) -> None:
    """Keep beside the review what its call led to."""
    word = "ok" if outcome.ok else "unknown" if outcome.unknown else "error"
    review = Review.objects.filter(pk=review_id).first()
    if review is None:
        return
    Review.objects.filter(pk=review_id).update(effect_outcome=word, effect_at=now)
    review.effect_outcome, review.effect_at = word, now
    live.publish_on_commit("reviews", review.pk)
    changed(review)
