"""Kill switches and circuits over the API: what callers send, get back and are refused."""

from collections.abc import Callable
from typing import Any

import pytest

from agents.halts import operations
from agents.halts.models import Halt
from agents.resilience.models import Circuit
from governance.access.models import User
from tenants.kernel.context import platform_context, tenant_context
from tenants.tenancy.models import PlatformHalt
from tests.governance.samples import NOW

SWITCHES = "/api/v1/kill-switches"
CIRCUITS = "/api/v1/circuits"
ClientOf = Callable[..., Any]


@pytest.fixture
def halt(agent: Any, oscar: Any) -> Halt:
    """Return a kill switch of Acme's agent that Oscar tripped."""
    return operations.trip(agent=agent, reason="It loops", by=oscar, now=NOW)


@pytest.fixture
def grace(globex_tenant: Any, acme: Any) -> Any:
    """Return Grace, superuser of Globex."""
    with tenant_context(globex_tenant):
        return User.objects.create(username="grace", is_superuser=True, is_staff=True)


def trip(client: Any, **body: Any) -> Any:
    return client.post(SWITCHES, body, format="json")


class TestTrip:
    def test_of_the_tenant_stops_all_agents(self, client_of: ClientOf, oscar: Any) -> None:
        response = trip(client_of(oscar), scope="tenant", reason=" It loops ")
        assert response.status_code == 201
        given = response.json()
        assert (given["scope"], given["agent"], given["reason"], given["by"]) == (
            "tenant", None, "It loops", "oscar",
        )  # fmt: skip
        assert (given["lifted_at"], given["lifted_by"]) == (None, None)
        assert str(Halt.objects.standing().get().pk) == given["id"]

    def test_of_an_agent_names_it(self, client_of: ClientOf, oscar: Any, agent: Any) -> None:
        response = trip(client_of(oscar), scope="agent", agent=str(agent.pk), reason="It loops")
        assert (response.status_code, response.json()["agent"]) == (201, str(agent.pk))

    @pytest.mark.parametrize(
        ("body", "at"),
        [
            ({"scope": "tenant"}, "/reason"),
            ({"scope": "tenant", "reason": "  "}, "/reason"),
            ({"scope": "tenant", "reason": "x" * 201}, "/reason"),
            ({"scope": "agent", "reason": "x"}, "/agent"),
            ({"scope": "agent", "reason": "x", "agent": "nobody"}, "/agent"),
            ({"scope": "agent", "reason": "x", "agent": "00000000-0000-7000-8000-000000000000"}, "/agent"),
            ({"scope": "platform", "reason": "x"}, "/scope"),
            ({"reason": "x"}, "/scope"),
        ],
    )
    def test_says_what_is_wrong(self, client_of: ClientOf, oscar: Any, body: dict[str, Any], at: str) -> None:
        response = trip(client_of(oscar), **body)
        assert response.status_code == 422
        assert response.json()["errors"][0]["at"].startswith(at)
        assert not Halt.objects.exists()

    def test_of_the_tenant_with_an_agent_is_refused(
        self, client_of: ClientOf, oscar: Any, agent: Any
    ) -> None:
        response = trip(client_of(oscar), scope="tenant", agent=str(agent.pk), reason="x")
        assert response.status_code == 422

    def test_twice_is_a_conflict_and_with_one_key_the_same_answer(
        self, client_of: ClientOf, oscar: Any
    ) -> None:
        client = client_of(oscar)
        body = {"scope": "tenant", "reason": "It loops"}
        keyed = [
            client.post(SWITCHES, body, format="json", headers={"Idempotency-Key": "k"}) for _ in range(2)
        ]
        assert keyed[0].json() == keyed[1].json()
        again = trip(client, **body)
        assert (again.status_code, again.json()["code"]) == (409, "already-halted")


class TestLift:
    def test_lets_go_on_and_says_who(self, client_of: ClientOf, halt: Halt, alice: Any) -> None:
        response = client_of(alice).post(f"{SWITCHES}/{halt.pk}/lift")
        assert (response.status_code, response.json()["lifted_by"]) == (200, "alice")
        again = client_of(alice).post(f"{SWITCHES}/{halt.pk}/lift")
        assert (again.status_code, again.json()["code"]) == (409, "already-lifted")

    def test_of_another_tenants_is_not_found(self, client_of: ClientOf, halt: Halt, grace: Any) -> None:
        client = client_of(grace, host="globex.localhost")
        assert client.get(SWITCHES).json()["results"] == []
        assert client.get(f"{SWITCHES}/{halt.pk}").status_code == 404
        assert client.post(f"{SWITCHES}/{halt.pk}/lift").status_code == 404
        assert Halt.objects.standing().count() == 1

    def test_of_the_platforms_is_not_found(self, client_of: ClientOf, alice: Any) -> None:
        with platform_context():
            halt = PlatformHalt.objects.create(schema="acme", reason="incident", by="paula")
        client = client_of(alice)
        assert client.get(SWITCHES).json()["results"] == []
        assert client.post(f"{SWITCHES}/{halt.pk}/lift").status_code == 404


class TestList:
    def test_of_switches_can_be_those_that_stand(
        self, client_of: ClientOf, halt: Halt, alice: Any, person: Any
    ) -> None:
        operations.lift(halt=halt, by=alice, now=NOW)
        standing = operations.trip(agent=None, reason="all", by=alice, now=NOW)
        client = client_of(person("vera"))
        assert [one["id"] for one in client.get(SWITCHES).json()["results"]] == [
            str(standing.pk),
            str(halt.pk),
        ]
        results = client.get(f"{SWITCHES}?standing=true").json()["results"]
        assert [one["id"] for one in results] == [str(standing.pk)]

    @pytest.mark.parametrize(("schema", "covers"), [("", True), ("acme", True), ("globex", False)])
    def test_tells_what_the_platform_has_stopped(
        self, client_of: ClientOf, globex_tenant: Any, person: Any, schema: str, covers: bool
    ) -> None:
        with platform_context():
            PlatformHalt.objects.create(schema=schema, reason="incident", by="paula", at=NOW)
            PlatformHalt.objects.create(schema="acme", reason="over", by="paula", lifted_at=NOW)
        told = client_of(person("vera")).get(f"{SWITCHES}?standing=true").json()
        expected = {"scope": "platform", "reason": "incident", "by": "paula", "at": "2026-03-02T09:30:00Z"}
        assert told["platform"] == ([expected] if covers else [])
        assert told["results"] == []


class TestCircuits:
    def test_are_listed_and_reset(self, client_of: ClientOf, oscar: Any) -> None:
        circuit = Circuit.objects.create(
            kind="tool", name="refund_order", state="open", failures=5, opened_at=NOW
        )
        client = client_of(oscar)
        (listed,) = client.get(f"{CIRCUITS}?state=open").json()["results"]
        assert (listed["name"], listed["failures"], listed["fail_after"]) == ("refund_order", 5, 5)
        response = client.post(f"{CIRCUITS}/{circuit.pk}/reset")
        assert response.status_code == 200
        assert (response.json()["state"], response.json()["opened_at"]) == ("closed", None)
        assert client.get(f"{CIRCUITS}?state=open").json()["results"] == []
