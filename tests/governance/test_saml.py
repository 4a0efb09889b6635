"""People sign in at the tenant's SAML provider; an answer that was touched, replayed or meant for others is refused."""

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from governance.access.models import User
from governance.signin.models import IdentityProvider
from tests.governance.saml_provider import ENTITY, SSO, Provider, key_and_certificate, spoiled

HOST = {"host": "acme.localhost"}
START, ACS = "/sso/saml/corp/", "/sso/saml/corp/acs/"


@pytest.fixture(scope="module")
def idp() -> Provider:
    return Provider()


@pytest.fixture
def row(acme: Any, idp: Provider) -> IdentityProvider:
    """Return the tenant's row; the provider may add people of its domain."""
    idp.__dict__ |= {"email": "nina@corp.example", "audience": "", "life": timedelta(minutes=5)}
    provider = IdentityProvider.objects.create(
        kind="saml", slug="corp", name="Corp", enabled=True, url=SSO, client_id=ENTITY,
        certificate=idp.certificate, role_claim="groups", creates_people=True, domains="corp.example",
    )  # fmt: skip
    provider.mappings.create(value="reviewers", role=Group.objects.get(name="reviewer"))
    return provider


def begin(client: Client) -> str:
    """Return the provider's address to which the browser is sent."""
    target = re.search(r'content="0;url=([^"]+)"', client.post(START).content.decode())
    assert target
    return html.unescape(target[1])


def finish(client: Client, answer: str) -> Any:
    """Post the provider's answer as the browser does, and follow to where it is looked at."""
    posted = client.post(ACS, {"SAMLResponse": answer, "RelayState": ""})
    assert posted.status_code == 302
    return client.get(posted["Location"])


def is_in(client: Client) -> bool:
    return client.get("/account/").status_code == 200


class TestAnswer:
    @pytest.fixture
    def client(self, row: IdentityProvider) -> Client:
        """Return a browser at the tenant."""
        return Client(headers=HOST)

    def assert_refused(self, client: Client, answer: str) -> None:
        assert finish(client, answer).status_code in {401, 403}
        assert not is_in(client)
        assert not User.objects.filter(email="nina@corp.example").exists()

    def test_lets_somebody_in_with_the_mapped_role(self, client: Client, idp: Provider) -> None:
        assert finish(client, idp.answer(begin(client))).status_code == 302
        assert is_in(client)
        nina = User.objects.get(email="nina@corp.example")
        assert [group.name for group in nina.groups.all()] == ["reviewer"]

    def test_that_was_touched_is_refused(self, client: Client, idp: Provider) -> None:
        answer = idp.answer(begin(client))
        self.assert_refused(client, spoiled(answer, "nina-1", "alice-1"))

    def test_whose_role_was_touched_is_refused(self, client: Client, idp: Provider) -> None:
        answer = idp.answer(begin(client))
        self.assert_refused(client, spoiled(answer, ">reviewers<", ">admins<"))

    def test_that_nobody_signed_is_refused(self, client: Client, idp: Provider) -> None:
        self.assert_refused(client, idp.answer(begin(client), signed=False))

    def test_that_somebody_else_signed_is_refused(self, client: Client) -> None:
        self.assert_refused(client, Provider().answer(begin(client)))

    def test_for_another_audience_is_refused(self, client: Client, idp: Provider) -> None:
        idp.audience = "https://somebody.else.example"
        self.assert_refused(client, idp.answer(begin(client)))

    def test_that_has_expired_is_refused(self, client: Client, idp: Provider) -> None:
        idp.life = timedelta(minutes=-30)
        self.assert_refused(client, idp.answer(begin(client)))

    def test_that_comes_again_is_refused(self, client: Client, idp: Provider) -> None:
        answer = idp.answer(begin(client))
        finish(client, answer)
        client.post("/logout/")
        assert finish(client, answer).status_code in {401, 403}
        assert not is_in(client)

    def test_in_another_browser_is_refused(self, client: Client, idp: Provider) -> None:
        self.assert_refused(Client(headers=HOST), idp.answer(begin(client)))

    def test_nobody_asked_for_is_refused(self, client: Client, idp: Provider) -> None:
        answer = idp.answer(begin(client))
        self.assert_refused(Client(headers=HOST), answer)

    @pytest.mark.parametrize("answer", ["", "not base64!", "PGE+"])
    def test_that_is_none_is_refused(self, client: Client, answer: str) -> None:
        begin(client)
        self.assert_refused(client, answer)

    def test_of_another_domain_is_refused(self, client: Client, idp: Provider) -> None:
        idp.email = "nina@evil.example"
        self.assert_refused(client, idp.answer(begin(client)))


class TestAddresses:
    def test_are_told_to_the_provider(self, row: IdentityProvider) -> None:
        answer = Client(headers=HOST).get("/sso/saml/corp/metadata/")
        assert answer.status_code == 200
        assert f"http://acme.localhost{ACS}" in answer.content.decode()

    @pytest.mark.parametrize("path", ["metadata/", "finish/", "logout/"])
    def test_of_no_provider_are_none(self, acme: Any, path: str) -> None:
        assert Client(headers=HOST).get(f"/sso/saml/nobody/{path}").status_code == 404

    def test_of_one_tenant_are_none_at_another(self, row: IdentityProvider, idp: Provider) -> None:
        globex = Client(headers={"host": "globex.localhost"})
        assert globex.post(START).status_code == 404
        assert globex.post(ACS, {"SAMLResponse": "x"}).status_code == 404


class TestRow:
    def test_needs_a_certificate(self, row: IdentityProvider) -> None:
        from django.core.exceptions import ValidationError

        row.certificate = ""
        with pytest.raises(ValidationError, match="certificate"):
            row.full_clean()

    def test_with_a_new_certificate_refuses_the_old_key(self, row: IdentityProvider, idp: Provider) -> None:
        row.certificate = key_and_certificate()[1]
        row.save()
        client = Client(headers=HOST)
        assert finish(client, idp.answer(begin(client))).status_code == 401
