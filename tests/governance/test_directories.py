"""People sign in with the password of the tenant's LDAP directory: a real OpenLDAP server answers."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from governance.access.models import User
from governance.signin import directory
from governance.signin.directory import DirectoryUnusable
from governance.signin.identities import Identity
from governance.signin.models import IdentityProvider
from tests.governance import slapd
from tests.governance.slapd import ADMIN, ADMIN_PASSWORD, BASE, Server

pytestmark = pytest.mark.skipif(slapd.SLAPD is None, reason="slapd is not installed")
HOST = {"host": "acme.localhost"}
PEOPLE = f"ou=people,{BASE}"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with slapd.running() as running:
        yield running


@pytest.fixture
def row(acme: Any, server: Server, settings: Any) -> IdentityProvider:
    """Return the tenant's row of the directory, which may add people of its domain."""
    settings.OUTBOUND_ALLOWED_CIDRS = ["127.0.0.0/8", "::1/128"]
    provider = IdentityProvider(
        kind="ldap", slug="corp", name="Corp", enabled=True, url=f"ldaps://localhost:{server.tls_port}",
        certificate=server.certificate, user_dn=f"uid={{username}},{PEOPLE}", role_claim="employeeType",
        creates_people=True, domains="corp.example",
    )  # fmt: skip
    provider.full_clean()
    provider.save()
    provider.mappings.create(value="reviewers", role=Group.objects.get(name="reviewer"))
    return provider


def searching(row: IdentityProvider, secret: str = ADMIN_PASSWORD) -> None:
    """Let the row find people by a search."""
    row.user_dn, row.search_base, row.client_id = "", PEOPLE, ADMIN
    row.seal(secret)
    row.full_clean()
    row.save()


def sign_in(username: str, password: str) -> tuple[Client, int]:
    client = Client(headers=HOST)
    return client, client.post("/login/", {"username": username, "password": password}).status_code


def ask(row: IdentityProvider, username: str = "nina", word: str = "nina's word") -> Identity | None:
    return directory.ask(row, username=username, password=word)


class TestSignIn:
    def test_adds_somebody_with_the_mapped_role(self, row: IdentityProvider) -> None:
        client, status = sign_in("nina", "nina's word")
        assert (status, client.get("/account/").status_code) == (302, 200)
        nina = User.objects.get(username="nina")
        assert (nina.email, nina.last_name, nina.has_usable_password()) == (
            "nina@corp.example",
            "Novak",
            False,
        )
        assert [group.name for group in nina.groups.all()] == ["reviewer"]

    def test_works_over_the_api_and_ends_with_the_account(
        self, row: IdentityProvider, client_of: Any
    ) -> None:
        given = {"username": "nina", "password": "nina's word"}
        assert client_of().post("/api/v1/auth/login", given, format="json").status_code == 200
        User.objects.filter(username="nina").update(is_active=False)
        assert client_of().post("/api/v1/auth/login", given, format="json").status_code == 401

    def test_takes_the_role_with_the_group(self, row: IdentityProvider, server: Server) -> None:
        sign_in("nina", "nina's word")
        dn = f"uid=nina,{PEOPLE}"
        server.change(f"dn: {dn}\nchangetype: modify\nreplace: employeeType\nemployeeType: nobody\n")
        sign_in("nina", "nina's word")
        assert not User.objects.get(username="nina").groups.exists()
        server.change(f"dn: {dn}\nchangetype: modify\nreplace: employeeType\nemployeeType: reviewers\n")

    @pytest.mark.parametrize(
        ("username", "password"),
        [
            ("nina", "wrong"),
            ("nina", ""),
            ("nobody", "nina's word"),
            ("*", "nina's word"),
            ("nina,ou=people", "nina's word"),
            ("otto", "otto's word"),
        ],
    )
    def test_refuses_others(self, row: IdentityProvider, username: str, password: str) -> None:
        client, status = sign_in(username, password)
        assert (status, client.get("/account/").status_code) == (200, 302)
        assert not User.objects.filter(username__in=["nina", "otto", "*"]).exists()

    def test_does_not_take_over_somebody_of_that_name(self, row: IdentityProvider, person: Any) -> None:
        person("nina")
        assert sign_in("nina", "nina's word")[1] == 200

    def test_counts_to_the_lock(self, row: IdentityProvider) -> None:
        for _ in range(5):
            sign_in("nina", "wrong")
        assert sign_in("nina", "nina's word")[1] == 429

    def test_leaves_passwords_of_this_site_alone(self, row: IdentityProvider) -> None:
        assert sign_in("bob", "demo")[1] == 302

    def test_at_another_tenant_knows_nobody(self, row: IdentityProvider) -> None:
        client = Client(headers={"host": "globex.localhost"})
        assert client.post("/login/", {"username": "nina", "password": "nina's word"}).status_code == 200


class TestDirectory:
    def test_is_searched_with_its_own_account(self, row: IdentityProvider) -> None:
        searching(row)
        found = ask(row)
        assert found
        assert found.uid == f"uid=nina,{PEOPLE}"
        assert ask(row, word="wrong") is None

    @pytest.mark.parametrize("username", ["*", "nina)(uid=*", "n*na"])
    def test_takes_no_filter_for_a_name(self, row: IdentityProvider, username: str) -> None:
        searching(row)
        assert ask(row, username) is None

    def test_that_refuses_the_searcher_is_unusable(self, row: IdentityProvider) -> None:
        searching(row, "wrong")
        with pytest.raises(DirectoryUnusable):
            ask(row)

    def test_takes_no_empty_password_for_an_anonymous_bind(self, row: IdentityProvider) -> None:
        assert ask(row, word="") is None

    def test_with_a_certificate_nobody_vouches_for_is_unusable(self, row: IdentityProvider) -> None:
        row.certificate = ""
        with pytest.raises(DirectoryUnusable):
            ask(row)

    def test_under_another_name_is_unusable(self, row: IdentityProvider, server: Server) -> None:
        row.url = f"ldaps://127.0.0.1:{server.tls_port}"
        with pytest.raises(DirectoryUnusable):
            ask(row)

    def test_may_be_asked_without_tls_on_this_machine_alone(
        self, row: IdentityProvider, server: Server
    ) -> None:
        row.url = f"ldap://127.0.0.1:{server.port}"
        assert ask(row)

    def test_at_an_address_that_may_not_be_asked_is_not(self, row: IdentityProvider, settings: Any) -> None:
        settings.OUTBOUND_ALLOWED_CIDRS = []
        assert sign_in("nina", "nina's word")[1] == 200

    def test_that_does_not_answer_lets_others_in(self, row: IdentityProvider) -> None:
        row.url = "ldaps://localhost:9"
        row.save()
        assert sign_in("nina", "nina's word")[1] == 200
        assert sign_in("bob", "demo")[1] == 302
