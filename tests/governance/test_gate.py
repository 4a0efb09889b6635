"""The gate on the database: it permits, denies or asks for people, and records each decision."""

from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import DatabaseError, models, transaction
from guardian.shortcuts import assign_perm, remove_perm
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from agents.tools.models import Tool
from governance import gate
from governance.audit.models import AuditEvent
from governance.gate import PermitMissing
from governance.policies.models import PolicyDecision
from governance.types import Decision, Effect, PolicyRequest, Risk
from tenants.kernel.models import uuid7
from tests.governance.samples import NOW, approval, proposal


@pytest.fixture
def lookup(agent: Any, oscar: Any) -> PolicyRequest:
    """Look an order up: low risk."""
    return proposal(agent=agent, user=oscar, tool="lookup_order", order_id="A-1001")


@pytest.fixture
def refund(agent: Any, oscar: Any) -> PolicyRequest:
    """Refund an order: high risk."""
    return proposal(agent=agent, user=oscar)


def decide(request: PolicyRequest, **more: Any) -> Decision:
    return gate.authorize(request, now=NOW, **more)


def codes(decision: Decision) -> set[str]:
    return {reason.code for reason in decision.reasons}


class TestPermit:
    def test_of_a_low_risk_call_that_both_may_make(self, lookup: PolicyRequest) -> None:
        decision = decide(lookup)
        assert (decision.effect, codes(decision)) == (Effect.PERMIT, {"low-risk"})

    def test_is_recorded_with_its_complete_input(self, lookup: PolicyRequest) -> None:
        decision = decide(lookup)
        row = PolicyDecision.objects.get(pk=decision.id)
        assert PolicyRequest.from_json(row.request) == lookup
        assert (row.effect, row.digest, row.consumed_at) == ("permit", lookup.digest(), None)
        event = AuditEvent.objects.get(body__decision_id=str(decision.id))
        assert (event.action, event.outcome, event.subject_id) == ("gate.decided", "permit", "lookup_order")
        assert event.body["arguments"] == {"order_id": "A-1001"}

    def test_of_a_right_on_this_one_tool(self, lookup: PolicyRequest, charlie: Any) -> None:
        assign_perm("execute_tool", charlie, Tool.objects.get(name="lookup_order"))
        assert decide(replace(lookup, user=replace(lookup.user, id=charlie.pk))).effect is Effect.PERMIT


class TestDeny:
    def test_without_the_persons_right(self, lookup: PolicyRequest, charlie: Any) -> None:
        request = replace(lookup, user=replace(lookup.user, id=charlie.pk, name="charlie"))
        assert codes(decide(request)) == {"user-not-permitted"}

    def test_without_the_agents_right_even_for_a_superuser(
        self, lookup: PolicyRequest, agent: Any, alice: Any
    ) -> None:
        remove_perm("execute_tool", agent.principal, Tool.objects.get(name="lookup_order"))
        request = replace(lookup, user=replace(lookup.user, id=alice.pk, name="alice"))
        assert alice.is_superuser
        assert codes(decide(request)) == {"agent-not-permitted"}

    def test_of_a_tool_the_agent_was_not_given(self, agent: Any, alice: Any) -> None:
        request = proposal(
            agent=agent, user=alice, tool="record_bonus", employee_id="E-1", amount=1, reason="x"
        )
        assert codes(decide(request)) == {"agent-not-permitted"}

    def test_when_person_or_agent_was_deactivated(
        self, lookup: PolicyRequest, agent: Any, oscar: Any
    ) -> None:
        for principal in (agent.principal, oscar):
            principal.is_active = False
            principal.save()
        assert codes(decide(lookup)) == {"user-not-permitted", "agent-not-permitted"}

    def test_when_the_right_is_on_another_tool(self, agent: Any, charlie: Any) -> None:
        assign_perm("execute_tool", charlie, Tool.objects.get(name="lookup_order"))
        assert codes(decide(proposal(agent=agent, user=charlie))) == {"user-not-permitted"}

    def test_when_the_right_is_another(self, lookup: PolicyRequest, person: Any) -> None:
        reader = person("dora", "agents.view_tool", "agents.execute_agent")
        request = replace(lookup, user=replace(lookup.user, id=reader.pk))
        assert codes(decide(request)) == {"user-not-permitted"}

    def test_when_the_permission_itself_is_gone(self, lookup: PolicyRequest) -> None:
        Permission.objects.filter(codename="execute_tool").delete()
        assert codes(decide(lookup)) == {"user-not-permitted", "agent-not-permitted"}

    def test_of_a_disabled_tool(self, agent: Any, oscar: Any) -> None:
        Tool.objects.filter(name="lookup_order").update(enabled=False)
        request = proposal(agent=agent, user=oscar, tool="lookup_order", order_id="A-1001")
        assert codes(decide(request)) == {"tool-disabled"}

    def test_of_users_and_agents_that_do_not_exist(self, lookup: PolicyRequest) -> None:
        request = replace(
            lookup, user=replace(lookup.user, id=0), agent=replace(lookup.agent, principal_id=-1)
        )
        assert codes(decide(request)) == {"user-not-permitted", "agent-not-permitted", "above-clearance"}

    def test_of_arguments_that_cannot_be_hashed_or_stored_is_recorded(self, agent: Any, oscar: Any) -> None:
        for value in [float("nan"), float("inf"), 2**60, "\x00", "\ud800"]:
            decision = decide(proposal(agent=agent, user=oscar, tool="ping", n=value))
            assert decision.effect is Effect.DENY
            assert AuditEvent.objects.filter(body__decision_id=str(decision.id), outcome="deny").exists()

    def test_of_a_schema_that_cannot_be_used(self, refund: PolicyRequest) -> None:
        broken = replace(refund, tool=replace(refund.tool, parameters={"type": "no such type"}))
        assert codes(decide(broken)) == {"invalid-arguments"}


NO_SCALAR = (
    st.none() | st.lists(st.integers(), max_size=2) | st.dictionaries(st.text(), st.none(), max_size=2)
)
GOOD = {"order_id": "A-1001", "amount": 25.0, "reason": "broken"}
BAD_VALUES = {
    "amount": NO_SCALAR
    | st.booleans()
    | st.text()
    | st.just(float("nan"))
    | st.floats(max_value=0)
    | st.floats(min_value=100_000.01),
    "order_id": NO_SCALAR | st.booleans() | st.integers() | st.text(min_size=21, max_size=40),
    "reason": NO_SCALAR | st.floats() | st.sampled_from(["", "x" * 501]),
}


@st.composite
def bad_arguments(draw: st.DrawFn) -> dict[str, Any]:
    """Return good arguments spoiled in one way: a bad value, a missing one, or one too many."""
    name = draw(st.sampled_from(sorted(GOOD)))
    match draw(st.sampled_from(["wrong", "missing", "extra"])):
        case "wrong":
            return {**GOOD, name: draw(BAD_VALUES[name])}
        case "missing":
            return {key: value for key, value in GOOD.items() if key != name}
    return {**GOOD, draw(st.text().filter(lambda key: key not in GOOD)): draw(st.integers())}


class TestWrongArguments:
    @settings(
        max_examples=1000,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(arguments=bad_arguments())
    def test_a_thousand_are_all_refused_before_anything_runs(
        self, refund: PolicyRequest, arguments: dict[str, Any]
    ) -> None:
        verdict, _ = gate.evaluate(refund.with_arguments(arguments))
        assert verdict.effect is Effect.DENY
        assert {reason.code for reason in verdict.reasons} <= {"invalid-arguments", "check-failed"}

    def test_are_refused_even_with_an_approval(self, refund: PolicyRequest) -> None:
        spoiled = refund.with_arguments({**refund.arguments, "amount": -5})
        assert codes(decide(spoiled, approval=approval("bob", request=spoiled))) == {"invalid-arguments"}


class TestRisk:
    @pytest.mark.parametrize(
        ("risk", "effect", "people"),
        [
            (Risk.LOW, Effect.PERMIT, None),
            (Risk.MEDIUM, Effect.REQUIRE_APPROVAL, 1),
            (Risk.HIGH, Effect.REQUIRE_APPROVAL, 1),
            (Risk.CRITICAL, Effect.REQUIRE_APPROVAL, 2),
        ],
    )
    def test_is_what_the_tenants_admin_confirmed(
        self, agent: Any, oscar: Any, risk: Risk, effect: Effect, people: int | None
    ) -> None:
        Tool.objects.filter(name="lookup_order").update(risk=risk)
        decision = decide(proposal(agent=agent, user=oscar, tool="lookup_order", order_id="A-1001"))
        assert decision.effect is effect
        assert (decision.requirement and decision.requirement.approvals) == people

    def test_a_superuser_needs_approval_too(self, agent: Any, alice: Any) -> None:
        assert decide(proposal(agent=agent, user=alice)).effect is Effect.REQUIRE_APPROVAL


class TestApproval:
    def test_permits_exactly_the_approved_action(self, refund: PolicyRequest) -> None:
        decision = decide(refund, approval=approval("bob", request=refund))
        assert decision.effect is Effect.PERMIT
        assert str(PolicyDecision.objects.get(pk=decision.id).review_id) == approval("bob").review_id

    def test_of_other_arguments_is_denied(self, refund: PolicyRequest) -> None:
        changed = refund.with_arguments({**refund.arguments, "amount": 2500.0})
        decision = decide(changed, approval=approval("bob", request=refund))
        assert codes(decision) == {"digest-mismatch"}

    def test_never_outlives_the_right(self, refund: PolicyRequest, oscar: Any) -> None:
        oscar.groups.clear()
        decision = decide(refund, approval=approval("bob", "rita", request=refund))
        assert codes(decision) == {"user-not-permitted"}

    def test_by_one_person_is_too_little_once_the_tool_became_critical(self, agent: Any, oscar: Any) -> None:
        Tool.objects.filter(name="refund_order").update(risk="critical")
        request = proposal(agent=agent, user=oscar)
        assert codes(decide(request, approval=approval("bob", request=request))) == {"approvals-missing"}


class TestConsume:
    def test_uses_a_permit_up(self, lookup: PolicyRequest) -> None:
        decision = decide(lookup)
        gate.consume(decision, digest=lookup.digest(), now=NOW)
        assert PolicyDecision.objects.get(pk=decision.id).consumed_at == NOW
        with pytest.raises(PermitMissing):
            gate.consume(decision, digest=lookup.digest(), now=NOW)

    def test_refuses_another_digest(self, lookup: PolicyRequest) -> None:
        other = lookup.with_arguments({"order_id": "A-1002"})
        with pytest.raises(PermitMissing):
            gate.consume(decide(lookup), digest=other.digest(), now=NOW)

    def test_refuses_what_was_not_permitted(self, refund: PolicyRequest, charlie: Any) -> None:
        denied = decide(replace(refund, user=replace(refund.user, id=charlie.pk)))
        for decision in (decide(refund), denied):
            with pytest.raises(PermitMissing):
                gate.consume(decision, digest=decision.digest, now=NOW)
            forged = replace(decision, effect=Effect.PERMIT)
            with pytest.raises(PermitMissing):
                gate.consume(forged, digest=decision.digest, now=NOW)

    def test_refuses_a_decision_that_is_not_recorded(self, lookup: PolicyRequest) -> None:
        made_up = replace(decide(lookup), id=uuid7())
        with pytest.raises(PermitMissing):
            gate.consume(made_up, digest=lookup.digest(), now=NOW)

    def test_refuses_an_empty_digest(self, agent: Any, oscar: Any) -> None:
        decision = decide(proposal(agent=agent, user=oscar, tool="ping", n=float("nan")))
        row = PolicyDecision.objects.filter(pk=decision.id).values().get()
        forged = PolicyDecision.objects.create(**{**row, "id": uuid7(), "effect": "permit"})
        with pytest.raises(PermitMissing):
            gate.consume(replace(decision, id=forged.pk), digest="", now=NOW)


class TestEvidence:
    def test_of_a_decision_is_never_changed(self, lookup: PolicyRequest) -> None:
        for column in ["effect", "digest", "request", "reasons", "at", "review_id", "run_id"]:
            decision = decide(lookup)
            row = PolicyDecision.objects.filter(pk=decision.id)
            with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
                row.update(**{column: models.F(column)})

    def test_of_a_decision_is_never_deleted(self, lookup: PolicyRequest) -> None:
        with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
            PolicyDecision.objects.filter(pk=decide(lookup).id).delete()
