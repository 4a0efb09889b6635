"""The executor runs a tool only with a claim on exactly this action, and once."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from agents.demo.models import Refund
from agents.tools import executor
from agents.tools.base import ToolContext, ToolFailed, tool
from agents.tools.models import Tool
from agents.tools.registry import REGISTRY
from agents.tools.sync import sync
from governance import gate
from governance.gate import PermitMissing
from governance.types import Decision, Effect, EffectClass, PolicyRequest, Risk
from tenants.kernel import outbound
from tenants.kernel.errors import InvalidInput
from tests.governance.samples import NOW, approval, proposal

ENTERED: list[Any] = []


@pytest.fixture
def db(committed: str) -> None:
    """Use a database of the module's own: tools run on a connection of their own."""


@tool(risk=Risk.LOW, effect=EffectClass.NON_IDEMPOTENT)
def probe(answer: str, context: ToolContext) -> Any:
    """Note that it was entered, and behave as asked."""
    ENTERED.append(context)
    match answer:
        case "fail":
            raise ToolFailed("The shop is closed.")
        case "crash":
            raise ZeroDivisionError("secret detail")
        case "domain":
            raise InvalidInput("A rule of the platform, asked after the effect.")
        case "interrupted":
            raise outbound.Interrupted("No complete answer came in time.")
        case "unreachable":
            raise outbound.Unreachable("No connection could be made.")
        case "large":
            return "x" * (executor.MAX_RESULT_BYTES + 1)
        case "odd":
            return {"set": {1}, "nan": float("nan"), "text": "\x00"}
    return {"said": answer}


@pytest.fixture(autouse=True)
def _probe(acme: Any, agent: Any) -> Iterator[None]:
    """Let the agent use the probe."""
    from agents.catalog.operations import set_tools

    ENTERED.clear()
    REGISTRY.add("probe", "unused:unused")
    REGISTRY._loaded["probe"] = probe
    sync()
    set_tools(agent=agent, names=["probe", "refund_order", "lookup_order"])
    yield
    del REGISTRY._paths["probe"], REGISTRY._loaded["probe"]


@pytest.fixture
def permitted(agent: Any, oscar: Any) -> Any:
    """Return a function that gives a recorded permit of the probe."""

    def permit(answer: str = "hello") -> Decision:
        decision = gate.authorize(proposal(agent=agent, user=oscar, tool="probe", answer=answer), now=NOW)
        assert decision.effect is Effect.PERMIT
        return decision

    return permit


def claim(decision: Decision) -> executor.Claim:
    return executor.claim(decision, idempotency_key="key-1", now=NOW)


def run_claimed(made: executor.Claim) -> Any:
    return executor.execute(made, tool=Tool.objects.get(name=made.decision.request.tool.name))


class TestClaim:
    def test_lets_the_tool_run_with_its_context(self, permitted: Any, oscar: Any) -> None:
        decision = permitted()
        outcome = run_claimed(claim(decision))
        assert (outcome.ok, outcome.value) == (True, {"said": "hello"})
        (context,) = ENTERED
        assert context == ToolContext(
            user_id=oscar.pk, user_name="oscar", run_id=decision.request.run.run_id, idempotency_key="key-1"
        )

    def test_is_given_once_a_permit(self, permitted: Any) -> None:
        decision = permitted()
        claim(decision)
        with pytest.raises(PermitMissing):
            claim(decision)

    def test_runs_the_tool_once(self, permitted: Any) -> None:
        made = claim(permitted())
        run_claimed(made)
        with pytest.raises(PermitMissing):
            run_claimed(made)
        assert len(ENTERED) == 1

    def test_cannot_be_made_by_hand(self, permitted: Any) -> None:
        seals: list[Any] = [None, object(), True, claim(permitted()).seal]
        for seal in seals:
            with pytest.raises(PermitMissing):
                executor.Claim(decision=permitted(), idempotency_key="key-1", seal=seal)

    def test_cannot_be_turned_into_a_claim_on_another_action(self, permitted: Any) -> None:
        made, other = claim(permitted("hello")), permitted("good bye")
        with pytest.raises(PermitMissing):
            run_claimed(replace(made, decision=other))
        assert ENTERED == []

    @pytest.mark.parametrize("effect", [Effect.DENY, Effect.REQUIRE_APPROVAL])
    def test_is_not_given_without_a_permit(self, agent: Any, oscar: Any, effect: Effect) -> None:
        request = proposal(agent=agent, user=oscar)
        if effect is Effect.DENY:
            request = request.with_arguments({"order_id": "A-1001"})
        decision = gate.authorize(request, now=NOW)
        assert decision.effect is effect
        with pytest.raises(PermitMissing):
            claim(decision)

    def test_is_not_given_for_changed_arguments(self, permitted: Any) -> None:
        decision = permitted()
        changed = replace(decision, request=decision.request.with_arguments({"answer": "other"}))
        for tampered in (changed, replace(changed, digest=changed.request.digest())):
            with pytest.raises(PermitMissing):
                claim(tampered)


class TestExecute:
    def test_refuses_arguments_changed_after_the_claim(self, permitted: Any) -> None:
        made = claim(permitted())
        made.decision.request.arguments["answer"] = "something else"
        with pytest.raises(PermitMissing):
            run_claimed(made)
        assert ENTERED == []

    def test_does_not_run_a_tool_that_changed_since(self, agent: Any, oscar: Any) -> None:
        request = proposal(agent=agent, user=oscar, tool="probe", answer="hello")
        stale = replace(request, tool=replace(request.tool, schema_version="0" * 64))
        outcome = run_claimed(claim(gate.authorize(stale, now=NOW)))
        assert (outcome.ok, ENTERED) == (False, [])
        assert "has changed since" in outcome.error

    def test_does_not_run_a_tool_that_is_gone_from_code(self, agent: Any, oscar: Any) -> None:
        Tool.objects.filter(name="probe").update(name="gone")
        request = proposal(agent=agent, user=oscar, tool="gone", answer="hello")
        outcome = run_claimed(claim(gate.authorize(request, now=NOW)))
        assert (outcome.ok, ENTERED) == (False, [])
        assert "no tool 'gone'" in outcome.error

    def test_gives_a_tools_failure_as_an_outcome(self, permitted: Any) -> None:
        outcome = run_claimed(claim(permitted("fail")))
        assert (outcome.ok, outcome.error) == (False, "The shop is closed.")

    def test_tells_no_details_of_a_defect(self, permitted: Any) -> None:
        outcome = run_claimed(claim(permitted("crash")))
        assert (outcome.ok, outcome.error) == (False, "probe failed: ZeroDivisionError")
        assert outcome.unknown, (
            "nothing tells whether a tool that must not run twice got as far as its effect"
        )

    @pytest.mark.parametrize(
        ("answer", "unknown", "started"),
        [("domain", True, True), ("interrupted", True, True), ("unreachable", False, False)],
    )
    def test_believes_only_what_says_that_nothing_was_done(
        self, permitted: Any, answer: str, unknown: bool, started: bool
    ) -> None:
        outcome = run_claimed(claim(permitted(answer)))
        assert (outcome.ok, outcome.unknown, outcome.started) == (False, unknown, started)

    def test_limits_the_result(self, permitted: Any) -> None:
        outcome = run_claimed(claim(permitted("large")))
        assert (outcome.ok, "256 KB" in outcome.value["notice"]) == (True, True), (
            "it has run, so it succeeded"
        )

    def test_makes_the_result_storable(self, permitted: Any) -> None:
        outcome = run_claimed(claim(permitted("odd")))
        assert outcome.value == {"set": "{1}", "nan": "nan", "text": "\ufffd"}

    def test_runs_an_approved_refund(self, agent: Any, oscar: Any) -> None:
        request: PolicyRequest = proposal(agent=agent, user=oscar)
        decision = gate.authorize(request, now=NOW, approval=approval("bob", request=request))
        outcome = run_claimed(claim(decision))
        assert outcome.ok
        refund = Refund.objects.get(idempotency_key="key-1")
        assert (float(refund.amount), refund.order.order_id) == (25.0, "A-1001")
