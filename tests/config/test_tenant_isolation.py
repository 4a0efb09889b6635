"""Nothing of one tenant can be reached on the host of another: every route with an object is tried."""

import time
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from auditlog.models import LogEntry
from axes.models import AccessAttempt
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.utils import timezone
from knox.models import AuthToken
from waffle.models import Flag

from agents.catalog.models import Agent
from agents.halts.models import Halt
from agents.resilience.models import Circuit, ConcurrencyCap
from agents.runs import operations as runs
from agents.runs.models import Run
from agents.tools.models import Tool, ToolServer
from agents.tools.secrets import save_secret
from governance import gate
from governance.access.keys.operations import create_key
from governance.access.models import Role, User
from governance.audit.models import AuditCheckpoint, AuditEvent
from governance.flow.models import TrustedSource
from governance.identity import keys
from governance.identity.issuing import issue
from governance.identity.models import DelegationGrant, TokenClient, TrustedIssuer
from governance.identity.types import Order
from governance.metering.models import Budget, Price, RateLimit, Reservation, UsageRecord
from governance.policies.models import PolicyDecision, RiskThreshold
from governance.signin.models import IdentityProvider
from hitl.desk.models import SavedView
from hitl.escalation.models import EscalationEvent, EscalationHeartbeat, EscalationState, ServiceLevel
from hitl.grants import operations as grants
from hitl.grants.types import GrantRequest
from hitl.notifications import operations as notifications
from hitl.notifications.models import Notification
from hitl.reviews import operations as reviews
from hitl.reviews.models import Review, ReviewPlan, ReviewTier
from hitl.reviews.types import Assurance, ReviewRequest
from hitl.routing.models import ReviewerProfile, ReviewQueue, Schedule, ScheduleOverride, Substitution
from tenants.kernel.context import tenant_context
from tenants.kernel.models import uuid7
from tests.config.routes import Route, routes
from tests.governance import rules
from tests.governance.guarded import guardrails
from tests.governance.samples import proposal
from tests.hitl import escalation_policies as escalation
from tests.hitl import outbox

GLOBEX = "globex.localhost"
METHODS = ("get", "post", "put", "patch", "delete")
# Routes whose parameter names no object of a tenant.
NO_OBJECT = {
    "part": "a part of the live page, from a closed list",
    "welcome": "a sealed address; tests/governance/test_platform_api.py takes one to another tenant",
    "admin:app_list": "an app",
    "admin:view_on_site": "a content type and an object; nothing here has a public page",
    "admin:": "whatever nobody else matched",
    **dict.fromkeys(
        [f"admin:governance_riskprofile_{page}" for page in ("change", "history", "delete")],
        "the one row that every tenant has of its own",
    ),
    "account_reset_password_from_key": "a link from a mail, whose key is of its host and person",
    "saml_sls": "never a page",
}
MODEL_OF_API = {
    "agents": "agent",
    "auth/keys": "apikey",
    "runs": "run",
    "hitl": "review",
    "hitl/grants": "standinggrant",
    "hitl/escalation-policies": "escalationpolicy",
    "hitl/service-levels": "servicelevel",
    "governance": "auditevent",
    "tools": "tool",
    "kill-switches": "halt",
    "circuits": "circuit",
    "hitl/notifications": "notification",
    "hitl/endpoints": "endpoint",
    "tools/servers": "toolserver",
    "tools/secrets": "toolsecret",
    "hitl/queues": "reviewqueue",
    "hitl/schedules": "schedule",
    "hitl/plans": "reviewplan",
    "hitl/tiers": "reviewtier",
    "governance/thresholds": "riskthreshold",
    "governance/policies": "policy",
    "governance/trusted-sources": "trustedsource",
    "governance/guardrails": "guardrailbinding",
    "governance/findings": "guardrailfinding",
    "governance/redacted": "redactedvalue",
    "identity/delegations": "delegationgrant",
    "governance/budgets": "budget",
}
MODEL_OF_PAGE = {
    "grants": "standinggrant",
    "reviews": "review",
    "runs": "run",
    "sessions": "run",
    "account/passkeys": "authenticator",
    "account/sessions": "usersession",
    "sso": "identityprovider",
}
BODIES = {
    "agent-execute": {"input": {"query": "go"}},
    "review-respond": {"decision": "approve"},
    "escalationpolicy-detail": {"enabled": False},
    "servicelevel-detail": {"respond_within_s": 60},
    "agent-detail": {"config": {}},
    "tool-detail": {"enabled": False},
    "toolserver-detail": {"url": "https://mcp.example.com/mcp"},
    "reviewplan-detail": {"enabled": False},
    "reviewtier-detail": {"veto_window_s": 0},
    "riskthreshold-detail": {"enabled": False},
    "policy-detail": {"name": "x"},
    "trustedsource-detail": {"reason": "ours"},
    "guardrailbinding-detail": {"enabled": False},
    "guardrailbinding-try-out": {"text": "hello"},
    "redactedvalue-reveal": {"reason": "why not", "password": "demo"},
    "toolsecret-detail": {"value": "long-enough"},
    "review-assign": {"username": "alice"},
    "reviewqueue-detail": {"enabled": False},
    "budget-detail": {"enabled": False},
    "endpoint-detail": {"importance": "important"},
}
Ids = dict[str, str]


@pytest.fixture
def ids(acme: Any, agent: Any, oscar: Any, alice: Any) -> Ids:
    """Return the id of an object of Acme's for each model; serial keys are numbers that only Acme has."""
    now = timezone.now()
    flag = Flag(name="only-at-acme")
    flag.pk = 900_007
    flag.save()
    run = runs.start(
        agent=agent, user=oscar, input={"query": "go"}, session_id="only-at-acme", trace_id="0" * 32, now=now
    )
    decision = gate.authorize(proposal(agent=agent, user=oscar), now=now)
    request = ReviewRequest(decision=decision, evidence={}, expires_at=now + timedelta(hours=1))
    review = reviews.request_review(request=request, now=now)
    asked = GrantRequest(scope="exact_args", reason="only-at-acme", assurance=Assurance.TOKEN)
    grant = grants.give(review_id=review.pk, giver=User.objects.get(username="bob"), request=asked, now=now)
    AuditCheckpoint.objects.create(size=900_001, at=now, root=b"", frontier=[], note="")
    Tool.objects.create(pk=900_002, name="only-at-acme", parameters={})
    server = ToolServer.objects.create(name="only-at-acme", url="https://mcp.example.com/mcp")
    secret = save_secret(name="ONLY_AT_ACME", value="long-enough", by="alice", now=now)
    stages = [{"name": "peer", "any_of": [{"approve": 1, "reject": 1}]}]
    plan = ReviewPlan.objects.create(name="only-at-acme", document={"stages": stages}, author=alice)
    threshold = RiskThreshold.objects.create(
        tool="only-at-acme", argument="amount", at_least=1, risk="high", author=alice
    )
    User.objects.create(pk=900_003, username="only-at-acme")
    Group.objects.create(pk=900_004, name="only-at-acme")
    group = Group.objects.create(pk=900_007, name="role-only-at-acme")
    role = Role.objects.create(pk=900_008, name="role-only-at-acme", group=group)
    key, _ = create_key(owner=alice, name="only-at-acme", wanted=["runs:read"], now=now)
    LogEntry.objects.create(
        pk=900_005, content_type=ContentType.objects.get_for_model(Agent), object_pk=agent.pk, action=1
    )
    policy = escalation.save([escalation.EVERYBODY], name="only-at-acme", now=now)
    about: dict[str, Any] = {
        "kind": "test",
        "subject": "only-at-acme",
        "text": "",
        "dedup": "look",
        "now": now,
    }
    notifications.tell(recipients=[alice], review=None, inbox_only=True, **about)
    return {
        "escalationpolicy": str(policy.pk),
        "escalationpolicyversion": str(policy.current.pk),
        "escalationstate": str(EscalationState.objects.get(review=review).pk),
        "escalationevent": str(EscalationEvent.objects.latest("id").pk),
        "escalationheartbeat": str(EscalationHeartbeat.objects.create(checked_at=now).pk),
        "servicelevel": str(ServiceLevel.objects.create(priority="high", respond_within_s=60).pk),
        "notification": str(Notification.objects.get(kind="test").pk),
        "endpoint": str(outbox.endpoint("email", alice, "only-at-acme", to="only-at-acme@example.com").pk),
        "agent": str(agent.pk),
        "run": str(run.pk),
        "review": str(review.pk),
        "standinggrant": str(grant.pk),
        "shape": review.shape,
        "savedview": str(SavedView.objects.create(owner=alice, name="only-at-acme").pk),
        "halt": str(Halt.objects.create(agent=agent, reason="only-at-acme", by=oscar).pk),
        "circuit": str(Circuit.objects.create(kind="tool", name="only-at-acme").pk),
        "concurrencycap": str(ConcurrencyCap.objects.create(kind="tenant", limit=3).pk),
        "auditevent": str(AuditEvent.objects.latest("id").pk),
        "policydecision": str(PolicyDecision.objects.latest("id").pk),
        "authtoken": AuthToken.objects.create(alice)[0].pk,
        "reviewplan": str(plan.pk),
        "reviewtier": str(ReviewTier.objects.create(risk="medium").pk),
        "riskthreshold": str(threshold.pk),
        "flag": str(flag.pk),
        "policy": str(rules.in_force("deny", slug="only-at-acme", match={"tools": ["x"]}).pk),
        "trustedsource": str(TrustedSource.objects.create(tool="only-at-acme", author=alice).pk),
        **{MODEL_OF_API[route]: str(pk) for route, pk in guardrails().items()},
        "auditcheckpoint": "900001",
        "tool": "900002",
        "toolserver": str(server.pk),
        "toolsecret": str(secret.pk),
        "user": "900003",
        "group": "900004",
        "role": str(role.pk),
        "apikey": str(key.pk),
        "logentry": "900005",
        **signing_in(alice),
        **routing(alice, oscar),
        **identity(alice),
        **costs(),
    }


def costs() -> Ids:
    """Return the ids of rows about what things cost."""
    now = timezone.now()
    budget = Budget.objects.create(name="only-at-acme", scope="tenant", window="day", limit=1)
    rate = RateLimit.objects.create(scope="tenant", unit="tokens", per_minute=1)
    about: dict[str, Any] = {"kind": "model", "name": "only-at-acme", "agent_id": "x", "user_id": 1}
    about |= {"run_id": uuid7(), "step_id": uuid7(), "key": "only-at-acme"}
    held = Reservation.objects.create(
        estimate={"micros": 1}, holds=[], created_at=now, expires_at=now, **about
    )
    price = Price.objects.create(pattern="only-at-acme", kind="input", micros=1, valid_from=now)
    return {
        "budget": str(budget.pk),
        "ratelimit": str(rate.pk),
        "reservation": str(held.pk),
        "usagerecord": str(UsageRecord.objects.create(at=now, **about).pk),
        "price": str(price.pk),
    }


def signing_in(alice: Any) -> Ids:
    """Return the ids of rows about how people sign in."""
    provider = IdentityProvider.objects.create(
        kind="oidc", slug="only-at-acme", name="only-at-acme", enabled=True, url="https://id.example.com"
    )
    IdentityProvider.objects.create(
        kind="saml",
        slug="only-at-acme-saml",
        name="only-at-acme",
        enabled=True,
        url="https://id.example.com/sso",
        client_id="https://id.example.com",
        certificate="MIIB",
    )
    AccessAttempt.objects.create(
        pk=900_007, username="only-at-acme", ip_address="192.0.2.1", failures_since_start=5
    )
    Authenticator.objects.create(pk=900_008, user=alice, type="webauthn", data={"name": "only-at-acme"})
    UserSession.objects.create(pk=900_009, user=alice, ip="192.0.2.1", session_key="x", user_agent="")
    return {
        "identityprovider": str(provider.pk),
        "accessattempt": "900007",
        "authenticator": "900008",
        "usersession": "900009",
    }


def routing(alice: Any, oscar: Any) -> Ids:
    """Return the ids of rows about who works on reviews."""
    begin, end = timezone.now(), timezone.now() + timedelta(hours=1)
    schedule = Schedule.objects.create(name="only-at-acme")
    override = ScheduleOverride.objects.create(
        schedule=schedule, user=oscar, starts_at=begin, ends_at=end, by=alice
    )
    substitution = Substitution.objects.create(
        person=alice, substitute=oscar, starts_at=begin, ends_at=end, reason="x", created_by=alice
    )
    ReviewerProfile.objects.create(pk=900_006, user=alice)
    return {
        "reviewqueue": str(ReviewQueue.objects.create(name="only-at-acme").pk),
        "schedule": str(schedule.pk),
        "scheduleoverride": str(override.pk),
        "substitution": str(substitution.pk),
        "reviewerprofile": "900006",
    }


def identity(alice: Any) -> Ids:
    """Return the ids of rows about tokens."""
    now = timezone.now()
    order = Order(sub="agent:x", audience="only-at-acme", client_id="only-at-acme")
    client = TokenClient.objects.create(name="only-at-acme")
    grant = DelegationGrant.objects.create(user=alice, client=client, audience="only-at-acme", expires_at=now)
    return {
        "issuedtoken": issue(order, now=now).jti,
        "signingkey": str(keys.ensure(now=now).pk),
        "tokenclient": str(client.pk),
        "delegationgrant": str(grant.pk),
        "trustedissuer": str(TrustedIssuer.objects.create(issuer="only-at-acme").pk),
    }


@pytest.fixture
def as_grace(globex_tenant: Any, acme: Any) -> Client:
    """Return a browser in which Grace, superuser of Globex, is signed in there."""
    client = Client(headers={"host": GLOBEX})
    with tenant_context(globex_tenant):
        grace = User.objects.create(username="grace", is_superuser=True, is_staff=True)
        client.force_login(grace)
        confirm_just_now(client, grace)
    return client


def confirm_just_now(client: Client, user: User) -> None:
    """Let the browser's session be one in which the person has just given the password again."""
    session = client.session
    session["account_authentication_methods"] = [
        {"method": "password", "at": time.time(), "reauthenticated": True}
    ]
    session["account_authentication_methods_user"] = str(user.pk)
    session.save()


@pytest.fixture
def as_alice(alice: Any) -> Client:
    """Return a browser in which Alice is signed in at Acme."""
    client = Client(headers={"host": "acme.localhost"})
    client.force_login(alice)
    confirm_just_now(client, alice)
    return client


def model_of(route: Route) -> str:
    """Return the model whose object a route is about."""
    if route.name.startswith("admin:"):
        return route.name.removeprefix("admin:").split("_")[1]
    parts = route.template.strip("/").split("/")
    if route.name == "delete-view":
        return "savedview"
    if parts[0] == "api":
        return MODEL_OF_API.get("/".join(parts[2:4])) or MODEL_OF_API[parts[2]]
    return MODEL_OF_PAGE.get("/".join(parts[:2])) or MODEL_OF_PAGE[parts[0]]


def path_of(route: Route, ids: Ids) -> str:
    """Return the path of Acme's object."""
    name = "ONLY_AT_ACME" if model_of(route) == "toolsecret" else "only-at-acme"
    values = {"name": name, "provider_id": "only-at-acme", "organization_slug": "only-at-acme-saml"}
    values |= {"user_id": ids["user"], "group_id": ids["group"], "shape": ids["shape"]}
    return route.template.format(
        **{name: values.get(name, ids[model_of(route)]) for name in route.parameters}
    )


def send(client: Client, method: str, path: str, route: Route) -> Any:
    """Send a request that would be carried out if the object were there."""
    if method == "get":
        return client.get(path)
    return getattr(client, method)(path, BODIES.get(route.name, {}), content_type="application/json")


ABOUT_OBJECTS = [r for r in routes("config.urls") if r.parameters and r.name not in NO_OBJECT]
MODELS = sorted({model_of(route) for route in ABOUT_OBJECTS})


class TestMatrix:
    @pytest.mark.parametrize("model", MODELS)
    def test_an_object_of_another_tenant_does_not_exist(
        self, model: str, ids: Ids, as_grace: Client, as_alice: Client
    ) -> None:
        for route in ABOUT_OBJECTS:
            if model_of(route) != model:
                continue
            path = path_of(route, ids)
            if not route.name.startswith("admin:") or route.name.endswith(
                "_change"
            ):  # other admin pages follow
                self.assert_leads_to_the_object_at_home(as_alice, path)
            for method in METHODS if path.startswith("/api/") else METHODS[:2]:
                response = send(as_grace, method, path, route)
                match response.status_code:
                    case 404 | 405:
                        pass
                    case 302:  # the admin's way to say so: back, with a message
                        assert response["Location"].startswith("/admin/"), (method, path)
                        assert path.startswith("/admin/"), method
                    case 403:  # nobody may, whether it exists or not
                        assert send(as_alice, method, path, route).status_code == 403, (method, path)
                    case other:
                        pytest.fail(f"{method} {path} answers {other}")

    def test_tries_every_route_with_an_object(self, ids: Ids) -> None:
        assert set(MODELS) <= set(ids)
        assert len(ABOUT_OBJECTS) > 40

    def assert_leads_to_the_object_at_home(self, as_alice: Client, path: str) -> None:
        """Otherwise a mistake in this file would prove anything."""
        response = as_alice.get(path)
        assert response.status_code in {200, 302, 401, 403, 405}, path
        if response.status_code == 302:
            assert response["Location"].endswith("change/"), response["Location"]


class TestLists:
    @pytest.mark.parametrize(
        "path",
        [
            "agents",
            "runs",
            "sessions",
            "tools?page_size=200",
            "hitl/queue",
            "hitl/grants",
            "hitl/escalation-policies",
            "hitl/service-levels",
            "hitl/notifications",
            "hitl/endpoints",
            "governance/audit?page_size=200",
            "kill-switches",
            "circuits",
            "tools/servers",
            "tools/secrets",
            "hitl/queues",
            "hitl/schedules",
            "hitl/substitutions",
            "hitl/plans",
            "hitl/tiers",
            "governance/thresholds",
            "governance/roles",
            "auth/keys",
            "governance/guardrails",
            "governance/findings",
            "governance/redacted",
            "identity/delegations",
            "governance/budgets",
        ],
    )
    def test_show_only_what_belongs_to_the_host(self, ids: Ids, as_grace: Client, path: str) -> None:
        response = as_grace.get(f"/api/v1/{path}")
        assert response.status_code == 200
        for value in ids.values():
            assert f'"{value}"' not in response.content.decode()
        assert "only-at-acme" not in response.content.decode().lower().replace("_", "-")

    @pytest.mark.parametrize("key", ["run", "agent"])
    def test_filtered_by_another_tenants_object_are_empty(self, ids: Ids, as_grace: Client, key: str) -> None:
        paths = {"run": ["hitl/queue", "governance/audit"], "agent": ["runs", "sessions"]}[key]
        for path in paths:
            response = as_grace.get(f"/api/v1/{path}", {key: ids[key]})
            assert response.json()["results"] == []


class TestCredentials:
    def test_a_token_of_one_tenant_is_nothing_at_another(self, acme: Any, client_of: Any) -> None:
        given = {"username": "alice", "password": "demo"}
        token = client_of().post("/api/v1/auth/login", given, format="json").json()["token"]
        bearer = {"Authorization": f"Bearer {token}"}
        assert client_of().get("/api/v1/agents", headers=bearer).status_code == 200
        for host in (GLOBEX, "localhost"):
            response = client_of(host=host).get("/api/v1/governance/audit", headers=bearer)
            assert (response.status_code, response.json()["code"]) == (401, "not-authenticated")

    def test_a_session_of_one_tenant_is_nothing_at_another(self, as_alice: Client) -> None:
        assert as_alice.get("/api/v1/agents").status_code == 200
        for host in (GLOBEX, "localhost"):
            assert as_alice.get("/api/v1/governance/audit", headers={"host": host}).status_code == 401
            assert as_alice.get("/admin/", headers={"host": host}).status_code == 302

    def test_one_idempotency_key_is_another_at_each_tenant(
        self, acme: Any, agent: Any, as_grace: Client, alice: Any, client_of: Any
    ) -> None:
        headers = {"Idempotency-Key": "the-same-key"}
        body = {"name": "Agent of the key", "blueprint": "assistant"}
        first = client_of(alice).post("/api/v1/agents", body, format="json", headers=headers)
        second = as_grace.post("/api/v1/agents", body, content_type="application/json", headers=headers)
        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json()["id"] != second.json()["id"]


class TestContentTypes:
    def test_of_each_tenant_are_its_own(self, acme: Any, globex_tenant: Any) -> None:
        def ids_of_types() -> dict[str, int]:
            return {
                model.__name__: ContentType.objects.get_for_model(model).pk
                for model in (Agent, Run, Review, Tool)
            }

        at_acme = ids_of_types()
        with tenant_context(globex_tenant):
            at_globex = ids_of_types()
            for name, pk in at_globex.items():
                assert ContentType.objects.get(pk=pk).model == name.lower()
        assert ids_of_types() == at_acme
        for name, pk in at_acme.items():
            assert ContentType.objects.get(pk=pk).model == name.lower()
