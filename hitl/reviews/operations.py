"""Open, decide, consume, expire and cancel reviews."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from governance import gate
from governance.access.models import User
from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.types import SYSTEM, Actor, Approval, Effect, Subject, UserRef
from hitl.reviews import quorum
from hitl.reviews.models import Review, Vote
from hitl.reviews.signals import review_decided
from hitl.reviews.types import DecisionVerb, Response, ReviewRequest
from tenants.kernel import live
from tenants.kernel.errors import DomainError, InvalidInput, NotFound, PermissionMissing, StaleTransition
from tenants.kernel.jsonvalues import JsonObject, storable

DECIDE = "hitl.decide_review"
EXECUTE_WITHIN = timedelta(hours=1)
UNEDITED = 1
"""The version that a reviewer is taken to have seen who names neither version nor digest."""


class AlreadyDecided(StaleTransition):
    """The review was decided, or this person has voted."""

    code = "already-decided"
    title = "This review has been decided"


class ReviewChanged(StaleTransition):
    """The action is not the one the reviewer saw."""

    code = "review-changed"
    title = "The proposed action has changed since you saw it"


class ApprovalNotUsable(DomainError):
    """The approval is missing, spent, expired or for another action."""

    code = "approval-not-usable"
    status = 409


@dataclass(frozen=True, kw_only=True)
class Availability:
    """What a person may do with a review, and why not more."""

    verbs: tuple[DecisionVerb, ...]
    why_not: str = ""


def available_actions(review: Review, user: Any) -> Availability:
    """Return what `user` may do; every face asks here. Superusers are not exempt."""
    if review.status != Review.Status.PENDING:
        return Availability(verbs=(), why_not=_how_it_ended(review))
    if not user.has_perm(DECIDE):
        return Availability(verbs=(), why_not="You may read reviews but not decide them.")
    if user.kind != User.Kind.PERSON:
        return Availability(verbs=(), why_not="Only people decide reviews.")
    if user.pk == review.requester_id:
        return Availability(verbs=(), why_not="You asked for this action, so somebody else must decide it.")
    if review.votes.filter(reviewer=user, digest=review.digest).exists():
        return Availability(verbs=(), why_not="You have voted; another person must decide too.")
    return Availability(verbs=tuple(DecisionVerb))


def _how_it_ended(review: Review) -> str:
    last = review.votes.select_related("reviewer").order_by("-id").first()
    if last is None or review.status not in {Review.Status.APPROVED, Review.Status.REJECTED}:
        return f"This review is {review.status}."
    return f"{last.reviewer.username} has {review.status} this already."


@transaction.atomic
def request_review(*, request: ReviewRequest, now: datetime) -> Review:
    """Open a review of the action that the gate holds."""
    decision, policy_request = request.decision, request.decision.request
    if decision.requirement is None:
        raise InvalidInput("Only a decision that requires approval can be reviewed.")
    review = Review.objects.create(
        risk=decision.requirement.risk,
        priority=decision.requirement.risk,
        run_id=policy_request.run.run_id,
        step_id=policy_request.run.step_id,
        agent_id=policy_request.agent.id,
        agent_name=policy_request.agent.name,
        requester_id=policy_request.user.id,
        tool=policy_request.tool.name,
        arguments=policy_request.arguments,
        arguments_proposed=policy_request.arguments,
        digest=decision.digest,
        request=policy_request.to_json(),
        reason=decision.explanation,
        rule=decision.reasons[0].rule,
        required=decision.requirement.approvals,
        evidence=storable(request.evidence),
        created_at=now,
        expires_at=request.expires_at,
    )
    agent = Actor(kind="agent", id=policy_request.agent.id, name=policy_request.agent.name)
    audit.record(_entry(review, "review.requested", actor=agent, at=now, body={"reason": review.reason}))
    live.publish_on_commit("reviews", review.pk)
    return review


@transaction.atomic
def respond(*, review_id: UUID | str, reviewer: Any, response: Response, now: datetime) -> Review:
    """Record what a reviewer says; close the review when its votes decide it.

    Raises NotFound, AlreadyDecided, ReviewChanged (the reviewer saw another version), PermissionMissing,
    InvalidInput (no reason, or arguments that the tool's schema or the gate refuses; the review stays open).
    """
    review = Review.objects.select_for_update().filter(pk=review_id).first()
    if review is None:
        raise NotFound("There is no such review.")
    if review.status == Review.Status.PENDING and review.expires_at <= now:
        raise AlreadyDecided("This review has expired; nothing was run.", review_status="expired")
    _check_seen(review, response)
    allowed = available_actions(review, reviewer)
    if response.verb not in allowed.verbs:
        if review.status != Review.Status.PENDING or review.votes.filter(reviewer=reviewer).exists():
            raise AlreadyDecided(allowed.why_not, review_status=review.status)
        raise PermissionMissing(allowed.why_not)
    verdict = quorum.Verdict.APPROVE
    match response.verb:
        case DecisionVerb.EDIT:
            _edit(review, response)
        case DecisionVerb.REJECT:
            if not response.message.strip():
                raise InvalidInput(
                    "Say why you reject.", errors=[{"at": "/message", "message": "A reason is required."}]
                )
            verdict = quorum.Verdict.REJECT
        case DecisionVerb.APPROVE if response.arguments is not None:
            raise InvalidInput("To change arguments, send decision 'edit'.")
    if review.votes.filter(reviewer=reviewer, digest=review.digest).exists():  # an edit back to it
        raise AlreadyDecided("You have voted for exactly this action before.", review_status=review.status)
    review.votes.create(
        reviewer=reviewer,
        decision=response.verb,
        verdict=verdict,
        digest=review.digest,
        message=storable(response.message.strip()),
        arguments=review.arguments if response.verb is DecisionVerb.EDIT else None,
        channel=response.channel,
        at=now,
    )
    decided = _settle(review, now=now)
    body = {"message": response.message, "channel": response.channel, "arguments": review.arguments}
    person = Actor(kind=reviewer.kind, id=str(reviewer.pk), name=reviewer.username)
    audit.record(_entry(review, f"review.{response.verb}", actor=person, at=now, body=body))
    live.publish_on_commit("reviews", review.pk)
    if decided:
        review_decided.send(sender=Review, review=review)
    return review


def _check_seen(review: Review, response: Response) -> None:
    if review.status != Review.Status.PENDING:
        return
    unsaid = UNEDITED if response.digest is None else review.version
    seen = unsaid if response.version is None else response.version
    if seen != review.version or response.digest not in (None, review.digest):
        raise ReviewChanged(version=review.version)


def _edit(review: Review, response: Response) -> None:
    if not isinstance(response.arguments, dict):
        raise InvalidInput("An edit needs the complete new arguments as an object.")
    arguments = response.arguments
    if storable(arguments) != arguments:
        raise InvalidInput("The arguments hold characters or numbers that cannot be stored exactly.")
    request = review.policy_request.with_arguments(arguments)
    verdict, digest = gate.evaluate(request)
    if verdict.effect is Effect.DENY:
        raise InvalidInput(
            "The edited action is not allowed; the review is unchanged.",
            errors=[{"at": "/arguments", "message": r.message, "rule": r.rule} for r in verdict.reasons],
        )
    if verdict.requirement is not None:
        review.required = max(review.required, verdict.requirement.approvals)
    review.arguments, review.digest = arguments, digest
    review.version += 1
    review.save(update_fields=["arguments", "digest", "version", "required"])


def _settle(review: Review, *, now: datetime) -> bool:
    """Close the review if its votes decide it; return whether they do."""
    match quorum.resolve(review.ballots(), required=review.required, digest=review.digest):
        case quorum.Outcome.APPROVED:
            review.transition(Review.Status.APPROVED, decided_at=now, execute_by=now + EXECUTE_WITHIN)
        case quorum.Outcome.REJECTED:
            review.transition(Review.Status.REJECTED, decided_at=now)
        case quorum.Outcome.OPEN:
            return False
    return True


@transaction.atomic
def consume(*, review_id: UUID, digest: str, now: datetime) -> Approval:
    """Use an approval up for one execution of exactly this action.

    Approvers who no longer may decide do not count. Raises ApprovalNotUsable if it is missing,
    spent, expired or bound to another digest.
    """
    used = Review.objects.filter(
        pk=review_id, status=Review.Status.APPROVED, digest=digest, consumed_at=None, execute_by__gt=now
    ).update(consumed_at=now)
    if not used:
        raise ApprovalNotUsable("The approval is missing, spent, expired or for another action.")
    review = Review.objects.get(pk=review_id)
    votes = review.votes.filter(digest=digest, verdict=quorum.Verdict.APPROVE).select_related("reviewer")
    eligible = [v for v in votes if v.reviewer_id != review.requester_id and v.reviewer.has_perm(DECIDE)]
    return Approval(
        review_id=str(review_id),
        digest=digest,
        approvals=len({vote.reviewer_id for vote in eligible}),
        approvers=tuple(vote.reviewer.username for vote in eligible),
        decided_at=review.decided_at or now,
    )


@transaction.atomic
def expire(*, review: Review, now: datetime) -> None:
    """Close a review whose time is over; the action does not run."""
    review.transition(Review.Status.EXPIRED, decided_at=now)
    audit.record(_entry(review, "review.expired", actor=SYSTEM, at=now))
    live.publish_on_commit("reviews", review.pk)
    review_decided.send(sender=Review, review=review)


@transaction.atomic
def cancel_for_run(*, run_id: UUID, now: datetime) -> None:
    """Close the open reviews of a run that ends."""
    for review in Review.objects.select_for_update().filter(run_id=run_id, status=Review.Status.PENDING):
        review.transition(Review.Status.CANCELLED, decided_at=now)
        audit.record(_entry(review, "review.cancelled", actor=SYSTEM, at=now))
        live.publish_on_commit("reviews", review.pk)


def rejection_of(review: Review) -> tuple[str, str]:
    """Return who rejected a review and why, for the agent."""
    vote = (
        Vote.objects.filter(review=review, verdict=quorum.Verdict.REJECT).select_related("reviewer").first()
    )
    return (vote.reviewer.username, vote.message) if vote else ("", "")


def _entry(
    review: Review, action: str, *, actor: Actor, at: datetime, body: JsonObject | None = None
) -> Entry:
    request = review.request
    return Entry(
        at=at,
        action=action,
        actor=actor,
        user=UserRef(**request["user"]),
        agent_id=str(review.agent_id),
        agent_name=review.agent_name,
        run_id=str(review.run_id),
        step_id=str(review.step_id),
        trace_id=request["run"]["trace_id"],
        subject=Subject(kind="review", id=str(review.pk)),
        outcome=str(review.status),
        body={"tool": review.tool, "digest": review.digest, **(body or {})},
    )
