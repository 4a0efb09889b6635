"""The baseline rules: rights, schema, risk tier. Pure; a deny always wins and nothing permits by default."""

from collections.abc import Sequence
from dataclasses import dataclass

from governance.policies import risk as risks
from governance.policies.risk import Assessment, Threshold
from governance.types import Approval, Effect, PolicyRequest, Reason, Requirement, Risk

APPROVALS_BY_RISK = {Risk.LOW: 0, Risk.MEDIUM: 1, Risk.HIGH: 1, Risk.CRITICAL: 2}
"""How many people must approve. A medium call may run instead when nobody objects in its veto window."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the gate looked up before the rules are asked."""

    user_may: bool
    agent_may: bool
    argument_problems: Sequence[dict[str, str]]
    thresholds: Sequence[Threshold] = ()


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the rules say."""

    effect: Effect
    reasons: tuple[Reason, ...]
    requirement: Requirement | None = None


def evaluate(request: PolicyRequest, facts: Facts, *, approval: Approval | None, digest: str) -> Verdict:
    """Apply every rule and combine: deny > require approval > permit."""
    denials = _denials(request, facts)
    if denials:
        return Verdict(effect=Effect.DENY, reasons=tuple(denials))
    assessment = risks.assess(request, facts.thresholds)
    requirement = Requirement(
        approvals=APPROVALS_BY_RISK[assessment.risk],
        risk=assessment.risk,
        may_pass_unopposed=assessment.risk is Risk.MEDIUM,
        authors=assessment.authors,
    )
    if requirement.approvals == 0:
        reason = Reason(
            code="low-risk", message="Low-risk tools run when both may use them.", rule="risk-tier"
        )
        return Verdict(effect=Effect.PERMIT, reasons=(reason,))
    if approval is None:
        return Verdict(
            effect=Effect.REQUIRE_APPROVAL,
            reasons=(_asked(request, requirement, assessment), *assessment.facts),
            requirement=requirement,
        )
    return _with_approval(requirement, approval, digest)


def _asked(request: PolicyRequest, requirement: Requirement, assessment: Assessment) -> Reason:
    people = "one person" if requirement.approvals == 1 else f"{requirement.approvals} people"
    what = f"{request.tool.name} is a {request.tool.risk}-risk tool"
    if assessment.risk is not request.tool.risk:
        what = f"This call of {request.tool.name} counts as {assessment.risk} risk"
    message = f"{what}: {people} must approve each call."
    if requirement.may_pass_unopposed:
        message = f"{what}: people may object before it runs."
    return Reason(code="approval-required", message=message, rule="risk-tier")


def _with_approval(requirement: Requirement, approval: Approval, digest: str) -> Verdict:
    if approval.digest != digest:
        return _denied("digest-mismatch", "The approval is for another action than this one.", "binding")
    if approval.unopposed and not requirement.may_pass_unopposed:
        message = "Nobody objected, but the call has become too risky to run without an approval."
        return _denied("needs-a-person", message, "risk-tier")
    if approval.approvals < requirement.approvals:
        message = f"{requirement.approvals} approvals are needed, {approval.approvals} were given."
        return _denied("approvals-missing", message, "risk-tier")
    by = ", ".join(approval.approvers)
    said = f"Nobody objected; {by} answers for it." if approval.unopposed else f"Approved by {by}."
    reason = Reason(code="unopposed" if approval.unopposed else "approved", message=said, rule="risk-tier")
    return Verdict(effect=Effect.PERMIT, reasons=(reason,))


def _denied(code: str, message: str, rule: str) -> Verdict:
    return Verdict(effect=Effect.DENY, reasons=(Reason(code=code, message=message, rule=rule),))


def _denials(request: PolicyRequest, facts: Facts) -> list[Reason]:
    tool = request.tool.name
    denials = []
    if not request.tool.enabled:
        denials.append(
            Reason(code="tool-disabled", message=f"The tool {tool} is disabled.", rule="tool-state")
        )
    if not facts.user_may:
        message = f"{request.user.name} may not use {tool}."
        denials.append(Reason(code="user-not-permitted", message=message, rule="user-permission"))
    if not facts.agent_may:
        message = f"The agent {request.agent.name} may not use {tool}."
        denials.append(Reason(code="agent-not-permitted", message=message, rule="agent-permission"))
    denials.extend(
        Reason(
            code="invalid-arguments", message=f"Argument {p['at']}: {p['message']}.", rule="argument-schema"
        )
        for p in facts.argument_problems
    )
    return denials
