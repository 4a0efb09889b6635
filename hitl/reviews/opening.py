"""Open reviews of every kind."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from governance.types import (
    SYSTEM,
    Actor,
    AgentRef,
    Decision,
    EffectClass,
    PolicyRequest,
    Requirement,
    Risk,
    RunRef,
    ToolRef,
    UserRef,
)
from hitl.reviews import eligibility, plans
from hitl.reviews.models import Review
from hitl.reviews.quorum import Plan
from hitl.reviews.record import actor_of, note
from hitl.reviews.signals import review_opened, review_unsatisfiable
from hitl.reviews.tiers import Tier, tier_of
from hitl.reviews.types import ReviewRequest
from tenants.kernel.context import require_schema
from tenants.kernel.errors import InvalidInput
from tenants.kernel.jsonvalues import JsonObject, sha256_hex, storable
from tenants.timers.operations import set_timer

EXPIRE, VETO = "review.expire", "review.veto"
"""Kinds of timers."""
NOTHING = ToolRef(
    id=0,
    name="",
    risk=Risk.MEDIUM,
    effect=EffectClass.READ,
    parameters={},
    schema_version="",
    enabled=False,
)
"""The tool of a review that proposes no call."""
NOBODY = AgentRef(id="", name="", version=0, principal_id=0)
"""The agent of an escalation that is about none."""
MAX_SUBJECT, MAX_DETAILS = 500, 20_000


@transaction.atomic
def request_review(*, request: ReviewRequest, now: datetime) -> Review:
    """Open a review of the action that the gate holds.

    It may come back decided: by a standing grant. Under medium risk it runs when its veto window ends
    without an objection, if the tenant lets it.
    """
    decision = request.decision
    if decision.requirement is None:
        raise InvalidInput("Only a decision that requires approval can be reviewed.")
    tier = tier_of(decision.requirement.risk)
    return open_call(
        decision.request,
        requirement=decision.requirement,
        plan=plans.plan_for(decision.request, decision.requirement, tier, now=now),
        tier=tier,
        digest=decision.digest,
        reason=decision.explanation,
        rule=decision.reasons[0].rule,
        facts=_facts(decision),
        evidence=request.evidence,
        expires_at=request.expires_at,
        now=now,
    )


def open_call(
    request: PolicyRequest,
    *,
    requirement: Requirement,
    plan: Plan,
    tier: Tier,
    expires_at: datetime,
    now: datetime,
    **values: Any,
) -> Review:
    """Open a review of a tool call under this plan and tier, as `request_review` and a risen edit do."""
    expires_at = min(expires_at, now + tier.expires_after)
    if requirement.ttl_s is not None:
        expires_at = min(expires_at, now + timedelta(seconds=requirement.ttl_s))
    values.setdefault("arguments_proposed", request.arguments)
    if requirement.may_pass_unopposed and tier.veto_window and _may_stay_unsaid(request, plan):
        values["veto_until"] = min(now + tier.veto_window, expires_at)
    return _open(
        request,
        actor=Actor(kind="agent", id=request.agent.id, name=request.agent.name),
        kind=Review.Kind.TOOL_CALL,
        risk=requirement.risk,
        plan=plan,
        min_assurance=tier.min_assurance,
        fingerprint=fingerprint(request),
        shape=shape(request),
        created_at=now,
        expires_at=expires_at,
        **values,
    )


def _may_stay_unsaid(request: PolicyRequest, plan: Plan) -> bool:
    """Tell whether silence may count: not for an edit, not where a grant does not, nor after a no in this run."""
    turned_down = Review.objects.filter(
        run_id=request.run.run_id,
        tool=request.tool.name,
        kind=Review.Kind.TOOL_CALL,
        status__in=Review.TURNED_DOWN,
    )
    return plan.editor is None and not plan.human_only and not turned_down.exists()


def _facts(decision: Decision) -> list[JsonObject]:
    return [{"code": r.code, "message": r.message, "rule": r.rule} for r in decision.reasons]


def fingerprint(request: PolicyRequest) -> str:
    """Return the digest of what is called with what: the same in whichever step it is proposed."""
    return sha256_hex({**_called(request), "arguments": request.arguments})


def shape(request: PolicyRequest) -> str:
    """Return the digest of what is called with which arguments of which types, whatever their values."""
    types = {name: type(value).__name__ for name, value in request.arguments.items()}
    types |= {name: "number" for name, kind in types.items() if kind in {"int", "float"}}
    return sha256_hex({**_called(request), "types": types})


def _called(request: PolicyRequest) -> JsonObject:
    return {
        "agent": request.agent.id,
        "tool": request.tool.name,
        "schema_version": request.tool.schema_version,
    }


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
    groups: tuple[str, ...] = (),
) -> Review:
    """Ask people whether a call that was cut off took effect.

    One person may say that it happened or that it did not. To run it again takes what any call of the tool
    takes at this risk, `required` people (at least one) and those of the `groups`, or the tenant's plan; the
    review is then the approval of that one second call.
    """
    tier = tier_of(risk)
    needed = Requirement(approvals=max(required, 1), risk=risk, groups=groups)
    return _open(
        request,
        actor=SYSTEM,
        kind=Review.Kind.OUTCOME,
        risk=risk,
        plan=plans.plan_for(request, needed, tier, now=now),
        min_assurance=tier.min_assurance,
        fingerprint=fingerprint(request),
        digest=request.digest(),
        reason=message,
        rule="outcome-unknown",
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
    request = PolicyRequest(
        tenant=require_schema(), user=user, agent=agent, tool=NOTHING, arguments={}, run=run
    )
    return _open_text(
        request,
        actor=SYSTEM,
        kind=Review.Kind.HANDOFF,
        subject=subject,
        rule="hand-off",
        evidence=evidence,
        expires_at=expires_at,
        now=now,
    )


@transaction.atomic
def ask(
    *,
    request: PolicyRequest,
    subject: str,
    details: str,
    options: Sequence[str],
    evidence: JsonObject,
    expires_at: datetime,
    now: datetime,
) -> Review:
    """Ask a person on an agent's behalf; the answer is the result of the call that asks."""
    return _open_text(
        request,
        actor=Actor(kind="agent", id=request.agent.id, name=request.agent.name),
        kind=Review.Kind.QUESTION,
        subject=subject,
        rule="ask-person",
        evidence={**evidence, "details": details, "options": list(options)},
        expires_at=expires_at,
        now=now,
    )


@transaction.atomic
def escalate(
    *,
    by: Any,
    run: RunRef | None,
    agent: AgentRef | None,
    subject: str,
    details: str,
    priority: Risk,
    expires_at: datetime,
    now: datetime,
    evidence: JsonObject | None = None,
) -> Review:
    """Ask reviewers to look at something, a run or no run in particular; nothing waits for the answer.

    Raises InvalidInput for a subject or details that are empty or too long.
    """
    if not subject.strip() or len(subject) > MAX_SUBJECT or len(details) > MAX_DETAILS:
        message = f"Give a subject of 1 to {MAX_SUBJECT} characters, and details of {MAX_DETAILS} at most."
        raise InvalidInput(message, errors=[{"at": "/subject", "message": message}])
    request = PolicyRequest(
        tenant=require_schema(),
        user=UserRef(id=by.pk, name=by.username),
        agent=agent or NOBODY,
        tool=replace(NOTHING, risk=priority),
        arguments={},
        run=run or RunRef(run_id="", step_id="", trace_id=""),
    )
    return _open_text(
        request,
        actor=actor_of(by),
        kind=Review.Kind.ESCALATION,
        subject=subject.strip(),
        rule="manual-escalation",
        evidence={"requester": by.username, **(evidence or {}), "details": details},
        expires_at=expires_at,
        now=now,
    )


def _open_text(
    request: PolicyRequest,
    *,
    actor: Actor,
    kind: Review.Kind,
    subject: str,
    rule: str,
    evidence: JsonObject,
    expires_at: datetime,
    now: datetime,
) -> Review:
    run = request.run
    is_about_step = kind != Review.Kind.ESCALATION
    said = {"run": run.run_id, "step": run.step_id, "subject": storable(subject)}
    return _open(
        request if is_about_step else replace(request, run=replace(run, step_id="")),
        actor=actor,
        kind=kind,
        risk=request.tool.risk,
        plan=plans.plan_of_one(request),
        digest=sha256_hex(said if is_about_step else {**said, "at": now.isoformat()}),
        reason=subject,
        rule=rule,
        evidence=evidence,
        created_at=now,
        expires_at=expires_at,
    )


def _open(
    request: PolicyRequest,
    *,
    actor: Actor,
    risk: Risk,
    plan: Plan,
    reason: str,
    evidence: JsonObject,
    created_at: datetime,
    expires_at: datetime,
    **values: Any,
) -> Review:
    values.setdefault("arguments_proposed", request.arguments)
    review = Review.objects.create(
        risk=risk,
        priority=risk,
        run_id=request.run.run_id or None,
        step_id=request.run.step_id or None,
        agent_id=request.agent.id or None,
        agent_name=request.agent.name,
        owner_id=request.agent.owner_id or None,
        requester_id=request.user.id,
        tool=request.tool.name if request.tool.id else "",
        arguments=request.arguments,
        request=request.to_json(),
        plan=plan.to_json(),
        required=plan.fewest,
        reason=storable(reason),
        evidence=storable(evidence),
        created_at=created_at,
        expires_at=expires_at,
        **values,
    )
    set_timer(kind=EXPIRE, object_id=review.pk, due_at=expires_at)
    if review.veto_until is not None:
        set_timer(kind=VETO, object_id=review.pk, due_at=review.veto_until)
    note(review, "review.requested", actor=actor, at=created_at, reason=review.reason)
    review_opened.send(sender=Review, review=review)
    review.refresh_from_db(fields=["status", "decided_at", "execute_by"])  # a grant may have decided it
    if review.status == Review.Status.PENDING and not eligibility.is_satisfiable(review):
        alarm(review, now=created_at)
    return review


def alarm(review: Review, *, now: datetime) -> None:
    """Say that too few people are left to approve the review, at once rather than when it expires."""
    people = [user.username for user in eligibility.eligible(review, now=now)]
    note(review, "review.unsatisfiable", actor=SYSTEM, at=now, required=review.required, eligible=people)
    review_unsatisfiable.send(sender=Review, review=review)
