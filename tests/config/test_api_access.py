"""Every endpoint of the API: who may and who may not. A new one without a line here fails."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents.runs import operations as runs
from agents.runs.models import Run
from governance import gate
from hitl.reviews import operations as reviews
from hitl.reviews.types import ReviewRequest
from tests.config.routes import routes
from tests.governance.samples import proposal

EVERYBODY = frozenset({"alice", "bob", "oscar", "vera", "audrey", "charlie", "anonymous"})
SIGNED_IN = EVERYBODY - {"anonymous"}
READERS = SIGNED_IN - {"charlie"}
NOBODY: frozenset[str] = frozenset()
# Who may, by method and route. Alice is superuser and owner.
ACCESS: dict[str, frozenset[str]] = {
    "POST auth/login": EVERYBODY,
    "POST auth/logout": SIGNED_IN,
    "GET schema/": EVERYBODY,
    "GET docs/": EVERYBODY,
    "GET governance/audit": frozenset({"alice", "audrey"}),
    "GET governance/audit/{pk}": frozenset({"alice", "audrey"}),
    "GET governance/audit/checkpoints": frozenset({"alice", "audrey"}),
    "GET agents": READERS,
    "GET agents/{pk}": READERS,
    "GET agents/blueprints": READERS,
    "POST agents": frozenset({"alice"}),
    "PATCH agents/{pk}": frozenset({"alice"}),
    "POST agents/{pk}/execute": frozenset({"alice", "oscar"}),
    "GET runs": READERS,
    "GET runs/{pk}": READERS,
    "GET runs/{pk}/steps": READERS,
    "POST runs/{pk}/cancel": frozenset({"alice", "oscar"}),
    "POST runs/{pk}/pause": frozenset({"alice", "oscar"}),
    "POST runs/{pk}/resume": frozenset({"alice", "oscar"}),
    "GET tools": READERS,
    "GET tools/{name}": READERS,
    "PATCH tools/{name}": frozenset({"alice"}),
    "GET hitl/queue": READERS,
    "GET hitl/queue/{pk}": READERS,
    "POST hitl/queue/{pk}/respond": frozenset({"alice", "bob"}),
}
BODIES: dict[str, Any] = {
    "POST auth/login": {"username": "alice", "password": "demo"},
    "POST agents": {"name": "Another", "blueprint": "assistant"},
    "PATCH agents/{pk}": {"config": {}},
    "POST agents/{pk}/execute": {"input": {"query": "go"}},
    "PATCH tools/{name}": {"enabled": True},
    "POST hitl/queue/{pk}/respond": {"decision": "approve"},
}
PREFIX = "/api/v1/"
Call = Callable[[str, str], Any]


def endpoints() -> set[str]:
    """Return every method and route of the tenant's API."""
    return {
        f"{method} {route.template.removeprefix(PREFIX)}"
        for route in routes("config.urls")
        if route.template.startswith(PREFIX)
        for method in route.methods
    }


@pytest.fixture
def call(person: Any, client_of: Any, agent: Any, oscar: Any) -> Call:
    """Return a function with which somebody calls an endpoint about things that exist."""
    now = timezone.now()
    run = runs.start(agent=agent, user=oscar, input={"query": "go"}, trace_id="0" * 32, now=now)
    decision = gate.authorize(proposal(agent=agent, user=oscar), now=now)
    request = ReviewRequest(decision=decision, evidence={}, expires_at=now + timedelta(hours=1))
    review = reviews.request_review(request=request, now=now)
    event = "00000000-0000-7000-8000-000000000000"
    ids = {"agents": agent.pk, "runs": run.pk, "hitl": review.pk, "governance": event}

    def go(endpoint: str, who: str) -> Any:
        method, _, path = endpoint.partition(" ")
        if endpoint == "POST runs/{pk}/resume":
            Run.objects.filter(pk=run.pk).update(status=Run.Status.PAUSED)
        url = PREFIX + path.format(pk=ids.get(path.partition("/")[0]), name="refund_order")
        client = client_of(None if who == "anonymous" else person(who))
        if endpoint == "GET governance/audit/{pk}":
            from governance.audit.models import AuditEvent

            url = url.replace(event, str(AuditEvent.objects.latest("id").pk))
        return client.generic(method, url, *_body(endpoint))

    return go


def _body(endpoint: str) -> tuple[str, str]:
    import json

    return json.dumps(BODIES.get(endpoint, {})), "application/json"


class TestAccess:
    def test_is_stated_for_every_endpoint(self, acme: Any) -> None:
        assert endpoints() == set(ACCESS)

    @pytest.mark.parametrize("endpoint", sorted(ACCESS))
    def test_is_for_these_people_only(self, call: Call, endpoint: str) -> None:
        # Readers first: a decision or a change by one person must not decide what the next may do.
        refused = {
            who: response
            for who in sorted(EVERYBODY - ACCESS[endpoint])
            for response in [call(endpoint, who)]
        }
        for who, response in refused.items():
            assert response.status_code == (401 if who == "anonymous" else 403), who
            assert response["Content-Type"] == "application/problem+json"
        allowed = sorted(ACCESS[endpoint], reverse=True)
        for who in allowed if endpoint.startswith("GET") else allowed[:1]:  # one change is proof enough
            assert call(endpoint, who).status_code < 300, who

    def test_of_methods_that_are_not_offered_is_refused(self, call: Call) -> None:
        for endpoint in ("DELETE agents/{pk}", "PUT agents/{pk}", "DELETE hitl/queue/{pk}", "POST tools"):
            assert call(endpoint, "alice").status_code in {403, 405}

    def test_to_the_next_pages_is_the_platforms_operators_only(self, client_of: Any, alice: Any) -> None:
        platform = client_of(host="localhost")
        for path in ("governance/audit", "governance/audit/checkpoints"):
            assert platform.get(PREFIX + path).status_code == 401
        for path in ("agents", "runs", "tools", "hitl/queue"):
            assert platform.get(PREFIX + path).status_code == 404


class TestMethodsOfReading:
    @pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
    def test_need_the_right_to_read(self, call: Call, method: str) -> None:
        assert call(f"{method} agents", "charlie").status_code == 403
        assert call(f"{method} agents", "anonymous").status_code == 401
        assert call(f"{method} agents", "vera").status_code == 200
