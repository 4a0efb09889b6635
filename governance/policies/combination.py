"""Combine what the parts of the gate say. Pure; the order of opinions changes nothing but the order of reasons."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from governance.types import Approval, Effect, Opinion, Reason, Requirement, Risk
from tenants.kernel.jsonvalues import JsonObject

NOTHING_PERMITS = Reason(code="no-rule", message="No rule permits this call.", rule="default-deny")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the rules say."""

    effect: Effect
    reasons: tuple[Reason, ...]
    requirement: Requirement | None = None
    obligations: tuple[JsonObject, ...] = ()


def combine(opinions: Sequence[Opinion], *, approval: Approval | None, digest: str) -> Verdict:
    """Return the strictest: deny > require approval > permit; nothing permits by default."""
    obligations = tuple(item for opinion in opinions for item in opinion.obligations)
    denials = _reasons(opinions, Effect.DENY)
    if denials:
        return Verdict(effect=Effect.DENY, reasons=denials, obligations=obligations)
    asked = [o.requirement for o in opinions if o.effect is Effect.REQUIRE_APPROVAL and o.requirement]
    if asked:
        requirement = strictest(asked)
        if approval is not None:
            return _with_approval(requirement, approval, digest, obligations)
        return Verdict(
            effect=Effect.REQUIRE_APPROVAL,
            reasons=_reasons(opinions, Effect.REQUIRE_APPROVAL),
            requirement=requirement,
            obligations=obligations,
        )
    permits = _reasons(opinions, Effect.PERMIT)
    if not permits:
        return Verdict(effect=Effect.DENY, reasons=(NOTHING_PERMITS,), obligations=obligations)
    return Verdict(effect=Effect.PERMIT, reasons=permits, obligations=obligations)


def strictest(requirements: Sequence[Requirement]) -> Requirement:
    """Return what meets them all: most people, every group, the shortest time, and silence only if all let it."""
    ttls = [r.ttl_s for r in requirements if r.ttl_s is not None]
    return Requirement(
        approvals=max(r.approvals for r in requirements),
        risk=max((r.risk for r in requirements), key=list(Risk).index),
        may_pass_unopposed=all(r.may_pass_unopposed for r in requirements),
        authors=tuple(dict.fromkeys(author for r in requirements for author in r.authors)),
        groups=_all_groups(requirements),
        ttl_s=min(ttls) if ttls else None,
    )


def _all_groups(requirements: Sequence[Requirement]) -> tuple[str, ...]:
    """Return every group, as often as the requirement that needs most people of it."""
    needed = Counter[str]()
    for requirement in requirements:
        needed |= Counter(requirement.groups)
    return tuple(sorted(needed.elements()))


def denied(code: str, message: str, rule: str) -> Opinion:
    """Return a refusal for one reason."""
    return Opinion(effect=Effect.DENY, reasons=(Reason(code=code, message=message, rule=rule),))


def _reasons(opinions: Sequence[Opinion], effect: Effect) -> tuple[Reason, ...]:
    return tuple(reason for opinion in opinions if opinion.effect is effect for reason in opinion.reasons)


def _with_approval(
    requirement: Requirement, approval: Approval, digest: str, obligations: tuple[JsonObject, ...]
) -> Verdict:
    missing = _missing(requirement, approval, digest)
    if missing is not None:
        return Verdict(effect=Effect.DENY, reasons=(missing,), obligations=obligations)
    by = ", ".join(approval.approvers)
    said = f"Nobody objected; {by} answers for it." if approval.unopposed else f"Approved by {by}."
    reason = Reason(code="unopposed" if approval.unopposed else "approved", message=said, rule="risk-tier")
    return Verdict(effect=Effect.PERMIT, reasons=(reason,), obligations=obligations)


def _missing(requirement: Requirement, approval: Approval, digest: str) -> Reason | None:
    if approval.digest != digest:
        message = "The approval is for another action than this one."
        return Reason(code="digest-mismatch", message=message, rule="binding")
    if approval.unopposed and not requirement.may_pass_unopposed:
        message = "Nobody objected, but the call has become too risky to run without an approval."
        return Reason(code="needs-a-person", message=message, rule="risk-tier")
    if approval.approvals < requirement.approvals:
        message = f"{requirement.approvals} approvals are needed, {approval.approvals} were given."
        return Reason(code="approvals-missing", message=message, rule="risk-tier")
    absent = sorted(Counter(requirement.groups) - Counter(approval.groups))
    if absent:
        message = f"Somebody of {', '.join(absent)} must approve as well."
        return Reason(code="approvals-missing", message=message, rule="policy")
    return None
