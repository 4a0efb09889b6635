"""Decide reviews: what a person may say, and what each word does. The one door for every face."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import prefetch_related_objects

from governance import gate
from governance.types import SYSTEM, Effect, Requirement, Risk
from hitl.reviews import eligibility, opening, patch, plans, quorum, tiers
from hitl.reviews.answers import answer_of, rejected_before, rejection_of
from hitl.reviews.approvals import consume, consumed_approval, may_revoke, record_effect, revoke
from hitl.reviews.attention import mark_presented, mark_viewed, raise_priority, reply
from hitl.reviews.eligibility import DECIDE
from hitl.reviews.models import Review, ReviewView
from hitl.reviews.opening import ask, ask_outcome, escalate, hand_off, request_review
from hitl.reviews.quorum import EDITOR, Verdict
from hitl.reviews.record import (
    AlreadyDecided,
    ApprovalNotUsable,
    AssuranceTooLow,
    ReviewChanged,
    actor_of,
    changed,
    closed,
    locked,
    note,
)
from hitl.reviews.types import BallotKind, Channel, DecisionVerb, Response
from hitl.reviews.verbs import COUNTS_AS, Availability, available_actions
from tenants.kernel import failpoints
from tenants.kernel.errors import InvalidInput, PermissionMissing, StaleTransition
from tenants.kernel.jsonvalues import JsonObject, storable

EXECUTE_WITHIN = timedelta(hours=1)
UNEDITED = 1
"""The version that a reviewer is taken to have seen who names neither version nor digest."""
LATEST_START = timedelta(days=7)
"""How far ahead an approver may set the earliest start."""
NEEDS_MESSAGE = {
    DecisionVerb.REJECT: "Say why you reject.",
    DecisionVerb.FEEDBACK: "Say what the agent should do differently.",
    DecisionVerb.REQUEST_INFO: "Write the question.",
    DecisionVerb.CANCEL_RUN: "Say why the run is to be cancelled.",
    DecisionVerb.IT_HAPPENED: "Say how you know, and what it led to.",
    DecisionVerb.IT_DID_NOT: "Say how you know.",
    DecisionVerb.RESPOND: "Write the answer.",
}


@transaction.atomic
def respond(*, review_id: UUID | str, reviewer: Any, response: Response, now: datetime) -> Review:
    """Record what a reviewer says; close the review when its votes decide it.

    An edit that asks for more people closes it as superseded, and the review that takes its place is returned.
    Raises NotFound, AlreadyDecided, ReviewChanged (the reviewer saw another version), PermissionMissing,
    AssuranceTooLow, InvalidInput (a word for another kind of review, no reason, or arguments that the
    tool's schema or the gate refuses; the review stays open).
    """
    review = locked(review_id)
    prefetch_related_objects([review], "votes")
    prefetch_related_objects([reviewer], "groups")
    if review.status == Review.Status.PENDING and review.expires_at <= now:
        raise AlreadyDecided("This review has expired; nothing was run.", review_status="expired")
    _check_seen(review, response)
    _check_allowed(review, reviewer, response.verb)
    _check_message(response)
    _check_assurance(review, response)
    _check_start(response, now)
    stood = review.arguments
    match response.verb:
        case DecisionVerb.REQUEST_INFO:
            return _ask_back(review, reviewer, response, now=now)
        case DecisionVerb.EDIT:
            successor = _edit(review, reviewer, response, now=now)
            if successor is not None:
                return successor
            response = replace(response, arguments=review.arguments)
        case DecisionVerb.APPROVE | DecisionVerb.RETRY if response.arguments is not None:
            raise InvalidInput("To change arguments, send decision 'edit'.")
    _keep_start(review, response)
    _vote(review, reviewer, response, stood=stood, now=now)
    decided = _settle(review, response, now=now)
    _record(review, reviewer, response, now=now)
    if decided:
        closed(review)
        failpoints.hit("review.decided")
        transaction.on_commit(lambda: failpoints.hit("review.decision-committed"))
    else:
        changed(review)
        if response.verb is DecisionVerb.EDIT and not eligibility.is_satisfiable(review):
            opening.alarm(review, now=now)
    return review


def _check_allowed(review: Review, reviewer: Any, verb: DecisionVerb) -> None:
    allowed = available_actions(review, reviewer)
    if verb in allowed.verbs:
        return
    if review.status != Review.Status.PENDING:
        raise AlreadyDecided(allowed.why_not, review_status=review.status)
    if verb in COUNTS_AS[review.kind] and allowed.why_not:
        mine = [v for v in review.votes.all() if (v.reviewer_id, v.digest) == (reviewer.pk, review.digest)]
        if any(vote.verdict != Verdict.NOTHING for vote in mine):
            raise AlreadyDecided(allowed.why_not, review_status=review.status)
        raise PermissionMissing(allowed.why_not)
    if allowed.verbs:
        raise InvalidInput(f"Answer this review with one of: {', '.join(allowed.verbs)}.")
    raise PermissionMissing(allowed.why_not)


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


def _check_assurance(review: Review, response: Response) -> None:
    """Ask for the tier's assurance where the word lets something happen; saying no is always possible."""
    verdict = COUNTS_AS[review.kind].get(response.verb)
    if verdict is not Verdict.APPROVE or tiers.is_enough(response.assurance, review.min_assurance):
        return
    raise AssuranceTooLow(
        f"A {review.risk}-risk action must be approved with assurance '{review.min_assurance}'; this way gives "
        f"'{response.assurance}'. Open the review's page and decide there.",
        required=review.min_assurance,
        given=str(response.assurance),
    )


def _check_start(response: Response, now: datetime) -> None:
    wanted = response.not_before
    if wanted is not None and wanted - now > LATEST_START:
        message = f"The earliest start must be within {LATEST_START.days} days."
        raise InvalidInput(message, errors=[{"at": "/not_before", "message": message}])


def _keep_start(review: Review, response: Response) -> None:
    """Keep the latest of the approvers' wishes: each approved it not to run earlier."""
    wanted = response.not_before
    if wanted is not None and COUNTS_AS[review.kind].get(response.verb) is Verdict.APPROVE:
        review.not_before = max(review.not_before or wanted, wanted)
        review.save(update_fields=["not_before"])


def _ask_back(review: Review, reviewer: Any, response: Response, *, now: datetime) -> Review:
    """Put a question to the requester; the review stays open, and a veto window is over: somebody doubts."""
    text = storable(response.message.strip())
    review.messages.create(author=reviewer, is_question=True, text=text, at=now)
    if review.veto_until is not None:
        review.veto_until = None
        review.save(update_fields=["veto_until"])
    _record(review, reviewer, response, now=now)
    changed(review)
    return review


def _edit(review: Review, reviewer: Any, response: Response, *, now: datetime) -> Review | None:
    """Guard the edited action anew and put it in the place of the old one; return a successor if it is riskier.

    Votes on the old action count no more: they are bound to its digest.
    """
    if not isinstance(response.arguments, dict):
        raise InvalidInput("An edit needs the complete new arguments as an object.")
    if storable(response.arguments) != response.arguments:
        raise InvalidInput("The arguments hold characters or numbers that cannot be stored exactly.")
    ruling = gate.rule(review.policy_request.with_arguments(response.arguments), now=now)
    verdict, digest, request = ruling.verdict, ruling.digest, ruling.request
    arguments = request.arguments  # as they may run: what guardrails take out of an edit is shown to nobody
    if verdict.effect is Effect.DENY:
        raise InvalidInput(
            "The edited action is not allowed; the review is unchanged.",
            errors=[{"at": "/arguments", "message": r.message, "rule": r.rule} for r in verdict.reasons],
        )
    if digest == review.digest:
        raise InvalidInput("Nothing is changed; approve it as it is, or change an argument.")
    if any(vote.reviewer_id == reviewer.pk and vote.digest == digest for vote in review.votes.all()):
        raise AlreadyDecided("You have voted for exactly this action before.", review_status=review.status)
    gate.keep(ruling, now=now)
    requirement = verdict.requirement
    if requirement is not None and _asks_for_more(review, requirement):
        tier = tiers.tier_of(requirement.risk)
        plan = plans.edited(
            plans.plan_for(request, requirement, tier, now=now), request, requirement, editor=reviewer.pk
        )
        review.transition(Review.Status.SUPERSEDED, decided_at=now)
        _keep(
            review,
            reviewer,
            replace(response, arguments=arguments),
            verdict=Verdict.NOTHING,
            digest=digest,
            rules=(),
            stood=review.arguments,
            now=now,
        )
        _record(review, reviewer, response, now=now)
        closed(review)
        reasons = [{"code": r.code, "message": r.message, "rule": r.rule} for r in verdict.reasons]
        return opening.open_call(
            request,
            requirement=requirement,
            plan=plan,
            tier=tier,
            digest=digest,
            reason=" ".join(reason.message for reason in verdict.reasons),
            rule=verdict.reasons[0].rule,
            facts=reasons,
            evidence=review.evidence,
            arguments_proposed=review.arguments_proposed,
            supersedes=review,
            expires_at=max(review.expires_at, now + tier.expires_after),
            now=now,
        )
    plan = plans.edited(review.decided_by, request, requirement, editor=reviewer.pk)
    review.arguments, review.digest = arguments, digest
    review.plan, review.veto_until, review.not_before = plan.to_json(), None, None
    review.fingerprint, review.shape = opening.fingerprint(request), opening.shape(request)
    review.version += 1
    review.save(
        update_fields=[
            "arguments",
            "digest",
            "version",
            "plan",
            "veto_until",
            "not_before",
            "fingerprint",
            "shape",
        ]
    )
    return None


def _asks_for_more(review: Review, requirement: Requirement) -> bool:
    risen = list(Risk).index(requirement.risk) > list(Risk).index(Risk(review.risk))
    return risen or plans.falls_short(review.decided_by, requirement)


def _vote(review: Review, reviewer: Any, response: Response, *, stood: JsonObject, now: datetime) -> None:
    plan = review.decided_by
    verdict = COUNTS_AS[review.kind].get(response.verb, Verdict.NOTHING)
    if response.verb is DecisionVerb.WITHDRAW:
        verdict = Verdict.WITHDRAW
    if response.verb is DecisionVerb.EDIT and EDITOR in plan.exclude:
        verdict = Verdict.NOTHING
    # The counting rules are those before this vote: its own approval opens no stage for itself.
    rules = plan.counting_rules(eligibility.as_reviewer(reviewer), review.ballots(), digest=review.digest)
    _keep(
        review, reviewer, response, verdict=verdict, digest=review.digest, rules=rules, stood=stood, now=now
    )


def _keep(
    review: Review,
    reviewer: Any,
    response: Response,
    *,
    verdict: Verdict,
    digest: str,
    rules: Iterable[str],
    stood: JsonObject,
    now: datetime,
) -> None:
    edited = response.arguments if response.verb is DecisionVerb.EDIT else None
    stood_in = eligibility.stands_in_for(reviewer, now)
    review.votes.create(
        kind=BallotKind.PERSON,
        reviewer=reviewer,
        on_behalf_of=stood_in[0] if stood_in else None,
        decision=response.verb,
        verdict=verdict,
        rules=list(rules),
        digest=digest,
        message=storable(response.message.strip()),
        arguments=edited,
        patch=None if edited is None else patch.between(stood, edited),
        channel=response.channel,
        assurance=response.assurance,
        viewed_at=ReviewView.objects.filter(review=review, viewer=reviewer)
        .values_list("at", flat=True)
        .first(),
        at=now,
    )
    review._prefetched_objects_cache = {}  # type: ignore[attr-defined]  # the votes were read before


def _settle(review: Review, response: Response, *, now: datetime) -> bool:
    """Close the review if its votes decide it; return whether they do."""
    if response.verb is DecisionVerb.CANCEL_RUN:
        review.transition(Review.Status.CANCELLED, decided_at=now)
        return True
    if response.verb is DecisionVerb.FEEDBACK:
        review.transition(Review.Status.REJECTED, decided_at=now)
        return True
    outcome = quorum.resolve(review.decided_by, review.ballots(), digest=review.digest)
    if outcome is quorum.Outcome.OPEN and response.verb is DecisionVerb.REJECT:
        if eligibility.is_satisfiable(review):
            return False
        outcome = quorum.Outcome.REJECTED  # those who are left can no longer approve it
    match outcome:
        case quorum.Outcome.APPROVED:
            _approve(review, now=now)
        case quorum.Outcome.REJECTED:
            review.transition(Review.Status.REJECTED, decided_at=now)
        case quorum.Outcome.ANSWERED:
            review.transition(Review.Status.ANSWERED, decided_at=now)
        case quorum.Outcome.OPEN:
            return False
    return True


def _approve(review: Review, *, now: datetime) -> None:
    start = max(review.not_before or now, now)
    review.transition(Review.Status.APPROVED, decided_at=now, execute_by=start + EXECUTE_WITHIN)


def _record(review: Review, reviewer: Any, response: Response, *, now: datetime) -> None:
    note(
        review,
        f"review.{response.verb}",
        actor=actor_of(reviewer),
        at=now,
        message=response.message,
        channel=response.channel,
        assurance=response.assurance,
        not_before=response.not_before.isoformat() if response.not_before else None,
        arguments=response.arguments if response.verb is DecisionVerb.EDIT else review.arguments,
    )


@transaction.atomic
def cast(*, review: Review, kind: BallotKind, user: Any, message: str, now: datetime) -> Review:
    """Cast a vote that nobody gives by hand: a standing grant's, as its giver's, or the veto window's.

    A grant counts where its giver may decide the review right now, and no further. Raises PermissionMissing
    where they may not, StaleTransition if the review is closed, InvalidInput for a critical one.
    """
    review = locked(review.pk)
    if review.status != Review.Status.PENDING:
        raise StaleTransition("The review is closed.", review_status=review.status)
    plan = review.decided_by
    rules: tuple[str, ...] = ()
    if kind is BallotKind.GRANT:
        if review.risk == Risk.CRITICAL or review.kind != Review.Kind.TOOL_CALL:
            raise InvalidInput("A standing grant covers tool calls below critical risk.")
        allowed = available_actions(review, user)
        if DecisionVerb.APPROVE not in allowed.verbs:
            raise PermissionMissing(allowed.why_not)
        rules = plan.counting_rules(eligibility.as_reviewer(user), review.ballots(), digest=review.digest)
    review.votes.create(
        kind=kind,
        reviewer=user,
        decision=DecisionVerb.APPROVE,
        verdict=Verdict.APPROVE,
        rules=list(rules),
        digest=review.digest,
        message=storable(message),
        channel=Channel.API,
        assurance=review.min_assurance,
        at=now,
    )
    decided = kind is BallotKind.WINDOW or (
        quorum.resolve(plan, review.ballots(), digest=review.digest) is quorum.Outcome.APPROVED
    )
    if decided:
        _approve(review, now=now)
    actor = SYSTEM if kind is BallotKind.WINDOW else actor_of(user)
    note(review, f"review.{kind}", actor=actor, at=now, message=message, accountable=user.username)
    if decided:
        closed(review)
    else:
        changed(review)
    return review


@transaction.atomic
def expire(*, review: Review, now: datetime) -> None:
    """Close a review whose time is over; the action does not run."""
    review.transition(Review.Status.EXPIRED, decided_at=now)
    note(review, "review.expired", actor=SYSTEM, at=now)
    closed(review)


@transaction.atomic
def cancel_for_run(*, run_id: UUID | None, now: datetime) -> None:
    """Close the open reviews of a run that ends; an escalation about it stays for people to answer."""
    waiting = Review.objects.select_for_update(of=("self",)).filter(
        run_id=run_id, status=Review.Status.PENDING
    )
    for review in waiting.exclude(kind=Review.Kind.ESCALATION):
        review.transition(Review.Status.CANCELLED, decided_at=now)
        note(review, "review.cancelled", actor=SYSTEM, at=now)
        closed(review)


__all__ = [
    "COUNTS_AS",
    "DECIDE",
    "AlreadyDecided",
    "ApprovalNotUsable",
    "AssuranceTooLow",
    "Availability",
    "ReviewChanged",
    "answer_of",
    "ask",
    "ask_outcome",
    "available_actions",
    "cancel_for_run",
    "cast",
    "consume",
    "consumed_approval",
    "escalate",
    "expire",
    "hand_off",
    "mark_presented",
    "mark_viewed",
    "may_revoke",
    "raise_priority",
    "record_effect",
    "rejected_before",
    "rejection_of",
    "reply",
    "request_review",
    "respond",
    "revoke",
]
