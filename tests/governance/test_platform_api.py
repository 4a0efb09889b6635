"""Operators make, change, suspend and activate tenants over HTTP; nobody else does."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from governance.access.models import IdempotencyRecord, User
from governance.audit.models import AuditEvent
from tenants.kernel.context import platform_context, schema_tenant, tenant_context
from tenants.tenancy.models import Domain, Tenant
from tests.governance.clones import own_database

TENANTS = "/api/v1/tenants"
HOST = {"host": "localhost"}


@pytest.fixture(scope="module")
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """Give the module a database of its own, as the role that runs the platform."""
    with own_database(django_db_blocker) as name:
        yield name


@pytest.fixture
def db(committed: str) -> None:
    """Use it."""


@pytest.fixture
def root(db: None) -> Iterator[APIClient]:
    """Return a client of the platform's operator."""
    with platform_context():
        client = APIClient(headers=HOST)
        client.force_authenticate(User.objects.get(username="root"))
        yield client


def make(client: APIClient, name: str, key: str = "", **body: Any) -> Any:
    headers = {**HOST, **({"Idempotency-Key": key} if key else {})}
    return client.post(TENANTS, {"name": name, **body}, format="json", headers=headers)


def pk_of(schema: str) -> int:
    with platform_context():
        return int(Tenant.objects.get(schema_name=schema).pk)


def events(schema: str, action: str) -> list[tuple[str, str]]:
    with tenant_context(schema_tenant(schema)):
        found = AuditEvent.objects.filter(action=action).order_by("id")
        return [(event.actor_kind, event.actor_name) for event in found]


class TestCreate:
    def test_makes_a_tenant_whose_administrator_chooses_a_password_once(self, root: APIClient) -> None:
        answer = make(
            root, "Initech AG", admin={"username": "milton", "email": "milton@example.com"}, tier="STARTER"
        )
        assert answer.status_code == 201, answer.content
        body = answer.json()
        assert (body["schema"], body["tier"], body["state"]) == ("initech_ag", "STARTER", "active")
        assert body["domains"] == ["initech-ag.localhost"]
        assert (body["limits"]["agents"], body["limits"]["runs_per_day"]) == (10, 1000)
        assert "password" not in str(answer.json())
        path = urlsplit(body["invitation"]["url"]).path
        person = Client(headers={"host": "initech-ag.localhost"})
        assert "Choose a password for milton" in person.get(path).content.decode()
        unlike = person.post(path, {"new_password1": "red-stapler-1999", "new_password2": "red"})
        assert unlike.status_code == 422
        chosen = {"new_password1": "red-stapler-1999", "new_password2": "red-stapler-1999"}
        assert person.post(path, chosen).status_code == 302
        assert person.post(path, chosen).status_code == 404
        login = {"username": "milton", "password": "red-stapler-1999"}
        signed_in = person.post("/api/v1/auth/login", login, content_type="application/json")
        assert signed_in.status_code == 200
        bearer = {"host": "initech-ag.localhost", "Authorization": f"Bearer {signed_in.json()['token']}"}
        assert person.get("/api/v1/agents", headers=bearer).status_code == 200

    def test_gives_an_address_that_is_nothing_at_another_tenant(self, root: APIClient) -> None:
        made = [make(root, name, admin={"username": "milton"}).json() for name in ("Here", "There")]
        path = urlsplit(made[0]["invitation"]["url"]).path
        here, there = (Client(headers={"host": one["domains"][0]}).get(path) for one in made)
        assert (here.status_code, there.status_code) == (200, 404)

    def test_gives_no_address_to_who_came_in_without_a_password(self, root: APIClient) -> None:
        pk = make(root, "Single sign on", admin={"username": "milton"}).json()["id"]
        assert root.post(f"{TENANTS}/{pk}/invite", {"username": "milton"}, format="json").status_code == 200
        assert [actor for _, actor in events("single_sign_on", "tenant.invited")] == ["root"]
        with tenant_context(schema_tenant("single_sign_on")):
            User.objects.filter(username="milton").update(last_login=timezone.now())
        assert root.post(f"{TENANTS}/{pk}/invite", {"username": "milton"}, format="json").status_code == 422

    def test_is_on_record_in_both_logs(self, root: APIClient) -> None:
        make(root, "Recorded")
        assert events("public", "tenant.created")[-1] == ("person", "root")
        assert events("recorded", "tenant.created") == [("operator", "root")]

    def test_takes_no_more_than_five_seconds(self, root: APIClient) -> None:
        began = time.monotonic()
        assert make(root, "Quick").status_code == 201
        assert time.monotonic() - began < 5

    def test_gives_the_lowest_tier_if_none_is_named(self, root: APIClient) -> None:
        assert make(root, "Small").json()["tier"] == "FREE"

    def test_with_a_key_makes_one_and_keeps_no_address(self, root: APIClient) -> None:
        first = make(root, "Once", key="k1", admin={"username": "ann"})
        again = make(root, "Once", key="k1", admin={"username": "ann"})
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json()["id"] == again.json()["id"]
        with platform_context():
            assert "welcome" not in str(IdempotencyRecord.objects.get(key="k1").body)

    @pytest.mark.parametrize(
        ("body", "word"),
        [
            ({"name": "!!!"}, "schema"),
            ({"name": "Acme"}, "acme"),
            ({"name": "X", "schema": "pg_evil"}, "pg_"),
            ({"name": "Fine one", "tier": "GOLD"}, "tier"),
            ({"name": "Fine two", "domain": "not a host"}, "host"),
            ({"name": "Fine three", "admin": {"username": "no spaces please!"}}, "/admin/username"),
            ({}, "name"),
        ],
    )
    def test_says_what_to_change_and_leaves_nothing(
        self, root: APIClient, body: dict[str, Any], word: str
    ) -> None:
        before = schemas()
        answer = root.post(TENANTS, body, format="json", headers=HOST)
        assert answer.status_code == 422, answer.content
        assert word in answer.content.decode()
        assert schemas() == before


def schemas() -> set[str]:
    with platform_context(), connection.cursor() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace")
        return {row[0] for row in cursor.fetchall()} | set(Domain.objects.values_list("domain", flat=True))


class TestRuntimeRole:
    """Web has no right to make schemas; it may only have the template copied."""

    @pytest.mark.parametrize("name", ["public", "acme", "pg_x", 'x"; DROP SCHEMA acme; --', "X", "a b", ""])
    def test_copies_the_template_to_no_odd_name(self, db: None, name: str) -> None:
        with platform_context(), connection.cursor() as cursor:
            cursor.execute("SELECT fingerprint FROM tenants_schematemplate")
            fingerprint = cursor.fetchone()[0]
            with pytest.raises(Exception, match=r"not a name|already exists"):
                cursor.execute("SELECT tenants_copy_template(%s, %s)", [name, fingerprint])

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE tenants_schematemplate SET sql = 'DROP SCHEMA acme CASCADE'",
            "INSERT INTO tenants_schematemplate (fingerprint, sql, created_at) VALUES ('x', 'DROP SCHEMA acme', now())",
            "DELETE FROM tenants_schematemplate",
            "CREATE OR REPLACE FUNCTION tenants_copy_template(text, text) RETURNS void LANGUAGE sql AS ''",
        ],
    )
    def test_cannot_say_what_the_owner_runs(self, db: None, statement: str) -> None:
        with (
            platform_context(),
            connection.cursor() as cursor,
            pytest.raises(Exception, match=r"permission denied|must be owner|cannot change"),
        ):
            cursor.execute(statement)


class TestChange:
    def test_of_the_tier_counts_at_once(self, root: APIClient) -> None:
        pk = make(root, "Growing").json()["id"]
        answer = root.patch(
            f"{TENANTS}/{pk}",
            {"tier": "PROFESSIONAL", "overrides": {"agents": 7}},
            format="json",
            headers=HOST,
        )
        assert answer.status_code == 200, answer.content
        assert (answer.json()["limits"]["agents"], answer.json()["limits"]["people"]) == (7, 250)
        assert events("growing", "tenant.changed") == [("operator", "root")]

    @pytest.mark.parametrize(
        "overrides", [{"agent": 3}, {"agents": -1}, {"agents": "7"}, {"agents": True}, {"features": ["gold"]}]
    )
    def test_names_the_limit_that_cannot_be(self, root: APIClient, overrides: dict[str, Any]) -> None:
        answer = root.patch(
            f"{TENANTS}/{pk_of('globex')}", {"overrides": overrides}, format="json", headers=HOST
        )
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["at"] == f"/overrides/{next(iter(overrides))}"


class TestSuspend:
    @pytest.fixture
    def hooli(self, root: APIClient) -> Iterator[int]:
        """Return a tenant of the test's own."""
        with platform_context():
            found = Tenant.objects.filter(schema_name="hooli").first()
        pk = found.pk if found else make(root, "Hooli").json()["id"]
        yield pk
        with platform_context():
            Tenant.objects.filter(pk=pk).update(state="active")

    def act(self, root: APIClient, pk: int, verb: str, **body: Any) -> Any:
        return root.post(f"{TENANTS}/{pk}/{verb}", body, format="json", headers=HOST)

    def test_lets_nobody_in_anywhere_until_it_is_activated(self, root: APIClient, hooli: int) -> None:
        with tenant_context(schema_tenant("hooli")):
            gavin, _ = User.objects.get_or_create(username="gavin", defaults={"is_superuser": True})
            gavin.set_password("demo")
            gavin.save()
        browser = Client(headers={"host": "hooli.localhost"})
        with tenant_context(schema_tenant("hooli")):
            browser.force_login(gavin)
        api = "/api/v1/auth/login"
        credentials = {"username": "gavin", "password": "demo"}
        token = browser.post(api, credentials, content_type="application/json").json()["token"]
        bearer = {"host": "hooli.localhost", "Authorization": f"Bearer {token}"}
        assert browser.get("/api/v1/agents", headers=bearer).status_code == 200
        assert self.act(root, hooli, "suspend", reason="unpaid").status_code == 200
        refused = [
            browser.get("/api/v1/agents", headers=bearer),
            browser.post(api, credentials, content_type="application/json"),
            browser.post("/hooks/slack/actions"),
            browser.get("/metrics"),
        ]
        assert [one.status_code for one in refused] == [403] * 4
        assert {one.json()["code"] for one in refused} == {"tenant-suspended"}
        for page in ("/", "/admin/", "/login/", "/nowhere"):
            answer = browser.get(page, headers={"accept": "text/html", "host": "hooli.localhost"})
            assert (answer.status_code, "Hooli is suspended" in answer.content.decode()) == (403, True)
            assert "default-src 'none'" in answer["Content-Security-Policy"]
            assert "unpaid" not in answer.content.decode()
        assert browser.get("/health/live").status_code == 200
        assert browser.get("/health/ready").status_code == 200
        other = Client(headers={"host": "acme.localhost"})
        assert other.get("/login/").status_code == 200
        assert self.act(root, hooli, "activate").status_code == 200
        assert browser.get("/api/v1/agents", headers=bearer).status_code == 200

    def test_is_on_record_in_both_logs_and_is_no_state_twice(self, root: APIClient, hooli: int) -> None:
        assert self.act(root, hooli, "suspend", reason=" ").status_code == 422
        assert self.act(root, hooli, "activate").status_code == 409
        assert self.act(root, hooli, "suspend", reason="unpaid").json()["state_reason"] == "unpaid"
        assert self.act(root, hooli, "suspend", reason="again").status_code == 409
        for schema, kind in (("public", "person"), ("hooli", "operator")):
            assert events(schema, "tenant.suspended")[-1] == (kind, "root")

    def test_goes_on_sealing_the_log(self, root: APIClient, hooli: int) -> None:
        from governance.audit.operations import unsealed
        from governance.audit.tasks import seal_audit_logs

        self.act(root, hooli, "suspend", reason="unpaid")
        with platform_context():
            seal_audit_logs.run()
        with tenant_context(schema_tenant("hooli")):
            assert not unsealed().exists()

    def test_is_not_for_the_platform_itself(self, root: APIClient) -> None:
        assert self.act(root, pk_of("public"), "suspend", reason="x").status_code == 404


class TestUsage:
    def test_counts_runs_reviews_and_people_of_one_tenant(self, root: APIClient) -> None:
        body = root.get(f"{TENANTS}/{pk_of('acme')}/usage", headers=HOST).json()
        assert len(body["days"]) == 30
        assert body["totals"]["runs"] == body["days"][-1]["runs"] + body["days"][-2]["runs"] == 10
        assert set(body["totals"]) == {
            "runs", "steps", "tool_calls", "input_tokens", "output_tokens", "reviews", "active_people",
        }  # fmt: skip
        assert body["limits"]["agents"] == {"allowed": None, "used": 1}
        assert body["limits"]["people"]["used"] == 6
        assert root.get(f"{TENANTS}/{pk_of('globex')}/usage", headers=HOST).json()["totals"]["runs"] == 3

    def test_is_given_as_csv(self, root: APIClient) -> None:
        today = timezone.now().date()
        query = f"?from={today - timedelta(days=1)}&to={today}"
        answer = root.get(f"{TENANTS}/{pk_of('acme')}/usage/export{query}", headers=HOST)
        lines = answer.content.decode().splitlines()
        assert lines[0] == (
            "tenant,tier,day,active_people,input_tokens,output_tokens,reviews,runs,steps,tool_calls"
        )
        assert [line.split(",")[:3] for line in lines[1:]] == [
            ["acme", "ENTERPRISE", str(today - timedelta(days=1))],
            ["acme", "ENTERPRISE", str(today)],
        ]
        assert answer["Content-Type"].startswith("text/csv")

    @pytest.mark.parametrize(
        "query", ["?from=yesterday", "?from=2026-02-01&to=2026-01-01", "?from=2020-01-01"]
    )
    def test_of_an_odd_period_is_refused(self, root: APIClient, query: str) -> None:
        answer = root.get(f"{TENANTS}/{pk_of('acme')}/usage{query}", headers=HOST)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["at"] == "/from"


WRITES = [
    ("post", TENANTS, {"name": "Mine"}),
    ("patch", "{one}", {"tier": "FREE"}),
    ("post", "{one}/suspend", {"reason": "x"}),
    ("post", "{one}/activate", {}),
    ("post", "{one}/invite", {"username": "alice"}),
]
READS = [
    ("get", path, None) for path in (TENANTS, "{one}", "{one}/usage", "{one}/usage/export", "/api/v1/tiers")
]


class TestAccess:
    @pytest.fixture
    def auditor(self, db: None) -> Any:
        from django.contrib.auth.models import Group

        with platform_context():
            person, _ = User.objects.get_or_create(username="platform-auditor")
            person.groups.set([Group.objects.get(name="auditor")])
            return person

    def call(self, client: APIClient, call: tuple[str, str, Any], host: str = "localhost") -> Any:
        method, path, body = call
        url = path.format(one=f"{TENANTS}/{pk_of('globex')}")
        return getattr(client, method)(url, body, format="json", headers={"host": host})

    @pytest.mark.parametrize("write", WRITES, ids=lambda call: f"{call[0]} {call[1]}")
    def test_to_writes_is_refused_to_who_only_looks(self, auditor: Any, write: Any) -> None:
        client = APIClient()
        with platform_context():
            client.force_authenticate(auditor)
            assert self.call(client, write).status_code == 403

    @pytest.mark.parametrize("read", READS, ids=lambda call: str(call[1]))
    def test_to_reads_is_for_those_who_may(self, auditor: Any, read: Any) -> None:
        client = APIClient()
        with platform_context():
            nobody, _ = User.objects.get_or_create(username="platform-nobody")
            client.force_authenticate(nobody)
            assert self.call(client, read).status_code == 403
            client.force_authenticate(auditor)
            assert self.call(client, read).status_code == 200

    @pytest.mark.parametrize("call", [*WRITES, *READS], ids=lambda call: f"{call[0]} {call[1]}")
    def test_is_nobodys_without_signing_in_nor_on_a_tenants_host(self, db: None, call: Any) -> None:
        assert self.call(APIClient(), call).status_code == 401
        with tenant_context(schema_tenant("acme")):
            alice = User.objects.get(username="alice")
        client = APIClient()
        client.force_authenticate(alice)
        assert self.call(client, call, host="acme.localhost").status_code == 404
