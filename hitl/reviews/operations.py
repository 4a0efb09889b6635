"""Open, decide, consume, expire and cancel reviews of every kind."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from governance import gate
from governance.access.models import User
from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.types import (
    SYSTEM,
    Actor,
    AgentRef,
    Approval,
    Effect,
    EffectClass,
    PolicyRequest,
    Risk,
    RunRef,
    Subject,
    ToolRef,
    UserRef,
)
from hitl.reviews import quorum
from hitl.reviews.models import Review, Vote
from hitl.reviews.quorum import Verdict
from hitl.reviews.signals import review_decided
from hitl.reviews.types import Answer, DecisionVerb, Response, ReviewRequest
from tenants.kernel import failpoints, live
from tenants.kernel.context import require_schema
from tenants.kernel.errors import DomainError, InvalidInput, NotFound, PermissionMissing, StaleTransition
from tenants.kernel.jsonvalues import JsonObject, sha256_hex, storable

DECIDE = "hitl.decide_review"
EXECUTE_WITHIN = timedelta(hours=1)
REPEAT_WITHIN = timedelta(hours=24)
UNEDITED = 1
"""The version that a reviewer is taken to have seen who names neither version nor digest."""
COUNTS_AS: dict[str, dict[DecisionVerb, Verdict]] = {
    Review.Kind.TOOL_CALL: {
        DecisionVerb.APPROVE: Verdict.APPROVE,
        DecisionVerb.EDIT: Verdict.APPROVE,
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
}
"""What each kind of review can be told, and how it counts. Repeating a call of unknown outcome is an approval."""
DECIDED = frozenset({Review.Status.APPROVED, Review.Status.REJECTED, Review.Status.ANSWERED})
NEEDS_MESSAGE = {
    DecisionVerb.REJECT: "Say why you reject.",
    DecisionVerb.IT_HAPPENED: "Say how you know, and what it led to.",
    DecisionVerb.IT_DID_NOT: "Say how you know.",
    DecisionVerb.RESPOND: "Write the answer.",
}


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
        return Availability(verbs=(), why_not="You asked for this, so somebody else must decide it.")
    if review.votes.filter(reviewer=user, digest=review.digest).exists():
        return Availability(verbs=(), why_not="You have voted; another person must decide too.")
    return Availability(verbs=tuple(COUNTS_AS[review.kind]))


def _how_it_ended(review: Review) -> str:
    last = review.votes.select_related("reviewer").order_by("-id").first()
    if last is None or review.status not in DECIDED:
        return f"This review is {review.status}."
    return f"{last.reviewer.username} has {review.status} this already."


@transaction.atomic
def request_review(*, request: ReviewRequest, now: datetime) -> Review:
    """Open a review of the action that the gate holds."""
    decision, policy_request = request.decision, request.decision.request
    if decision.requirement is None:
        raise InvalidInput("Only a decision that requires approval can be reviewed.")
    agent = Actor(kind="agent", id=policy_request.agent.id, name=policy_request.agent.name)
    return _open(
        policy_request,
        actor=agent,
        kind=Review.Kind.TOOL_CALL,
        risk=decision.requirement.risk,
        digest=decision.digest,
        reason=decision.explanation,
        rule=decision.reasons[0].rule,
        required=decision.requirement.approvals,
        evidence=request.evidence,
        created_at=now,
        expires_at=request.expires_at,
    )


@transaction.atomic
def ask_outcome(
    *,
    request: PolicyRequest,
    risk: Risk,
    required: int,
    message: str,
    evidence: JsonObject,
    expires_at: datetime,
    now: datetime,
) -> Review:
    """Ask people whether a call that was cut off took effect.

    One person may say that it happened or that it did not; `required` people (at least one) must
    agree to run it again, and the review is then the approval of that one second call.
    """
    return _open(
        request,
        actor=SYSTEM,
        kind=Review.Kind.OUTCOME,
        risk=risk,
        digest=request.digest(),
        reason=message,
        rule="outcome-unknown",
        required=max(required, 1),
        evidence=evidence,
        created_at=now,
        expires_at=expires_at,
    )


@transaction.atomic
def hand_off(
    *,
    run: RunRef,
    user: UserRef,
    agent: AgentRef,
    subject: str,
    evidence: JsonObject,
    expires_at: datetime,
    now: datetime,
) -> Review:
    """Hand a run that failed again and again to a person, who answers it, guides the agent or gives up.

    It proposes no action: it has no tool, and its risk says only how pressing it is.
    """
    nothing = ToolRef(
        id=0,
        name="",
        risk=Risk.MEDIUM,
        effect=EffectClass.READ,
        parameters={},
        schema_version="",
        enabled=False,
    )
    request = PolicyRequest(
        tenant=require_schema(), user=user, agent=agent, tool=nothing, arguments={}, run=run
    )
    return _open(
        request,
        actor=SYSTEM,
        kind=Review.Kind.HANDOFF,
        risk=nothing.risk,
        digest=sha256_hex({"run": run.run_id, "step": run.step_id, "subject": storable(subject)}),
        reason=subject,
        rule="hand-off",
        required=1,
        evidence=evidence,
        created_at=now,
        expires_at=expires_at,
    )


def _open(
    request: PolicyRequest, *, actor: Actor, risk: Risk, reason: str, evidence: JsonObject, **values: Any
) -> Review:
    review = Review.objects.create(
        risk=risk,
        priority=risk,
        run_id=request.run.run_id,
        step_id=request.run.step_id,
        agent_id=request.agent.id,
        agent_name=request.agent.name,
        requester_id=request.user.id,
        tool=request.tool.name,
        arguments=request.arguments,
        arguments_proposed=request.arguments,
        request=request.to_json(),
        reason=storable(reason),
        evidence=storable(evidence),
        **values,
    )
    body = {"reason": review.reason}
    audit.record(_entry(review, "review.requested", actor=actor, at=review.created_at, body=body))
    live.publish_on_commit("reviews", review.pk)
    return review


@transaction.atomic
def respond(*, review_id: UUID | str, reviewer: Any, response: Response, now: datetime) -> Review:
    """Record what a reviewer says; close the review when its votes decide it.

    Raises NotFound, AlreadyDecided, ReviewChanged (the reviewer saw another version), PermissionMissing,
    InvalidInput (a word for another kind of review, no reason, or arguments that the tool's schema or
    the gate refuses; the review stays open).
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
        if allowed.verbs:
            raise InvalidInput(f"Answer this review with one of: {', '.join(allowed.verbs)}.")
        raise PermissionMissing(allowed.why_not)
    _check_message(response)
    match response.verb:
        case DecisionVerb.EDIT:
            _edit(review, response)
        case DecisionVerb.APPROVE | DecisionVerb.RETRY if response.arguments is not None:
            raise InvalidInput("To change arguments, send decision 'edit'.")
    if review.votes.filter(reviewer=reviewer, digest=review.digest).exists():  # an edit back to it
        raise AlreadyDecided("You have voted for exactly this action before.", review_status=review.status)
    review.votes.create(
        reviewer=reviewer,
        decision=response.verb,
        verdict=COUNTS_AS[review.kind][response.verb],
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
        failpoints.hit("review.decided")
        transaction.on_commit(lambda: failpoints.hit("review.decision-committed"))
    return review


def _check_seen(review: Review, response: Response) -> None:
    if review.status != Review.Status.PENDING:
        return
    unsaid = UNEDITED if response.digest is None else review.version
    seen = unsaid if response.version is None else response.version
    if seen != review.version or response.digest not in (None, review.digest):
        raise ReviewChanged(version=review.version)


def _check_message(response: Response) -> None:
    missing = NEEDS_MESSAGE.get(response.verb)
    if missing and not response.message.strip():
        raise InvalidInput(missing, errors=[{"at": "/message", "message": "A text is required."}])


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
        case quorum.Outcome.ANSWERED:
            review.transition(Review.Status.ANSWERED, decided_at=now)
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
    return _approval(Review.objects.get(pk=review_id))


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
    """Return what is left of an approval: the votes of those who still may decide."""
    votes = review.votes.filter(digest=review.digest, verdict=Verdict.APPROVE).select_related("reviewer")
    eligible = [v for v in votes if v.reviewer_id != review.requester_id and v.reviewer.has_perm(DECIDE)]
    return Approval(
        review_id=str(review.pk),
        digest=review.digest,
        approvals=len({vote.reviewer_id for vote in eligible}),
        approvers=tuple(vote.reviewer.username for vote in eligible),
        decided_at=review.decided_at or review.created_at,
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


def answer_of(review: Review) -> Answer:
    """Return the word that closed a review, for the agent; raise NotFound if people did not close it."""
    votes = review.votes.filter(digest=review.digest).select_related("reviewer").order_by("id")
    last = votes.last() if review.status in DECIDED else None
    if last is None:
        raise NotFound("Nobody has answered this review.")
    return Answer(verb=DecisionVerb(last.decision), message=last.message, by=last.reviewer.username)


def rejection_of(review: Review) -> tuple[str, str]:
    """Return who rejected a review and why, for the agent."""
    vote = Vote.objects.filter(review=review, verdict=Verdict.REJECT).select_related("reviewer").first()
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
        body={"kind": review.kind, "tool": review.tool, "digest": review.digest, **(body or {})},
    )
