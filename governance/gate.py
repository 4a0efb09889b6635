"""The two calls that every side effect makes: authorize before, complete after."""

import logging
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.conf import settings
from django.utils import timezone

from governance import standing
from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.flow import judgement as flow
from governance.guardrails import judge as guardrails
from governance.guardrails import operations as redactions
from governance.guardrails.types import Stage
from governance.policies import arguments, baseline, engine
from governance.policies.baseline import Facts
from governance.policies.combination import Verdict, combine, denied
from governance.policies.models import PolicyDecision
from governance.rulebook import parts as rulebook
from governance.rulebook.parts import Rulebook
from governance.types import (
    Actor,
    Approval,
    Decision,
    Effect,
    Opinion,
    Outcome,
    PolicyRequest,
    Reason,
    Removed,
    Subject,
)
from tenants.kernel import writes
from tenants.kernel.errors import DomainError, InvalidInput
from tenants.kernel.jsonvalues import JsonObject, storable
from tenants.kernel.models import uuid7

logger = logging.getLogger(__name__)
MAX_REDACTIONS = 3
"""How often a call may be redacted: once for each part of the gate that redacts, and once to be sure."""


class PermitMissing(DomainError):
    """Something tried to run without a matching, unconsumed permit."""

    code = "permit-missing"
    status = 403
    title = "There is no unconsumed permit for exactly this action"


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """What the rules say about a request, and on what they were asked."""

    verdict: Verdict
    request: PolicyRequest
    """The action as it may run: after redaction, where something was taken out."""
    digest: str = ""
    input_digest: str = ""
    rules_version: str = ""
    facts: JsonObject = field(default_factory=dict)
    findings: tuple[JsonObject, ...] = ()
    removed: tuple[Removed, ...] = ()


def evaluate(
    request: PolicyRequest, *, approval: Approval | None = None, now: datetime | None = None
) -> tuple[Verdict, str]:
    """Return what the rules say and the action's digest, recording nothing; an error in a check denies.

    Used to try an edited action before anybody votes on it.
    """
    ruling = rule(request, approval=approval, now=now or timezone.now())
    return ruling.verdict, ruling.digest


def rule(request: PolicyRequest, *, approval: Approval | None = None, now: datetime) -> Ruling:
    """Ask every rule; what is redacted is asked about again as the action it has become."""
    try:
        ruling, redacted = _rule(request, approval, now)
        first, passes = ruling, 1
        while redacted is not None:
            if passes > MAX_REDACTIONS:
                raise InvalidInput("What redaction left would have to be redacted again and again.")
            before, passes = ruling, passes + 1
            ruling, redacted = _rule(
                before.request.with_arguments(redacted), approval, now, removed=before.removed
            )
            ruling = replace(
                ruling,
                input_digest=first.input_digest,
                findings=(*before.findings, *ruling.findings),
                removed=(*before.removed, *ruling.removed),
                facts={**ruling.facts, "redacted": first.facts.get("rules", [])},
            )
    except (DomainError, ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as error:
        logger.exception("A check failed; the call is denied")
        reason = Reason(code="check-failed", message=f"A check failed: {error}", rule="fail-closed")
        return Ruling(verdict=Verdict(effect=Effect.DENY, reasons=(reason,)), request=request)
    return ruling


def _rule(
    request: PolicyRequest, approval: Approval | None, now: datetime, removed: tuple[Removed, ...] = ()
) -> tuple[Ruling, JsonObject | None]:
    digest = request.digest()
    known = standing.of(request)
    book = rulebook.of(known.revisions)
    seen = guardrails.look(request, book["guardrails"])
    facts = Facts(
        user_may=request.user.id in known.may,
        agent_may=request.agent.principal_id in known.may,
        argument_problems=arguments.problems(request.tool.parameters, request.arguments),
        thresholds=book["thresholds"],
        profile=book["risk_profile"],
        sensitive=guardrails.sensitive(seen),
        user={
            "groups": list(known.groups),
            "clearance": known.clearance,
            "step_up": (request.circumstances.get("user") or {}).get("step_up") is True,
        },
        clearance=known.clearance,
    )
    policies = engine.judge(request, user=facts.user, rules=book["policies"], now=now)
    others = [
        baseline.rights(request, facts),
        baseline.tier(request, facts),
        guardrails.judge(request, seen),
        flow.judge(request, enforced=settings.FLOW_ENFORCED),
    ]
    others += _as_it_runs(request, facts, book, removed=removed, now=now)
    opinions = [*others, policies]
    verdict = combine(opinions, approval=approval, digest=digest)
    redacted = next((o.arguments for o in opinions if o.arguments is not None), None)
    ruling = Ruling(
        verdict=verdict,
        request=request,
        digest=digest,
        input_digest=digest,
        rules_version=book.version,
        findings=tuple(found for opinion in opinions for found in opinion.findings),
        removed=tuple(item for opinion in opinions for item in opinion.removed),
        facts={
            "user": facts.user,
            "beside": combine(others, approval=approval, digest=digest).effect,
            **{name: fact for opinion in opinions for name, fact in opinion.facts.items()},
        },
    )
    return ruling, redacted if verdict.effect is not Effect.DENY else None


def _as_it_runs(
    request: PolicyRequest, facts: Facts, book: Rulebook, *, removed: tuple[Removed, ...], now: datetime
) -> list[Opinion]:
    """Ask about the originals too where the tool gets them in the place of tokens: they are what takes effect.

    What they hold is neither told nor recorded here. What a rule would take out of them is not given to a tool.
    """
    checks = book["guardrails"].given_back(agent=request.agent.name, tool=request.tool.name)
    arguments, tokens = redactions.for_tool(
        request.arguments, run_id=request.run.run_id, checks=checks, removed=removed
    )
    if not tokens:
        return []
    actual = replace(request, arguments=arguments)
    seen = guardrails.look(actual, book["guardrails"])
    policies = engine.judge(actual, user=facts.user, rules=book["policies"], now=now)
    found = [
        baseline.tier(actual, replace(facts, sensitive=guardrails.sensitive(seen))),
        guardrails.judge(actual, seen),
        policies,
    ]
    if policies.arguments is not None:
        message = "A rule takes out what the tool would be given in the place of a token."
        found.append(denied("redacted-original", message, "guardrail"))
    return [
        Opinion(
            effect=each.effect,
            reasons=tuple(_untold(reason) for reason in each.reasons),
            requirement=each.requirement,
            obligations=each.obligations,
        )
        for each in found
    ]


def _untold(reason: Reason) -> Reason:
    """Return a reason in words that repeat nothing of the arguments."""
    message = f"What the tool gets in the place of tokens counts as well ({reason.code}, {reason.rule})."
    return replace(reason, message=message)


def authorize(request: PolicyRequest, *, now: datetime, approval: Approval | None = None) -> Decision:
    """Decide whether the action may run now; record the decision and its audit event.

    Call it in the transaction that acts on the decision. With `approval`, rights and rules are
    asked again: an approval never outlives the permission it was given under.
    """
    ruling = rule(request, approval=approval, now=now)
    verdict = ruling.verdict
    decision = Decision(
        id=uuid7(),
        effect=verdict.effect,
        reasons=verdict.reasons,
        digest=ruling.digest,
        request=ruling.request,
        requirement=verdict.requirement,
        input_digest=ruling.input_digest,
        rules_version=ruling.rules_version,
        obligations=verdict.obligations,
    )
    reasons = [{"code": r.code, "message": r.message, "rule": r.rule} for r in verdict.reasons]
    row = PolicyDecision(
        id=decision.id,
        at=now,
        effect=verdict.effect,
        digest=ruling.digest,
        input_digest=ruling.input_digest,
        rules_version=ruling.rules_version,
        facts=storable(ruling.facts),
        obligations=storable(list(verdict.obligations)),
        request=storable(ruling.request.to_json()),
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
            body={
                "reasons": reasons,
                "review_id": approval.review_id if approval else None,
                "rules_version": ruling.rules_version,
                "input_digest": ruling.input_digest,
                **({"guardrails": list(ruling.findings)} if ruling.findings else {}),
            },
        )
    )
    keep(ruling, now=now)
    return decision


def keep(ruling: Ruling, *, now: datetime) -> None:
    """Store what guardrails found in the action, and seal what they took out of it."""
    if ruling.findings:
        redactions.keep(
            findings=ruling.findings,
            removed=ruling.removed,
            stage=Stage.ARGUMENTS,
            run_id=ruling.request.run.run_id,
            step_id=ruling.request.run.step_id,
            now=now,
        )


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


def is_claimed(decision: Decision) -> bool:
    """Tell whether the permit was used up for its one execution: then the action may be under way."""
    permits = PolicyDecision.objects.filter(id=decision.id, effect=Effect.PERMIT, digest=decision.digest)
    return bool(decision.digest) and permits.exclude(consumed_at=None).exists()


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


__all__ = [
    "PermitMissing",
    "Ruling",
    "authorize",
    "complete",
    "consume",
    "evaluate",
    "is_claimed",
    "keep",
    "rule",
]
