"""Clients, consent, keys and tokens are looked after in the admin, each by those who may."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone

from governance.audit.models import AuditEvent
from governance.identity import clients, keys
from governance.identity.issuing import issue
from governance.identity.models import DelegationGrant, IssuedToken, SigningKey, TokenClient, TrustedIssuer
from governance.identity.types import Credentials, Order, TokenRefused
from tests.governance import tokens
from tests.governance.tokens import ORDERS, consents, make_client

ADMIN = "/admin/governance"
FORM = {
    "name": "Order bot",
    "jwks": "{}",
    "audiences": '{"https://orders.example.com": ["orders:read"]}',
    "may_delegate_for": '["operator"]',
    "enabled": "on",
}


@pytest.fixture(autouse=True)
def fresh(acme: Any) -> None:
    """Begin without the client and the consent of the demo."""
    DelegationGrant.objects.all().delete()
    TokenClient.objects.all().delete()


@pytest.fixture
def browser(acme: Any, person: Any) -> Any:
    """Return a function that signs somebody in."""

    def sign_in(username: str) -> Browser:
        browser = Browser(headers={"host": "acme.localhost"})
        browser.force_login(person(username))
        return browser

    return sign_in


def secret_in(response: Any) -> str:
    shown = re.findall(r'<pre class="stored">(.+?)</pre>', response.content.decode())
    return str(shown[1])


def proves(client: TokenClient, secret: str) -> bool:
    try:
        clients.authenticate(Credentials(client_id=str(client.pk), secret=secret), now=timezone.now())
    except TokenRefused:
        return False
    return True


class TestClients:
    def test_get_a_secret_that_is_shown_once(self, browser: Any) -> None:
        alice = browser("alice")
        response = alice.post(f"{ADMIN}/tokenclient/add/", FORM)
        client, secret = TokenClient.objects.get(), secret_in(response)
        assert "no-store" in response["Cache-Control"]
        assert proves(client, secret)
        page = alice.get(f"{ADMIN}/tokenclient/{client.pk}/change/").content.decode()
        recorded = str(list(AuditEvent.objects.values_list("body", flat=True)))
        for told in (page, recorded):
            assert secret not in told
            assert client.secret_hash not in told

    def test_get_another_secret_by_a_button(self, browser: Any) -> None:
        client = make_client("Order bot", secret=True)
        url = f"{ADMIN}/tokenclient/{client.row.pk}/new-secret/"
        alice = browser("alice")
        assert alice.get(url).status_code == 405
        assert browser("vera").post(url).status_code in {302, 403, 404}
        assert proves(client.row, client.secret)
        secret = secret_in(alice.post(url))
        assert (proves(client.row, client.secret), proves(client.row, secret)) == (False, True)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("audiences", "[]"),
            ("audiences", '{"a b": []}'),
            ("audiences", '{"https://a.example#x": []}'),
            ("audiences", '{"https://a.example": "orders:read"}'),
            ("may_delegate_for", '"operator"'),
            ("jwks", '{"keys": []}'),
            ("jwks", '{"keys": [{"kty": "oct", "k": "AAAA", "kid": "x"}]}'),
            ("jwks", '{"keys": [{"kty": "RSA", "n": "AAAA", "e": "AQAB", "kid": "x"}]}'),
            ("jwks", '{"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "x"}]}'),
        ],
    )
    def test_are_refused_with_what_cannot_be_used(self, browser: Any, field: str, value: str) -> None:
        response = browser("alice").post(f"{ADMIN}/tokenclient/add/", {**FORM, field: value})
        assert response.status_code == 200
        assert not TokenClient.objects.exists()

    def test_are_refused_with_a_private_key(self, browser: Any) -> None:
        import json

        from jwt.algorithms import ECAlgorithm

        from governance.identity import jose

        private = json.loads(ECAlgorithm.to_jwk(jose.new_key())) | {"kid": "x"}  # type: ignore[arg-type]
        response = browser("alice").post(
            f"{ADMIN}/tokenclient/add/", {**FORM, "jwks": json.dumps({"keys": [private]})}
        )
        assert "private key" in response.content.decode()
        assert not TokenClient.objects.exists()

    def test_with_keys_of_their_own_get_no_secret(self, browser: Any) -> None:
        import json

        jwks = json.dumps(tokens.Signer(issuer="x").jwks)
        response = browser("alice").post(f"{ADMIN}/tokenclient/add/", {**FORM, "jwks": jwks})
        assert response.status_code == 302
        client = TokenClient.objects.get()
        url = f"{ADMIN}/tokenclient/{client.pk}/new-secret/"
        assert (client.secret_hash, browser("alice").post(url).status_code) == ("", 403)


class TestConsent:
    def form(self, client: Any, **more: Any) -> dict[str, Any]:
        expires = timezone.now() + timedelta(days=1)
        given = {"client": str(client.row.pk), "audience": ORDERS, "scopes": '["orders:read"]'}
        return {**given, "expires_at_0": f"{expires:%Y-%m-%d}", "expires_at_1": "12:00:00", **more}

    def test_is_given_by_the_person_for_themselves(self, browser: Any, oscar: Any) -> None:
        client = make_client("Order bot")
        other = {"user": "1"}  # is not asked for, so not looked at
        response = browser("oscar").post(f"{ADMIN}/delegationgrant/add/", self.form(client, **other))
        assert response.status_code == 302, response.content
        grant = DelegationGrant.objects.get()
        assert (grant.user, grant.created_by, grant.scopes) == (oscar, "oscar", ["orders:read"])
        event = AuditEvent.objects.get(action="delegation.granted", subject_id=str(grant.pk))
        assert (event.actor_name, event.body["client"]) == ("oscar", "Order bot")

    def test_is_refused_for_an_audience_the_client_has_not(self, browser: Any) -> None:
        client = make_client("Order bot")
        response = browser("oscar").post(
            f"{ADMIN}/delegationgrant/add/", self.form(client, audience="https://elsewhere.example")
        )
        assert response.status_code == 200
        assert not DelegationGrant.objects.exists()

    def test_is_seen_by_its_person_and_those_who_revoke(self, browser: Any, oscar: Any) -> None:
        grant = consents(oscar, make_client("Order bot"))
        page = f"{ADMIN}/delegationgrant/{grant.pk}/change/"
        assert browser("oscar").get(page).status_code == 200
        assert browser("alice").get(page).status_code == 200
        assert browser("vera").get(page).status_code == 302

    def test_is_withdrawn_with_the_tokens_it_led_to(self, browser: Any, oscar: Any) -> None:
        client = make_client("Order bot")
        grant = consents(oscar, client)
        order = Order(sub=f"user:{oscar.pk}", audience=ORDERS, client_id=str(client.row.pk))
        issue(order, now=timezone.now())
        assert browser("oscar").post(f"{ADMIN}/delegationgrant/{grant.pk}/withdraw/").status_code == 302
        grant.refresh_from_db()
        assert grant.revoked_at is not None
        assert IssuedToken.objects.get().revoked_by == "oscar"


class TestKeysAndTokens:
    def test_rotate_by_a_button(self, browser: Any) -> None:
        current = keys.ensure(now=timezone.now())
        url = f"{ADMIN}/signingkey/{current.pk}/rotate/"
        assert browser("audrey").post(url).status_code == 403
        assert SigningKey.objects.get(status="current") == current
        assert browser("alice").post(url).status_code == 302
        assert SigningKey.objects.get(status="retired") == current
        page = browser("alice").get(f"{ADMIN}/signingkey/{current.pk}/change/").content.decode()
        assert "PRIVATE" not in page

    def test_are_revoked_by_a_button(self, browser: Any, oscar: Any) -> None:
        jti = issue(Order(sub=f"user:{oscar.pk}", audience=ORDERS, client_id="x"), now=timezone.now()).jti
        url = f"{ADMIN}/issuedtoken/{jti}/revoke/"
        assert browser("audrey").post(url).status_code == 403
        assert browser("alice").post(url).status_code == 302
        assert IssuedToken.objects.get().revoked_by == "alice"

    @pytest.mark.parametrize(
        "page", ["tokenclient", "delegationgrant", "trustedissuer", "signingkey", "issuedtoken"]
    )
    def test_are_no_business_of_those_without_the_right(self, browser: Any, page: str, oscar: Any) -> None:
        response = browser("charlie").get(f"{ADMIN}/{page}/")
        assert response.status_code == 302

    def test_of_a_trusted_issuer_leads_nowhere_private(self, browser: Any) -> None:
        given = {"issuer": "https://idp.example", "audience": "x", "username_claim": "sub", "scopes": "[]"}
        response = browser("alice").post(
            f"{ADMIN}/trustedissuer/add/", {**given, "jwks_url": "http://169.254.169.254/keys"}
        )
        assert response.status_code == 200
        assert not TrustedIssuer.objects.exists()
