"""People sign in at the tenant's OpenID Connect provider, and a false answer lets nobody in."""

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.auth.models import Group
from django.test import Client

from governance.access.models import User
from governance.audit.models import AuditEvent
from governance.signin.models import IdentityProvider
from tests.governance import oidc_provider
from tests.governance.oidc_provider import CLIENT, SECRET, Provider

HOST = {"host": "acme.localhost"}
NINA = {
    "sub": "n-1",
    "preferred_username": "nina",
    "email": "nina@corp.example",
    "email_verified": True,
    "given_name": "Nina",
    "groups": ["reviewers"],
}


@pytest.fixture
def idp(settings: Any) -> Iterator[Provider]:
    """Run a provider that this machine may ask."""
    settings.OUTBOUND_ALLOWED_CIDRS = ["127.0.0.0/8"]
    with oidc_provider.running() as provider:
        provider.claims = dict(NINA)
        yield provider


@pytest.fixture
def row(acme: Any, idp: Provider) -> IdentityProvider:
    """Return the tenant's row of the provider: it adds nobody and links nobody yet."""
    provider = IdentityProvider(
        kind="oidc",
        slug="corp",
        name="Corp",
        enabled=True,
        url=idp.issuer,
        client_id=CLIENT,
        role_claim="groups",
    )
    provider.seal(SECRET)
    provider.save()
    provider.mappings.create(value="reviewers", role=Group.objects.get(name="reviewer"))
    provider.mappings.create(value="auditors", role=Group.objects.get(name="auditor"))
    return provider


def allow(row: IdentityProvider, **changes: Any) -> None:
    """Let the provider do more."""
    for name, value in changes.items():
        setattr(row, name, value)
    row.full_clean()
    row.save()


def begin(client: Client, **form: str) -> str:
    """Return the provider's address to which the browser is sent."""
    page = client.post("/sso/oidc/corp/", form).content.decode()
    target = re.search(r'content="0;url=([^"]+)"', page)
    assert target
    return html.unescape(target[1])


def sign_in(idp: Provider, client: Client | None = None, **form: str) -> tuple[Client, Any]:
    client = client or Client(headers=HOST)
    there = idp.authorize(begin(client, **form))
    return client, client.get(there.partition("acme.localhost")[2])


def is_in(client: Client) -> bool:
    return client.get("/account/").status_code == 200


class TestNewcomer:
    def test_is_refused_by_default(self, row: IdentityProvider, idp: Provider) -> None:
        client, answer = sign_in(idp)
        assert answer.status_code == 403
        assert not is_in(client)
        assert not User.objects.filter(username="nina").exists()
        event = AuditEvent.objects.filter(action="auth.login").latest("id")
        assert (event.outcome, event.body) == ("refused", {"provider": "corp", "uid": "n-1"})

    def test_of_an_allowed_domain_is_added_with_the_mapped_roles(
        self, row: IdentityProvider, idp: Provider
    ) -> None:
        allow(row, creates_people=True, domains="corp.example")
        client, answer = sign_in(idp, next="/reviews/")
        assert (answer.status_code, answer["Location"]) == (302, "/reviews/")
        assert is_in(client)
        nina = User.objects.get(username="nina")
        assert [group.name for group in nina.groups.all()] == ["reviewer"]
        assert not nina.has_usable_password()
        assert not (nina.is_staff or nina.is_superuser)
        assert AuditEvent.objects.filter(action="auth.login", outcome="ok", actor_name="nina").exists()

    @pytest.mark.parametrize(
        "claims", [{"email": "nina@evil.example"}, {"email_verified": False}, {"email": ""}]
    )
    def test_of_another_domain_or_unverified_is_not(
        self, row: IdentityProvider, idp: Provider, claims: dict[str, Any]
    ) -> None:
        allow(row, creates_people=True, domains="corp.example")
        idp.claims |= claims
        assert sign_in(idp)[1].status_code == 403
        assert not User.objects.filter(username="nina").exists()

    def test_does_not_become_somebody_of_the_same_name(
        self, row: IdentityProvider, idp: Provider, alice: Any
    ) -> None:
        allow(row, creates_people=True, domains="corp.example")
        idp.claims |= {"preferred_username": "alice"}
        client, answer = sign_in(idp)
        assert answer.status_code == 403
        assert not is_in(client)


class TestColleague:
    @pytest.fixture(autouse=True)
    def known(self, bob: Any) -> None:
        """Bob has an address of the provider's."""
        bob.email = "Nina@corp.example"
        bob.save()

    def test_is_linked_by_email_only_if_the_row_says_so(self, row: IdentityProvider, idp: Provider) -> None:
        assert sign_in(idp)[1].status_code == 403
        allow(row, links_by_email=True)
        assert is_in(sign_in(idp)[0])
        assert SocialAccount.objects.get(provider="corp", uid="n-1").user.username == "bob"

    def test_is_not_linked_by_an_address_nobody_verified(self, row: IdentityProvider, idp: Provider) -> None:
        allow(row, links_by_email=True)
        idp.claims |= {"email_verified": False}
        assert sign_in(idp)[1].status_code == 403

    def test_who_lost_the_group_loses_the_role_and_keeps_what_was_given_here(
        self, row: IdentityProvider, idp: Provider, bob: Any
    ) -> None:
        allow(row, links_by_email=True)
        bob.groups.set(Group.objects.filter(name__in=["reviewer", "viewer"]))
        idp.claims |= {"groups": ["auditors", "admin"]}
        sign_in(idp)
        assert {group.name for group in bob.groups.all()} == {"auditor", "viewer"}
        idp.claims |= {"groups": []}
        sign_in(idp)
        assert {group.name for group in bob.groups.all()} == {"viewer"}

    def test_who_is_deactivated_stays_out(self, row: IdentityProvider, idp: Provider, bob: Any) -> None:
        allow(row, links_by_email=True)
        sign_in(idp)
        User.objects.filter(pk=bob.pk).update(is_active=False)
        client, answer = sign_in(idp)
        assert (answer.status_code, is_in(client)) == (403, False)

    def test_with_a_second_factor_is_asked_for_it(
        self, row: IdentityProvider, idp: Provider, bob: Any
    ) -> None:
        allow(row, links_by_email=True)
        TOTP.activate(bob, generate_totp_secret())
        client, answer = sign_in(idp)
        assert answer["Location"] == "/login/code/"
        assert not is_in(client)

    def test_is_never_an_agent(self, row: IdentityProvider, idp: Provider, agent: Any) -> None:
        SocialAccount.objects.create(provider="corp", uid="n-1", user=agent.principal)
        client, answer = sign_in(idp)
        assert (answer.status_code, is_in(client)) == (403, False)


class TestFalseAnswer:
    @pytest.fixture(autouse=True)
    def open_door(self, row: IdentityProvider) -> None:
        """Nina would be let in."""
        allow(row, creates_people=True, domains="corp.example")

    def assert_refused(self, client: Client, answer: Any) -> None:
        assert answer.status_code in {401, 403, 502}
        assert not is_in(client)
        assert not User.objects.filter(username="nina").exists()

    def test_signed_by_somebody_else(self, idp: Provider) -> None:
        idp.signs_with = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.assert_refused(*sign_in(idp))

    @pytest.mark.parametrize(
        "token", [{"aud": "another client"}, {"iss": "https://evil.example"}, {"exp": 1}, {"sub": "somebody"}]
    )
    def test_for_others_expired_or_of_two_people(self, idp: Provider, token: dict[str, Any]) -> None:
        idp.token = token
        self.assert_refused(*sign_in(idp))

    def test_that_names_another_issuer(self, idp: Provider) -> None:
        idp.says = {"issuer": "https://evil.example"}
        client = Client(headers=HOST)
        answer = client.post("/sso/oidc/corp/")
        self.assert_refused(client, answer)

    def test_unsigned(self, idp: Provider) -> None:
        idp.signs_with = None
        self.assert_refused(*sign_in(idp))

    def test_used_twice(self, idp: Provider) -> None:
        client = Client(headers=HOST)
        there = idp.authorize(begin(client)).partition("acme.localhost")[2]
        assert client.get(there).status_code == 302
        client.post("/logout/")
        assert client.get(there).status_code == 401

    def test_in_another_browser(self, idp: Provider) -> None:
        there = idp.authorize(begin(Client(headers=HOST))).partition("acme.localhost")[2]
        thief = Client(headers=HOST)
        self.assert_refused(thief, thief.get(there))

    def test_at_another_tenant(self, idp: Provider) -> None:
        there = idp.authorize(begin(Client(headers=HOST))).partition("acme.localhost")[2]
        assert Client(headers={"host": "globex.localhost"}).get(there).status_code == 404

    def test_from_an_address_that_may_not_be_asked(self, idp: Provider, settings: Any) -> None:
        settings.OUTBOUND_ALLOWED_CIDRS = []
        client = Client(headers=HOST)
        before = len(idp.asked)
        self.assert_refused(client, client.post("/sso/oidc/corp/"))
        assert len(idp.asked) == before


class TestRow:
    def test_keeps_the_secret_sealed_and_nothing_of_the_provider_in_the_clear(
        self, row: IdentityProvider, idp: Provider
    ) -> None:
        stored = IdentityProvider.objects.get(slug="corp")
        assert SECRET.encode() not in bytes(stored.ciphertext or b"")
        assert stored.secret == SECRET
        allow(row, creates_people=True, domains="corp.example")
        sign_in(idp)
        assert not SocialToken.objects.exists()
        assert not SocialApp.objects.exists()

    def test_that_is_off_is_not_offered_and_does_nothing(self, row: IdentityProvider) -> None:
        page = Client(headers=HOST).get("/login/").content.decode()
        assert "Sign in with Corp" in page
        allow(row, enabled=False)
        assert "Corp" not in Client(headers=HOST).get("/login/").content.decode()
        assert Client(headers=HOST).post("/sso/oidc/corp/").status_code == 404

    def test_is_begun_by_a_form_alone(self, row: IdentityProvider) -> None:
        assert Client(headers=HOST).get("/sso/oidc/corp/").status_code == 405

    def test_that_adds_people_names_domains(self, row: IdentityProvider) -> None:
        from django.core.exceptions import ValidationError

        with pytest.raises(ValidationError, match="Name the domains"):
            allow(row, creates_people=True)

    def test_is_edited_in_the_admin_without_showing_its_secret(
        self, row: IdentityProvider, alice: Any
    ) -> None:
        client = Client(headers=HOST)
        client.force_login(alice)
        where = f"/admin/governance/identityprovider/{row.pk}/change/"
        page = client.get(where).content.decode()
        assert SECRET not in page
        form = {
            "kind": "oidc", "slug": "corp", "name": "Corp", "url": row.url, "client_id": CLIENT,
            "secret": "another secret", "mappings-TOTAL_FORMS": "0", "mappings-INITIAL_FORMS": "0",
        }  # fmt: skip
        assert client.post(where, form).status_code == 302
        row.refresh_from_db()
        assert row.secret == "another secret"
        assert "another secret" not in str(list(AuditEvent.objects.values_list("body", flat=True)))
