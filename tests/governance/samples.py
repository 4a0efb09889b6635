"""Values that many tests start from: a refund that Oscar's agent proposes at Acme."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from governance.policies import baseline
from governance.policies.baseline import Facts
from governance.policies.combination import Verdict, combine
from governance.types import AgentRef, Approval, EffectClass, PolicyRequest, Risk, RunRef, ToolRef, UserRef

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
RUN_ID = "01890000-0000-7000-8000-000000000001"
STEP_ID = "01890000-0000-7000-8000-000000000002"
AGENT_ID = "01890000-0000-7000-8000-000000000003"
REVIEW_ID = "01890000-0000-7000-8000-000000000004"

REFUND_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["order_id", "amount"],
    "properties": {
        "order_id": {"type": "string", "maxLength": 20},
        "amount": {"type": "number", "exclusiveMinimum": 0, "maximum": 1000},
    },
}

REFUND = PolicyRequest(
    tenant="acme",
    user=UserRef(id=4, name="oscar"),
    agent=AgentRef(id=AGENT_ID, name="Support assistant", version=1, principal_id=9),
    tool=ToolRef(
        id=2,
        name="refund_order",
        risk=Risk.HIGH,
        effect=EffectClass.NON_IDEMPOTENT,
        parameters=REFUND_SCHEMA,
        schema_version="v1",
        enabled=True,
    ),
    arguments={"order_id": "A-1001", "amount": 25.0},
    run=RunRef(run_id=RUN_ID, step_id=STEP_ID, trace_id="0" * 32),
)


def refund(**tool: Any) -> PolicyRequest:
    """Return the refund with other facts about its tool."""
    return replace(REFUND, tool=replace(REFUND.tool, **tool))


def approval(*approvers: str, request: PolicyRequest = REFUND, digest: str | None = None) -> Approval:
    """Return an approval of the request by these people."""
    return Approval(
        review_id=REVIEW_ID,
        digest=request.digest() if digest is None else digest,
        approvals=len(approvers),
        approvers=approvers,
        decided_at=NOW,
    )


def judged(request: PolicyRequest, facts: Facts, *, approval: Approval | None = None) -> Verdict:
    """Return what the baseline rules alone say."""
    opinions = [baseline.rights(request, facts), baseline.tier(request, facts)]
    return combine(opinions, approval=approval, digest=request.digest())


def proposal(*, agent: Any, user: Any, tool: str = "refund_order", **arguments: Any) -> PolicyRequest:
    """Return a call that the agent proposes on the user's behalf, about rows of the current tenant."""
    from agents.tools.models import Tool
    from tenants.kernel.context import require_schema
    from tenants.kernel.models import uuid7

    return PolicyRequest(
        tenant=require_schema(),
        user=UserRef(id=user.pk, name=user.username),
        agent=agent.ref(),
        tool=Tool.objects.get(name=tool).ref(),
        arguments=arguments or {"order_id": "A-1001", "amount": 25.0, "reason": "arrived broken"},
        run=RunRef(run_id=str(uuid7()), step_id=str(uuid7()), trace_id="0" * 32),
    )
