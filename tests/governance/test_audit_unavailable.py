"""What cannot be recorded does not happen: every face answers 503 and nothing has changed."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from knox.models import AuthToken

from agents.catalog.models import Agent
from agents.runs import operations as runs
from agents.runs.models import Run
from agents.tools.models import Tool
from governance import gate
from governance.access.models import IdempotencyRecord, User
from governance.policies.models import PolicyDecision
from hitl.reviews import operations as reviews
from hitl.reviews.models import Review, Vote
from hitl.reviews.types import ReviewRequest
from tenants.kernel.errors import AuditUnavailable
from tests.governance.clones import as_owner
from tests.governance.samples import proposal

API = "/api/v1"


@pytest.fixture
def db(committed: str) -> None:
    """Use the module's own database."""


@pytest.fixture
def review(agent: Any, oscar: Any) -> Review:
    """Return a pending review."""
    now = timezone.now()
    decision = gate.authorize(proposal(agent=agent, user=oscar), now=now)
    request = ReviewRequest(decision=decision, evidence={}, expires_at=now + timedelta(hours=1))
    return reviews.request_review(request=request, now=now)


@pytest.fixture
def run(agent: Any, oscar: Any) -> Run:
    """Return a queued run of Oscar's."""
    return runs.start(agent=agent, user=oscar, input={"query": "go"}, trace_id="0" * 32, now=timezone.now())


@pytest.fixture
def blind(committed: str) -> Iterator[Callable[[], None]]:
    """Return a function that takes the right to write the audit log away until the test ends."""
    with as_owner(committed) as owner:

        def take_away() -> None:
            owner.execute("REVOKE INSERT ON acme.governance_auditevent FROM cs_app")

        yield take_away
        owner.execute("GRANT INSERT ON acme.governance_auditevent TO cs_app")


def assert_unavailable(response: Any) -> None:
    assert response.status_code == 503
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "audit-unavailable"


class TestUnwritableAudit:
    @pytest.mark.parametrize("password", ["demo", "wrong"])
    def test_lets_nobody_in(self, blind: Any, alice: Any, client_of: Any, password: str) -> None:
        tokens, last = AuthToken.objects.count(), alice.last_login
        blind()
        given = {"username": "alice", "password": password}
        assert_unavailable(client_of().post(f"{API}/auth/login", given, format="json"))
        assert (AuthToken.objects.count(), User.objects.get(pk=alice.pk).last_login) == (tokens, last)

    def test_starts_no_run(self, blind: Any, agent: Any, oscar: Any, client_of: Any) -> None:
        before = Run.objects.count()
        blind()
        response = client_of(oscar).post(
            f"{API}/agents/{agent.pk}/execute",
            {"input": {"query": "go"}},
            format="json",
            headers={"Idempotency-Key": "k1"},
        )
        assert_unavailable(response)
        assert Run.objects.count() == before
        assert not IdempotencyRecord.objects.filter(key="k1").exists()

    @pytest.mark.parametrize("decision", ["approve", "edit", "reject"])
    def test_decides_no_review(
        self, blind: Any, review: Review, bob: Any, client_of: Any, decision: str
    ) -> None:
        before = Review.objects.filter(pk=review.pk).values().get()
        blind()
        body: dict[str, Any] = {"decision": decision, "message": "x"}
        if decision == "edit":
            body["arguments"] = {**review.arguments, "amount": 1.0}
        assert_unavailable(client_of(bob).post(f"{API}/hitl/queue/{review.pk}/respond", body, format="json"))
        assert Review.objects.filter(pk=review.pk).values().get() == before
        assert not Vote.objects.filter(review=review).exists()

    def test_expires_no_review(self, blind: Any, review: Review) -> None:
        blind()
        with pytest.raises(AuditUnavailable):
            reviews.expire(review=review, now=review.expires_at)
        assert Review.objects.get(pk=review.pk).status == Review.Status.PENDING

    def test_cancels_no_run(self, blind: Any, run: Run, oscar: Any, client_of: Any) -> None:
        blind()
        assert_unavailable(client_of(oscar).post(f"{API}/runs/{run.pk}/cancel"))
        assert Run.objects.get(pk=run.pk).status == Run.Status.QUEUED

    def test_permits_nothing(self, blind: Any, agent: Any, oscar: Any) -> None:
        request = proposal(agent=agent, user=oscar, tool="lookup_order", order_id="A-1001")
        blind()
        with pytest.raises(AuditUnavailable):
            gate.authorize(request, now=timezone.now())

    def test_permits_nothing_inside_a_transaction_either(self, blind: Any, agent: Any, oscar: Any) -> None:
        from django.db import transaction

        request = proposal(agent=agent, user=oscar, tool="lookup_order", order_id="A-1001")
        before = PolicyDecision.objects.count()
        blind()
        with pytest.raises(AuditUnavailable), transaction.atomic():
            gate.authorize(request, now=timezone.now())
        assert PolicyDecision.objects.count() == before

    def test_changes_no_agent_and_no_tool(self, blind: Any, agent: Any, alice: Any, client_of: Any) -> None:
        users, agents = User.objects.count(), Agent.objects.count()
        blind()
        client = client_of(alice)
        made = {"name": "New", "blueprint": "assistant"}
        assert_unavailable(client.post(f"{API}/agents", made, format="json"))
        assert_unavailable(client.patch(f"{API}/agents/{agent.pk}", {"config": {}}, format="json"))
        assert_unavailable(client.patch(f"{API}/tools/refund_order", {"risk": "critical"}, format="json"))
        assert (User.objects.count(), Agent.objects.count()) == (users, agents)
        assert Agent.objects.get(pk=agent.pk).version == agent.version
        assert Tool.objects.get(name="refund_order").risk == "high"

    def test_keeps_a_session_that_was_to_end(
        self, alice: Any, client_of: Any, committed: str, blind: Any
    ) -> None:
        client = client_of()
        given = {"username": "alice", "password": "demo"}
        token = client.post(f"{API}/auth/login", given, format="json").json()["token"]
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        blind()
        assert_unavailable(client.post(f"{API}/auth/logout"))
        assert client.get(f"{API}/agents").status_code == 200

    def test_is_seen_by_the_readiness_probe(self, blind: Any, client_of: Any) -> None:
        assert client_of().get("/health/ready").json()["checks"]["audit_writable"] is True
        blind()
        response = client_of().get("/health/ready")
        assert (response.status_code, response.json()["checks"]["audit_writable"]) == (503, False)

    def test_still_lets_people_read(self, blind: Any, review: Review, bob: Any, client_of: Any) -> None:
        blind()
        assert client_of(bob).get(f"{API}/hitl/queue/{review.pk}").status_code == 200
