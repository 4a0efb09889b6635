"""A person puts a run before a person, and asks for somebody else."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from agents.halts.models import Halt
from agents.runs import escalations, operations
from agents.runs.escalations import TooManyOpen
from agents.runs.models import Run
from governance.access.models import User
from governance.audit.models import AuditEvent
from governance.types import Risk
from hitl.escalation.signals import agent_to_pause
from hitl.reviews import operations as reviews
from hitl.reviews.models import Review
from hitl.reviews.types import Channel, DecisionVerb, Response
from tenants.kernel.context import tenant_context
from tenants.kernel.errors import InvalidInput, PermissionMissing
from tests.governance.samples import NOW

URL = "/api/v1/hitl/escalate"


def start(agent: Any, user: Any, **more: Any) -> Run:
    given: dict[str, Any] = {"input": {"query": "go"}, "trace_id": "0" * 32, "now": NOW}
    return operations.start(agent=agent, user=user, **given, **more)


@pytest.fixture
def run(agent: Any, oscar: Any) -> Run:
    """Return a run of Oscar's that waits for somebody."""
    made = start(agent, oscar)
    Run.objects.filter(pk=made.pk).update(status=Run.Status.WAITING)
    return Run.objects.get(pk=made.pk)


def escalate(by: Any, run: Run | None, **more: Any) -> Review:
    given: dict[str, Any] = {"subject": "Is this right?", "details": "It looks odd.", "priority": Risk.HIGH}
    return escalations.escalate(by=by, run=run, now=NOW, **{**given, **more})


def answer(review: Review, who: Any, verb: DecisionVerb = DecisionVerb.RESPOND) -> Review:
    response = Response(verb=verb, channel=Channel.API, message="It is.")
    return reviews.respond(review_id=review.pk, reviewer=who, response=response, now=NOW)


class TestEscalating:
    def test_opens_a_review_about_the_run(self, run: Run, oscar: Any) -> None:
        review = escalate(oscar, run)
        assert (review.kind, str(review.run_id), review.step_id) == ("escalation", str(run.pk), None)
        assert (review.priority, review.requester_id, str(review.agent_id)) == (
            "high",
            oscar.pk,
            str(run.agent_id),
        )
        assert review.evidence["query"] == "go" and review.evidence["details"] == "It looks odd."

    def test_is_possible_about_no_run(self, acme: Any, person: Any) -> None:
        review = escalate(person("vera"), None)
        assert (review.run_id, review.agent_id, review.status) == (None, None, "pending")

    def test_does_not_stop_the_run_nor_wake_it(self, run: Run, oscar: Any, bob: Any) -> None:
        answer(escalate(oscar, run), bob)
        assert Run.objects.get(pk=run.pk).status == Run.Status.WAITING

    def test_does_not_hold_up_a_run_that_is_resumed(self, run: Run, oscar: Any) -> None:
        Run.objects.filter(pk=run.pk).update(status=Run.Status.PAUSED)
        escalate(oscar, run)
        paused = Run.objects.select_related("requester").get(pk=run.pk)
        assert operations.resume(run=paused, user=oscar, now=NOW).status == Run.Status.QUEUED

    def test_of_others_runs_takes_a_permission(self, run: Run, person: Any, bob: Any) -> None:
        with pytest.raises(PermissionMissing):
            escalate(person("vera"), run)
        assert str(escalate(bob, run).run_id) == str(run.pk)

    def test_is_for_those_who_may_see_runs(self, run: Run, charlie: Any) -> None:
        for about in (run, None):
            with pytest.raises(PermissionMissing):
                escalate(charlie, about)

    def test_is_not_answered_by_who_asked(self, run: Run, bob: Any) -> None:
        with pytest.raises(PermissionMissing):
            answer(escalate(bob, run), bob)

    def test_stops_before_the_queue_is_full_of_one_persons_questions(self, acme: Any, oscar: Any) -> None:
        made = [escalate(oscar, None) for _ in range(escalations.MAX_OPEN)]
        with pytest.raises(TooManyOpen):
            escalate(oscar, None)
        reviews.expire(review=made[0], now=NOW + timedelta(days=2))
        assert escalate(oscar, None).status == "pending"

    def test_needs_a_subject(self, run: Run, oscar: Any) -> None:
        with pytest.raises(InvalidInput):
            escalate(oscar, run, subject=" ")


class TestOverHttp:
    def test_gives_the_review(self, run: Run, client_of: Any, oscar: Any) -> None:
        body = {"run": str(run.pk), "subject": "Is this right?", "details": "", "priority": "critical"}
        made = client_of(oscar).post(URL, body, format="json")
        assert made.status_code == 201
        told = made.json()
        assert (told["kind"], told["run"], told["priority"]) == ("escalation", str(run.pk), "critical")
        assert told["reason"] == "Is this right?"

    def test_is_made_once_for_one_key(self, run: Run, client_of: Any, oscar: Any) -> None:
        body = {"run": str(run.pk), "subject": "Is this right?"}
        again = [
            client_of(oscar).post(URL, body, format="json", headers={"Idempotency-Key": "k"}).json()["id"]
            for _ in range(2)
        ]
        assert again[0] == again[1]

    @pytest.mark.parametrize(
        "body",
        [{}, {"subject": ""}, {"subject": "x", "priority": "urgent"}, {"subject": "x", "run": "not-a-run"}],
    )
    def test_refuses_what_is_wrong(self, acme: Any, client_of: Any, oscar: Any, body: Any) -> None:
        assert client_of(oscar).post(URL, body, format="json").status_code == 422

    def test_is_forbidden_about_others_runs(self, run: Run, client_of: Any, person: Any) -> None:
        body = {"run": str(run.pk), "subject": "Is this right?"}
        assert client_of(person("vera")).post(URL, body, format="json").status_code == 403

    def test_of_another_tenants_run_says_that_there_is_none(
        self, run: Run, client_of: Any, globex_tenant: Any
    ) -> None:
        with tenant_context(globex_tenant):
            oscar = User.objects.get(username="oscar")
        body = {"run": str(run.pk), "subject": "Is this right?"}
        refused = client_of(oscar, host="globex.localhost").post(URL, body, format="json")
        assert (refused.status_code, refused.json()["errors"][0]["at"]) == (422, "/run")


class TestOnThePage:
    def browser(self, who: Any) -> Client:
        client = Client(headers={"host": "acme.localhost"})
        client.force_login(who)
        return client

    def test_is_a_form_and_then_the_question_with_its_answer(self, run: Run, oscar: Any, bob: Any) -> None:
        page = f"/runs/{run.pk}/"
        browser = self.browser(oscar)
        assert "Ask a person" in browser.get(page).content.decode()
        given = {"subject": "Is <this> right?", "details": "", "priority": "low"}
        assert browser.post(f"{page}escalate/", given).status_code == 302
        assert "Is &lt;this&gt; right?" in browser.get(page).content.decode()
        review = Review.objects.get(run_id=run.pk)
        assert "Is &lt;this&gt; right?" in self.browser(bob).get(f"/reviews/{review.pk}/").content.decode()
        answer(review, bob)
        assert "It is." in browser.get(page).content.decode()

    def test_is_not_offered_to_who_may_not(self, run: Run, person: Any) -> None:
        vera = self.browser(person("vera"))
        assert "Ask a person" not in vera.get(f"/runs/{run.pk}/").content.decode()
        given = {"subject": "Is this right?", "priority": "low"}
        assert vera.post(f"/runs/{run.pk}/escalate/", given).status_code == 403
        assert not Review.objects.filter(run_id=run.pk).exists()

    def test_refuses_a_priority_that_there_is_not(self, run: Run, oscar: Any) -> None:
        given = {"subject": "Is this right?", "priority": "urgent"}
        assert self.browser(oscar).post(f"/runs/{run.pk}/escalate/", given).status_code == 422

    def test_changes_nothing_when_it_is_only_read(self, run: Run, oscar: Any) -> None:
        assert self.browser(oscar).get(f"/runs/{run.pk}/escalate/").status_code == 405
        assert not Review.objects.filter(run_id=run.pk).exists()


class TestDelegation:
    def test_is_on_record_and_adds_no_right(self, agent: Any, oscar: Any, bob: Any) -> None:
        run = start(agent, oscar, on_behalf_of="bob")
        assert run.delegator == bob
        event = AuditEvent.objects.get(run_id=run.pk, action="run.started")
        assert event.body["on_behalf_of"] == "bob" and event.actor_name == "oscar"

    def test_does_not_let_start_who_may_not(self, agent: Any, charlie: Any, alice: Any) -> None:
        with pytest.raises(PermissionMissing):
            start(agent, charlie, on_behalf_of="alice")

    def test_by_oneself_is_none(self, agent: Any, oscar: Any) -> None:
        assert start(agent, oscar, on_behalf_of="oscar").delegator is None

    @pytest.mark.parametrize("name", ["nobody", "Bob", "grace"])
    def test_by_somebody_unknown_is_refused(self, agent: Any, oscar: Any, name: str) -> None:
        with pytest.raises(InvalidInput):
            start(agent, oscar, on_behalf_of=name)

    def test_by_who_was_deactivated_is_refused(self, agent: Any, oscar: Any, bob: Any) -> None:
        User.objects.filter(pk=bob.pk).update(is_active=False)
        with pytest.raises(InvalidInput):
            start(agent, oscar, on_behalf_of="bob")

    def test_by_an_agent_is_refused(self, agent: Any, oscar: Any) -> None:
        with pytest.raises(InvalidInput):
            start(agent, oscar, on_behalf_of=agent.principal.username)

    def test_is_told_over_http(self, agent: Any, client_of: Any, oscar: Any, bob: Any) -> None:
        body = {"input": {"query": "go"}, "on_behalf_of": "bob"}
        made = client_of(oscar).post(f"/api/v1/agents/{agent.pk}/execute", body, format="json")
        assert (made.status_code, made.json()["on_behalf_of"]) == (202, "bob")
        body["on_behalf_of"] = "nobody"
        refused = client_of(oscar).post(f"/api/v1/agents/{agent.pk}/execute", body, format="json")
        assert (refused.status_code, refused.json()["errors"][0]["at"]) == (422, "/on_behalf_of")


class TestPausingAnAgent:
    def test_by_an_escalation_stops_it_as_nobodys_doing(self, run: Run, oscar: Any) -> None:
        queued = start(run.agent, oscar)
        agent_to_pause.send(sender=Review, review=escalate(oscar, run), now=NOW)
        halt = Halt.objects.get(agent=run.agent)
        assert (halt.by, halt.who) == (None, "an escalation")
        assert "by an escalation" in Run.objects.get(pk=queued.pk).pause_reason
        assert AuditEvent.objects.get(action="halt.tripped").actor_kind == "system"

    def test_that_stands_still_changes_nothing(self, run: Run, oscar: Any) -> None:
        review = escalate(oscar, run)
        for _ in range(2):
            agent_to_pause.send(sender=Review, review=review, now=NOW)
        assert Halt.objects.filter(agent=run.agent).count() == 1

    def test_is_shown_in_the_api_and_in_the_admin(
        self, run: Run, oscar: Any, client_of: Any, alice: Any
    ) -> None:
        agent_to_pause.send(sender=Review, review=escalate(oscar, run), now=NOW)
        assert client_of(alice).get("/api/v1/kill-switches").json()["results"][0]["by"] == "an escalation"
        browser = Client(headers={"host": "acme.localhost"})
        browser.force_login(alice)
        assert "an escalation" in browser.get("/admin/agents/halt/").content.decode()
