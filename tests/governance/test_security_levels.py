"""Security levels: agents and people use what is kept no more closely than they are cleared for."""

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from django.test import Client

from agents.tools.models import Tool
from governance import gate
from governance.access import clearances
from governance.access.models import User
from governance.policies.baseline import Facts, rights
from governance.types import Decision, Effect, SecurityLevel
from tenants.kernel.errors import PermissionMissing
from tests.governance.samples import NOW, REFUND, proposal

LEVELS = list(SecurityLevel)


def codes(tool: SecurityLevel, agent: SecurityLevel, person: SecurityLevel, *, step_up: bool) -> set[str]:
    request = replace(REFUND, tool=replace(REFUND.tool, level=tool), agent=replace(REFUND.agent, level=agent))
    facts = Facts(
        user_may=True, agent_may=True, argument_problems=[], clearance=person, user={"step_up": step_up}
    )
    return {reason.code for reason in rights(request, facts).reasons}


class TestRights:
    @pytest.mark.parametrize(("tool", "agent", "person"), list(product(LEVELS, LEVELS, LEVELS)))
    def test_follow_the_order_of_the_levels(
        self, tool: SecurityLevel, agent: SecurityLevel, person: SecurityLevel
    ) -> None:
        expected = set()
        if LEVELS.index(tool) > LEVELS.index(agent):
            expected.add("above-agent-level")
        if max(LEVELS.index(tool), LEVELS.index(agent)) > LEVELS.index(person):
            expected.add("above-clearance")
        assert codes(tool, agent, person, step_up=True) == expected
        restricted = SecurityLevel.RESTRICTED in {tool, agent}
        asked = {"step-up-required"} if restricted else set()
        assert codes(tool, agent, person, step_up=False) == expected | asked

    def test_take_nothing_but_true_for_a_step_up(self, agent: Any, alice: Any) -> None:
        agent.security_level = "restricted"
        request = proposal(agent=agent, user=alice, tool="lookup_order", order_id="A-1001")
        anything_else: list[dict[str, Any]] = [
            {},
            {"user": None},
            {"user": {}},
            {"user": {"step_up": "yes"}},
            {"user": {"step_up": 1}},
        ]
        for said in anything_else:
            decision = gate.authorize(replace(request, circumstances=said), now=NOW)
            assert decision.effect is Effect.DENY
        stepped = replace(request, circumstances={"user": {"step_up": True}})
        assert gate.authorize(stepped, now=NOW).effect is Effect.PERMIT


class TestGate:
    def decide(self, agent: Any, user: Any) -> Decision:
        return gate.authorize(
            proposal(agent=agent, user=user, tool="lookup_order", order_id="A-1001"), now=NOW
        )

    def test_reads_the_level_of_the_tool_now(self, agent: Any, oscar: Any) -> None:
        assert self.decide(agent, oscar).effect is Effect.PERMIT
        Tool.objects.filter(name="lookup_order").update(security_level="confidential")
        assert {r.code for r in self.decide(agent, oscar).reasons} == {"above-agent-level"}
        agent.security_level = "confidential"
        assert self.decide(agent, oscar).effect is Effect.PERMIT

    def test_reads_the_clearance_of_the_person_now(self, agent: Any, oscar: Any) -> None:
        User.objects.filter(pk=oscar.pk).update(clearance="public")
        assert {r.code for r in self.decide(agent, oscar).reasons} == {"above-clearance"}


class TestClearance:
    def test_of_admins_is_the_highest(self, alice: Any, person: Any, oscar: Any) -> None:
        assert clearances.of_user(alice) is SecurityLevel.RESTRICTED
        assert clearances.of_user(person("dora", roles=("admin",))) is SecurityLevel.RESTRICTED
        assert clearances.of_user(oscar) is SecurityLevel.CONFIDENTIAL

    def test_of_nobody_is_the_lowest(self) -> None:
        assert clearances.of(stored=None, groups=()) is SecurityLevel.PUBLIC

    def test_bounds_what_one_may_set(self, oscar: Any, alice: Any) -> None:
        clearances.check_change(by=oscar, before="internal", after="confidential")
        for before, after in (("internal", "restricted"), ("restricted", "internal")):
            with pytest.raises(PermissionMissing, match="cleared for confidential"):
                clearances.check_change(by=oscar, before=before, after=after)
            clearances.check_change(by=alice, before=before, after=after)


class TestApi:
    def test_shows_and_sets_the_level(self, alice: Any, agent: Any, client_of: Any) -> None:
        path = f"/api/v1/agents/{agent.pk}"
        changed = client_of(alice).patch(path, {"security_level": "restricted"}, format="json")
        assert changed.json()["security_level"] == "restricted"
        tool = "/api/v1/tools/lookup_order"
        assert client_of(alice).get(tool).json()["security_level"] == "internal"
        changed = client_of(alice).patch(tool, {"security_level": "public"}, format="json")
        assert changed.json()["security_level"] == "public"
        assert client_of(alice).patch(tool, {"security_level": "secret"}, format="json").status_code == 422

    def test_refuses_levels_above_ones_own(self, agent: Any, person: Any, client_of: Any) -> None:
        clerk = person("clerk", "agents.view_agent", "agents.change_agent", "agents.add_agent")
        path = f"/api/v1/agents/{agent.pk}"
        assert (
            client_of(clerk).patch(path, {"security_level": "restricted"}, format="json").status_code == 403
        )
        body = {"name": "Deep", "blueprint": "assistant", "security_level": "restricted"}
        assert client_of(clerk).post("/api/v1/agents", body, format="json").status_code == 403


class TestStartingARestrictedAgent:
    @pytest.fixture
    def restricted(self, agent: Any) -> Any:
        """Make Acme's agent restricted."""
        type(agent).objects.filter(pk=agent.pk).update(security_level="restricted")
        agent.refresh_from_db()
        return agent

    def browser(self, user: Any) -> Client:
        client = Client(headers={"host": "acme.localhost"})
        client.force_login(user, backend="governance.access.backends.PeopleBackend")
        return client

    def test_is_refused_above_ones_clearance(self, restricted: Any, oscar: Any, client_of: Any) -> None:
        path = f"/api/v1/agents/{restricted.pk}/execute"
        refused = client_of(oscar).post(path, {"input": {"query": "go"}}, format="json")
        assert (refused.status_code, refused.json()["code"]) == (403, "permission-denied")
        assert "cleared for confidential only" in refused.json()["detail"]

    def test_asks_over_http_to_use_the_page(self, restricted: Any, alice: Any, client_of: Any) -> None:
        path = f"/api/v1/agents/{restricted.pk}/execute"
        body = {"input": {"query": "go"}, "password": "demo", "step_up": True}
        refused = client_of(alice).post(path, body, format="json")
        assert (refused.status_code, refused.json()["code"]) == (403, "step-up-required")
        assert "give your password again" in refused.json()["detail"]

    def test_asks_for_the_password_on_the_page(self, restricted: Any, alice: Any) -> None:
        browser, given = self.browser(alice), {"agent": restricted.pk, "query": "go"}
        page = browser.post("/ask/", given)
        assert page.status_code == 403 and 'name="password"' in page.content.decode()
        wrong = browser.post("/ask/", {**given, "password": "wrong"})
        assert wrong.status_code == 403 and 'name="password"' in wrong.content.decode()
        done = browser.post("/ask/", {**given, "password": "demo"})
        assert done.status_code == 302
        from agents.runs.models import Run

        run = Run.objects.filter(requester=alice).latest("id")
        assert run.snapshot["step_up"] is True
        again = browser.post(f"/sessions/{run.pk}/", {"query": "and again"})
        assert again.status_code == 403 and 'name="password"' in again.content.decode()
        assert browser.post(f"/sessions/{run.pk}/", {"query": "x", "password": "demo"}).status_code == 302
