"""Every endpoint of the platform's host: who may and who may not. A new one without a line here fails."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group
from rest_framework.test import APIClient

from governance.access.models import User
from governance.audit import operations as audit
from governance.audit.models import AuditEvent
from governance.audit.types import Entry
from tenants.kernel.context import platform_context, schema_tenant, tenant_context
from tenants.tenancy.models import Tenant
from tests.config.routes import routes
from tests.governance.clones import own_database
from tests.governance.samples import NOW

PREFIX = "/api/v1/"
EVERYBODY = frozenset({"root", "admin", "operator", "auditor", "viewer", "anonymous"})
SIGNED_IN = EVERYBODY - {"anonymous"}
MANAGERS = frozenset({"root", "admin"})
STOPPERS = MANAGERS | {"operator"}
LOOKERS = STOPPERS | {"auditor"}
LOG = frozenset({"root", "auditor", "admin"})
AUDIT = "governance/audit"
# Who may, by method and route. Root is superuser, the others hold the role of their name.
ACCESS: dict[str, frozenset[str]] = {
    "POST auth/login": EVERYBODY,
    "POST auth/logout": SIGNED_IN,
    "GET schema/": EVERYBODY,
    "GET docs/": EVERYBODY,
    "GET flags": SIGNED_IN,
    f"GET {AUDIT}": LOG,
    f"GET {AUDIT}/{{pk}}": LOG,
    f"GET {AUDIT}/checkpoints": LOG,
    "GET tiers": LOOKERS,
    "GET tenants": LOOKERS,
    "GET tenants/{pk}": LOOKERS,
    "GET tenants/{pk}/usage": LOOKERS,
    "GET tenants/{pk}/usage/export": LOOKERS,
    "POST tenants": MANAGERS,
    "PATCH tenants/{pk}": MANAGERS,
    "POST tenants/{pk}/invite": MANAGERS,
    "POST tenants/{pk}/suspend": STOPPERS,
    "POST tenants/{pk}/activate": STOPPERS,
}
BODIES: dict[str, Any] = {
    "POST auth/login": {"username": "root", "password": "demo"},
    "POST tenants": {"name": "Newcomer"},
    "PATCH tenants/{pk}": {"tier": "PROFESSIONAL"},
    "POST tenants/{pk}/invite": {"username": "newcomer"},
    "POST tenants/{pk}/suspend": {"reason": "unpaid"},
}
Call = Callable[..., Any]


@pytest.fixture(scope="module")
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """Give the module a database of its own: a tenant that is made is committed."""
    with own_database(django_db_blocker) as name:
        yield name


@pytest.fixture
def db(committed: str) -> None:
    """Use it."""


@pytest.fixture
def call(platform: None) -> Call:
    """Return a function with which somebody calls an endpoint about Globex."""
    if not AuditEvent.objects.exists():
        audit.record(Entry(at=NOW, action="sample"))
    event = AuditEvent.objects.latest("id").pk
    tenant = Tenant.objects.get(schema_name="globex")

    def go(endpoint: str, who: str, host: str = "localhost") -> Any:
        method, _, path = endpoint.partition(" ")
        Tenant.objects.update(state="suspended" if endpoint.endswith("activate") else "active")
        Tenant.objects.filter(schema_name__in=["public", "acme"]).update(state="active")
        if endpoint.endswith("invite"):
            with tenant_context(tenant):
                newcomer, _ = User.objects.get_or_create(username="newcomer")
                newcomer.set_unusable_password()
                newcomer.save()
        client = APIClient()
        if who != "anonymous":
            client.force_authenticate(somebody(who))
        url = PREFIX + path.format(pk=event if path.startswith(AUDIT) else tenant.pk)
        return client.generic(
            method, url, _json(BODIES.get(endpoint, {})), "application/json", headers={"host": host}
        )

    return go


def _json(body: Any) -> str:
    import json

    return json.dumps(body)


def somebody(who: str) -> User:
    """Return one of the platform's people."""
    if who == "root":
        return User.objects.get(username="root")
    person, _ = User.objects.get_or_create(username=f"platform-{who}")
    person.groups.set([Group.objects.get(name=who)])
    return User.objects.get(pk=person.pk)


def endpoints(urlconf: str) -> set[str]:
    """Return every method and route of a host's API."""
    return {
        f"{method} {route.template.removeprefix(PREFIX)}"
        for route in routes(urlconf)
        if route.template.startswith(PREFIX)
        for method in route.methods
    }


class TestAccess:
    def test_is_stated_for_every_endpoint(self, platform: None) -> None:
        assert endpoints("config.urls_public") == set(ACCESS)

    @pytest.mark.parametrize("endpoint", sorted(ACCESS))
    def test_is_for_these_people_only(self, call: Call, endpoint: str) -> None:
        for who in sorted(EVERYBODY - ACCESS[endpoint]):
            response = call(endpoint, who)
            assert response.status_code == (401 if who == "anonymous" else 403), who
            assert response["Content-Type"] == "application/problem+json"
        allowed = sorted(ACCESS[endpoint])
        for who in allowed[:1] if endpoint == "POST tenants" else allowed:  # a name is taken once
            assert call(endpoint, who).status_code < 300, who

    @pytest.mark.parametrize(
        "endpoint", sorted(set(ACCESS) - endpoints("config.urls")), ids=lambda endpoint: endpoint
    )
    def test_is_nobodys_on_a_tenants_host(self, call: Call, endpoint: str) -> None:
        with tenant_context(schema_tenant("acme")):
            alice = User.objects.get(username="alice")
        client = APIClient(headers={"host": "acme.localhost"})
        client.force_authenticate(alice)
        method, _, path = endpoint.partition(" ")
        assert client.generic(method, PREFIX + path.format(pk=1)).status_code == 404
        with platform_context():
            assert Tenant.objects.get(schema_name="globex").state in {"active", "suspended"}
