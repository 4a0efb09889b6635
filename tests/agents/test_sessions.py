"""Sessions: which runs belong together, who sees them, and who goes on in them."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from agents.runs import operations
from agents.runs.models import Run
from agents.sessions.questions import conversation, latest_runs
from tests.governance.samples import NOW

Ask = Callable[..., Run]


@pytest.fixture
def ask(agent: Any, oscar: Any) -> Ask:
    """Return a function that starts a run in a session."""

    def start(query: str, session: str = "s1", *, user: Any = None) -> Run:
        given: dict[str, Any] = {"input": {"query": query}, "session_id": session, "trace_id": "0" * 32}
        return operations.start(agent=agent, user=user or oscar, now=NOW, **given)

    return start


@pytest.fixture
def browser(person: Any) -> Callable[[str], Client]:
    """Return a function that gives somebody's browser."""

    def make(who: str) -> Client:
        client = Client(headers={"host": "acme.localhost"})
        client.force_login(person(who))
        return client

    return make


class TestQuestions:
    def test_a_session_is_one_persons_with_one_agent(self, ask: Ask, alice: Any) -> None:
        first, second = ask("one"), ask("two")
        ask("elsewhere", "s2"), ask("hers", user=alice), ask("alone", "")
        assert list(conversation(first)) == [first, second]
        assert list(conversation(second)) == [first, second]

    def test_a_run_outside_any_session_is_alone(self, ask: Ask) -> None:
        run = ask("alone", "")
        ask("alone too", "")
        assert list(conversation(run)) == [run]

    def test_each_session_is_told_by_its_last_run(self, ask: Ask, oscar: Any, alice: Any) -> None:
        ask("one"), ask("alone", "")
        other, last, hers = ask("elsewhere", "s2"), ask("two"), ask("hers", user=alice)
        assert list(latest_runs(Run.objects.filter(session_id__in=["s1", "s2"]))) == [hers, last, other]
        mine = latest_runs(Run.objects.filter(requester=oscar))
        assert [vars(run)["run_count"] for run in mine] == [2, 1]


class TestPages:
    def test_list_ones_own(self, ask: Ask, browser: Any, alice: Any) -> None:
        ask("mine first"), ask("mine last"), ask("somebody elses", user=alice)
        page = browser("oscar").get("/sessions/").content.decode()
        assert "mine first" in page
        assert "last: mine last" in page
        assert "somebody elses" not in page

    def test_show_the_conversation_to_those_who_may_see_runs(self, ask: Ask, browser: Any) -> None:
        run = ask("one <b>")
        Run.objects.filter(pk=run.pk).update(status="succeeded", output={"answer": "two <b>"})
        page = browser("vera").get(f"/sessions/{run.pk}/")
        assert "one &lt;b&gt;" in page.content.decode()
        assert "two &lt;b&gt;" in page.content.decode()
        assert not page.context["may_go_on"]

    def test_lead_there_from_the_run(self, ask: Ask, browser: Any) -> None:
        run = ask("one")
        assert f'href="/sessions/{run.pk}/"' in browser("oscar").get(f"/runs/{run.pk}/").content.decode()

    def test_fetch_again_only_what_changes(self, ask: Ask, browser: Any) -> None:
        run = ask("one")
        for path in ("/sessions/", f"/sessions/{run.pk}/"):
            part = browser("oscar").get(path, headers={"hx-request": "true"}).content.decode()
            assert "<html" not in part
            assert "one" in part


class TestGoingOn:
    def test_starts_a_run_in_the_same_session(self, ask: Ask, browser: Any) -> None:
        run = ask("one")
        Run.objects.filter(pk=run.pk).update(status="succeeded", output={"answer": "it is here"})
        response = browser("oscar").post(f"/sessions/{run.pk}/", {"query": "and\r\nthen?"})
        assert response["Location"] == f"/sessions/{run.pk}/"
        last = conversation(run).last()
        assert last is not None
        assert (last.query, last.session_id) == ("and\nthen?", "s1")
        assert last.snapshot["memory"] == [{"query": "one", "answer": "it is here"}]

    def test_before_the_answer_is_there_says_what_that_means(self, ask: Ask, browser: Any) -> None:
        run, warning = ask("one"), "does not know its answer"
        assert warning in browser("oscar").get(f"/sessions/{run.pk}/").content.decode()
        Run.objects.filter(pk=run.pk).update(status="succeeded", output={"answer": "it is here"})
        assert warning not in browser("oscar").get(f"/sessions/{run.pk}/").content.decode()

    @pytest.mark.parametrize("who", ["alice", "bob", "vera", "charlie"])
    def test_is_for_the_person_who_began_it(self, ask: Ask, browser: Any, who: str) -> None:
        run = ask("one")
        assert browser(who).post(f"/sessions/{run.pk}/", {"query": "and?"}).status_code == 403
        assert conversation(run).count() == 1

    def test_needs_a_session(self, ask: Ask, browser: Any) -> None:
        run = ask("alone", "")
        assert browser("oscar").post(f"/sessions/{run.pk}/", {"query": "and?"}).status_code == 403

    def test_needs_words(self, ask: Ask, browser: Any) -> None:
        run = ask("one")
        page = browser("oscar").post(f"/sessions/{run.pk}/", {"query": " "})
        assert page.status_code == 422
        assert "ask-error" in page.content.decode()

    def test_a_request_on_the_overview_begins_a_session_of_its_own(self, agent: Any, browser: Any) -> None:
        for _ in range(2):
            browser("oscar").post("/ask/", {"agent": agent.pk, "query": "where?"})
        first, second = Run.objects.order_by("-pk")[:2]
        assert first.session_id
        assert first.session_id != second.session_id


class TestApi:
    def test_tells_each_session_by_its_last_run(
        self, ask: Ask, client_of: Any, agent: Any, person: Any
    ) -> None:
        ask("one")
        last = ask("two")
        shown = (
            client_of(person("vera")).get("/api/v1/sessions?requester=oscar&session_id=s1").json()["results"]
        )
        assert shown == [
            {
                "session_id": "s1",
                "agent": str(agent.pk),
                "requester": "oscar",
                "opening": "one",
                "runs": 2,
                "last_run": str(last.pk),
                "last_run_at": "2026-03-02T09:30:00Z",
                "status": "queued",
            }
        ]

    def test_goes_through_pages_latest_first(self, ask: Ask, client_of: Any, oscar: Any) -> None:
        for session in ("s1", "s2", "s3", "s1"):
            ask("go", session)
        client = client_of(oscar)
        first = client.get("/api/v1/sessions?page_size=2&requester=oscar").json()
        second = client.get(first["next"]).json()
        assert [one["session_id"] for one in first["results"] + second["results"]] == ["s1", "s3", "s2"]
