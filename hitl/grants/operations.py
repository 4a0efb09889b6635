"""Give, use, pause, resume and revoke standing grants."""

import logging
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce

from governance.access.models import User
from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.types import SYSTEM, Actor, Risk, Subject, UserRef
from hitl.grants import conditions, matching
from hitl.grants.models import GrantUse, StandingGrant
from hitl.grants.types import MAX_LASTS, MAX_USES, GrantRequest, Scope
from hitl.grants.wording import covered
from hitl.reviews import eligibility
from hitl.reviews import operations as reviews
from hitl.reviews.models import Review
from hitl.reviews.quorum import Verdict
from hitl.reviews.record import ReviewChanged, locked
from hitl.reviews.types import BallotKind, DecisionVerb
from tenants.kernel import live
from tenants.kernel.errors import DomainError, InvalidInput, NotFound, PermissionMissing, StaleTransition
from tenants.kernel.jsonvalues import JsonObject, storable
from tenants.tiers.quotas import requires_feature

logger = logging.getLogger(__name__)
VIEW, GIVE, REVOKE = "hitl.view_grant", "hitl.add_grant", "hitl.revoke_grant"
MAX_REASON = 1000
SHORTEST = timedelta(minutes=1)
WENT_WRONG = ("error", "unknown")
SOURCES = frozenset({Review.Status.PENDING, Review.Status.APPROVED, Review.Status.EXPIRED})
"""Which reviews a grant can be given from: not from one that somebody rejected or took back."""


def why_not_give(review: Review, user: Any) -> str:
    """Return why this person cannot give a grant for calls like this one; empty if they can."""
    if not user.has_perm(GIVE) or not user.has_perm(reviews.DECIDE):
        return "You may not give standing grants."
    if user.kind != User.Kind.PERSON:
        return "Only people give standing grants."
    if review.kind != Review.Kind.TOOL_CALL:
        return "Only calls of tools can be granted ahead."
    if Risk.CRITICAL in (review.risk, review.request["tool"]["risk"]):
        return "Critical calls are never granted ahead; people look at each."
    if review.status not in SOURCES:
        return f"This review is {review.status}; give a grant from one that was not turned down."
    return eligibility.why_excluded(review, user)


@transaction.atomic
@requires_feature("standing_grants")
def give(*, review_id: UUID | str, giver: Any, request: GrantRequest, now: datetime) -> StandingGrant:
    """Give a vote ahead for calls like the one under review; that review itself stays as it is.

    Raises NotFound, PermissionMissing (not theirs to give), ReviewChanged (it was edited since they saw it)
    InvalidInput (a limit or a condition) and QuotaExceeded (the tier has no standing grants).
    """
    review = locked(review_id)
    why_not = why_not_give(review, giver)
    if why_not:
        raise PermissionMissing(why_not)
    if request.digest != review.digest and (request.digest is not None or review.version != reviews.UNEDITED):
        raise ReviewChanged(version=review.version)
    scope, wanted = _checked(request)
    call = review.policy_request
    grant = StandingGrant.objects.create(
        agent_id=call.agent.id,
        agent_name=review.agent_name,
        agent_version=call.agent.version,
        tool_id=call.tool.id,
        tool=call.tool.name,
        tool_schema_version=call.tool.schema_version,
        scope=scope,
        arguments=call.arguments if scope is Scope.EXACT_ARGS else None,
        conditions=wanted,
        requester_id=None if request.anyone else review.requester_id,
        uses=request.uses,
        uses_left=request.uses,
        reason=storable(request.reason.strip()),
        assurance=request.assurance,
        created_from=review,
        created_by=giver,
        created_at=now,
        expires_at=now + request.lasts,
    )
    body = {
        "scope": scope.value,
        "covers": covered(grant),
        "arguments": grant.arguments,
        "conditions": wanted,
        "requester": None if request.anyone else review.requester.username,
        "uses": grant.uses,
        "expires_at": grant.expires_at.isoformat(),
        "reason": grant.reason,
    }
    _record(grant, "grant.given", by=giver, at=now, review=review, body=body)
    return grant


def _checked(request: GrantRequest) -> tuple[Scope, list[JsonObject]]:
    """Return scope and conditions; raise InvalidInput that names what to change."""
    try:
        scope = Scope(request.scope)
    except ValueError as error:
        raise _refused("/scope", f"Use one of: {', '.join(Scope)}.") from error
    wanted = conditions.parse(request.conditions)
    if scope is Scope.ARGS_PATTERN and not wanted:
        raise _refused("/conditions", "Limit at least one argument, or give the grant for any arguments.")
    if scope is not Scope.ARGS_PATTERN and wanted:
        raise _refused("/conditions", "Conditions belong to scope args_pattern alone.")
    if not 1 <= request.uses <= MAX_USES:
        raise _refused("/uses", f"Give 1 to {MAX_USES} uses.")
    if not SHORTEST <= request.lasts <= MAX_LASTS:
        raise _refused(
            "/hours", f"Give at most {MAX_LASTS // timedelta(hours=1)} hours, and at least a minute."
        )
    if not request.reason.strip() or len(request.reason) > MAX_REASON:
        raise _refused("/reason", f"Say why, in at most {MAX_REASON} characters: every use shows it.")
    return scope, conditions.to_json(wanted)


def use(*, review: Review, now: datetime) -> StandingGrant | None:
    """Cast the vote of a grant that covers the call, if there is one; return the grant.

    The use is taken by one conditional update, which a revocation that was committed before defeats. At
    most one grant votes on a review. A call that people rejected in this run stays rejected.
    """
    if review.kind != Review.Kind.TOOL_CALL or review.status != Review.Status.PENDING:
        return None
    if review.supersedes_id is not None:  # people are at it: one of them edited the call
        return None
    if review.decided_by.human_only:  # a grant would not count, and keep its giver from voting
        return None
    call = review.policy_request
    found = list(StandingGrant.objects.usable(now).about(review).select_related("created_by", "created_from"))
    if not found or reviews.rejected_before(call) is not None:
        return None
    for grant in found:
        may = matching.may_answer(grant.terms, call, risk=review.risk, min_assurance=review.min_assurance)
        if not may or _is_riskier(review, grant) or not _still_speaks(grant, review):
            continue
        if _went_wrong(grant):
            _pause(grant, why="The effect of a use failed, or is unknown.", now=now)
            continue
        if _vote(grant, review, now):
            review.refresh_from_db()
            return grant
    return None


def _is_riskier(review: Review, grant: StandingGrant) -> bool:
    """Tell whether the call is riskier than the one that the giver saw; not asked of the very same arguments."""
    ranks = list(Risk)
    seen = Risk(grant.created_from.risk)
    return grant.scope != Scope.EXACT_ARGS and ranks.index(Risk(review.risk)) > ranks.index(seen)


def _still_speaks(grant: StandingGrant, review: Review) -> bool:
    """Tell whether the giver's own vote would count on this review right now."""
    giver = grant.created_by
    return giver.has_perm(GIVE) and DecisionVerb.APPROVE in reviews.available_actions(review, giver).verbs


def _went_wrong(grant: StandingGrant) -> bool:
    since = Coalesce(F("grant__resumed_at"), F("grant__created_at"))
    uses = grant.used_on.filter(review__effect_outcome__in=WENT_WRONG)
    return uses.filter(review__effect_at__gt=since).exists()


def _vote(grant: StandingGrant, review: Review, now: datetime) -> bool:
    """Take one use and vote with it; return False if the use was gone or the vote is refused."""
    try:
        with transaction.atomic():
            taken = StandingGrant.objects.usable(now).filter(pk=grant.pk).update(uses_left=F("uses_left") - 1)
            if not taken:
                return False
            grant.refresh_from_db(fields=["uses_left"])
            number = grant.uses - grant.uses_left
            GrantUse.objects.create(grant=grant, review=review, at=now)
            body = {"use": number, "of": grant.uses, "digest": review.digest}
            _record(grant, "grant.used", at=now, review=review, body=body)
            reviews.cast(
                review=review,
                kind=BallotKind.GRANT,
                user=grant.created_by,
                message=f"Standing grant {grant.pk}, use {number} of {grant.uses}: {grant.reason}",
                now=now,
            )
    except DomainError as error:
        logger.warning("Grant %s did not answer review %s: %s", grant.pk, review.pk, error)
        return False
    return True


@transaction.atomic
def revoke(*, grant_id: UUID | str, by: Any, now: datetime) -> StandingGrant:
    """End a grant at once; its giver may, and who may revoke anybody's.

    Raises NotFound, PermissionMissing and StaleTransition (somebody was first).
    """
    grant = _locked(grant_id)
    if by.pk != grant.created_by_id and not by.has_perm(REVOKE):
        raise PermissionMissing("Only who gave it may revoke it, and who may revoke anybody's.")
    if grant.revoked_at is not None:
        raise StaleTransition("The grant has been revoked already.")
    grant.revoked_at, grant.revoked_by = now, by
    grant.save(update_fields=["revoked_at", "revoked_by"])
    _record(grant, "grant.revoked", by=by, at=now, body={"uses_left": grant.uses_left})
    return grant


@transaction.atomic
def resume(*, grant_id: UUID | str, by: Any, now: datetime) -> StandingGrant:
    """Let a paused grant be used again, with the uses and the time it has left; only its giver may.

    Raises NotFound, PermissionMissing and StaleTransition (it is not paused, or has ended).
    """
    grant = _locked(grant_id)
    if by.pk != grant.created_by_id or not by.has_perm(GIVE):
        raise PermissionMissing("It is the vote of who gave it, so only they can let it go on.")
    if grant.state(now) != "paused":
        raise StaleTransition(f"The grant is {grant.state(now)}, not paused.")
    why = grant.paused_why
    grant.paused_at, grant.paused_why, grant.resumed_at = None, "", now
    grant.save(update_fields=["paused_at", "paused_why", "resumed_at"])
    _record(grant, "grant.resumed", by=by, at=now, body={"was_paused_because": why})
    return grant


@transaction.atomic
def pause_after_effect(*, review: Review, now: datetime) -> None:
    """Pause the grant that voted on a review whose call failed or whose outcome is unknown."""
    use_of = GrantUse.objects.filter(review=review).select_related("grant").first()
    if use_of is not None and review.effect_outcome in WENT_WRONG:
        word = "failed" if review.effect_outcome == "error" else "had an unknown outcome"
        _pause(use_of.grant, why=f"A call that it let through {word}.", now=now, review=review)


@transaction.atomic
def pause_after_doubt(*, review: Review, now: datetime) -> None:
    """Pause the grant that let a call through whose outcome people are asked about."""
    for use_of in GrantUse.objects.filter(review__step_id=review.step_id).select_related("grant"):
        _pause(use_of.grant, why="A call that it let through had an unknown outcome.", now=now, review=review)


@transaction.atomic
def pause_after_rejection(*, review: Review, now: datetime) -> None:
    """Pause every grant that covers a call which a person has rejected, as proposed or as edited."""
    if review.kind != Review.Kind.TOOL_CALL:
        return
    turned_down = review.votes.filter(kind=BallotKind.PERSON, verdict=Verdict.REJECT)
    vote = turned_down.select_related("reviewer").order_by("-id").first()
    if vote is None and review.status != Review.Status.REVOKED:
        return
    call = review.policy_request
    calls = (call, call.with_arguments(review.arguments_proposed))
    for grant in StandingGrant.objects.usable(now).about(review):
        if any(matching.describes(grant.terms, each) for each in calls):
            who = f"{vote.reviewer.username} rejected" if vote else "Somebody took back"
            _pause(grant, why=f"{who} a call that it covers.", now=now, review=review)


def _pause(grant: StandingGrant, *, why: str, now: datetime, review: Review | None = None) -> None:
    unpaused = StandingGrant.objects.unended(now).filter(pk=grant.pk, paused_at=None)
    if unpaused.update(paused_at=now, paused_why=why):
        grant.paused_at, grant.paused_why = now, why
        _record(grant, "grant.paused", at=now, review=review, body={"why": why})


def _locked(grant_id: UUID | str) -> StandingGrant:
    grant = StandingGrant.objects.select_for_update().filter(pk=grant_id).first()
    if grant is None:
        raise NotFound("There is no such grant.")
    return grant


def _record(
    grant: StandingGrant,
    action: str,
    *,
    at: datetime,
    body: JsonObject,
    by: Any = None,
    review: Review | None = None,
) -> None:
    about = {"tool": grant.tool, "giver": grant.created_by.username}
    if review is not None:
        about["review"] = str(review.pk)
    entry = Entry(
        at=at,
        action=action,
        actor=Actor(kind=by.kind, id=str(by.pk), name=by.username) if by else SYSTEM,
        user=UserRef(**review.request["user"]) if review else None,
        agent_id=str(grant.agent_id),
        agent_name=grant.agent_name,
        run_id=str(review.run_id) if review else None,
        step_id=str(review.step_id) if review else None,
        subject=Subject(kind="grant", id=str(grant.pk)),
        outcome=grant.state(at),
        body={**about, **body},
    )
    audit.record(entry)
    live.publish_on_commit("grants", grant.pk)


def _refused(at: str, message: str) -> InvalidInput:
    return InvalidInput(message, errors=[{"at": at, "message": message}])


__all__ = [
    "GIVE", "REVOKE", "VIEW", "give", "pause_after_doubt", "pause_after_effect", "pause_after_rejection", "resume",
    "revoke", "use", "why_not_give",
]  # fmt: skip
