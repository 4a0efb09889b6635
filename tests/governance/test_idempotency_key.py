"""A repeated request is answered with its first answer; another request with the same key is refused."""

from typing import Any

import pytest

from agents.catalog.models import Agent
from agents.runs.models import Run
from governance.access.models import IdempotencyRecord
from tests.governance.samples import NOW

AGENTS = "/api/v1/agents"
BODY = {"name": "Agent of the key", "blueprint": "assistant"}


def send(client: Any, body: Any = BODY, *, key: str = "k", path: str = AGENTS) -> Any:
    return client.post(path, body, format="json", headers={"Idempotency-Key": key})


class TestKey:
    def test_replays_the_first_answer(self, alice: Any, client_of: Any) -> None:
        first, second = send(client_of(alice)), send(client_of(alice))
        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json() == second.json()
        assert Agent.objects.filter(name=BODY["name"]).count() == 1

    def test_replays_whatever_the_order_of_fields(self, alice: Any, client_of: Any) -> None:
        first = send(client_of(alice))
        assert send(client_of(alice), dict(reversed(BODY.items()))).json() == first.json()

    def test_without_one_every_request_is_carried_out(self, alice: Any, client_of: Any) -> None:
        client = client_of(alice)
        assert client.post(AGENTS, BODY, format="json").status_code == 201
        assert client.post(AGENTS, BODY, format="json").status_code == 409

    @pytest.mark.parametrize(
        "body", [{**BODY, "name": "Other"}, {**BODY, "tools": []}, {**BODY, "config": {}}]
    )
    def test_of_another_body_is_refused(self, alice: Any, client_of: Any, body: dict[str, Any]) -> None:
        send(client_of(alice))
        response = send(client_of(alice), body)
        assert (response.status_code, response.json()["code"]) == (422, "idempotency-key-reused")
        assert not Agent.objects.filter(name="Other").exists()

    def test_of_another_path_is_refused(self, alice: Any, agent: Any, client_of: Any) -> None:
        send(client_of(alice))
        response = send(client_of(alice), {"input": {"query": "go"}}, path=f"{AGENTS}/{agent.pk}/execute")
        assert response.status_code == 422
        assert not Run.objects.filter(requester=alice).exists()

    def test_of_another_person_is_another(self, alice: Any, person: Any, client_of: Any) -> None:
        maker = person("dora", "agents.add_agent")
        assert send(client_of(alice)).status_code == 201
        response = send(client_of(maker))
        assert (response.status_code, response.json()["code"]) == (409, "name-taken")

    def test_of_a_request_that_failed_can_be_used_again(self, alice: Any, client_of: Any) -> None:
        assert send(client_of(alice), {**BODY, "blueprint": "poet"}).status_code == 404
        assert not IdempotencyRecord.objects.filter(key="k").exists()
        assert send(client_of(alice)).status_code == 201

    def test_of_somebody_who_may_not_is_not_kept(self, charlie: Any, client_of: Any) -> None:
        assert send(client_of(charlie)).status_code == 403
        assert not IdempotencyRecord.objects.exists()

    def test_starts_one_run(self, oscar: Any, agent: Any, client_of: Any) -> None:
        path, body = f"{AGENTS}/{agent.pk}/execute", {"input": {"query": "go"}}
        ids = {send(client_of(oscar), body, path=path).json()["id"] for _ in range(3)}
        assert len(ids) == 1
        assert Run.objects.filter(requester=oscar, input=body["input"]).count() == 1

    def test_of_an_ended_run_says_that_it_ended(self, oscar: Any, agent: Any, client_of: Any) -> None:
        path, body = f"{AGENTS}/{agent.pk}/execute", {"input": {"query": "go"}}
        first = send(client_of(oscar), body, path=path).json()
        Run.objects.filter(pk=first["id"]).update(status="succeeded", output={"answer": "x"}, finished_at=NOW)
        second = send(client_of(oscar), body, path=path).json()
        assert (second["id"], second["status"], second["output"]) == (
            first["id"],
            "succeeded",
            {"answer": "x"},
        )

    @pytest.mark.parametrize("key", ["x" * 255, "ключ", "a b", "'; --"])
    def test_may_be_any_text(self, alice: Any, client_of: Any, key: str) -> None:
        key = key.encode().decode("latin1")
        first, second = send(client_of(alice), key=key), send(client_of(alice), key=key)
        assert (first.status_code, first.json()) == (201, second.json())

    def test_that_is_too_long_is_refused_rather_than_cut(self, alice: Any, client_of: Any) -> None:
        response = send(client_of(alice), key="x" * 256)
        assert (response.status_code, response.json()["code"]) == (422, "invalid-input")
        assert not Agent.objects.filter(name=BODY["name"]).exists()
