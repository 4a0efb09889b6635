"""Agents, runs and tools over HTTP."""

from typing import Any

import pytest
from knox.models import AuthToken

from agents.catalog.models import Agent
from agents.runs.models import Run, Step
from agents.tools.models import Tool
from governance.access.models import User
from governance.audit.models import AuditEvent
from tests.governance.samples import NOW

API = "/api/v1"


@pytest.fixture
def client(alice: Any, client_of: Any) -> Any:
    """Return Alice's client."""
    return client_of(alice)


def create(client: Any, **body: Any) -> Any:
    return client.post(f"{API}/agents", {"name": "New", "blueprint": "assistant", **body}, format="json")


def places(response: Any) -> list[str]:
    return [error["at"] for error in response.json()["errors"]]


class TestCreateAgent:
    def test_gives_it_an_identity_with_exactly_its_tools(self, client: Any) -> None:
        body = create(client, tools=["lookup_order"], config={"instructions": "Be brief."}).json()
        assert (body["name"], body["owner"], body["version"]) == ("New", "alice", 1)
        assert (body["tools"], body["config"]) == (["lookup_order"], {"instructions": "Be brief."})
        principal = Agent.objects.get(pk=body["id"]).principal
        assert principal.kind == User.Kind.AGENT
        assert not principal.has_usable_password()
        assert principal.has_perm("agents.execute_tool", Tool.objects.get(name="lookup_order"))
        assert not principal.has_perm("agents.execute_tool", Tool.objects.get(name="refund_order"))
        assert not principal.has_perm("agents.execute_tool")

    def test_without_tools_gives_none(self, client: Any) -> None:
        assert create(client).json()["tools"] == []

    def test_of_an_unknown_blueprint_names_those_that_exist(self, client: Any) -> None:
        response = create(client, blueprint="poet")
        assert (response.status_code, response.json()["code"]) == (404, "unknown-member")
        assert "assistant" in response.json()["detail"]

    def test_with_unknown_tools_names_them(self, client: Any) -> None:
        response = create(client, tools=["lookup_order", "rob_bank"])
        assert (response.status_code, places(response)) == (422, ["/tools"])
        assert "rob_bank" in response.json()["detail"]
        assert not Agent.objects.filter(name="New").exists()
        assert not User.objects.filter(username="agent:New").exists()

    def test_with_unknown_settings_names_them(self, client: Any) -> None:
        response = create(client, config={"max_turns": "x", "temperature": 1})
        assert sorted(places(response)) == ["/config/max_turns", "/config/temperature"]

    def test_with_a_taken_name_is_refused(self, client: Any) -> None:
        assert create(client).status_code == 201
        assert (create(client).status_code, create(client).json()["code"]) == (409, "name-taken")

    def test_is_on_record_with_the_person(self, client: Any) -> None:
        pk = create(client, tools=["lookup_order"]).json()["id"]
        events = AuditEvent.objects.filter(action="config.changed", subject_kind="agent", subject_id=pk)
        assert "create" in {event.outcome for event in events}


class TestChangeAgent:
    def test_raises_the_version_and_moves_the_rights(self, client: Any, agent: Any) -> None:
        body = client.patch(f"{API}/agents/{agent.pk}", {"tools": ["send_email"]}, format="json").json()
        assert (body["version"], body["tools"]) == (agent.version + 1, ["send_email"])
        principal = User.objects.get(pk=agent.principal_id)
        assert principal.has_perm("agents.execute_tool", Tool.objects.get(name="send_email"))
        assert not principal.has_perm("agents.execute_tool", Tool.objects.get(name="refund_order"))

    def test_of_its_tools_is_on_record(self, client: Any, agent: Any) -> None:
        before = AuditEvent.objects.filter(action="config.changed").count()
        client.patch(f"{API}/agents/{agent.pk}", {"tools": ["ping"]}, format="json")
        events = list(AuditEvent.objects.filter(action="config.changed").order_by("id")[before:])
        changed = [event.body["changes"] for event in events if event.subject_id == str(agent.pk)]
        assert {"type": "m2m", "operation": "add", "objects": ["ping"]} in [c.get("tools") for c in changed]
        assert sum(event.subject_kind == "userobjectpermission" for event in events) == 7, "6 taken, 1 given"

    def test_that_is_refused_changes_nothing(self, client: Any, agent: Any) -> None:
        for body in ({"tools": ["rob_bank"]}, {"config": {"x": 1}}, {"tools": ["ping"], "config": {"x": 1}}):
            assert client.patch(f"{API}/agents/{agent.pk}", body, format="json").status_code == 422
        unchanged = Agent.objects.get(pk=agent.pk)
        assert (unchanged.version, unchanged.config) == (agent.version, agent.config)
        tools = set(agent.tools.values_list("name", flat=True))
        assert "refund_order" in tools and "ping" not in tools

    def test_leaves_name_blueprint_and_owner_alone(self, client: Any, agent: Any) -> None:
        given = {"name": "Other", "blueprint": "poet", "owner": "bob", "version": 99, "id": "x"}
        body = client.patch(f"{API}/agents/{agent.pk}", given, format="json").json()
        assert (body["name"], body["blueprint"], body["owner"]) == ("Support assistant", "assistant", "alice")
        assert body["version"] == agent.version + 1


class TestExecute:
    def test_queues_a_run(self, oscar: Any, agent: Any, client_of: Any) -> None:
        response = client_of(oscar).post(
            f"{API}/agents/{agent.pk}/execute",
            {"input": {"query": "Where is order A-1001?"}, "session_id": "s1"},
            format="json",
            headers={"traceparent": f"00-{'c' * 32}-{'d' * 16}-01"},
        )
        body = response.json()
        assert (response.status_code, body["status"], body["requester"]) == (202, "queued", "oscar")
        assert (body["session_id"], body["trace_id"]) == ("s1", "c" * 32)
        assert body["usage"] == {"input_tokens": 0, "output_tokens": 0, "cost_usd": None}

    @pytest.mark.parametrize(
        ("body", "place"),
        [
            ({}, "/input"),
            ({"input": "go"}, "/input"),
            ({"input": []}, "/input"),
            ({"input": {}}, "/input/query"),
            ({"input": {"query": " "}}, "/input/query"),
            ({"input": {"query": 7}}, "/input/query"),
            ({"input": {"query": "x" * 20_001}}, "/input/query"),
            ({"input": {"query": "go"}, "wait_s": 61}, "/wait_s"),
            ({"input": {"query": "go"}, "wait_s": -1}, "/wait_s"),
            ({"input": {"query": "go"}, "session_id": "x" * 65}, "/session_id"),
        ],
    )
    def test_needs_an_input(
        self, oscar: Any, agent: Any, client_of: Any, body: dict[str, Any], place: str
    ) -> None:
        before = Run.objects.count()
        response = client_of(oscar).post(f"{API}/agents/{agent.pk}/execute", body, format="json")
        assert (response.status_code, places(response)) == (422, [place])
        assert Run.objects.count() == before

    def test_keeps_what_can_be_stored_of_the_input(self, oscar: Any, agent: Any, client_of: Any) -> None:
        raw = r'{"input": {"query": "a\u0000b", "n": 1e22, "s": "\ud800"}}'
        response = client_of(oscar).generic(
            "POST", f"{API}/agents/{agent.pk}/execute", raw, "application/json"
        )
        assert response.json()["input"] == {"query": "a\ufffdb", "n": "1e+22", "s": "\ufffd\ufffd\ufffd"}


class TestRuns:
    @pytest.fixture
    def run(self, agent: Any, oscar: Any) -> Run:
        """Return a run with two steps that waits for a review."""
        run = Run.objects.create(
            agent=agent, agent_version=1, snapshot={"agent": agent.name}, requester=oscar, input={"query": "go"},
            status="waiting", session_id="s7", trace_id="0" * 32, created_at=NOW, updated_at=NOW,
        )  # fmt: skip
        for number, kind in enumerate(("model", "tool"), 1):
            Step.objects.create(
                run=run, number=number, kind=kind, name=f"{kind}-name", request={}, created_at=NOW,
                status="waiting" if kind == "tool" else "succeeded", review_id=run.pk if kind == "tool" else None,
            )  # fmt: skip
        return run

    def test_say_what_they_wait_for(self, run: Run, client: Any) -> None:
        body = client.get(f"{API}/runs/{run.pk}").json()
        assert body["waiting_on"] == {"kind": "review", "review": str(run.pk), "tool": "tool-name"}

    def test_list_their_steps_first_to_last(self, run: Run, client: Any) -> None:
        page = client.get(f"{API}/runs/{run.pk}/steps?page_size=1").json()
        assert [step["number"] for step in page["results"]] == [1]
        following = client.get(page["next"]).json()
        assert [step["number"] for step in following["results"]] == [2]
        assert following["next"] is None

    def test_can_be_asked_for(self, run: Run, client: Any, agent: Any) -> None:
        def asked(**question: Any) -> list[str]:
            return [item["id"] for item in client.get(f"{API}/runs", question).json()["results"]]

        assert asked(status="waiting") == [str(run.pk)]
        assert asked(session_id="s7") == [str(run.pk)]
        assert str(run.pk) in asked(agent=str(agent.pk))
        assert str(run.pk) in asked(requester="oscar")
        assert asked(requester="bob") == []

    def test_are_cancelled_once(self, run: Run, oscar: Any, client_of: Any) -> None:
        client = client_of(oscar)
        assert client.post(f"{API}/runs/{run.pk}/cancel").json()["status"] == "cancelled"
        response = client.post(f"{API}/runs/{run.pk}/cancel")
        assert (response.status_code, response.json()["code"]) == (409, "stale-transition")

    def test_of_others_are_not_cancelled_by_readers(self, run: Run, bob: Any, client_of: Any) -> None:
        assert client_of(bob).post(f"{API}/runs/{run.pk}/cancel").status_code == 403
        run.refresh_from_db()
        assert run.status == "waiting"


class TestTools:
    def test_have_risk_effect_and_schema(self, client: Any) -> None:
        body = client.get(f"{API}/tools/refund_order").json()
        assert (body["risk"], body["effect"], body["enabled"], body["source"]) == (
            "high",
            "non_idempotent",
            True,
            "python",
        )
        assert body["parameters"]["required"] == ["order_id", "amount", "reason"]

    def test_change_in_risk_effect_and_state_only(self, client: Any) -> None:
        given = {"risk": "critical", "enabled": False, "name": "x", "source": "mcp"}
        assert client.patch(f"{API}/tools/refund_order", given, format="json").status_code == 200
        tool = Tool.objects.get(name="refund_order")
        assert (tool.risk, tool.enabled, tool.source) == ("critical", False, "python")
        changes: list[dict[str, Any]] = [
            {"parameters": {"type": "object"}},
            {"description": "x"},
            {"endpoint": {}},
        ]
        for defined_in_code in changes:
            refused = client.patch(f"{API}/tools/refund_order", defined_in_code, format="json")
            assert refused.status_code == 422
        tool.refresh_from_db()
        assert tool.parameters["required"] == ["order_id", "amount", "reason"]

    @pytest.mark.parametrize(
        "body", [{"risk": "none"}, {"effect": "harmless"}, {"enabled": "perhaps"}, {"risk": None}]
    )
    def test_refuse_words_they_do_not_know(self, client: Any, body: dict[str, Any]) -> None:
        assert client.patch(f"{API}/tools/refund_order", body, format="json").status_code == 422

    @pytest.mark.parametrize(
        "body", [{"risk": "medium"}, {"risk": "low"}, {"effect": "idempotent"}, {"effect": "read"}]
    )
    def test_are_never_less_strict_than_their_author_declared(
        self, client: Any, body: dict[str, Any]
    ) -> None:
        response = client.patch(f"{API}/tools/refund_order", body, format="json")
        assert (response.status_code, places(response)) == (422, [f"/{name}" for name in body])
        assert (Tool.objects.get(name="refund_order").risk, Tool.objects.get(name="refund_order").effect) == (
            "high",
            "non_idempotent",
        )

    def test_may_be_stricter_than_their_author_declared(self, client: Any) -> None:
        for body in ({"risk": "critical"}, {"effect": "non_idempotent"}):
            assert client.patch(f"{API}/tools/lookup_order", body, format="json").status_code == 200

    def test_changes_are_on_record_with_the_person_whose_token_it_was(
        self, alice: Any, client_of: Any
    ) -> None:
        _, token = AuthToken.objects.create(alice)
        headers = {"Authorization": f"Bearer {token}", "traceparent": f"00-{'c' * 32}-{'d' * 16}-01"}
        client_of().patch(f"{API}/tools/refund_order", {"risk": "critical"}, format="json", headers=headers)
        event = AuditEvent.objects.filter(action="config.changed", subject_kind="tool").latest("id")
        assert event.body["changes"] == {"risk": ["high", "critical"]}
        assert (event.actor_kind, event.actor_name, event.trace_id) == ("person", "alice", "c" * 32)

    def test_can_be_asked_for(self, client: Any) -> None:
        names = [item["name"] for item in client.get(f"{API}/tools?risk=high").json()["results"]]
        assert "refund_order" in names
        assert "lookup_order" not in names


class TestBlueprints:
    def test_are_listed_with_their_defaults(self, client: Any) -> None:
        (assistant,) = [
            item for item in client.get(f"{API}/agents/blueprints").json() if item["name"] == "assistant"
        ]
        assert set(assistant) == {"name", "description", "default_config"}
