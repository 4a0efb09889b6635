"""Who fails to sign in too often is refused unseen, for longer each time, whether they exist or not."""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from axes.exceptions import AxesBackendPermissionDenied
from axes.middleware import AxesMiddleware
from axes.models import AccessAttempt
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone

from governance.audit.models import AuditEvent
from governance.signin import lockout
from governance.signin.lockout import OF_ADDRESS, OF_NAME, locked_until
from governance.signin.middleware import LockMiddleware
from tenants.kernel.clients import address_of
from tenants.kernel.context import tenant_context
from tenants.kernel.errors import PermissionMissing

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
HERE = "192.0.2.7"
Login = Callable[..., Any]


def fail(name: str = "bob", address: str = HERE, *, times: int = 5, now: datetime = NOW) -> None:
    for _ in range(times):
        lockout.count_failure(name=name, address=address, now=now)


def is_locked(name: str = "bob", address: str = HERE, *, now: datetime = NOW) -> bool:
    return lockout.is_locked(name=name, address=address, now=now)


class TestRule:
    @pytest.mark.parametrize(
        ("failures", "minutes"), [(5, 15), (6, 30), (7, 60), (8, 120), (12, 24 * 60), (5000, 24 * 60)]
    )
    def test_doubles_with_each_failure_after_a_lock(self, failures: int, minutes: int) -> None:
        assert locked_until(OF_NAME, failures=failures, last_at=NOW) == NOW + timedelta(minutes=minutes)

    @pytest.mark.parametrize("failures", [0, 1, 4])
    def test_forgives_a_few(self, failures: int) -> None:
        assert locked_until(OF_NAME, failures=failures, last_at=NOW) is None

    def test_of_an_address_takes_more_and_does_not_grow(self) -> None:
        assert locked_until(OF_ADDRESS, failures=49, last_at=NOW) is None
        assert locked_until(OF_ADDRESS, failures=500, last_at=NOW) == NOW + timedelta(minutes=15)


class TestLock:
    def test_ends_after_15_minutes_and_then_is_longer(self, acme: Any) -> None:
        fail()
        assert is_locked(now=NOW + timedelta(minutes=14))
        later = NOW + timedelta(minutes=16)
        assert not is_locked(now=later)
        fail(times=1, now=later)
        assert is_locked(now=later + timedelta(minutes=29))
        assert not is_locked(now=later + timedelta(minutes=31))

    def test_is_of_the_name_from_that_address(self, acme: Any) -> None:
        fail()
        assert not is_locked("rita")
        assert not is_locked(address="192.0.2.8")

    def test_of_an_address_is_for_every_name(self, acme: Any) -> None:
        for number in range(25):
            fail(f"guess-{number}", times=2)
        assert is_locked("somebody else")
        assert not is_locked("somebody else", "192.0.2.8")
        assert not is_locked("somebody else", now=NOW + timedelta(minutes=16))

    def test_of_one_tenant_is_nothing_to_another(self, acme: Any, globex_tenant: Any) -> None:
        fail()
        with tenant_context(globex_tenant):
            assert not is_locked()

    def test_is_on_record(self, acme: Any) -> None:
        fail()
        event = AuditEvent.objects.filter(action="auth.locked").latest("id")
        assert event.body == {"username": "bob", "address": HERE}

    def test_is_lifted_by_who_may(self, acme: Any, alice: Any, oscar: Any) -> None:
        fail()
        attempt = AccessAttempt.objects.get()
        with pytest.raises(PermissionMissing):
            lockout.lift(attempt=attempt, by=oscar, now=NOW)
        assert is_locked()
        lockout.lift(attempt=attempt, by=alice, now=NOW)
        assert not is_locked()
        assert AuditEvent.objects.latest("id").action == "auth.lock_lifted"


@pytest.fixture
def api(acme: Any, client_of: Any) -> Login:
    """Return a function that signs in over the API."""

    def send(username: str, password: str, **more: str) -> Any:
        given = {"username": username, "password": password}
        return client_of().post("/api/v1/auth/login", given, format="json", **more)

    return send


@pytest.fixture
def page(acme: Any) -> Login:
    """Return a function that signs in on the page."""

    def send(username: str, password: str) -> Any:
        client = Client(headers={"host": "acme.localhost"})
        return client.post("/login/", {"username": username, "password": password})

    return send


class TestAtOnce:
    def test_are_no_more_looked_at_than_one_after_another(self, acme: Any) -> None:
        cache.clear()
        fail(times=2, now=timezone.now())
        request = RequestFactory().post("/login/", REMOTE_ADDR=HERE)
        with ExitStack() as running:
            for _ in range(3):
                running.enter_context(lockout.trying(request, "bob"))
            with pytest.raises(AxesBackendPermissionDenied):
                running.enter_context(lockout.trying(request, "bob"))
            running.enter_context(lockout.trying(request, "rita"))
        with lockout.trying(request, "bob"):
            pass


class TestFaces:
    @pytest.mark.parametrize("name", ["bob", "nobody"])
    def test_of_the_api_refuse_the_right_password_too(self, api: Login, name: str) -> None:
        assert [api(name, "wrong").status_code for _ in range(5)] == [401] * 5
        answer = api(name, "demo")
        assert (answer.status_code, answer.json()["code"]) == (429, "locked-out")

    @pytest.mark.parametrize("name", ["bob", "nobody"])
    def test_of_the_page_refuse_the_right_password_too(self, page: Login, name: str) -> None:
        assert [page(name, "wrong").status_code for _ in range(5)] == [200] * 5
        answer = page(name, "demo")
        assert answer.status_code == 429
        assert "Too many attempts" in answer.content.decode()

    def test_count_together(self, api: Login, page: Login) -> None:
        for _ in range(3):
            api("bob", "wrong")
            page("bob", "wrong")
        assert page("bob", "demo").status_code == api("bob", "demo").status_code == 429

    def test_tell_nothing_apart(self, page: Login) -> None:
        known, unknown = page("bob", "wrong"), page("nobody", "wrong")
        told = [said(answer) for answer in (known, unknown)]
        assert told[0] == told[1] != ""

    def test_forget_failures_after_a_success(self, api: Login) -> None:
        for _ in range(4):
            api("bob", "wrong")
        assert api("bob", "demo").status_code == 200
        assert not AccessAttempt.objects.exists()

    def test_do_not_prolong_a_lock_that_holds(self, api: Login) -> None:
        for _ in range(9):
            api("bob", "wrong")
        assert AccessAttempt.objects.get().failures_since_start == 5

    def test_do_not_believe_a_header_about_the_address(self, api: Login) -> None:
        for number in range(5):
            api("bob", "wrong", HTTP_X_FORWARDED_FOR=f"203.0.113.{number}")
        assert api("bob", "demo", HTTP_X_FORWARDED_FOR="203.0.113.99").status_code == 429

    def test_of_the_admin_lead_to_the_same_page(self, acme: Any) -> None:
        client = Client(headers={"host": "acme.localhost"})
        assert client.get("/admin/login/?next=/admin/")["Location"] == "/login/?next=%2Fadmin%2F"
        assert client.post("/admin/login/", {"username": "alice", "password": "demo"}).status_code == 302
        assert client.get("/admin/").status_code == 302

    def test_of_the_admin_refuse_who_is_signed_in_and_may_not(self, person: Any) -> None:
        client = Client(headers={"host": "acme.localhost"})
        client.force_login(person("charlie"))
        assert client.get("/admin/login/").status_code == 403

    def test_of_the_admin_show_and_lift_locks(self, alice: Any, api: Login) -> None:
        for _ in range(5):
            api("bob", "wrong")
        attempt, client = AccessAttempt.objects.get(), Client(headers={"host": "acme.localhost"})
        client.force_login(alice)
        where = f"/admin/axes/accessattempt/{attempt.pk}"
        assert "Forget these failures" in client.get(f"{where}/change/").content.decode()
        assert client.get(f"{where}/lift/").status_code == 405
        client.post(f"{where}/lift/")
        assert api("bob", "demo").status_code == 200


def said(answer: Any) -> str:
    return str(answer.content.decode()).partition('role="alert">')[2].partition("</div>")[0]


class TestAddress:
    @pytest.mark.parametrize(
        ("proxies", "header", "expected"),
        [
            (0, "203.0.113.9", "192.0.2.1"),
            (1, "203.0.113.9", "203.0.113.9"),
            (1, "10.9.9.9, 203.0.113.9", "203.0.113.9"),
            (2, "1.1.1.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
            (2, "203.0.113.9", "192.0.2.1"),
            (1, "nonsense", "192.0.2.1"),
            (1, "", "192.0.2.1"),
        ],
    )
    def test_is_what_the_last_trusted_proxy_saw(
        self, settings: Any, proxies: int, header: str, expected: str
    ) -> None:
        settings.TRUSTED_PROXIES = proxies
        request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.1", HTTP_X_FORWARDED_FOR=header)
        assert address_of(request) == expected


class TestSessions:
    @pytest.fixture
    def browser(self, acme: Any) -> Client:
        """Return a browser in which Bob has signed in."""
        return self.sign_in()

    def sign_in(self) -> Client:
        client = Client(headers={"host": "acme.localhost"})
        client.post("/login/", {"username": "bob", "password": "demo"})
        return client

    def test_end_eight_hours_after_the_sign_in_however_busy(self, browser: Client) -> None:
        ends = browser.session.get_expiry_date()
        assert timedelta(hours=7, minutes=59) < ends - timezone.now() <= timedelta(hours=8)
        session = browser.session
        session["busy"] = True
        session.save()
        assert browser.session.get_expiry_date() == ends

    def test_are_listed_and_ended_by_their_person(self, browser: Client) -> None:
        other = self.sign_in()
        page = browser.get("/account/sessions/").content.decode()
        assert page.count("127.0.0.1") == 2
        pk = page.partition('action="/account/sessions/')[2].partition("/")[0]
        assert browser.post(f"/account/sessions/{pk}/").status_code == 302
        assert other.get("/account/").status_code == 302
        assert browser.get("/account/").status_code == 200
        assert AuditEvent.objects.latest("id").action == "auth.session_ended"

    def test_of_others_are_out_of_reach(self, browser: Client) -> None:
        from allauth.usersessions.models import UserSession

        rita = Client(headers={"host": "acme.localhost"})
        rita.post("/login/", {"username": "rita", "password": "demo"})
        pk = UserSession.objects.get(user__username="bob").pk
        assert rita.post(f"/account/sessions/{pk}/").status_code == 404

    def test_all_end_but_this_one(self, browser: Client, api: Login) -> None:
        other, token = self.sign_in(), api("bob", "demo").json()["token"]
        browser.post("/account/sessions/others/")
        assert browser.get("/account/").status_code == 200
        assert other.get("/account/").status_code == 302
        answer = other.get("/api/v1/agents", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401

    def test_all_end_with_a_new_password(self, browser: Client) -> None:
        other = self.sign_in()
        given = {"oldpassword": "demo", "password1": "a longer word", "password2": "a longer word"}
        assert browser.post("/account/password/", given).status_code == 302
        assert browser.get("/account/").status_code == other.get("/account/").status_code == 302

    def test_get_a_new_key_at_the_sign_in(self, acme: Any) -> None:
        client = Client(headers={"host": "acme.localhost"})
        session = client.session
        session["fixed"] = True
        session.save()
        before = str(session.session_key)
        client.cookies["sessionid"] = before
        client.post("/login/", {"username": "bob", "password": "demo"})
        assert client.session.session_key != before


class TestMiddleware:
    """The server takes the asynchronous way, the client of other tests the synchronous one."""

    def test_leaves_the_answer_as_the_face_gave_it(self) -> None:
        given = HttpResponse(status=429)
        request = RequestFactory().post("/login/")
        request.axes_locked_out = True  # type: ignore[attr-defined]  # as axes marks it

        async def face(_request: HttpRequest) -> HttpResponse:
            return given

        assert async_to_sync(AxesMiddleware(LockMiddleware(face)))(request) is given
        request.axes_locked_out = True  # type: ignore[attr-defined]
        assert AxesMiddleware(LockMiddleware(lambda _request: given))(request) is given
