"""A tool that asks a person: nothing is executed, the run waits, and the answer is the result."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from agents.runs import operations
from agents.runs.models import Run, Step
from agents.tools.base import tool
from agents.tools.models import Tool
from agents.tools.registry import spec_of
from governance.policies.models import PolicyDecision
from governance.types import EffectClass, Risk
from hitl.escalation.signals import run_to_cancel
from hitl.reviews import operations as reviews
from hitl.reviews.models import Review
from hitl.reviews.types import DecisionVerb
from tenants.kernel.errors import InvalidInput, PermissionMissing
from tests.agents import probes
from tests.agents.fake_model import FakeModel, calls, text
from tests.agents.probes import Probe
from tests.agents.workbench import LATER, Start, Work, proposes, review_of, say, told, tool_step, trail
from tests.governance.samples import NOW


@pytest.fixture
def db(committed: str, model: FakeModel) -> None:
    """Use the module's own database and the fake model."""


@pytest.fixture
def probe(agent: Any) -> Iterator[type[Probe]]:
    """Give the agent the probes, and the tool that asks a person."""
    with probes.installed(agent) as installed:
        yield installed


@pytest.fixture
def asked(probe: type[Probe], model: FakeModel, start: Start, work: Work) -> Run:
    """Return a run whose agent has asked which colour the door shall have."""
    question = {"question": "Which colour?", "details": "The front door.", "options": ["blue", "red"]}
    proposes(model, "ask_person", **question)
    return work(start("Paint the door"))


class TestDeclaration:
    def test_of_the_built_in_tool_is_harmless_and_trusted(self) -> None:
        spec = spec_of("ask_person")
        assert (spec.risk, spec.effect, spec.output_trusted) == (Risk.LOW, EffectClass.READ, True)
        assert spec.asks_person and not spec_of("current_time").asks_person

    def test_needs_a_question(self) -> None:
        def guess(answer: str) -> None:
            """Guess."""

        with pytest.raises(TypeError, match="needs a 'question'"):
            tool(risk=Risk.LOW, effect=EffectClass.READ, asks_person=True)(guess)


class TestAsking:
    def test_opens_a_question_and_lets_the_run_wait(self, asked: Run) -> None:
        review, step = review_of(asked), tool_step(asked)
        assert (asked.status, step.status, step.attempts) == ("waiting", "waiting", 0)
        assert (review.kind, review.reason, review.step_id) == ("question", "Which colour?", step.pk)
        assert review.evidence["options"] == ["blue", "red"]
        assert review.evidence["details"] == "The front door."
        assert review.evidence["query"] == "Paint the door"

    def test_executes_nothing_and_leaves_the_permit_unused(self, asked: Run, probe: type[Probe]) -> None:
        assert probe.names() == []
        assert PolicyDecision.objects.get(run_id=asked.pk).consumed_at is None
        assert "tool.succeeded" not in trail(asked)

    def test_offers_no_word_of_denial(self, asked: Run, bob: Any) -> None:
        offered = reviews.available_actions(review_of(asked), bob).verbs
        assert set(offered) == {DecisionVerb.RESPOND, DecisionVerb.REQUEST_INFO, DecisionVerb.CANCEL_RUN}
        with pytest.raises(InvalidInput):
            say(asked, bob, "reject")

    def test_is_refused_by_the_gate_like_any_call(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        row = Tool.objects.filter(name="ask_person")
        row.update(enabled=False)
        try:
            proposes(model, "ask_person", question="Which colour?")
            run = work(start("go"))
        finally:
            row.update(enabled=True)
        assert tool_step(run).status == "denied"
        assert not Review.objects.filter(run_id=run.pk).exists()

    def test_without_a_question_asks_nobody(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "ask_person", details="Something is odd.")
        run = work(start("go"))
        assert tool_step(run).status == "denied"
        assert not Review.objects.filter(run_id=run.pk).exists()

    def test_waits_for_an_approval_first_where_an_admin_says_so(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, bob: Any, rita: Any
    ) -> None:
        row = Tool.objects.filter(name="ask_person")
        row.update(risk="high")
        try:
            proposes(model, "ask_person", question="Which colour?")
            run = work(start("go"))
            assert review_of(run).kind == "tool_call"
            say(run, bob, "approve")
            run = work(run)
            assert (run.status, review_of(run).kind) == ("waiting", "question")
            say(run, rita, "respond", "Blue.")
            assert work(run).status == "succeeded"
        finally:
            row.update(risk="low")


class TestAnswer:
    def test_is_the_result_of_the_call(self, asked: Run, model: FakeModel, work: Work, bob: Any) -> None:
        say(asked, bob, "respond", "Blue, please.")
        run = work(asked)
        assert (run.status, tool_step(run).status) == ("succeeded", "succeeded")
        assert tool_step(run).result == {"content": {"answer": "Blue, please.", "answered_by": "bob"}}
        assert '"answered_by": "bob"' in told(model)[0]["content"]
        assert "run.asked" in trail(run) and "run.answered" in trail(run)

    def test_makes_the_run_no_less_trusted(
        self, asked: Run, model: FakeModel, work: Work, bob: Any, client_of: Any, alice: Any
    ) -> None:
        say(asked, bob, "respond", "Blue.")
        run = work(asked)
        taint = client_of(alice).get(f"/api/v1/runs/{run.pk}").json()["taint"]
        assert taint == {"integrity": "trusted", "sources": []}

    def test_that_nobody_gives_is_an_error_that_the_model_reads(
        self, asked: Run, model: FakeModel, work: Work
    ) -> None:
        reviews.expire(review=review_of(asked), now=LATER)
        run = work(asked, at=LATER)
        assert (run.status, tool_step(run).status) == ("succeeded", "failed")
        assert "Nobody answered in time" in told(model)[0]["content"]

    def test_is_waited_for_again_when_the_doorbell_rings_early(
        self, asked: Run, work: Work, bob: Any
    ) -> None:
        Run.objects.filter(pk=asked.pk).update(status="queued")
        assert work(asked).status == "waiting"
        say(asked, bob, "respond", "Blue.")
        assert work(asked).status == "succeeded"

    def test_is_not_the_requesters_to_give(self, asked: Run, oscar: Any) -> None:
        assert DecisionVerb.RESPOND not in reviews.available_actions(review_of(asked), oscar).verbs

    def test_is_shown_on_the_page_of_the_run(self, asked: Run, work: Work, bob: Any, alice: Any) -> None:
        browser = Client(headers={"host": "acme.localhost"})
        browser.force_login(alice)
        page = browser.get(f"/runs/{asked.pk}/").content.decode()
        assert "The agent asks a person:" in page and "The front door." in page and "blue" in page
        review = browser.get(f"/reviews/{review_of(asked).pk}/").content.decode()
        assert "Which colour?" in review and "The front door." in review and "red" in review
        say(asked, bob, "respond", "<b>Blue</b> \u202e please.")
        work(asked)
        page = browser.get(f"/runs/{asked.pk}/").content.decode()
        assert "&lt;b&gt;Blue&lt;/b&gt;" in page and "U+202E" in page and "bob" in page


class TestDelegator:
    def test_may_not_approve_what_was_asked_for_them(
        self, probe: type[Probe], model: FakeModel, agent: Any, oscar: Any, bob: Any, rita: Any, work: Work
    ) -> None:
        proposes(model, "seal")
        given: dict[str, Any] = {"input": {"query": "go"}, "trace_id": "0" * 32, "now": NOW}
        run = work(operations.start(agent=agent, user=oscar, on_behalf_of="bob", **given))
        assert review_of(run).request["delegator"] == {"id": bob.pk, "name": "bob"}
        with pytest.raises(PermissionMissing):
            say(run, bob, "approve")
        say(run, rita, "approve")
        assert (work(run).status, probe.names()) == ("succeeded", ["seal"])


class TestCancelRun:
    def test_by_a_reviewer_ends_the_run_as_their_doing(self, asked: Run, work: Work, bob: Any) -> None:
        assert not bob.has_perm("agents.cancel_run")
        say(asked, bob, "cancel_run", "It must not paint anything.")
        run = work(asked)
        assert (run.status, review_of(run).status) == ("cancelled", "cancelled")
        step = tool_step(run)
        assert step.status == Step.Status.FAILED and step.result is not None
        assert "bob cancelled the run" in step.result["content"]["error"]["message"]

    def test_is_on_record_with_the_review(self, asked: Run, bob: Any) -> None:
        from governance.audit.models import AuditEvent

        say(asked, bob, "cancel_run", "It must not paint anything.")
        event = AuditEvent.objects.get(run_id=asked.pk, action="run.cancelled")
        assert (event.actor_name, event.body["review"]) == ("bob", str(review_of(asked).pk))

    def test_of_a_call_that_waits_runs_nothing(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, bob: Any
    ) -> None:
        model.script(calls(("seal", {})), text("Done."))
        run = work(start("go"))
        say(run, bob, "cancel_run", "Stop.")
        assert (work(run).status, probe.names()) == ("cancelled", [])

    def test_by_an_escalation_is_nobodys_doing(self, asked: Run) -> None:
        from governance.audit.models import AuditEvent

        review = review_of(asked)
        reviews.expire(review=review, now=NOW + timedelta(hours=25))
        with transaction.atomic():
            run_to_cancel.send(sender=Review, review=review, now=NOW + timedelta(hours=25))
        assert Run.objects.get(pk=asked.pk).status == "cancelled"
        event = AuditEvent.objects.get(run_id=asked.pk, action="run.cancelled")
        assert event.actor_kind == "system"
