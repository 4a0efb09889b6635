"""The baseline rules: rights, schema, risk tier. Pure; a deny always wins and nothing permits by default."""

from collections.abc import Sequence
from dataclasses import dataclass

from governance.types import Approval, Effect, PolicyRequest, Reason, Requirement, Risk

APPROVALS_BY_RISK = {Risk.LOW: 0, Risk.MEDIUM: 1, Risk.HIGH: 1, Risk.CRITICAL: 2}
"""How many people must approve. Medium asks like high: letting it pass at a deadline needs a veto window."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the gate looked up before the rules are asked."""

    user_may: bool
    agent_may: bool
    argument_problems: Sequence[dict[str, str]]


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
    requirement = Requirement(approvals=APPROVALS_BY_RISK[request.tool.risk], risk=request.tool.risk)
    if requirement.approvals == 0:
        reason = Reason(
            code="low-risk", message="Low-risk tools run when both may use them.", rule="risk-tier"
        )
        return Verdict(effect=Effect.PERMIT, reasons=(reason,))
    if approval is None:
        people = "one person" if requirement.approvals == 1 else f"{requirement.approvals} people"
        reason = Reason(
            code="approval-required",
            message=f"{request.tool.name} is a {request.tool.risk}-risk tool: {people} must approve each call.",
            rule="risk-tier",
        )
        return Verdict(effect=Effect.REQUIRE_APPROVAL, reasons=(reason,), requirement=requirement)
    return _with_approval(requirement, approval, digest)


def _with_approval(requirement: Requirement, approval: Approval, digest: str) -> Verdict:
    if approval.digest != digest:
        reason = Reason(
            code="digest-mismatch",
            message="The approval is for another action than this one.",
            rule="binding",
        )
        return Verdict(effect=Effect.DENY, reasons=(reason,))
    if approval.approvals < requirement.approvals:
        reason = Reason(
            code="approvals-missing",
            message=f"{requirement.approvals} approvals are needed, {approval.approvals} were given.",
            rule="risk-tier",
        )
        return Verdict(effect=Effect.DENY, reasons=(reason,))
    reason = Reason(
        code="approved", message=f"Approved by {', '.join(approval.approvers)}.", rule="risk-tier"
    )
    return Verdict(effect=Effect.PERMIT, reasons=(reason,))


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
