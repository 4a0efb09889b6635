"""What information flow says about a call. Pure."""

from typing import Any

from governance.types import Effect, Opinion, PolicyRequest, Reason, Requirement, Risk

RULE = "information-flow"
SHOWN = 4
"""Arguments that a reason names; the review shows them all."""


def judge(request: PolicyRequest, *, enforced: bool) -> Opinion:
    """Ask for a person where a consequential call of an influenced run is not accounted for, whatever its tier.

    Nothing lowers this: no tier, rule or veto window. Only the operator of the platform may switch it off, which
    each decision that it would have changed says.
    """
    if not request.tool.is_consequential or not request.is_influenced:
        return Opinion()
    reason = Reason(code="untrusted-influence", message=_why(request), rule=RULE)
    if not enforced:
        return Opinion(obligations=({"type": "information-flow-off", "message": reason.message},))
    risk = max(request.tool.risk, Risk.HIGH, key=list(Risk).index)
    return Opinion(
        effect=Effect.REQUIRE_APPROVAL,
        reasons=(reason,),
        requirement=Requirement(approvals=1, risk=risk, may_pass_unopposed=False),
    )


def _why(request: PolicyRequest) -> str:
    read = f"The run has read text that outsiders may have written ({', '.join(request.influence)})"
    flow: dict[str, Any] = request.flow or {}
    if flow.get("objection"):
        return f"{read}. {flow['objection']}"
    open_ones = [item["pointer"] for item in flow.get("arguments", ()) if not item["endorsed"]]
    if not open_ones:
        return f"{read}, and nobody knows where the arguments come from."
    more = f" and {len(open_ones) - SHOWN} more" if len(open_ones) > SHOWN else ""
    return f"{read}, and the request does not account for {', '.join(open_ones[:SHOWN])}{more}."
