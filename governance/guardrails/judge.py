"""What guardrails say about the arguments of a call. Pure."""

from governance.guardrails.checks import pii
from governance.guardrails.engine import Guardrails, Screening
from governance.guardrails.types import Action, Stage
from governance.types import Effect, Opinion, PolicyRequest, Reason, Requirement, Risk

BLOCKED = "blocked-content"
HELD = "held-content"
EVERYDAY = pii.EVERYDAY | {"EMAIL_ADDRESS", "PHONE_NUMBER"}
"""Personal data that most work needs and that says little by itself; it does not raise the risk of a call."""


def judge(request: PolicyRequest, screening: Screening) -> Opinion:
    """Return the opinion that the findings in the arguments amount to."""
    if not screening.hits:
        return Opinion()
    told = tuple(screening.told())
    match screening.action:
        case Action.BLOCK:
            return Opinion(
                effect=Effect.DENY,
                reasons=(_reason(BLOCKED, "The arguments hold what may not pass", screening, Action.BLOCK),),
                findings=told,
            )
        case Action.REQUIRE_APPROVAL:
            return Opinion(
                effect=Effect.REQUIRE_APPROVAL,
                reasons=(
                    _reason(HELD, "A person must see the arguments", screening, Action.REQUIRE_APPROVAL),
                ),
                requirement=_requirement(request, screening),
                arguments=screening.value if screening.removed else None,
                findings=told,
                removed=screening.removed,
            )
        case _:
            arguments = screening.value if screening.removed else None
            return Opinion(arguments=arguments, findings=told, removed=screening.removed)


def look(request: PolicyRequest, guardrails: Guardrails) -> Screening:
    """Return what the bindings find in the arguments."""
    return guardrails.screen(
        request.arguments, Stage.ARGUMENTS, agent=request.agent.name, tool=request.tool.name
    )


def _reason(code: str, message: str, screening: Screening, action: Action) -> Reason:
    return Reason(code=code, message=f"{message}: {screening.words(action)}.", rule="guardrail")


def _requirement(request: PolicyRequest, screening: Screening) -> Requirement:
    authors = {hit.rule.author_id for hit in screening.hits if hit.action is Action.REQUIRE_APPROVAL}
    risk = max(request.tool.risk, Risk.MEDIUM, key=list(Risk).index)
    return Requirement(approvals=1, risk=risk, authors=tuple(sorted(authors - {0})))


def sensitive(screening: Screening) -> tuple[str, ...]:
    """Return the kinds of secrets and of telling personal data that were found, each once."""
    labels = (
        hit.finding.label
        for hit in screening.hits
        if hit.finding.check == "secrets"
        or (hit.finding.check == "pii" and hit.finding.label not in EVERYDAY)
    )
    return tuple(dict.fromkeys(labels))
