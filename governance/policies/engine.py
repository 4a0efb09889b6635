"""Ask the rules of all layers about one call. Pure: the same call, rules and moment give the same answer.

deny > require approval > redact > allow, whatever the order of the rules. A condition that cannot be told counts
against the call: such an allow does not match, every other rule does. Where no rule of the platform or the tenant
lets a call through, or asks people about it, the tenant's default decides; a rule for one agent never opens what
the default closes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Any

from governance.policies import document, redaction, wording
from governance.policies.combination import strictest
from governance.policies.rules import Ask, Layer, Point, Rule, RuleEffect
from governance.types import Effect, Opinion, PolicyRequest, Reason, Requirement, Risk
from tenants.kernel.jsonvalues import JsonObject

DEFAULT_RULE = "default-deny"
PREFIX = "policy:"
OPENS = frozenset({RuleEffect.ALLOW, RuleEffect.REQUIRE_APPROVAL})
ORDER = list(Risk)
LAYERS = list(Layer)


@dataclass(frozen=True, kw_only=True)
class RuleSet:
    """The rules that a tenant's calls are asked about."""

    enforced: tuple[Rule, ...] = ()
    rehearsed: tuple[Rule, ...] = ()
    """Rules as they would be if every shadow version were in force; empty where nothing is in shadow."""
    read_only_may: bool = True
    """Whether a tool that only reads may run where no rule says anything."""
    zone: tzinfo = UTC


@dataclass(frozen=True, kw_only=True)
class Matched:
    """A rule that matched, and what could not be told where that is why."""

    rule: Rule
    troubles: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the rules said, before it is combined with the other parts of the gate."""

    effect: RuleEffect
    matched: tuple[Matched, ...]
    errors: tuple[str, ...]
    is_default: bool
    """Whether no rule opened or refused the call, so that the default decided."""
    requirement: Requirement | None = None
    arguments: JsonObject | None = None

    @property
    def outcome(self) -> Effect:
        """Return the effect as the gate knows it."""
        match self.effect:
            case RuleEffect.DENY:
                return Effect.DENY
            case RuleEffect.REQUIRE_APPROVAL:
                return Effect.REQUIRE_APPROVAL
        return Effect.PERMIT


def judge(request: PolicyRequest, *, user: Mapping[str, Any], rules: RuleSet, now: datetime) -> Opinion:
    """Return what the rules say about a call that is proposed.

    Its facts name the rules that matched, and what those in shadow would have said where that differs.
    """
    known = document.of(request, user=user, now=now, zone=rules.zone)
    found = ask(request, rules.enforced, known, now=now, read_only_may=rules.read_only_may)
    facts: JsonObject = {}
    if found.matched:
        facts["rules"] = [each.rule.id for each in found.matched]
    if found.errors:
        facts["errors"] = list(found.errors)
    if rules.rehearsed:
        other = ask(request, rules.rehearsed, known, now=now, read_only_may=rules.read_only_may)
        if (other.effect, other.matched) != (found.effect, found.matched):
            facts["shadow"] = {
                "effect": other.effect.value,
                "rules": [each.rule.id for each in other.matched],
                **({"errors": list(other.errors)} if other.errors else {}),
            }
    return replace(opinion_of(request, found), facts=facts)


def ask(
    request: PolicyRequest,
    rules: Iterable[Rule],
    known: JsonObject,
    *,
    now: datetime,
    read_only_may: bool,
) -> Found:
    """Return what these rules say about the call whose document is `known`."""
    matched, errors = _matching(request, rules, known, now)
    refused = any(each.rule.effect is RuleEffect.DENY for each in matched)
    asked = [_requirement(request, each.rule, each.rule.ask) for each in matched if each.rule.ask is not None]
    opened = any(
        each.rule.effect in OPENS and not each.troubles and each.rule.layer is not Layer.AGENT
        for each in matched
    )
    closed = not opened and (request.tool.is_consequential or not read_only_may)
    out = [(each.rule.id, each.rule.redaction) for each in matched if each.rule.redaction is not None]
    arguments = redaction.redacted(request.arguments, out) if out else None
    if arguments == request.arguments:
        arguments = None
    effect = RuleEffect.ALLOW
    if refused or closed:
        effect = RuleEffect.DENY
    elif asked:
        effect = RuleEffect.REQUIRE_APPROVAL
    elif arguments is not None:
        effect = RuleEffect.REDACT
    return Found(
        effect=effect,
        matched=tuple(matched),
        errors=tuple(errors),
        is_default=closed and not refused,
        requirement=strictest(asked) if asked else None,
        arguments=arguments,
    )


def _matching(
    request: PolicyRequest, rules: Iterable[Rule], known: JsonObject, now: datetime
) -> tuple[list[Matched], list[str]]:
    tool, agent = request.tool.name, request.agent
    matched, errors = [], []
    for rule in rules:
        if not rule.fits_tool(tool):
            continue
        if rule.fits_agent is not None and not rule.fits_agent(agent.name, agent.blueprint, agent.id):
            continue
        if rule.fits_tenant is not None and not rule.fits_tenant(request.tenant):
            continue
        if rule.in_force is not None and not rule.in_force(now):
            continue
        told = rule.when.ask(known)
        if told:
            matched.append(Matched(rule=rule))
        elif told is None:
            troubles = tuple(rule.when.troubles(known))
            errors.append(f"{rule.id}: {'; '.join(troubles)}")
            if rule.effect is not RuleEffect.ALLOW:
                matched.append(Matched(rule=rule, troubles=troubles))
    if len(matched) > 1:
        matched.sort(key=lambda each: (-each.rule.priority, LAYERS.index(each.rule.layer), each.rule.id))
    errors.sort()
    return matched, errors


def _requirement(request: PolicyRequest, rule: Rule, ask: Ask) -> Requirement:
    """Return what a rule asks for. Its groups stand as often as people of them are needed."""
    return Requirement(
        approvals=ask.quorum,
        risk=max(request.tool.risk, Risk.MEDIUM, key=ORDER.index),
        authors=(rule.author_id,) if rule.author_id else (),
        groups=tuple(group for group in ask.groups for _ in range(ask.quorum)),
        ttl_s=ask.ttl_s,
    )


def opinion_of(request: PolicyRequest, found: Found) -> Opinion:
    """Return the opinion that follows: an allow has nothing against the call, it permits nothing by itself."""
    obligations = tuple(item for each in found.matched for item in each.rule.obligations)
    match found.effect:
        case RuleEffect.DENY if found.is_default:
            message = f"No rule of this tenant lets {request.tool.name} run."
            unsaid = Reason(code="no-rule", message=message, rule=DEFAULT_RULE)
            return Opinion(effect=Effect.DENY, reasons=(unsaid,), obligations=obligations)
        case RuleEffect.DENY:
            reasons = _reasons(found.matched, RuleEffect.DENY, "policy-denied")
            return Opinion(effect=Effect.DENY, reasons=reasons, obligations=obligations)
        case RuleEffect.REQUIRE_APPROVAL:
            return Opinion(
                effect=Effect.REQUIRE_APPROVAL,
                reasons=_reasons(found.matched, RuleEffect.REQUIRE_APPROVAL, "policy-asks"),
                requirement=found.requirement,
                arguments=found.arguments,
                obligations=obligations,
            )
    return Opinion(arguments=found.arguments, obligations=obligations)


def _reasons(matched: Sequence[Matched], effect: RuleEffect, code: str) -> tuple[Reason, ...]:
    return tuple(
        Reason(code=code, message=wording.because(each.rule, each.troubles), rule=f"{PREFIX}{each.rule.id}")
        for each in matched
        if each.rule.effect is effect
    )


def is_asked(rule: Rule) -> bool:
    """Tell whether the rule is for a point at which the gate asks: before a tool is called."""
    return rule.point is Point.PRE_TOOL_CALL
