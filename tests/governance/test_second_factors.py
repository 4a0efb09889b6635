"""Second factors: enrolled on the pages, asked for at every way in, and again before a critical decision."""

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.core.cache import cache
from django.test import Client

from governance.audit.models import AuditEvent

HOST = {"host": "acme.localhost"}
LOGIN = "/api/v1/auth/login"
Enrol = Callable[..., str]


def code(secret: str) -> str:
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))


def wrong(secret: str) -> str:
    return "000000" if code(secret) != "000000" else "111111"


@pytest.fixture(autouse=True)
def fresh_counts(acme: Any) -> None:
    """Forget the codes and tries of other tests: the cache is not rolled back."""
    cache.clear()


@pytest.fixture
def enrolled(acme: Any) -> Enrol:
    """Return a function that gives somebody an authenticator app; it returns the secret."""

    def make(user: Any) -> str:
        secret = str(generate_totp_secret())
        TOTP.activate(user, secret)
        return secret

    return make


def browser() -> Client:
    return Client(headers=HOST)


def password(client: Client, username: str = "bob", **more: str) -> Any:
    return client.post("/login/", {"username": username, "password": "demo", **more})


class TestEnrolment:
    def test_asks_for_the_password_then_the_code_and_shows_recovery_codes_once(
        self, acme: Any, bob: Any
    ) -> None:
        client = browser()
        password(client)
        asked = client.get("/account/app/add/")
        assert asked["Location"].startswith("/account/confirm/")
        shown = client.post(asked["Location"], {"password": "demo"}, follow=True).content.decode()
        assert 'src="data:image/svg+xml;base64,' in shown
        secret = re.search(r'class="secret">([A-Z2-7]+)<', shown)
        assert secret
        assert client.post("/account/app/add/", {"code": "12"}).status_code == 200
        done = client.post("/account/app/add/", {"code": code(secret[1])}, follow=True).content.decode()
        assert len(re.findall(r"<li><code>\d{8}</code>", done)) == 10
        again = client.get("/account/recovery/").content.decode()
        assert not re.findall(r"<li><code>\d{8}</code>", again)
        assert Authenticator.objects.filter(user=bob).count() == 2
        assert set(
            AuditEvent.objects.filter(action="auth.factor_added").values_list("body__type", flat=True)
        ) == {
            "totp",
            "recovery_codes",
        }

    def test_seals_the_secret_in_the_row(self, bob: Any, enrolled: Enrol) -> None:
        secret = enrolled(bob)
        assert secret not in str(Authenticator.objects.get(user=bob).data)

    def test_of_a_role_that_must_comes_first(self, acme: Any, bob: Any, settings: Any) -> None:
        settings.REQUIRE_MFA_ROLES = ["reviewer"]
        client = browser()
        assert password(client).status_code == 302
        assert client.get("/reviews/")["Location"] == "/account/"
        assert client.post("/admin/governance/user/")["Location"] == "/account/"
        refused = client.get("/api/v1/hitl/queue")
        assert (refused.status_code, refused.json()["code"]) == (403, "mfa-enrolment-required")
        assert "Your role requires a second factor" in client.get("/account/").content.decode()
        client.post("/account/confirm/", {"password": "demo"})
        shown = client.get("/account/app/add/").content.decode()
        secret = re.search(r'class="secret">([A-Z2-7]+)<', shown)
        assert secret
        client.post("/account/app/add/", {"code": code(secret[1])})
        assert client.get("/reviews/").status_code == 200

    def test_of_a_role_that_must_holds_at_the_api(self, client_of: Any, settings: Any) -> None:
        settings.REQUIRE_MFA_ROLES = ["admin"]
        answer = client_of().post(LOGIN, {"username": "alice", "password": "demo"}, format="json")
        assert (answer.status_code, answer.json()["code"]) == (403, "mfa-enrolment-required")
        assert (
            client_of().post(LOGIN, {"username": "bob", "password": "demo"}, format="json").status_code == 200
        )


class TestPage:
    def test_asks_for_the_code_and_goes_where_one_wanted(self, bob: Any, enrolled: Enrol) -> None:
        secret, client = enrolled(bob), browser()
        assert password(client, next="/reviews/")["Location"] == "/login/code/"
        assert client.get("/reviews/").status_code == 302
        done = client.post("/login/code/", {"code": code(secret)})
        assert done["Location"] == "/reviews/"
        assert client.get("/reviews/").status_code == 200

    def test_refuses_a_wrong_code(self, bob: Any, enrolled: Enrol) -> None:
        secret, client = enrolled(bob), browser()
        password(client)
        assert "Incorrect code" in client.post("/login/code/", {"code": wrong(secret)}).content.decode()
        assert client.get("/reviews/").status_code == 302
        event = AuditEvent.objects.filter(action="auth.factor").latest("id")
        assert (event.outcome, event.actor_name) == ("refused", "bob")

    def test_takes_a_code_once(self, bob: Any, enrolled: Enrol) -> None:
        secret = enrolled(bob)
        first, second = browser(), browser()
        password(first)
        password(second)
        used = code(secret)
        assert first.post("/login/code/", {"code": used}).status_code == 302
        assert second.post("/login/code/", {"code": used}).status_code == 200

    def test_looks_at_five_codes_in_five_minutes(self, bob: Any, enrolled: Enrol) -> None:
        secret, client = enrolled(bob), browser()
        password(client)
        for _ in range(5):
            client.post("/login/code/", {"code": wrong(secret)})
        page = client.post("/login/code/", {"code": code(secret)})
        assert page.status_code == 200
        assert "Too many attempts" in page.content.decode()

    def test_shows_nothing_without_the_password(self, acme: Any) -> None:
        assert browser().get("/login/code/")["Location"] == "/login/"

    def test_of_another_tenant_is_no_place_to_go(self, acme: Any) -> None:
        client = browser()
        assert password(client, next="http://globex.localhost/reviews/")["Location"] == "/"


class TestApi:
    def test_asks_for_the_code(self, bob: Any, enrolled: Enrol, client_of: Any) -> None:
        secret = enrolled(bob)
        given = {"username": "bob", "password": "demo"}
        asked = client_of().post(LOGIN, given, format="json")
        assert (asked.status_code, asked.json()["code"]) == (401, "mfa-required")
        refused = client_of().post(LOGIN, {**given, "code": wrong(secret)}, format="json")
        assert (refused.status_code, refused.json()["code"]) == (401, "login-refused")
        assert client_of().post(LOGIN, {**given, "code": code(secret)}, format="json").status_code == 200

    def test_says_nothing_of_it_to_who_lacks_the_password(
        self, bob: Any, enrolled: Enrol, client_of: Any
    ) -> None:
        enrolled(bob)
        answer = client_of().post(LOGIN, {"username": "bob", "password": "x"}, format="json")
        assert answer.json()["code"] == "login-refused"

    def test_counts_wrong_codes_to_the_lock(self, bob: Any, enrolled: Enrol, client_of: Any) -> None:
        secret = enrolled(bob)
        given = {"username": "bob", "password": "demo"}
        for _ in range(5):
            client_of().post(LOGIN, {**given, "code": wrong(secret)}, format="json")
        assert client_of().post(LOGIN, {**given, "code": code(secret)}, format="json").status_code == 429


class TestReset:
    def test_answers_the_same_whether_anybody_has_the_address(
        self, bob: Any, django_capture_on_commit_callbacks: Any
    ) -> None:
        bob.email = "bob@acme.example"
        bob.save()
        answers = [
            browser().post("/password/", {"email": email}) for email in ("bob@acme.example", "x@y.example")
        ]
        assert {(answer.status_code, answer["Location"]) for answer in answers} == {(302, "/password/sent/")}

    def test_is_asked_for_three_times_an_hour_for_one_address(self, acme: Any) -> None:
        answers = [browser().post("/password/", {"email": "x@y.example"}).status_code for _ in range(4)]
        assert answers == [302, 302, 302, 429]

    def test_mails_a_link_that_works_once_and_does_not_sign_in(
        self, bob: Any, mailoutbox: list[Any], settings: Any
    ) -> None:
        from governance.signin.tasks import send_password_reset

        settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
        bob.email = "bob@acme.example"
        bob.save()
        send_password_reset.run(user_id=bob.pk, site="http://acme.localhost")
        link = re.search(r"http://acme\.localhost(/password/\S+)", mailoutbox[0].body)
        assert link
        client = browser()
        form = client.get(link[1])["Location"]
        new = {"password1": "a longer word", "password2": "a longer word"}
        assert client.post(form, new)["Location"] == "/password/changed/"
        assert client.get("/reviews/").status_code == 302
        assert "This link is used up" in browser().get(link[1], follow=True).content.decode()
        bob.refresh_from_db()
        assert bob.check_password("a longer word")

    def test_is_not_for_who_has_no_password_here(self, bob: Any) -> None:
        from governance.signin.forms import ResetPasswordForm

        bob.email = "bob@acme.example"
        bob.set_unusable_password()
        bob.save()
        form = ResetPasswordForm({"email": bob.email})
        assert form.is_valid()
        assert form.users == []
