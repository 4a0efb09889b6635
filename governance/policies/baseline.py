"""The baseline rules: rights, schema, risk tier. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from governance.policies import risk as risks
from governance.policies.risk import Assessment, Profile, Threshold
from governance.types import Effect, Opinion, PolicyRequest, Reason, Requirement, Risk, SecurityLevel

APPROVALS_BY_RISK = {Risk.LOW: 0, Risk.MEDIUM: 1, Risk.HIGH: 1, Risk.CRITICAL: 2}
"""How many people must approve. A medium call may run instead when nobody objects in its veto window."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the gate looked up before the rules are asked."""

    user_may: bool
    agent_may: bool
    argument_problems: Sequence[dict[str, str]]
    thresholds: Sequence[Threshold] = ()
    profile: Profile = risks.DEFAULT_PROFILE
    sensitive: Sequence[str] = ()
    """The kinds of personal data and secrets found in the arguments."""
    user: dict[str, Any] = field(default_factory=dict)
    """What rules may ask about the person: `groups`, `clearance`, `step_up`."""
    clearance: SecurityLevel = SecurityLevel.CONFIDENTIAL


def rights(request: PolicyRequest, facts: Facts) -> Opinion:
    """Refuse what person or agent may not do or are not cleared for, disabled tools, and unfit arguments."""
    denials = (*_denials(request, facts), *_above(request, facts))
    return Opinion(effect=Effect.DENY, reasons=denials) if denials else Opinion()


def _above(request: PolicyRequest, facts: Facts) -> list[Reason]:
    """Return why security levels forbid the call: a level counts for the person, and a tool's for its agent."""
    tool, agent, person = request.tool, request.agent, request.user.name
    found = []
    if tool.level.exceeds(agent.level):
        message = f"{tool.name} is {tool.level}; the agent {agent.name} is cleared for {agent.level} only."
        found.append(Reason(code="above-agent-level", message=message, rule="security-level"))
    for name, level in ((tool.name, tool.level), (f"The agent {agent.name}", agent.level)):
        if level.exceeds(facts.clearance):
            message = f"{name} is {level}; {person} is cleared for {facts.clearance} only."
            found.append(Reason(code="above-clearance", message=message, rule="security-level"))
    if SecurityLevel.RESTRICTED in {tool.level, agent.level} and not facts.user.get("step_up"):
        message = (
            "What is restricted runs only for a person who confirmed who they are when they started the run."
        )
        found.append(Reason(code="step-up-required", message=message, rule="security-level"))
    return found


def tier(request: PolicyRequest, facts: Facts) -> Opinion:
    """Permit calls of low risk, and ask for as many people as the risk of others needs."""
    assessment = risks.assess(request, facts.thresholds, profile=facts.profile, sensitive=facts.sensitive)
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
        return Opinion(effect=Effect.PERMIT, reasons=(reason,))
    return Opinion(
        effect=Effect.REQUIRE_APPROVAL,
        reasons=(_asked(request, requirement, assessment), *assessment.facts),
        requirement=requirement,
    )


def _asked(request: PolicyRequest, requirement: Requirement, assessment: Assessment) -> Reason:
    people = "one person" if requirement.approvals == 1 else f"{requirement.approvals} people"
    what = f"{request.tool.name} is a {request.tool.risk}-risk tool"
    if assessment.risk is not request.tool.risk:
        what = f"This call of {request.tool.name} counts as {assessment.risk} risk"
    message = f"{what}: {people} must approve each call."
    if requirement.may_pass_unopposed:
        message = f"{what}: people may object before it runs."
    return Reason(code="approval-required", message=message, rule="risk-tier")


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
