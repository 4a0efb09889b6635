"""What reviewers say besides yes and no, as a run feels it."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from agents.runs.models import Run, Step
from agents.tools.models import Tool
from governance.audit.models import AuditEvent
from hitl.reviews import operations as reviews
from hitl.reviews.deadlines import on_veto_end
from hitl.reviews.models import Review
from hitl.reviews.types import Assurance, Channel, DecisionVerb, Response
from tests.agents import probes
from tests.agents.fake_model import FakeModel, calls
from tests.agents.probes import Probe
from tests.agents.workbench import proposes, refresh, review_of, say, told, tool_steps
from tests.governance.samples import NOW

Start = Callable[..., Run]
Work = Callable[..., Run]


@pytest.fixture
def db(committed: str, model: FakeModel) -> None:
    """Use the module's own database and the fake model."""


@pytest.fixture
def probe(agent: Any) -> Iterator[type[Probe]]:
    """Give the agent the probes."""
    with probes.installed(agent) as installed:
        yield installed


@pytest.fixture
def medium(probe: type[Probe]) -> Iterator[None]:
    """Let offers be of medium risk, and such as can be undone."""
    before = Tool.objects.filter(name="offer").values("risk", "reversible").get()
    Tool.objects.filter(name="offer").update(risk="medium", reversible=True)
    yield
    Tool.objects.filter(name="offer").update(**before)


def content(step: Step) -> dict[str, Any]:
    found: dict[str, Any] = step.result["content"]
    return found


class TestFeedback:
    def test_lets_the_agent_try_again_with_the_guidance(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, bob: Any
    ) -> None:
        proposes(model, "offer", calls(("offer", {"amount": 5})), amount=500)
        run = work(start("go"))
        say(run, bob, "feedback", "Offer 5.")
        run = work(run)
        assert (run.status, probe.entered) == (Run.Status.WAITING, [])
        first = content(run.steps.get(kind="tool", status=Step.Status.REJECTED))
        assert first["error"] == {"code": "feedback", "message": "bob sent this call back: Offer 5."}
        assert first["retry"] == {"allowed": True, "left": 2}
        say(run, bob, "approve")
        assert work(run).status == Run.Status.SUCCEEDED
        assert probe.names() == ["offer"]


class TestTheSameCallAgain:
    @pytest.mark.parametrize("verb", ["reject", "feedback"])
    def test_is_refused_without_asking_and_on_record(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, bob: Any, verb: str
    ) -> None:
        again = calls(("offer", {"amount": 500}))
        proposes(model, "offer", again, again, amount=500)
        run = work(start("go"))
        say(run, bob, verb, "Too much.")
        run = work(run)
        assert (run.status, probe.entered) == (Run.Status.SUCCEEDED, [])
        assert Review.objects.filter(run_id=run.pk).count() == 1
        assert tool_steps(run) == [("offer", "rejected"), ("offer", "denied"), ("offer", "denied")]
        assert "rejected exactly this call" in told(model)[-1]["content"]
        events = AuditEvent.objects.filter(run_id=run.pk, action="tool.refused")
        assert {(event.body["code"], event.body["review_id"]) for event in events} == {
            ("rejected-before", str(review_of(run).pk))
        }

    def test_is_asked_about_once_anything_of_it_differs(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, bob: Any
    ) -> None:
        proposes(model, "offer", calls(("offer", {"amount": 499})), amount=500)
        run = work(start("go"))
        say(run, bob, "reject", "Too much.")
        assert work(run).status == Run.Status.WAITING
        assert review_of(run).arguments == {"amount": 499}


class TestCancelRun:
    def test_ends_the_run_and_nothing_runs(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, bob: Any
    ) -> None:
        proposes(model, "offer", amount=500)
        run = work(start("go"))
        review = say(run, bob, "cancel_run", "It offers to strangers.")
        run = refresh(run)
        assert (review.status, run.status) == (Review.Status.CANCELLED, Run.Status.CANCELLED)
        assert work(run).status == Run.Status.CANCELLED
        assert probe.entered == []
        (step,) = run.steps.filter(kind="tool")
        assert content(step)["error"]["code"] == "cancelled"
        event = AuditEvent.objects.get(run_id=run.pk, action="run.cancelled")
        assert (event.actor_name, event.body["review"]) == ("bob", str(review.pk))


class TestRevoked:
    def test_before_it_ran_is_told_to_the_agent(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, bob: Any, rita: Any
    ) -> None:
        proposes(model, "offer", amount=500)
        run = work(start("go"))
        reviews.revoke(review_id=say(run, bob, "approve").pk, by=rita, message="No!", now=NOW)
        run = work(run)
        assert (run.status, probe.entered) == (Run.Status.SUCCEEDED, [])
        assert content(run.steps.get(kind="tool"))["error"]["code"] == "revoked"


class TestNotBefore:
    def test_holds_the_run_until_then(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, bob: Any
    ) -> None:
        proposes(model, "offer", amount=500)
        run = work(start("go"))
        response = Response(
            verb=DecisionVerb.APPROVE,
            channel=Channel.API,
            assurance=Assurance.TOKEN,
            not_before=NOW + timedelta(hours=1),
        )
        reviews.respond(review_id=review_of(run).pk, reviewer=bob, response=response, now=NOW)
        run = work(run, at=NOW + timedelta(minutes=59))
        assert (run.status not in Run.ENDED, probe.entered) == (True, [])
        Run.objects.filter(pk=run.pk).update(status=Run.Status.QUEUED, wake_at=None)
        assert work(run, at=NOW + timedelta(minutes=61)).status == Run.Status.SUCCEEDED
        assert probe.names() == ["offer"]


class TestVetoWindow:
    END: datetime = NOW + timedelta(minutes=5)

    def tick(self, run: Run) -> None:
        with transaction.atomic():
            on_veto_end(review_of(run).pk, 0, self.END)

    def test_lets_the_call_run_when_nobody_objected(
        self, medium: None, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "offer", amount=500)
        run = work(start("go"))
        assert (run.status, review_of(run).veto_until) == (Run.Status.WAITING, self.END)
        self.tick(run)
        assert work(run, at=self.END).status == Run.Status.SUCCEEDED
        assert probe.names() == ["offer"]
        permit = AuditEvent.objects.filter(run_id=run.pk, action="gate.decided").latest("id")
        assert permit.body["reasons"][0]["code"] == "unopposed"
        assert review_of(run).effect_outcome == "ok"

    def test_lets_nothing_run_that_has_become_riskier_by_then(
        self, medium: None, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "offer", amount=500)
        run = work(start("go"))
        self.tick(run)
        Tool.objects.filter(name="offer").update(risk="high")
        run = work(run, at=self.END)
        assert (run.status, probe.entered) == (Run.Status.SUCCEEDED, [])
        assert tool_steps(run) == [("offer", "denied")]

    def test_lets_nothing_run_that_somebody_objected_to(
        self, medium: None, probe: type[Probe], model: FakeModel, start: Start, work: Work, bob: Any
    ) -> None:
        proposes(model, "offer", amount=500)
        run = work(start("go"))
        say(run, bob, "reject", "No.")
        self.tick(run)
        assert work(run, at=self.END).status == Run.Status.SUCCEEDED
        assert probe.entered == []


class TestRiskierEdit:
    def test_waits_for_the_review_that_took_the_place(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, bob: Any, rita: Any, person: Any
    ) -> None:
        from governance.policies.models import RiskThreshold

        rule = RiskThreshold.objects.create(
            tool="offer", argument="amount", at_least=600, risk="critical", author=person("vera")
        )
        proposes(model, "offer", amount=500)
        run = work(start("go"))
        edit = Response(
            verb=DecisionVerb.EDIT, channel=Channel.API, assurance=Assurance.TOKEN, arguments={"amount": 600}
        )
        successor = reviews.respond(review_id=review_of(run).pk, reviewer=bob, response=edit, now=NOW)
        assert (work(run).status, probe.entered) == (Run.Status.WAITING, [])
        for who in (rita, person(f"dora-{successor.pk.hex[-6:]}", "hitl.decide_review")):
            assert review_of(run) == successor
            say(run, who, "approve")
        run = work(run)
        rule.delete()
        assert (run.status, probe.names()) == (Run.Status.SUCCEEDED, ["offer"])
        assert content(run.steps.get(kind="tool"))["executed_arguments"] == {"amount": 600}
