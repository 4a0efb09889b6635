"""The two calls that every side effect makes: authorize before, complete after."""

import logging
from datetime import datetime

from django.apps import apps

from governance.access import permissions
from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.policies import arguments, baseline, thresholds
from governance.policies.baseline import Facts, Verdict
from governance.policies.models import PolicyDecision
from governance.types import (
    Actor,
    Approval,
    Decision,
    Effect,
    Outcome,
    PolicyRequest,
    Reason,
    Subject,
)
from tenants.kernel import writes
from tenants.kernel.errors import DomainError
from tenants.kernel.jsonvalues import storable
from tenants.kernel.models import uuid7

logger = logging.getLogger(__name__)
TOOL_MODEL = "agents.Tool"
EXECUTE_TOOL = "execute_tool"


class PermitMissing(DomainError):
    """Something tried to run without a matching, unconsumed permit."""

    code = "permit-missing"
    status = 403
    title = "There is no unconsumed permit for exactly this action"


def evaluate(request: PolicyRequest, *, approval: Approval | None = None) -> tuple[Verdict, str]:
    """Return what the rules say and the action's digest, recording nothing; an error in a check denies.

    Used to try an edited action before anybody votes on it.
    """
    try:
        digest = request.digest()
        tool_model = apps.get_model(TOOL_MODEL)
        principals = {request.user.id, request.agent.principal_id}
        may = permissions.holders(
            model=tool_model, codename=EXECUTE_TOOL, object_pk=request.tool.id, users=principals
        )
        facts = Facts(
            user_may=request.user.id in may,
            agent_may=request.agent.principal_id in may,
            argument_problems=arguments.problems(request.tool.parameters, request.arguments),
            thresholds=thresholds.standing(),
        )
        return baseline.evaluate(request, facts, approval=approval, digest=digest), digest
    except (DomainError, ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as error:
        logger.exception("A check failed; the call is denied")
        reason = Reason(code="check-failed", message=f"A check failed: {error}", rule="fail-closed")
        return Verdict(effect=Effect.DENY, reasons=(reason,)), ""


def authorize(request: PolicyRequest, *, now: datetime, approval: Approval | None = None) -> Decision:
    """Decide whether the action may run now; record the decision and its audit event.

    Call it in the transaction that acts on the decision. With `approval`, rights and rules are
    asked again: an approval never outlives the permission it was given under.
    """
    verdict, digest = evaluate(request, approval=approval)
    decision = Decision(
        id=uuid7(),
        effect=verdict.effect,
        reasons=verdict.reasons,
        digest=digest,
        request=request,
        requirement=verdict.requirement,
    )
    reasons = [{"code": r.code, "message": r.message, "rule": r.rule} for r in verdict.reasons]
    row = PolicyDecision(
        id=decision.id,
        at=now,
        effect=verdict.effect,
        digest=digest,
        request=storable(request.to_json()),
        reasons=storable(reasons),
        run_id=request.run.run_id,
        step_id=request.run.step_id,
        review_id=approval.review_id if approval else None,
    )
    writes.insert(row)
    audit.record(
        _entry(
            "gate.decided",
            decision,
            at=now,
            outcome=verdict.effect,
            body={"reasons": reasons, "review_id": approval.review_id if approval else None},
        )
    )
    return decision


def consume(decision: Decision, *, digest: str, now: datetime) -> None:
    """Use a permit up for one execution of the action with this digest.

    Raises PermitMissing if the decision is no permit, is for another action or was used before.
    """
    row = writes.collected(PolicyDecision, decision.id)
    if isinstance(row, PolicyDecision):  # given in this very transaction: it is written as used
        used = row.effect == Effect.PERMIT and row.digest == digest and row.consumed_at is None
        row.consumed_at = now
    else:
        permits = PolicyDecision.objects.filter(
            id=decision.id, effect=Effect.PERMIT, digest=digest, consumed_at=None
        )
        used = bool(permits.update(consumed_at=now))
    if not used or not digest:
        raise PermitMissing


def complete(decision: Decision, outcome: Outcome, *, now: datetime) -> None:
    """Record what the permitted action led to."""
    action, word = "tool.failed", "error"
    if outcome.ok:
        action, word = "tool.succeeded", "ok"
    elif outcome.unknown:
        action, word = "tool.unknown", "unknown"
    audit.record(
        _entry(
            action,
            decision,
            at=now,
            outcome=word,
            body={
                "output": outcome.value,
                "error": outcome.error,
                "duration_ms": outcome.duration_ms,
                **outcome.facts,
            },
        )
    )


def _entry(action: str, decision: Decision, *, at: datetime, outcome: str, body: dict[str, object]) -> Entry:
    request = decision.request
    return Entry(
        at=at,
        action=action,
        actor=Actor(kind="agent", id=request.agent.id, name=request.agent.name),
        user=request.user,
        agent_id=request.agent.id,
        agent_name=request.agent.name,
        run_id=request.run.run_id,
        step_id=request.run.step_id,
        trace_id=request.run.trace_id,
        subject=Subject(kind="tool", id=request.tool.name),
        outcome=str(outcome),
        body={
            "decision_id": str(decision.id),
            "digest": decision.digest,
            "arguments": request.arguments,
            **body,
        },
    )


__all__ = ["PermitMissing", "authorize", "complete", "consume", "evaluate"]
