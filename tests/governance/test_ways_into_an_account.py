"""Nobody comes in as somebody else, past a lock or without the second factor that their role requires."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client, RequestFactory
from django.utils import timezone

from governance.access.custom_roles.operations import save_role
from governance.access.keys.operations import create_key
from governance.access.models import Role, User
from governance.signin import lockout
from governance.signin.enrolment import must_enrol
from governance.signin.models import IdentityProvider

HOST = {"host": "acme.localhost"}
NOW = timezone.now()


@pytest.fixture(autouse=True)
def fresh_counts(acme: Any) -> None:
    """Forget the tries of other tests: the cache is not rolled back."""
    cache.clear()


@pytest.fixture
def dora(person: Callable[..., Any]) -> Any:
    """Return Dora, who administers and is no superuser."""
    user = person("dora", roles=("admin",))
    user.is_staff = True
    user.save()
    return user


def browser(user: Any) -> Client:
    client = Client(headers=HOST)
    client.force_login(user)
    return client


class TestWhoMustEnrol:
    @pytest.mark.parametrize("header", ["Basic eDp5", "x", "Bearerx y", "Negotiate Bearer x"])
    def test_is_not_let_past_by_a_header_that_signs_nobody_in(
        self, bob: Any, settings: Any, header: str
    ) -> None:
        settings.REQUIRE_MFA_ROLES = ["reviewer"]
        client = Client(headers=HOST)
        client.post("/login/", {"username": "bob", "password": "demo"})
        assert client.get("/reviews/", headers={"authorization": header})["Location"] == "/account/"
        refused = client.get("/api/v1/hitl/queue", headers={"authorization": header})
        assert (refused.status_code, refused.json()["code"]) == (403, "mfa-enrolment-required")

    @pytest.mark.parametrize("path", ["/reviews/", "/admin/"])
    def test_is_not_let_to_a_page_by_a_bearer_token(self, bob: Any, settings: Any, path: str) -> None:
        settings.REQUIRE_MFA_ROLES = ["reviewer"]
        client = Client(headers=HOST)
        client.post("/login/", {"username": "bob", "password": "demo"})
        assert client.get(path, headers={"authorization": "Bearer x"})["Location"] == "/account/"

    def test_has_a_role_that_inherits_from_one_that_must(
        self, alice: Any, charlie: Any, person: Any, settings: Any
    ) -> None:
        settings.REQUIRE_MFA_ROLES = ["reviewer"]
        assert not must_enrol(charlie)
        parent = Role.objects.get(name="reviewer")
        for name in ("second pair of eyes", "third pair of eyes"):
            parent = save_role(
                role=None, name=name, description="", parents=[parent], permissions=[], by=alice, now=NOW
            )
        assert must_enrol(person("charlie", roles=("third pair of eyes",)))


class TestAnotherPersonsAccount:
    @pytest.mark.parametrize("who", ["bob", "charlie"])
    def test_is_not_taken_by_changing_where_its_new_password_is_sent(
        self, dora: Any, person: Any, who: str
    ) -> None:
        user = person(who)
        path = f"/admin/governance/user/{user.pk}/change/"
        given = {"username": "mallory", "email": "dora@evil.example", "is_active": "on"}
        joined = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
        browser(dora).post(path, {**given, **joined})
        found = User.objects.get(pk=user.pk)
        assert (found.username, found.email) == (user.username, user.email)

    def test_is_not_made_to_be_a_second_pair_of_eyes(self, dora: Any, person: Any, client_of: Any) -> None:
        given = {"username": "eve", "password1": "only dora knows", "password2": "only dora knows"}
        browser(dora).post("/admin/governance/user/add/", {**given, "usable_password": "true"})
        eve = User.objects.get(username="eve")
        assert eve.check_password("only dora knows")
        asked = {"user": "eve", "role": "reviewer"}
        refused = client_of(dora).post("/api/v1/governance/roles/assign", asked, format="json")
        assert (refused.status_code, eve.groups.count()) == (403, 0)
        somebody_else = person("dan", roles=("admin",))
        given_by = client_of(somebody_else).post("/api/v1/governance/roles/assign", asked, format="json")
        assert (given_by.status_code, eve.groups.get().name) == (200, "reviewer")

    def test_is_not_taken_through_an_identity_provider_of_ones_own(self, dora: Any) -> None:
        given = {
            "kind": "oidc", "name": "Mine", "slug": "mine", "enabled": "on", "url": "https://evil.example",
            "client_id": "x", "links_by_email": "on", "mappings-TOTAL_FORMS": "0", "mappings-INITIAL_FORMS": "0",
        }  # fmt: skip
        assert browser(dora).post("/admin/governance/identityprovider/add/", given).status_code == 403
        assert not IdentityProvider.objects.filter(slug="mine").exists()

    def test_is_not_taken_through_a_token_issuer_of_ones_own(self, dora: Any) -> None:
        assert browser(dora).get("/admin/governance/trustedissuer/").status_code == 200
        assert browser(dora).post("/admin/governance/trustedissuer/add/", {}).status_code == 403


class TestALock:
    def test_counts_a_network_of_version_6_as_one_address(self, acme: Any) -> None:
        client = Client(headers=HOST)
        for n in range(5):
            client.post(
                "/login/", {"username": "bob", "password": "x"}, REMOTE_ADDR=f"2001:db8:0:1::{n:x}:beef"
            )
        right = {"username": "bob", "password": "demo"}
        assert client.post("/login/", right, REMOTE_ADDR="2001:db8:0:1:ffff::9").status_code == 429
        assert client.post("/login/", right, REMOTE_ADDR="2001:db8:0:2::9").status_code == 302

    @pytest.mark.parametrize("name", ["BOB", "Bob", " bob", "bob "])
    def test_counts_a_name_however_it_is_written(self, acme: Any, name: str) -> None:
        for _ in range(5):
            lockout.count_failure(name="bob", address="192.0.2.1", now=NOW)
        request: Any = RequestFactory().post("/login/", REMOTE_ADDR="192.0.2.1")
        assert lockout.LockOut().is_locked(request, {"username": name})


class TestAKeyFromOneNetwork:
    def test_is_judged_by_the_address_behind_the_proxy(self, bob: Any, settings: Any) -> None:
        settings.TRUSTED_PROXIES = 1
        _, text = create_key(
            owner=bob, name="ci", wanted=["reviews:read"], allowed_ips=["10.0.0.0/8"], now=NOW - timedelta(0)
        )
        client = Client(headers={**HOST, "authorization": f"Bearer {text}"})
        # 10.0.0.1 is the proxy, which everybody comes through.
        far = client.get(
            "/api/v1/hitl/queue", REMOTE_ADDR="10.0.0.1", headers={"x-forwarded-for": "192.0.2.9"}
        )
        near = client.get(
            "/api/v1/hitl/queue", REMOTE_ADDR="10.0.0.1", headers={"x-forwarded-for": "10.2.3.4"}
        )
        assert (far.status_code, near.status_code) == (401, 200)
