"""People sign in per tenant, for eight hours; agents never do, and every way in is on record."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from knox.models import AuthToken

from governance.access.models import User
from governance.audit.models import AuditEvent

LOGIN, LOGOUT, AGENTS = "/api/v1/auth/login", "/api/v1/auth/logout", "/api/v1/agents"


@pytest.fixture
def login(acme: Any, client_of: Any) -> Any:
    """Return a function that sends credentials."""

    def send(username: str, password: str, host: str = "acme.localhost") -> Any:
        given = {"username": username, "password": password}
        return client_of(host=host).post(LOGIN, given, format="json")

    return send


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def last_event() -> AuditEvent:
    return AuditEvent.objects.latest("id")


class TestLogin:
    def test_gives_a_token_its_expiry_and_the_permissions(self, login: Any, client_of: Any) -> None:
        body = login("bob", "demo").json()
        assert set(body) == {"token", "expires_at", "permissions"}
        assert "hitl.decide_review" in body["permissions"]
        assert "agents.change_agent" not in body["permissions"]
        assert client_of().get(AGENTS, headers=bearer(body["token"])).status_code == 200

    def test_lasts_eight_hours(self, login: Any) -> None:
        login("bob", "demo")
        token = AuthToken.objects.latest("created")
        assert round((token.expiry - token.created).total_seconds()) == 8 * 3600

    def test_keeps_no_token_in_the_clear(self, login: Any) -> None:
        token = login("bob", "demo").json()["token"]
        row = AuthToken.objects.latest("created")
        assert token not in {row.digest, str(row)}

    def test_is_on_record(self, login: Any) -> None:
        login("bob", "demo")
        event = last_event()
        assert (event.action, event.outcome, event.actor_name) == ("auth.login", "ok", "bob")

    @pytest.mark.parametrize(
        ("username", "password"),
        [
            ("bob", "wrong"),
            ("bob", ""),
            ("BOB", "demo"),
            ("nobody", "demo"),
            ("bob' --", "x"),
            ("root", "demo"),
        ],
    )
    def test_with_other_credentials_is_refused(self, login: Any, username: str, password: str) -> None:
        before = AuthToken.objects.count()
        response = login(username, password)
        if not password:
            assert response.status_code == 422
            return
        assert (response.status_code, response.json()["code"]) == (401, "login-refused")
        assert AuthToken.objects.count() == before
        event = last_event()
        assert (event.action, event.outcome, event.body) == ("auth.login", "refused", {"username": username})
        assert "demo" not in str(event.body)

    def test_answers_the_same_for_people_who_do_not_exist(self, login: Any) -> None:
        known, unknown = login("bob", "wrong").json(), login("nobody", "wrong").json()
        assert {**known, "trace_id": ""} == {**unknown, "trace_id": ""}

    def test_of_somebody_deactivated_is_refused(self, login: Any, bob: Any) -> None:
        User.objects.filter(pk=bob.pk).update(is_active=False)
        assert login("bob", "demo").status_code == 401

    def test_of_an_agent_is_refused_even_with_a_password(
        self, login: Any, agent: Any, client_of: Any
    ) -> None:
        agent.principal.set_password("demo")
        agent.principal.save()
        assert login(agent.principal.username, "demo").status_code == 401
        browser = Client(headers={"host": "acme.localhost"})
        assert not browser.login(username=agent.principal.username, password="demo")

    def test_needs_both_fields(self, acme: Any, client_of: Any) -> None:
        errors = client_of().post(LOGIN, {}, format="json").json()["errors"]
        assert {error["at"] for error in errors} == {"/username", "/password"}

    def test_ignores_a_bad_token_that_comes_along(self, client_of: Any, acme: Any) -> None:
        response = client_of().post(
            LOGIN, {"username": "bob", "password": "demo"}, format="json", headers=bearer("rubbish")
        )
        assert response.status_code == 200


class TestToken:
    def test_expired_is_refused(self, bob: Any, client_of: Any) -> None:
        row, token = AuthToken.objects.create(bob)
        assert client_of().get(AGENTS, headers=bearer(token)).status_code == 200
        AuthToken.objects.filter(pk=row.pk).update(expiry=timezone.now() - timedelta(seconds=1))
        response = client_of().get(AGENTS, headers=bearer(token))
        assert (response.status_code, response.json()["code"]) == (401, "not-authenticated")

    def test_of_somebody_deactivated_is_refused(self, bob: Any, client_of: Any) -> None:
        _, token = AuthToken.objects.create(bob)
        User.objects.filter(pk=bob.pk).update(is_active=False)
        assert client_of().get(AGENTS, headers=bearer(token)).status_code == 401

    def test_is_worth_nothing_after_signing_out(self, bob: Any, client_of: Any) -> None:
        _, token = AuthToken.objects.create(bob)
        _, other = AuthToken.objects.create(bob)
        assert client_of().post(LOGOUT, headers=bearer(token)).status_code == 204
        assert client_of().get(AGENTS, headers=bearer(token)).status_code == 401
        assert client_of().get(AGENTS, headers=bearer(other)).status_code == 200
        assert (last_event().action, last_event().actor_name) == ("auth.logout", "bob")

    def test_changed_by_one_character_is_refused(self, bob: Any, client_of: Any) -> None:
        _, token = AuthToken.objects.create(bob)
        for spoiled in (
            token[:-1],
            token + "0",
            token[:-1] + ("0" if token[-1] != "0" else "1"),
            token.upper(),
        ):
            if spoiled != token:
                assert client_of().get(AGENTS, headers=bearer(spoiled)).status_code == 401
