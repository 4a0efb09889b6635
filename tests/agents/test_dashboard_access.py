"""The pages of the dashboard: who may see and do what, and that looking changes nothing."""

from typing import Any

import pytest
from django.test import Client

from agents.runs.models import Run
from governance.audit.models import AuditEvent
from tests.governance.samples import NOW


@pytest.fixture
def run(agent: Any, oscar: Any) -> Run:
    """Return a queued run of Oscar's."""
    from agents.runs import operations

    return operations.start(
        agent=agent, user=oscar, input={"query": "a query nobody else has"}, trace_id="0" * 32, now=NOW
    )


@pytest.fixture
def browser(acme: Any, person: Any) -> Any:
    """Return a function that gives somebody's browser."""

    def make(who: str, **options: Any) -> Client:
        client = Client(headers={"host": "acme.localhost"}, **options)
        if who != "anonymous":
            client.force_login(person(who))
        return client

    return make


class TestPages:
    def test_need_a_sign_in(self, run: Run, browser: Any) -> None:
        for path in [
            "/",
            "/reviews/",
            "/runs/{pk}/",
            "/parts/runs/",
            "/parts/feed/",
            "/ask/",
            "/sessions/",
            "/sessions/{pk}/",
        ]:
            response = browser("anonymous").get(path.format(pk=run.pk))
            assert response.status_code == 302
            assert response["Location"].startswith("/login/")

    def test_of_the_work_need_the_right(self, run: Run, browser: Any) -> None:
        for path in ["/reviews/", "/runs/{pk}/", "/sessions/", "/sessions/{pk}/"]:
            assert browser("charlie").get(path.format(pk=run.pk)).status_code == 403
            assert browser("vera").get(path.format(pk=run.pk)).status_code == 200

    def test_show_those_without_rights_nothing(self, run: Run, browser: Any) -> None:
        for path in ["/", "/parts/runs/", "/parts/queue/", "/parts/feed/", "/parts/counts/"]:
            response = browser("charlie").get(path)
            assert response.status_code == 200
            assert run.query not in response.content.decode()
            assert "run.started" not in response.content.decode()

    def test_show_the_log_only_to_those_who_may_read_it(self, run: Run, browser: Any) -> None:
        assert run.query in browser("vera").get("/parts/runs/").content.decode()
        assert browser("audrey").get("/parts/feed/").context["events"] is not None
        assert browser("vera").get("/parts/feed/").context["events"] is None

    @pytest.mark.parametrize(
        "path",
        [
            "/",
            "/reviews/",
            "/runs/{pk}/",
            "/runs/{pk}/cancel/",
            "/runs/{pk}/pause/",
            "/runs/{pk}/resume/",
            "/sessions/",
            "/sessions/{pk}/",
            "/ask/",
            "/logout/",
        ],
    )
    @pytest.mark.parametrize("method", ["get", "head"])
    def test_are_changed_by_no_scanner(self, run: Run, browser: Any, path: str, method: str) -> None:
        runs, events = list(Run.objects.values()), AuditEvent.objects.count()
        client = browser("oscar")
        events = AuditEvent.objects.count()
        getattr(client, method)(path.format(pk=run.pk))
        assert (list(Run.objects.values()), AuditEvent.objects.count()) == (runs, events)

    def test_that_do_not_exist_are_404(self, browser: Any) -> None:
        for path in ["/parts/secrets/", "/runs/not-an-id/", "/reviews/1/", "/parts/"]:
            assert browser("alice").get(path).status_code == 404


class TestAsk:
    def test_starts_a_run(self, agent: Any, browser: Any) -> None:
        response = browser("oscar").post("/ask/", {"agent": agent.pk, "query": "where?\r\nnow"})
        run = Run.objects.latest("id")
        assert response["Location"] == f"/runs/{run.pk}/"
        assert (run.input, run.requester.username) == ({"query": "where?\nnow"}, "oscar")

    @pytest.mark.parametrize("who", ["bob", "vera", "charlie"])
    def test_is_for_those_who_may_run_the_agent(self, agent: Any, browser: Any, who: str) -> None:
        before = Run.objects.count()
        assert browser(who).post("/ask/", {"agent": agent.pk, "query": "where?"}).status_code == 403
        assert Run.objects.count() == before

    def test_of_no_agent_is_404(self, browser: Any) -> None:
        for agent_id in ["", "not-an-id", "01890000-0000-7000-8000-000000000000", "\x00"]:
            assert browser("oscar").post("/ask/", {"agent": agent_id, "query": "where?"}).status_code == 404

    def test_of_nothing_says_so(self, agent: Any, browser: Any) -> None:
        for query in ["", " ", "x" * 20_001]:
            assert browser("oscar").post("/ask/", {"agent": agent.pk, "query": query}).status_code == 422

    def test_needs_the_form_token(self, agent: Any, browser: Any) -> None:
        client = browser("oscar", enforce_csrf_checks=True)
        assert client.post("/ask/", {"agent": agent.pk, "query": "where?"}).status_code == 403


class TestCancel:
    def test_is_for_the_requester_and_those_with_the_right(self, run: Run, browser: Any) -> None:
        for who in ("bob", "vera", "charlie"):
            assert browser(who).post(f"/runs/{run.pk}/cancel/").status_code == 403
        run.refresh_from_db()
        assert run.status == Run.Status.QUEUED
        assert browser("oscar").post(f"/runs/{run.pk}/cancel/").status_code == 302
        assert browser("oscar").post(f"/runs/{run.pk}/cancel/").status_code == 409


class TestPause:
    @pytest.mark.parametrize("verb", ["pause", "resume"])
    def test_is_for_the_requester_and_those_with_the_right(self, run: Run, browser: Any, verb: str) -> None:
        for who in ("bob", "vera", "charlie"):
            assert browser(who).post(f"/runs/{run.pk}/{verb}/").status_code == 403
        run.refresh_from_db()
        assert run.status == Run.Status.QUEUED

    def test_is_shown_with_its_reason_and_taken_back(self, run: Run, browser: Any) -> None:
        alice = browser("alice")
        page = alice.post(f"/runs/{run.pk}/pause/", {"reason": "ask finance first"}, follow=True)
        assert "ask finance first (by alice)" in page.content.decode()
        assert (page.context["may_pause"], page.context["may_resume"]) == (False, True)
        assert alice.post(f"/runs/{run.pk}/pause/").status_code == 409
        page = alice.post(f"/runs/{run.pk}/resume/", follow=True)
        assert (page.context["run"].status, page.context["may_pause"]) == ("queued", True)
        assert alice.post(f"/runs/{run.pk}/resume/").status_code == 409

    def test_of_a_running_step_waits_for_its_end(self, run: Run, browser: Any) -> None:
        Run.objects.filter(pk=run.pk).update(status=Run.Status.RUNNING)
        page = browser("oscar").post(f"/runs/{run.pk}/pause/", follow=True)
        assert "Pausing…" in page.content.decode()
        assert "Keep running" in page.content.decode()

    def test_is_not_offered_to_those_who_may_not(self, run: Run, browser: Any) -> None:
        context = browser("vera").get(f"/runs/{run.pk}/").context
        assert not (context["may_pause"] or context["may_resume"] or context["may_cancel"])


class TestSignIn:
    def test_leads_nowhere_else(self, acme: Any, browser: Any) -> None:
        for target in [
            "https://evil.example/",
            "//evil.example",
            "https://globex.localhost/",
            "javascript:alert(1)",
        ]:
            response = browser("anonymous").post(
                f"/login/?next={target}", {"username": "bob", "password": "demo", "next": target}
            )
            assert response["Location"] == "/"

    def test_makes_a_new_session(self, acme: Any, browser: Any) -> None:
        client = browser("anonymous")
        client.cookies["sessionid"] = "chosen-by-somebody-else"
        client.post("/login/", {"username": "bob", "password": "demo"})
        cookie = client.cookies["sessionid"]
        assert cookie.value != "chosen-by-somebody-else"
        assert (cookie["httponly"], cookie["samesite"], cookie["domain"]) == (True, "Lax", "")
