"""A token of ours lets a client use our API for a person, within its scope and never to decide for them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from governance.audit.models import AuditEvent
from governance.identity import jose, keys
from governance.identity.issuing import issue
from governance.identity.models import IssuedToken
from governance.identity.types import Order
from tenants.kernel.context import tenant_context
from tenants.tenancy.urls import base_url

RUNS, AGENTS, QUEUE = "/api/v1/runs", "/api/v1/agents", "/api/v1/hitl/queue"
Send = Callable[..., Any]


def token(user: Any, *scopes: str, **more: Any) -> str:
    given = {
        "sub": f"user:{user.pk}",
        "username": user.username,
        "client_id": "agent:x",
        "act": {"sub": "agent:x"},
    }
    order = Order(**{**given, "audience": base_url(), "scopes": frozenset(scopes), "for_us": True, **more})
    return issue(order, now=timezone.now()).token


@pytest.fixture
def get(client_of: Any) -> Send:
    """Return a function that asks for a path with a token."""

    def send(
        path: str, bearer: str, method: str = "get", body: Any = None, host: str = "acme.localhost"
    ) -> Any:
        client = client_of(host=host)
        return getattr(client, method)(
            path, body, format="json", headers={"Authorization": f"Bearer {bearer}"}
        )

    return send


class TestToken:
    def test_lets_a_request_do_what_its_scope_and_the_person_both_allow(
        self, get: Send, oscar: Any, charlie: Any
    ) -> None:
        narrow = token(oscar, "agents.view_run")
        assert get(RUNS, narrow).status_code == 200
        assert get(AGENTS, narrow).status_code == 403  # oscar may, the token does not carry it
        wide = token(charlie, "agents.view_run", "agents.view_agent")
        assert get(RUNS, wide).status_code == 403  # the token carries it, charlie may not
        assert get(RUNS, token(oscar)).status_code == 403

    def test_of_a_superuser_carries_no_more_than_its_scope(self, get: Send, alice: Any) -> None:
        carried = token(alice, "agents.view_run")
        assert get(RUNS, carried).status_code == 200
        for path in (AGENTS, "/api/v1/governance/audit", "/api/v1/tools/secrets"):
            assert get(path, carried).status_code == 403

    def test_decides_nothing_for_a_person(self, get: Send, bob: Any) -> None:
        carried = token(bob, "hitl.view_review", "hitl.decide_review", "hitl.add_grant")
        assert get(QUEUE, carried).status_code == 200
        decided = get(f"{QUEUE}/{uuid4()}/respond", carried, "post", {"decision": "approve"})
        assert decided.status_code == 403
        assert get("/api/v1/hitl/grants", carried, "post", {}).status_code == 403

    def test_names_in_the_log_who_acted(self, get: Send, alice: Any, agent: Any) -> None:
        carried = token(alice, "agents.change_agent", "agents.view_agent")
        assert get(f"{AGENTS}/{agent.pk}", carried, "patch", {"config": {}}).status_code == 200
        events = AuditEvent.objects.filter(actor_name="alice", body__has_key="via")
        assert {event.body["via"]["act"] for event in events} == {"agent:x"}
        session = get(f"{AGENTS}/{agent.pk}", "x")
        assert session.status_code == 401
        from governance.audit.via import via

        assert via.get() is None

    def test_ends_when_it_signs_out(self, get: Send, oscar: Any) -> None:
        carried = token(oscar, "agents.view_run")
        assert get("/api/v1/auth/logout", carried, "post").status_code == 204
        assert get(RUNS, carried).status_code == 401
        assert IssuedToken.objects.get().revoked_by == "oscar"

    @pytest.mark.parametrize("change", ["revoked", "unknown", "person left", "agent's own"])
    def test_is_refused_that_is(self, get: Send, oscar: Any, change: str) -> None:
        carried = token(
            oscar, "agents.view_run", **({"sub": "agent:x", "act": None} if "own" in change else {})
        )
        match change:
            case "revoked":
                IssuedToken.objects.update(revoked_at=timezone.now())
            case "unknown":
                IssuedToken.objects.all().delete()
            case "person left":
                oscar.is_active = False
                oscar.save()
        response = get(RUNS, carried)
        assert (response.status_code, response.json()["code"]) == (401, "not-authenticated")
        assert response["WWW-Authenticate"] == "Bearer"

    def test_is_refused_that_was_not_made_for_this_api_by_this_tenant(
        self, get: Send, oscar: Any, globex_tenant: Any
    ) -> None:
        scope = "agents.view_run"
        with tenant_context(globex_tenant):
            foreign = token(oscar, scope)
        kid = keys.ensure(now=timezone.now()).kid
        now = int(timezone.now().timestamp())
        claims: dict[str, Any] = {
            "iss": base_url(),
            "sub": f"user:{oscar.pk}",
            "aud": base_url(),
            "scope": scope,
            "tenant": "acme",
        }
        times = {"iat": now, "exp": now + 100, "jti": str(uuid4())}
        claims = {**claims, **times}
        wrong = {
            "another tenant": foreign,
            "another audience": token(oscar, scope, audience="https://orders.example.com"),
            "unknown number": jose.sign(claims, key=keys.private_key(kid), kid=kid),
            "another key": jose.sign(claims, key=jose.new_key(), kid=kid),
            "another type": jose.sign(claims, key=keys.private_key(kid), kid=kid, typ="JWT"),
        }
        assert {name: get(RUNS, bad).status_code for name, bad in wrong.items()} == dict.fromkeys(wrong, 401)
        assert get(RUNS, token(oscar, scope), host="globex.localhost").status_code == 401
        assert get(RUNS, token(oscar, scope)).status_code == 200

    def test_is_refused_once_it_has_expired(self, get: Send, oscar: Any) -> None:
        order = Order(
            sub=f"user:{oscar.pk}",
            audience=base_url(),
            client_id="x",
            scopes=frozenset({"agents.view_run"}),
            for_us=True,
        )
        past = timezone.now() - timedelta(seconds=361)
        assert get(RUNS, issue(order, now=past).token).status_code == 401

    def test_is_no_way_into_pages(self, get: Send, alice: Any) -> None:
        carried = token(alice, "governance.view_auditevent")
        for path in ("/", "/admin/"):
            assert get(path, carried).status_code == 302
