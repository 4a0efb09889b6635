"""How risky a call is: what its tool declares, raised by its arguments and by what the run has read. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from governance.policies import recipients
from governance.types import PolicyRequest, Reason, Risk

MISSING = object()
ORDER = list(Risk)


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """From this amount on, a call of these tools has at least this risk."""

    tool: str
    argument: str
    at_least: Decimal
    risk: Risk
    author_id: int


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What the tenant counts as outside, as many and as sensitive; and the least risk of a call that is."""

    home_domains: tuple[str, ...] = ()
    """Domains whose addresses are inside. With none, every address is outside."""
    bulk_from: int = 20
    outside: Risk = Risk.MEDIUM
    sensitive: Risk = Risk.MEDIUM
    bulk: Risk = Risk.HIGH


DEFAULT_PROFILE = Profile()


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """The risk of one call, what raised it, and who wrote the rules that did."""

    risk: Risk
    facts: tuple[Reason, ...] = ()
    authors: tuple[int, ...] = ()


def assess(
    request: PolicyRequest,
    thresholds: Iterable[Threshold],
    *,
    profile: Profile = DEFAULT_PROFILE,
    sensitive: Sequence[str] = (),
) -> Assessment:
    """Return the risk of the call. It only ever rises above the tool's own.

    `sensitive` names the kinds of personal data and secrets found in its arguments. A call that only reads is
    raised by amounts alone. A medium call counts as high where a run may not go on without an approval: when it
    cannot be undone, or when the run has read what outsiders may have written.
    """
    tool = request.tool
    risk, facts, authors = tool.risk, list[Reason](), list[int]()
    for threshold in thresholds:
        why = _applies(threshold, request)
        if why and ORDER.index(threshold.risk) > ORDER.index(risk):
            risk = threshold.risk
            facts.append(Reason(code="amount", message=f"{why}: the risk is {risk}.", rule="risk-threshold"))
            authors.append(threshold.author_id)
    if tool.is_consequential:
        for code, why, at_least in _factors(request.arguments, profile, sensitive):
            if ORDER.index(at_least) > ORDER.index(risk):
                risk = at_least
                facts.append(Reason(code=code, message=f"{why}: the risk is {risk}.", rule="risk-profile"))
    if risk is Risk.MEDIUM and request.influence and not request.is_planned and tool.is_consequential:
        risk = Risk.HIGH
        if not request.is_influenced:  # else information flow says it, and more exactly
            read = ", ".join(request.influence)
            message = (
                f"The run has read text that outsiders may have written ({read}); medium counts as high."
            )
            facts.append(Reason(code="untrusted-influence", message=message, rule="influence"))
    if risk is Risk.MEDIUM and not tool.reversible and tool.is_consequential:
        risk = Risk.HIGH
        message = f"What {tool.name} does cannot be undone; medium counts as high."
        facts.append(Reason(code="irreversible", message=message, rule="reversibility"))
    return Assessment(risk=risk, facts=tuple(facts), authors=tuple(dict.fromkeys(authors)))


def _factors(
    arguments: Mapping[str, Any], profile: Profile, sensitive: Sequence[str]
) -> Iterable[tuple[str, str, Risk]]:
    """Return what speaks against the arguments: a code, why in words, and the least risk it means."""
    outside = recipients.outside(arguments, profile.home_domains)
    if outside:
        yield "outside-recipient", f"It reaches {_few(outside)}, outside this organisation", profile.outside
    if sensitive:
        yield "sensitive-data", f"Its arguments hold {_few(sensitive)}", profile.sensitive
    if outside and sensitive:
        yield "sensitive-data-leaves", f"{_few(sensitive)} would leave this organisation", Risk.HIGH
    many = recipients.at_once(arguments)
    if many >= profile.bulk_from:
        yield "bulk", f"It names {many} things at once", profile.bulk
    if recipients.names_all(arguments):
        yield "bulk", "It is for all there are", profile.bulk


def _few(names: Sequence[str]) -> str:
    """Return the first of the names, and how many more there are."""
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"  # noqa: PLR2004


def _applies(threshold: Threshold, request: PolicyRequest) -> str:
    """Return in words why the threshold applies, empty if it does not.

    An amount that is missing or is no number cannot be compared, so the threshold applies.
    """
    if not fnmatchcase(request.tool.name, threshold.tool):
        return ""
    value = _member(request.arguments, threshold.argument)
    if value is MISSING:
        return f"{threshold.argument} is not among the arguments"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"{threshold.argument} is no number"
    if Decimal(str(value)) >= threshold.at_least:
        return f"{threshold.argument} is {value}, from {threshold.at_least.normalize():f} on"
    return ""


def _member(arguments: Mapping[str, Any], path: str) -> Any:
    value: Any = arguments
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return MISSING
        value = value[name]
    return value
