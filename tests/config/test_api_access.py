"""Every endpoint of the API: who may and who may not. A new one without a line here fails."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents.halts.models import Halt
from agents.resilience.models import Circuit
from agents.runs import operations as runs
from agents.runs.models import Run
from agents.tools import operations
from agents.tools.models import ToolServer
from agents.tools.secrets import save_secret
from governance import gate
from governance.access.keys.models import ApiKey
from governance.flow.models import TrustedSource
from governance.metering.models import Budget
from governance.policies.models import Policy, RiskThreshold
from hitl.escalation.models import ServiceLevel
from hitl.grants import operations as grants
from hitl.grants.models import StandingGrant
from hitl.grants.types import GrantRequest
from hitl.notifications import operations as notifications
from hitl.notifications.models import Notification
from hitl.reviews import operations as reviews
from hitl.reviews.models import Review, ReviewPlan, ReviewTier
from hitl.reviews.types import Assurance, ReviewRequest
from hitl.routing.models import ReviewQueue, Schedule
from tenants.kernel.models import uuid7
from tests.agents.mcp_servers import scripted
from tests.config.routes import routes
from tests.governance.guarded import guardrails
from tests.governance.samples import proposal
from tests.governance.tokens import consents, make_client
from tests.hitl import escalation_policies as escalation
from tests.hitl import outbox

EVERYBODY = frozenset({"alice", "bob", "oscar", "vera", "audrey", "charlie", "anonymous"})
SIGNED_IN = EVERYBODY - {"anonymous"}
READERS = SIGNED_IN - {"charlie"}
NOBODY: frozenset[str] = frozenset()
# Who may, by method and route. Alice is superuser and owner.
ACCESS: dict[str, frozenset[str]] = {
    "POST auth/login": EVERYBODY,
    "POST auth/logout": SIGNED_IN,
    "GET auth/keys": READERS,
    "GET auth/keys/{pk}": READERS,
    "POST auth/keys": READERS,
    "POST auth/keys/{pk}/rotate": READERS,
    "DELETE auth/keys/{pk}": READERS,
    "GET governance/roles": frozenset({"alice", "audrey"}),
    "POST governance/roles/assign": frozenset({"alice"}),
    "POST governance/permissions/check": SIGNED_IN,
    "POST governance/permissions/grant": frozenset({"alice"}),
    "GET schema/": EVERYBODY,
    "GET docs/": EVERYBODY,
    "GET flags": SIGNED_IN,
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
    "GET sessions": READERS,
    "GET tools": READERS,
    "GET tools/{name}": READERS,
    "POST tools": frozenset({"alice"}),
    "PATCH tools/{name}": frozenset({"alice"}),
    "GET kill-switches": READERS,
    "GET kill-switches/{pk}": READERS,
    "POST kill-switches": frozenset({"alice", "oscar"}),
    "POST kill-switches/{pk}/lift": frozenset({"alice", "oscar"}),
    "GET circuits": READERS,
    "GET circuits/{pk}": READERS,
    "POST circuits/{pk}/reset": frozenset({"alice", "oscar"}),
    "GET tools/servers": READERS,
    "GET tools/servers/{pk}": READERS,
    "POST tools/servers": frozenset({"alice"}),
    "PATCH tools/servers/{pk}": frozenset({"alice"}),
    "POST tools/servers/{pk}/sync": frozenset({"alice"}),
    "GET tools/secrets": frozenset({"alice"}),
    "POST tools/secrets": frozenset({"alice"}),
    "PATCH tools/secrets/{name}": frozenset({"alice"}),
    "DELETE tools/secrets/{name}": frozenset({"alice"}),
    "GET hitl/queue": READERS,
    "POST hitl/escalate": READERS,
    "GET hitl/queue/{pk}": READERS,
    "GET hitl/escalation-policies": READERS,
    "GET hitl/escalation-policies/{pk}": READERS,
    "POST hitl/escalation-policies": frozenset({"alice"}),
    "PATCH hitl/escalation-policies/{pk}": frozenset({"alice"}),
    "POST hitl/escalation-policies/{pk}/dry-run": READERS,
    "GET hitl/service-levels": READERS,
    "GET hitl/service-levels/{pk}": READERS,
    "POST hitl/service-levels": frozenset({"alice"}),
    "PATCH hitl/service-levels/{pk}": frozenset({"alice"}),
    "POST hitl/queue/{pk}/respond": frozenset({"bob"}),
    "POST hitl/queue/batch": frozenset({"alice", "bob"}),
    "GET hitl/analytics": READERS,
    "POST hitl/queue/{pk}/revoke": frozenset({"bob"}),
    "POST hitl/queue/{pk}/messages": frozenset({"alice", "bob", "oscar"}),
    "POST hitl/queue/{pk}/viewed": READERS,
    "GET hitl/grants": READERS,
    "GET hitl/grants/{pk}": READERS,
    "POST hitl/grants": frozenset({"bob"}),
    "POST hitl/grants/{pk}/revoke": frozenset({"alice", "bob", "oscar"}),
    "POST hitl/grants/{pk}/resume": frozenset({"bob"}),
    "POST hitl/queue/{pk}/claim": frozenset({"bob"}),
    "POST hitl/queue/{pk}/release": frozenset({"alice", "bob"}),
    "POST hitl/queue/{pk}/assign": frozenset({"alice"}),
    "GET hitl/availability": frozenset({"alice", "bob"}),
    "PUT hitl/availability": frozenset({"alice", "bob"}),
    "GET hitl/queues": READERS,
    "GET hitl/queues/{pk}": READERS,
    "POST hitl/queues": frozenset({"alice"}),
    "PATCH hitl/queues/{pk}": frozenset({"alice"}),
    "GET hitl/schedules": READERS,
    "GET hitl/schedules/{pk}": READERS,
    "GET hitl/schedules/{pk}/on-call": READERS,
    "GET hitl/substitutions": READERS,
    "POST hitl/substitutions": frozenset({"alice"}),
    "GET hitl/notifications": SIGNED_IN,
    "POST hitl/notifications/{pk}/read": SIGNED_IN,
    "GET hitl/endpoints": frozenset({"alice", "oscar", "audrey"}),
    "GET hitl/endpoints/{pk}": frozenset({"alice", "oscar", "audrey"}),
    "POST hitl/endpoints": frozenset({"alice"}),
    "PATCH hitl/endpoints/{pk}": frozenset({"alice"}),
    "GET hitl/plans": frozenset({"alice"}),
    "GET hitl/plans/{pk}": frozenset({"alice"}),
    "POST hitl/plans": frozenset({"alice"}),
    "PATCH hitl/plans/{pk}": frozenset({"alice"}),
    "DELETE hitl/plans/{pk}": frozenset({"alice"}),
    "GET hitl/tiers": frozenset({"alice"}),
    "GET hitl/tiers/{pk}": frozenset({"alice"}),
    "POST hitl/tiers": frozenset({"alice"}),
    "PATCH hitl/tiers/{pk}": frozenset({"alice"}),
    "DELETE hitl/tiers/{pk}": frozenset({"alice"}),
    "GET governance/risk-profile": frozenset({"alice"}),
    "PATCH governance/risk-profile": frozenset({"alice"}),
    "GET governance/thresholds": frozenset({"alice"}),
    "GET governance/thresholds/{pk}": frozenset({"alice"}),
    "POST governance/thresholds": frozenset({"alice"}),
    "PATCH governance/thresholds/{pk}": frozenset({"alice"}),
    "DELETE governance/thresholds/{pk}": frozenset({"alice"}),
    "GET governance/policy-default": frozenset({"alice", "audrey"}),
    "PATCH governance/policy-default": frozenset({"alice"}),
    "GET governance/policies": frozenset({"alice", "bob", "audrey"}),
    "GET governance/policies/{pk}": frozenset({"alice", "bob", "audrey"}),
    "POST governance/policies": frozenset({"alice"}),
    "PATCH governance/policies/{pk}": frozenset({"alice"}),
    "POST governance/policies/{pk}/simulate": frozenset({"alice", "bob", "audrey"}),
    "POST governance/policies/{pk}/activate": frozenset({"alice", "bob"}),
    "GET governance/trusted-sources": frozenset({"alice"}),
    "GET governance/trusted-sources/{pk}": frozenset({"alice"}),
    "POST governance/trusted-sources": frozenset({"alice"}),
    "PATCH governance/trusted-sources/{pk}": frozenset({"alice"}),
    "DELETE governance/trusted-sources/{pk}": frozenset({"alice"}),
    "GET governance/guardrails": frozenset({"alice", "audrey"}),
    "GET governance/guardrails/{pk}": frozenset({"alice", "audrey"}),
    "POST governance/guardrails": frozenset({"alice"}),
    "PATCH governance/guardrails/{pk}": frozenset({"alice"}),
    "DELETE governance/guardrails/{pk}": frozenset({"alice"}),
    "POST governance/guardrails/{pk}/try": frozenset({"alice", "audrey"}),
    "GET governance/findings": frozenset({"alice", "audrey"}),
    "GET governance/findings/{pk}": frozenset({"alice", "audrey"}),
    "GET governance/redacted": frozenset({"alice", "audrey"}),
    "GET governance/redacted/{pk}": frozenset({"alice", "audrey"}),
    "POST governance/redacted/{pk}/reveal": frozenset({"alice"}),
    "GET identity/delegations": READERS,
    "GET identity/delegations/{pk}": READERS,
    "POST identity/delegations": READERS,
    "POST identity/delegations/{pk}/withdraw": READERS,
    "GET governance/budgets": READERS,
    "GET governance/budgets/{pk}": READERS,
    "POST governance/budgets": frozenset({"alice"}),
    "PATCH governance/budgets/{pk}": frozenset({"alice"}),
    "GET governance/usage": READERS,
    "GET governance/usage.csv": READERS,
}
PLAN = {"stages": [{"name": "peer", "any_of": [{"approve": 1, "reject": 1}]}]}
BODIES: dict[str, Any] = {
    "POST auth/login": {"username": "alice", "password": "demo"},
    "POST auth/keys": {"name": "CI", "scopes": ["runs:read"]},
    "POST governance/roles/assign": {"user": "charlie", "role": "viewer"},
    "POST governance/permissions/check": {"resource": "tool:refund_order", "level": "EXECUTE"},
    "POST governance/permissions/grant": {
        "subject": "charlie",
        "resource": "tool:refund_order",
        "level": "READ",
    },
    "POST agents": {"name": "Another", "blueprint": "assistant"},
    "PATCH agents/{pk}": {"config": {}},
    "POST agents/{pk}/execute": {"input": {"query": "go"}},
    "POST tools": {
        "name": "weather",
        "description": "Return the weather.",
        "parameters": {"type": "object"},
        "endpoint": {"method": "GET", "url": "https://weather.example.com/now"},
        "risk": "low",
        "effect": "read",
    },
    "PATCH tools/{name}": {"enabled": True},
    "POST kill-switches": {"scope": "tenant", "reason": "It refunds too much"},
    "POST tools/servers": {"name": "other", "url": "https://mcp.example.com/mcp"},
    "PATCH tools/servers/{pk}": {"url": "https://mcp.example.com/mcp"},
    "POST tools/secrets": {"name": "ANOTHER_KEY", "value": "long-enough"},
    "PATCH tools/secrets/{name}": {"value": "long-enough"},
    "POST hitl/queue/{pk}/respond": {"decision": "approve"},
    "POST hitl/escalate": {"subject": "Is this right?"},
    "POST hitl/queue/{pk}/assign": {"username": "bob"},
    "PUT hitl/availability": {"available": False},
    "POST hitl/queues": {"name": "Another"},
    "PATCH hitl/queues/{pk}": {"enabled": False},
    "POST hitl/substitutions": {
        "person": "bob",
        "substitute": "rita",
        "starts_at": "2026-01-01T00:00:00Z",
        "ends_at": "2100-01-01T00:00:00Z",
        "reason": "holidays",
    },
    "POST hitl/escalation-policies": {"name": "Another", "steps": [{"step": "webhook"}]},
    "PATCH hitl/escalation-policies/{pk}": {"enabled": False},
    "POST hitl/service-levels": {"priority": "low", "respond_within_s": 600},
    "PATCH hitl/service-levels/{pk}": {"respond_within_s": 600},
    "POST hitl/queue/batch": {
        "decision": "approve",
        "items": [{"id": "00000000-0000-7000-8000-000000000000", "version": 1, "digest": "0" * 64}],
    },
    "POST hitl/queue/{pk}/revoke": {"message": "a mistake"},
    "POST hitl/queue/{pk}/messages": {"message": "because"},
    "POST hitl/grants": {"review": "{review}", "scope": "exact_args", "reason": "broken in transit"},
    "POST hitl/endpoints": {"name": "Team", "channel": "email", "config": {"to": "team@example.com"}},
    "PATCH hitl/endpoints/{pk}": {"importance": "important"},
    "POST hitl/plans": {"name": "Two", "document": PLAN},
    "PATCH hitl/plans/{pk}": {"enabled": False},
    "POST hitl/tiers": {"risk": "high"},
    "PATCH hitl/tiers/{pk}": {"veto_window_s": 0},
    "POST governance/thresholds": {
        "tool": "refund_*",
        "argument": "amount",
        "at_least": "100",
        "risk": "critical",
    },
    "PATCH governance/thresholds/{pk}": {"enabled": False},
    "PATCH governance/risk-profile": {"bulk_from": 10},
    "POST governance/policies": {"slug": "another", "name": "Another", "document": {"effect": "deny"}},
    "PATCH governance/policies/{pk}": {"name": "Renamed"},
    "PATCH governance/policy-default": {"read_only_may": False},
    "POST governance/policies/{pk}/simulate": {"days": 7},
    "POST governance/trusted-sources": {"tool": "contacts", "reason": "ours"},
    "PATCH governance/trusted-sources/{pk}": {"reason": "ours"},
    "POST governance/guardrails": {"name": "Cards", "stage": "output", "check": "pii", "action": "redact"},
    "PATCH governance/guardrails/{pk}": {"enabled": False},
    "POST governance/guardrails/{pk}/try": {"text": "hello"},
    "POST governance/redacted/{pk}/reveal": {"reason": "The bank asks", "password": "demo"},
    "POST identity/delegations": {
        "client": "{client}",
        "audience": "https://orders.example.com",
        "scopes": ["orders:read"],
        "expires_at": "2100-01-01T00:00:00Z",
    },
    "POST governance/budgets": {"name": "Another", "scope": "tenant", "window": "day", "limit": 1_000_000},
    "PATCH governance/budgets/{pk}": {"limit": 2_000_000},
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
def mcp_server(acme: Any, settings: Any) -> Iterator[ToolServer]:
    """Return an MCP server that answers."""
    settings.OUTBOUND_ALLOWED_CIDRS = ["127.0.0.1/32"]
    with scripted() as server:
        yield operations.save_server(server=ToolServer(name="shop", url=server.url))


@pytest.fixture
def call(person: Any, client_of: Any, agent: Any, oscar: Any, mcp_server: ToolServer) -> Call:
    """Return a function with which somebody calls an endpoint about things that exist."""
    now = timezone.now()
    run = runs.start(agent=agent, user=oscar, input={"query": "go"}, trace_id="0" * 32, now=now)
    decision = gate.authorize(proposal(agent=agent, user=oscar), now=now)
    request = ReviewRequest(decision=decision, evidence={}, expires_at=now + timedelta(hours=1))
    review = reviews.request_review(request=request, now=now)
    event = "00000000-0000-7000-8000-000000000000"
    asked = GrantRequest(scope="exact_args", reason="broken in transit", assurance=Assurance.TOKEN)
    grant = grants.give(review_id=review.pk, giver=person("bob"), request=asked, now=now)
    halt = Halt.objects.create(agent=agent, reason="It refunds too much", by=oscar)
    circuit = Circuit.objects.create(kind="tool", name="refund_order")
    ids = {"agents": agent.pk, "runs": run.pk, "hitl": review.pk, "governance": event, "tools": mcp_server.pk}
    ids |= {"kill-switches": halt.pk, "circuits": circuit.pk}
    ids |= {"hitl/queues": ReviewQueue.objects.get().pk, "hitl/schedules": Schedule.objects.get().pk}
    Review.objects.update(assigned_to=person("bob"))
    alice = person("alice")
    rule = RiskThreshold.objects.create(tool="x", argument="amount", at_least=1, risk="high", author=alice)
    ids |= {
        "governance/thresholds": rule.pk,
        "governance/policies": Policy.objects.get(slug="baseline-risk-tiers").pk,
        "governance/trusted-sources": TrustedSource.objects.create(tool="x", author=alice).pk,
    }
    ids |= guardrails()
    ids["governance/budgets"] = Budget.objects.create(name="One", scope="user", window="day", limit=1).pk
    ids["hitl/plans"] = ReviewPlan.objects.create(name="One", document=PLAN, author=alice).pk
    ids["hitl/tiers"] = ReviewTier.objects.create(risk="medium").pk
    save_secret(name="SHOP_KEY", value="long-enough", by="alice", now=now)
    policy = escalation.save([escalation.EVERYBODY], now=now)
    level = ServiceLevel.objects.create(priority="high", respond_within_s=60)
    ids |= {"hitl/escalation-policies": policy.pk, "hitl/service-levels": level.pk}
    ids["hitl/endpoints"] = outbox.endpoint("email", person("alice"), to="team@example.com").pk

    bot = make_client("Order bot")

    def go(endpoint: str, who: str) -> Any:
        if who != "anonymous":
            ids["identity/delegations"] = consents(person(who), bot).pk
        method, _, path = endpoint.partition(" ")
        name = "SHOP_KEY" if path.startswith("tools/secrets") else "refund_order"
        if who != "anonymous":
            ids["hitl/notifications"] = inbox_item(person(who))
            ids["auth/keys"] = key_of(person(who)).pk
        about = grant.pk if path.startswith("hitl/grants") else ids.get("/".join(path.split("/")[:2]))
        url = PREFIX + path.format(pk=about or ids.get(path.partition("/")[0]), name=name)
        client = client_of(None if who == "anonymous" else person(who))
        if endpoint == "GET governance/audit/{pk}":
            from governance.audit.models import AuditEvent

            url = url.replace(event, str(AuditEvent.objects.latest("id").pk))
        if endpoint == "POST runs/{pk}/resume":
            Run.objects.filter(pk=run.pk).update(status=Run.Status.PAUSED)
        if endpoint == "POST hitl/queue/{pk}/revoke":
            Review.objects.filter(pk=review.pk).update(status=Review.Status.APPROVED)
        if endpoint == "POST hitl/grants/{pk}/resume":
            StandingGrant.objects.filter(pk=grant.pk).update(paused_at=now, paused_why="it failed")
        body, content_type = _body(endpoint)
        return client.generic(
            method,
            url,
            body.replace("{review}", str(review.pk)).replace("{client}", str(bot.row.pk)),
            content_type,
        )

    return go


def key_of(user: Any) -> ApiKey:
    """Return an API key of somebody; its text is nobody's."""
    now = timezone.now()
    text = {"name": "only-at-acme", "digest": uuid7().hex, "scopes": ["runs:read"]}
    return ApiKey.objects.create(owner=user, created_at=now, expires_at=now + timedelta(days=1), **text)


def inbox_item(user: Any) -> Any:
    """Put a message into somebody's inbox; return its id."""
    about: dict[str, Any] = {
        "kind": "test",
        "subject": "Look",
        "text": "",
        "dedup": "look",
        "now": timezone.now(),
    }
    notifications.tell(recipients=[user], review=None, inbox_only=True, **about)
    return Notification.objects.filter(recipient=user, kind="test").values_list("pk", flat=True).get()


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
        for endpoint in (
            "DELETE agents/{pk}",
            "PUT agents/{pk}",
            "DELETE hitl/queue/{pk}",
            "DELETE tools/{name}",
        ):
            assert call(endpoint, "alice").status_code in {403, 405}

    def test_to_the_next_pages_is_the_platforms_operators_only(self, client_of: Any, alice: Any) -> None:
        platform = client_of(host="localhost")
        for path in ("governance/audit", "governance/audit/checkpoints"):
            assert platform.get(PREFIX + path).status_code == 401
        for path in ("agents", "runs", "tools", "tools/servers", "tools/secrets", "hitl/queue"):
            assert platform.get(PREFIX + path).status_code == 404


class TestMethodsOfReading:
    @pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
    def test_need_the_right_to_read(self, call: Call, method: str) -> None:
        assert call(f"{method} agents", "charlie").status_code == 403
        assert call(f"{method} agents", "anonymous").status_code == 401
        assert call(f"{method} agents", "vera").status_code == 200
