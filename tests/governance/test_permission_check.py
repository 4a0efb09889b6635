"""Who may do what with an object, why, and who may say so."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from guardian.shortcuts import assign_perm, remove_perm

from agents.catalog.models import Agent
from agents.tools.models import Tool
from governance import gate
from governance.access.models import User
from governance.audit.models import AuditEvent
from governance.types import Effect
from tests.governance.samples import NOW, proposal

CHECK, GRANT = "/api/v1/governance/permissions/check", "/api/v1/governance/permissions/grant"


@pytest.fixture
def lookup(acme: Any) -> Tool:
    """Return a tool of low risk."""
    return Tool.objects.get(name="lookup_order")


class TestCheck:
    def ask(self, client: Any, **question: Any) -> Any:
        body = {"resource": "tool:lookup_order", "level": "EXECUTE", **question}
        response = client.post(CHECK, body, format="json")
        assert response.status_code == 200, response.json()
        return response.json()

    def test_names_the_role(self, alice: Any, client_of: Any) -> None:
        found = self.ask(client_of(alice), subject="oscar")
        assert found["allowed"] and "by the role operator" in found["reason"]
        assert found["via"] == [{"by": "role", "name": "operator", "permission": "agents.execute_tool"}]

    def test_names_the_role_that_it_is_inherited_from(self, alice: Any, client_of: Any) -> None:
        found = self.ask(client_of(alice), subject="oscar", level="READ")
        assert "by the role operator, which has it from viewer" in found["reason"]

    def test_names_a_right_on_the_object(
        self, alice: Any, charlie: Any, lookup: Tool, client_of: Any
    ) -> None:
        assign_perm("execute_tool", charlie, lookup)
        group = Group.objects.create(name="sales")
        charlie.groups.add(group)
        assign_perm("admin_tool", group, lookup)
        found = self.ask(client_of(alice), subject="charlie")
        assert {way["by"] for way in found["via"]} == {"object", "object-group"}
        assert "by a right of sales on this very object" in found["reason"]

    def test_says_that_there_is_none(self, alice: Any, client_of: Any) -> None:
        found = self.ask(client_of(alice), subject="vera")
        assert (found["allowed"], found["via"]) == (False, [])
        assert "neither a role nor a right" in found["reason"]

    def test_says_that_somebody_is_deactivated(self, alice: Any, oscar: Any, client_of: Any) -> None:
        User.objects.filter(pk=oscar.pk).update(is_active=False)
        assert "deactivated" in self.ask(client_of(alice), subject="oscar")["reason"]

    def test_says_that_somebody_is_not_cleared(
        self, alice: Any, oscar: Any, lookup: Tool, client_of: Any
    ) -> None:
        Tool.objects.filter(pk=lookup.pk).update(security_level="restricted")
        found = self.ask(client_of(alice), subject="oscar")
        assert not found["allowed"] and "cleared for confidential only" in found["reason"]

    def test_of_oneself_is_for_everybody(self, charlie: Any, client_of: Any) -> None:
        assert not self.ask(client_of(charlie))["allowed"]
        assert not self.ask(client_of(charlie), subject="charlie")["allowed"]

    def test_of_others_needs_a_permission(self, oscar: Any, person: Any, client_of: Any) -> None:
        body = {"subject": "alice", "resource": "tool:lookup_order", "level": "READ"}
        assert client_of(oscar).post(CHECK, body, format="json").status_code == 403
        assert client_of(person("audrey")).post(CHECK, body, format="json").status_code == 200

    def test_tells_nobody_what_there_is(self, charlie: Any, client_of: Any) -> None:
        here = self.ask(client_of(charlie), resource="tool:lookup_order")
        nowhere = self.ask(client_of(charlie), resource="tool:no_such_tool")
        assert set(here) == set(nowhere) and not nowhere["allowed"]

    def test_of_person_and_agent_is_what_all_three_allow(
        self, alice: Any, oscar: Any, agent: Agent, lookup: Tool, client_of: Any
    ) -> None:
        def ask(user: str) -> Any:
            return self.ask(client_of(alice), user=user, agent=agent.name)

        found = ask("oscar")
        assert found["allowed"] and {who: one["allowed"] for who, one in found["effective"].items()} == {
            "user": True, "agent": True, "tenant": True,
        }  # fmt: skip
        assert not ask("vera")["allowed"]
        Tool.objects.filter(pk=lookup.pk).update(enabled=False)
        found = ask("oscar")
        assert not found["allowed"] and found["reason"] == "lookup_order is disabled in this tenant."
        Tool.objects.filter(pk=lookup.pk).update(enabled=True, security_level="confidential")
        assert not ask("oscar")["effective"]["agent"]["allowed"]
        remove_perm("execute_tool", agent.principal, lookup)
        assert "agent:Support assistant has neither" in ask("oscar")["reason"]

    def test_agrees_with_the_gate(self, alice: Any, agent: Agent, person: Any, client_of: Any) -> None:
        for name in ("alice", "oscar", "vera", "bob", "audrey", "charlie"):
            user = person(name)
            said = self.ask(client_of(alice), user=name, agent=agent.name)["allowed"]
            request = proposal(agent=agent, user=user, tool="lookup_order", order_id="A-1001")
            assert said == (gate.authorize(request, now=NOW).effect is Effect.PERMIT), name

    @pytest.mark.parametrize(
        ("body", "at"),
        [
            ({"resource": "moon:x", "level": "READ"}, "/resource"),
            ({"resource": "tool:x", "level": "SING"}, "/level"),
            ({"resource": "tool:lookup_order", "level": "READ", "user": "oscar"}, "/non_field_errors"),
        ],
    )
    def test_names_what_is_wrong(self, alice: Any, client_of: Any, body: Any, at: str) -> None:
        response = client_of(alice).post(CHECK, body, format="json")
        assert response.status_code == 422 and response.json()["errors"][0]["at"] == at


class TestGrant:
    def test_by_who_holds_admin_on_the_object(
        self, charlie: Any, oscar: Any, lookup: Tool, client_of: Any
    ) -> None:
        body = {"subject": "vera", "resource": "tool:lookup_order", "level": "EXECUTE"}
        for who in (charlie, oscar):
            assert client_of(who).post(GRANT, body, format="json").status_code == 403
        assign_perm("admin_tool", charlie, lookup)
        assert client_of(charlie).post(GRANT, body, format="json").status_code == 200
        vera = User.objects.get(username="vera")
        assert vera.has_perm("agents.execute_tool", lookup)
        assert client_of(charlie).post(GRANT, {**body, "remove": True}, format="json").status_code == 200
        assert not User.objects.get(pk=vera.pk).has_perm("agents.execute_tool", lookup)
        actions = (
            AuditEvent.objects.filter(subject_id="lookup_order")
            .order_by("id")
            .values_list("action", flat=True)
        )
        assert list(actions) == ["access.level-granted", "access.level-removed"]

    def test_is_of_that_object_alone(self, charlie: Any, lookup: Tool, client_of: Any) -> None:
        assign_perm("admin_tool", charlie, lookup)
        body = {"subject": "vera", "resource": "tool:refund_order", "level": "READ"}
        assert client_of(charlie).post(GRANT, body, format="json").status_code == 403

    def test_of_admin_gives_the_other_levels_in_the_gate(
        self, charlie: Any, agent: Agent, lookup: Tool
    ) -> None:
        request = proposal(agent=agent, user=charlie, tool="lookup_order", order_id="A-1001")
        assert gate.authorize(request, now=NOW).effect is Effect.DENY
        assign_perm("admin_tool", charlie, lookup)
        assert gate.authorize(request, now=NOW).effect is Effect.PERMIT


class TestLevels:
    def test_show_in_lists_what_one_may_view(
        self, charlie: Any, lookup: Tool, agent: Agent, client_of: Any
    ) -> None:
        client = client_of(charlie)
        assert client.get("/api/v1/tools").status_code == client.get("/api/v1/agents").status_code == 403
        assign_perm("view_tool", charlie, lookup)
        assign_perm("view_agent", charlie, agent)
        client = client_of(User.objects.get(pk=charlie.pk))
        assert [row["name"] for row in client.get("/api/v1/tools").json()["results"]] == ["lookup_order"]
        assert [row["name"] for row in client.get("/api/v1/agents").json()["results"]] == [agent.name]
        assert client.get("/api/v1/tools/lookup_order").status_code == 200
        assert client.get("/api/v1/tools/refund_order").status_code == 404

    def test_let_change_what_one_holds_write_on(self, charlie: Any, agent: Agent, client_of: Any) -> None:
        assign_perm("view_agent", charlie, agent)
        path = f"/api/v1/agents/{agent.pk}"
        assert client_of(charlie).patch(path, {"config": {}}, format="json").status_code == 403
        assign_perm("change_agent", charlie, agent)
        assert client_of(charlie).patch(path, {"config": {}}, format="json").status_code == 200
        given = client_of(charlie).patch(path, {"tools": ["lookup_order", "delete_user"]}, format="json")
        assert given.status_code == 403
        assert "cannot give it to an agent" in given.json()["detail"]

    def test_start_runs_with_execute_alone(self, charlie: Any, agent: Agent, client_of: Any) -> None:
        path, body = f"/api/v1/agents/{agent.pk}/execute", {"input": {"query": "go"}}
        assert client_of(charlie).post(path, body, format="json").status_code == 403
        assign_perm("execute_agent", charlie, agent)
        assert client_of(charlie).post(path, body, format="json").status_code == 202

    def test_through_a_group_count_too(self, charlie: Any, lookup: Tool, client_of: Any) -> None:
        group = Group.objects.create(name="sales")
        charlie.groups.add(group)
        assign_perm("admin_tool", group, lookup)
        found = client_of(charlie).get("/api/v1/tools").json()["results"]
        assert [row["name"] for row in found] == ["lookup_order"]


class TestPages:
    def browser(self, user: Any) -> Client:
        client = Client(headers={"host": "acme.localhost"})
        client.force_login(user, backend="governance.access.backends.PeopleBackend")
        return client

    @pytest.mark.parametrize(
        "page", ["", "user-manage/x/", "group-manage/x/", "user-manage/99999999999999999999/"]
    )
    def test_of_rights_do_not_break_on_bad_ids(self, alice: Any, agent: Agent, page: str) -> None:
        browser = self.browser(alice)
        for pk in ("x", "0", "%00", str(agent.pk)):
            if page or pk != str(agent.pk):
                assert browser.get(f"/admin/agents/agent/{pk}/permissions/{page}").status_code == 404
                assert browser.get(f"/admin/agents/tool/{pk}/permissions/{page}").status_code == 404

    def test_of_rights_are_for_who_holds_admin(self, person: Any, lookup: Tool) -> None:
        clerk = person("clerk", "agents.change_tool", "agents.view_tool")
        User.objects.filter(pk=clerk.pk).update(is_staff=True)
        path = f"/admin/agents/tool/{lookup.pk}/permissions/user-manage/{clerk.pk}/"
        assert self.browser(clerk).get(path).status_code == 403
        assert self.browser(clerk).post(path, {"permissions": ["execute_tool"]}).status_code == 403
        assert not User.objects.get(pk=clerk.pk).has_perm("agents.execute_tool", lookup)
        assign_perm("admin_tool", clerk, lookup)
        assert self.browser(clerk).get(path).status_code == 200

    def test_of_signing_in_are_there_for_nobody_in_particular(self, acme: Any) -> None:
        assert Client(headers={"host": "acme.localhost"}).get("/admin/login/").status_code < 400

    def test_of_objects_show_what_one_may_view(self, charlie: Any, lookup: Tool) -> None:
        User.objects.filter(pk=charlie.pk).update(is_staff=True)
        assert self.browser(charlie).get("/admin/agents/tool/").status_code == 403
        assign_perm("view_tool", charlie, lookup)
        page = self.browser(charlie).get("/admin/agents/tool/")
        assert "lookup_order" in page.content.decode() and "refund_order" not in page.content.decode()
