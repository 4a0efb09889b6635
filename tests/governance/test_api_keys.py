"""API keys: what one may do is what its scopes and its owner both may; the key itself is stored nowhere."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.runs.models import Run
from governance.access.keys import scopes, secret
from governance.access.keys.models import ApiKey
from governance.access.keys.operations import create_key, revoke_key, rotate_key
from governance.access.models import User
from governance.audit.models import AuditEvent
from tenants.kernel.errors import InvalidInput, PermissionMissing, StaleTransition

Call = Callable[..., Any]


@pytest.fixture
def key_of(acme: Any) -> Callable[..., str]:
    """Return a function that makes a key of somebody and returns its text."""

    def make(owner: Any, *wanted: str, **more: Any) -> str:
        more.setdefault("now", timezone.now())
        return create_key(owner=owner, name="CI", wanted=wanted or ["runs:read"], **more)[1]

    return make


@pytest.fixture
def call(client_of: Any) -> Call:
    """Return a function that calls the API with a key."""

    def send(key: str, path: str, body: Any = None, *, method: str = "", **headers: Any) -> Any:
        client = client_of()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}", **headers)
        verb = method or ("get" if body is None else "post")
        return getattr(client, verb)(f"/api/v1/{path}", body, format="json")

    return send


class TestText:
    def test_has_a_mark_a_secret_and_a_checksum(self) -> None:
        for _ in range(200):
            key = secret.new()
            assert (len(key), key[:3]) == (41, "cs_")
            assert key[3:].isalnum() and key.isascii()
            assert secret.is_whole(key)

    def test_is_never_the_same(self) -> None:
        assert len({secret.new() for _ in range(1000)}) == 1000

    def test_with_any_character_changed_is_not_whole(self) -> None:
        key = secret.new()
        for at in range(3, len(key)):
            other = "a" if key[at] != "a" else "b"
            assert not secret.is_whole(f"{key[:at]}{other}{key[at + 1 :]}")

    @pytest.mark.parametrize(
        "text", ["", "cs_", "cs_short", "xx_" + "a" * 38, "cs_" + "ä" * 38, "cs_" + "-" * 38]
    )
    def test_of_another_form_is_not_whole(self, text: str) -> None:
        assert not secret.is_whole(text)

    def test_has_the_known_checksum(self) -> None:
        assert secret._checksum("") == "000000"
        assert secret._checksum("123456789") == "3jZRME"  # CRC-32's check value, 0xCBF43926, in base 62


class TestCreate:
    def test_stores_a_digest_and_a_prefix_and_not_the_key(self, oscar: Any, key_of: Any) -> None:
        text = key_of(oscar)
        row = ApiKey.objects.get()
        assert (row.prefix, row.digest) == (text[:9], secret.digest(text))
        assert text not in str(ApiKey.objects.values())
        event = AuditEvent.objects.get(action="access.key-created")
        assert (event.actor_name, event.body["scopes"]) == ("oscar", ["runs:read"])
        assert not AuditEvent.objects.filter(body__icontains=text[9:]).exists()

    def test_is_for_ninety_days_and_a_year_at_most(self, oscar: Any, key_of: Any) -> None:
        now = timezone.now()
        key_of(oscar, now=now)
        assert ApiKey.objects.get().expires_at == now + timedelta(days=90)
        with pytest.raises(InvalidInput, match="1 to 365"):
            key_of(oscar, days=366)

    def test_refuses_scopes_that_do_not_exist_or_give_the_owner_nothing(
        self, person: Any, key_of: Any
    ) -> None:
        vera = person("vera")
        with pytest.raises(InvalidInput, match="There is no scope 'moon:write'"):
            key_of(vera, "moon:write")
        with pytest.raises(InvalidInput, match="no permission behind 'audit:read'"):
            key_of(vera, "audit:read")
        with pytest.raises(InvalidInput, match="at least one"):
            create_key(owner=vera, name="CI", wanted=[], now=timezone.now())

    def test_refuses_what_is_no_network(self, oscar: Any, key_of: Any) -> None:
        with pytest.raises(InvalidInput, match="addresses or networks"):
            key_of(oscar, allowed_ips=["everywhere"])

    def test_is_not_for_agents_identities(self, agent: Any, key_of: Any) -> None:
        with pytest.raises(PermissionMissing):
            key_of(agent.principal)


class TestUse:
    def test_reads_what_its_scope_reads_and_nothing_else(self, alice: Any, key_of: Any, call: Call) -> None:
        key = key_of(alice, "runs:read")
        assert call(key, "runs").status_code == 200
        for path in ("tools", "hitl/queue", "governance/audit", "governance/roles", "tools/secrets"):
            assert call(key, path).status_code == 403, path

    def test_of_a_superuser_is_no_superuser(self, alice: Any, agent: Any, key_of: Any, call: Call) -> None:
        key = key_of(alice, "runs:read", "reviews:write")
        body = {"input": {"query": "go"}}
        assert call(key, f"agents/{agent.pk}/execute", body).status_code == 403
        assert call(key, "agents", {"name": "X", "blueprint": "assistant"}).status_code == 403
        assert call(key, "governance/roles/assign", {"user": "charlie", "role": "viewer"}).status_code == 403
        grant = {"subject": "charlie", "resource": "tool:refund_order", "level": "READ"}
        assert call(key, "governance/permissions/grant", grant).status_code == 403

    def test_gives_no_more_than_its_owner_has_now(self, person: Any, key_of: Any, call: Call) -> None:
        dora = person("dora", roles=("operator",))
        key = key_of(dora, "runs:write")
        assert call(key, "runs").status_code == 200
        dora.groups.clear()
        assert call(key, "runs").status_code == 403

    def test_that_only_reads_changes_nothing(self, oscar: Any, key_of: Any, call: Call) -> None:
        key = key_of(oscar, "runs:read")
        check = {"resource": "tool:refund_order", "level": "EXECUTE"}
        assert call(key, "governance/permissions/check", check).status_code == 403
        assert call(key, "auth/logout", {}).status_code == 403

    def test_changes_only_what_a_scope_that_writes_is_for(
        self, oscar: Any, agent: Any, key_of: Any, call: Call
    ) -> None:
        started = call(key_of(oscar, "runs:write"), f"agents/{agent.pk}/execute", {"input": {"query": "go"}})
        path = f"runs/{started.json()['id']}/cancel"
        assert call(key_of(oscar, "runs:read", "limits:write"), path, {}).status_code == 403
        assert call(key_of(oscar, "runs:write"), path, {}).status_code == 200

    def test_starts_runs_with_the_scope_for_it(self, oscar: Any, agent: Any, key_of: Any, call: Call) -> None:
        made = call(key_of(oscar, "runs:write"), f"agents/{agent.pk}/execute", {"input": {"query": "go"}})
        assert made.status_code == 202
        assert Run.objects.get(pk=made.json()["id"]).requester == oscar

    def test_is_noted_once_a_minute(self, oscar: Any, key_of: Any, call: Call) -> None:
        key = key_of(oscar)
        call(key, "runs")
        first = ApiKey.objects.get().last_used_at
        assert first is not None
        call(key, "runs")
        assert ApiKey.objects.get().last_used_at == first
        ApiKey.objects.update(last_used_at=first - timedelta(minutes=2))
        call(key, "runs")
        later = ApiKey.objects.get().last_used_at
        assert later is not None and later > first

    def test_makes_and_rotates_no_keys(self, oscar: Any, key_of: Any, call: Call) -> None:
        key = key_of(oscar, "runs:write")
        row = ApiKey.objects.get()
        assert call(key, "auth/keys", {"name": "x", "scopes": ["runs:read"]}).status_code == 403
        assert call(key, f"auth/keys/{row.pk}/rotate", {}).status_code == 403
        assert ApiKey.objects.count() == 1

    def test_signing_out_with_it_does_not_end_it(self, oscar: Any, key_of: Any, call: Call) -> None:
        key = key_of(oscar, "runs:write")
        assert call(key, "auth/logout", {}).status_code == 204
        assert call(key, "runs").status_code == 200


class TestRefusal:
    def test_of_a_wrong_checksum_asks_no_database(self, acme: Any, call: Call) -> None:
        text = secret.new()
        broken = text[:-1] + ("a" if text[-1] != "a" else "b")
        with CaptureQueriesContext(connection) as asked:
            response = call(broken, "runs")
        assert not [query for query in asked if "governance_" in query["sql"]]
        assert (response.status_code, response.json()["code"]) == (401, "not-authenticated")

    @pytest.mark.parametrize("why", ["unknown", "expired", "revoked", "owner inactive", "not from 127.0.0.1"])
    def test_is_audited_with_the_reason(self, oscar: Any, key_of: Any, call: Call, why: str) -> None:
        key = key_of(oscar)
        now = timezone.now()
        match why:
            case "unknown":
                key = secret.new()
            case "expired":
                ApiKey.objects.update(expires_at=now - timedelta(seconds=1))
            case "revoked":
                revoke_key(key=ApiKey.objects.get(), by=oscar, now=now)
            case "owner inactive":
                User.objects.filter(pk=oscar.pk).update(is_active=False)
            case _:
                ApiKey.objects.update(allowed_ips=["192.0.2.0/24"])
        assert call(key, "runs").status_code == 401
        event = AuditEvent.objects.get(action="access.key-refused")
        assert (event.outcome, event.body["why"]) == ("refused", why)

    def test_is_not_of_a_network_that_is_allowed(self, oscar: Any, key_of: Any, call: Call) -> None:
        assert call(key_of(oscar, allowed_ips=["127.0.0.0/8"]), "runs").status_code == 200

    def test_at_another_tenant(self, oscar: Any, key_of: Any, client_of: Any) -> None:
        client = client_of(host="globex.localhost")
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {key_of(oscar)}")
        assert client.get("/api/v1/runs").status_code == 401


class TestRotation:
    def test_lets_the_old_key_work_for_a_while(self, oscar: Any, key_of: Any, call: Call) -> None:
        now = timezone.now()
        old = key_of(oscar, "runs:read", days=30)
        _, new = rotate_key(key=ApiKey.objects.get(), by=oscar, now=now, overlap_h=2)
        assert call(old, "runs").status_code == call(new, "runs").status_code == 200
        before = ApiKey.objects.get(digest=secret.digest(old))
        after = ApiKey.objects.get(digest=secret.digest(new))
        assert before.expires_at == now + timedelta(hours=2)
        assert (after.scopes, before.replaced_by) == (["runs:read"], after)
        ApiKey.objects.filter(pk=before.pk).update(expires_at=now)
        assert (call(old, "runs").status_code, call(new, "runs").status_code) == (401, 200)
        assert AuditEvent.objects.filter(action="access.key-rotated").count() == 1

    def test_happens_once(self, oscar: Any, key_of: Any) -> None:
        key_of(oscar)
        row, now = ApiKey.objects.get(), timezone.now()
        rotate_key(key=row, by=oscar, now=now)
        with pytest.raises(StaleTransition):
            rotate_key(key=row, by=oscar, now=now)

    def test_is_the_owners_alone(self, oscar: Any, alice: Any, key_of: Any) -> None:
        key_of(oscar)
        with pytest.raises(PermissionMissing):
            rotate_key(key=ApiKey.objects.get(), by=alice, now=timezone.now())


class TestApi:
    def test_shows_the_key_once(self, oscar: Any, client_of: Any) -> None:
        client = client_of(oscar)
        made = client.post("/api/v1/auth/keys", {"name": "CI", "scopes": ["runs:read"]}, format="json")
        assert made.status_code == 201 and secret.is_whole(made.json()["key"])
        listed = client.get("/api/v1/auth/keys").json()["results"]
        assert [row["name"] for row in listed] == ["CI"]
        assert "key" not in listed[0] and made.json()["key"] not in str(listed)

    def test_shows_ones_own_and_to_admins_everybodys(
        self, oscar: Any, alice: Any, bob: Any, key_of: Any, client_of: Any
    ) -> None:
        key_of(oscar)
        pk = ApiKey.objects.get().pk
        assert client_of(bob).get("/api/v1/auth/keys").json()["results"] == []
        assert client_of(bob).delete(f"/api/v1/auth/keys/{pk}").status_code == 404
        assert len(client_of(alice).get("/api/v1/auth/keys").json()["results"]) == 1
        assert client_of(alice).delete(f"/api/v1/auth/keys/{pk}").status_code == 204
        assert client_of(alice).delete(f"/api/v1/auth/keys/{pk}").status_code == 409
        event = AuditEvent.objects.get(action="access.key-revoked")
        assert (event.actor_name, event.body["owner"]) == ("alice", "oscar")


class TestPages:
    def browser(self, user: Any) -> Client:
        client = Client(headers={"host": "acme.localhost"})
        client.force_login(user, backend="governance.access.backends.PeopleBackend")
        return client

    @pytest.fixture
    def olga(self, person: Any) -> Any:
        """Return Olga, an operator who may use the admin."""
        user = person("olga", roles=("operator",))
        User.objects.filter(pk=user.pk).update(is_staff=True)
        return user

    def make(self, user: Any, **more: Any) -> Any:
        given = {"name": "CI", "wanted": ["runs:read"], "days": "30", "networks": "192.0.2.1\n", **more}
        return self.browser(user).post("/admin/governance/apikey/add/", given)

    def test_make_a_key_and_show_it_once(self, olga: Any) -> None:
        assert self.browser(olga).get("/admin/governance/apikey/add/").status_code == 200
        page = self.make(olga)
        assert page.status_code == 200 and "no-store" in page["Cache-Control"]
        text = re.search(r"cs_[0-9A-Za-z]{38}", page.content.decode())
        assert text is not None and secret.is_whole(text[0])
        row = ApiKey.objects.get()
        assert (row.owner, row.scopes, row.allowed_ips) == (olga, ["runs:read"], ["192.0.2.1/32"])
        for path in ("", f"{row.pk}/change/"):
            shown = self.browser(olga).get(f"/admin/governance/apikey/{path}").content.decode()
            assert "CI" in shown and text[0] not in shown

    def test_name_what_is_wrong(self, olga: Any) -> None:
        assert self.make(olga, wanted=["audit:read"]).status_code == 302  # back, with the message
        assert self.make(olga, days="0").status_code == 200
        assert not ApiKey.objects.exists()

    def test_rotate_and_end(self, olga: Any) -> None:
        self.make(olga)
        row = ApiKey.objects.get()
        path = f"/admin/governance/apikey/{row.pk}"
        browser = self.browser(olga)
        assert browser.get(f"{path}/rotate/").status_code == 200
        assert ApiKey.objects.count() == 1
        assert browser.post(f"{path}/rotate/", {"overlap_h": "x"}).status_code == 422
        assert browser.post(f"{path}/rotate/", {"overlap_h": "1"}).status_code == 200
        assert ApiKey.objects.count() == 2
        assert browser.post(f"{path}/revoke/").status_code == 302
        row.refresh_from_db()
        assert row.revoked_at is not None

    def test_of_others_are_for_who_may_view_them(
        self, olga: Any, oscar: Any, alice: Any, key_of: Any
    ) -> None:
        key_of(oscar)
        path = f"/admin/governance/apikey/{ApiKey.objects.get().pk}"
        assert self.browser(olga).get(f"{path}/change/").status_code == 302
        assert self.browser(olga).post(f"{path}/revoke/").status_code == 404
        assert self.browser(olga).get(f"{path}/rotate/").status_code == 404
        assert self.browser(alice).get(f"{path}/change/").status_code == 200
        assert self.browser(alice).post(f"{path}/rotate/", {"overlap_h": "1"}).status_code == 403
        assert self.browser(alice).post(f"{path}/revoke/").status_code == 302


class TestScopes:
    def test_name_permissions_that_exist(self, acme: Any) -> None:
        from django.contrib.auth.models import Permission

        names = {
            f"{app}.{code}"
            for app, code in Permission.objects.values_list("content_type__app_label", "codename")
        }
        for scope in scopes.known():
            assert scopes.permissions_of([scope]) <= names, scope

    def test_that_read_change_nothing(self) -> None:
        for scope in scopes.known():
            if scope.endswith(":read"):
                verbs = {name.partition(".")[2].partition("_")[0] for name in scopes.permissions_of([scope])}
                assert verbs <= {"view", "check"}, scope
