"""A kill switch and the runs it meets: nothing new starts, nothing is lost, nothing happens twice."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from agents.catalog.models import Agent
from agents.halts import operations as halts
from agents.halts import platform
from agents.halts.models import Halt
from agents.runs import operations
from agents.runs.models import Run
from agents.tools.base import Happened, ToolContext, ToolFailed
from agents.tools.models import Tool
from agents.tools.registry import spec_of
from governance.access.models import User
from governance.audit.models import AuditEvent
from hitl.reviews import operations as reviews
from hitl.reviews.models import Review
from hitl.reviews.types import Assurance, Channel, DecisionVerb, Response
from tenants.kernel.context import platform_context, schema_tenant, tenant_context
from tenants.kernel.errors import StaleTransition
from tenants.tenancy.models import PlatformHalt
from tests.agents import probes
from tests.agents.fake_model import FakeModel, calls, text
from tests.agents.probes import Probe
from tests.agents.workbench import LATER, crashes
from tests.governance.samples import NOW

Start = Callable[..., Run]
Work = Callable[..., Run]
OVER = LATER + timedelta(seconds=60)
SAID = "Kill switch: stop (by oscar)"


@pytest.fixture
def db(committed: str, model: FakeModel) -> None:
    """Use the module's own database and the fake model."""


@pytest.fixture
def probe(agent: Any) -> Iterator[type[Probe]]:
    """Give the agent the probes."""
    with probes.installed(agent) as installed:
        yield installed


@pytest.fixture(autouse=True)
def _nothing_stands(acme: Any) -> Iterator[None]:
    yield
    Halt.objects.all().delete()
    with platform_context():
        PlatformHalt.objects.all().delete()


def elsewhere(action: Callable[[], Any]) -> None:
    """Do something in another process: here, on a connection of another thread."""

    def work() -> None:
        with tenant_context(schema_tenant("acme")):
            action()
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def trip(*, agent: Agent | None = None) -> Halt:
    oscar = User.objects.get(username="oscar")
    return halts.trip(agent=agent, reason="stop", by=oscar, now=NOW)


def lift() -> None:
    oscar = User.objects.get(username="oscar")
    for halt in Halt.objects.standing():
        halts.lift(halt=halt, by=oscar, now=NOW)


def seen(run: Run) -> tuple[str, str]:
    stored = Run.objects.get(pk=run.pk)
    return stored.status, stored.pause_reason


def trail(run: Run) -> list[str]:
    return [event.action for event in AuditEvent.objects.filter(run_id=run.pk).order_by("id")]


def entered(probe: type[Probe]) -> list[str]:
    return [name for name, _ in probe.entered]


class TestTripped:
    def test_by_an_escalation_stops_the_run_and_says_so(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        def tripped() -> dict[str, Any]:
            review = Review(agent_id=run.agent_id, tool="strike")
            elsewhere(lambda: halts.on_agent_to_pause(review=review, now=NOW))
            return calls(("strike", {}))

        run = start("go")
        model.script(tripped, text("Done."))
        run = work(run)
        assert seen(run) == (
            "paused", "Kill switch: Nobody decided a call of strike in time (by an escalation)"
        )  # fmt: skip
        assert probe.entered == []

    def test_while_the_model_answers_stops_the_run_before_the_tool(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        def tripped() -> dict[str, Any]:
            elsewhere(trip)
            return calls(("strike", {}))

        model.script(tripped, text("Done."))
        run = work(start("go"))
        assert seen(run) == ("paused", SAID)
        assert (probe.entered, trail(run)[-1]) == ([], "run.paused")
        lift()
        assert seen(run) == ("queued", "")
        assert work(run).output == {"answer": "Done."}
        assert (entered(probe), len(model.requests)) == (["strike"], 2)

    def test_while_a_tool_runs_records_it_and_stops_before_the_next(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        model.script(calls(("strike", {}), ("peek", {})), text("Done."))
        probe.during = lambda: elsewhere(trip)
        run = work(start("go"))
        assert seen(run) == ("paused", SAID)
        assert entered(probe) == ["strike"]
        assert [step.status for step in run.steps.filter(kind="tool")] == ["succeeded"]
        lift()
        run = work(run)
        assert (run.status, entered(probe), len(model.requests)) == ("succeeded", ["strike", "peek"], 2)

    def test_before_a_run_began_lets_it_wait(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        model.script(calls(("strike", {})), text("Done."))
        trip()
        run = work(start("go"))
        assert seen(run) == ("paused", SAID)
        assert (model.requests, run.steps.count()) == ([], 0)
        lift()
        assert work(run).status == "succeeded"
        assert entered(probe) == ["strike"]

    def test_while_people_decide_holds_back_what_they_approved(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, bob: Any, rita: Any
    ) -> None:
        model.script(calls(("launch", {})), text("Done."))
        run = work(start("go"))
        assert seen(run)[0] == "waiting"
        trip()
        review = Review.objects.get(run_id=run.pk)
        for reviewer in (bob, rita):
            response = Response(
                verb=DecisionVerb.APPROVE, channel=Channel.DASHBOARD, assurance=Assurance.STEP_UP
            )
            reviews.respond(review_id=review.pk, reviewer=reviewer, response=response, now=NOW)
        assert work(run).status == "paused"
        assert probe.entered == []
        lift()
        assert work(run).status == "succeeded"
        assert entered(probe) == ["launch"]

    def test_over_one_agent_leaves_the_others_running(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, agent: Any
    ) -> None:
        other = Agent.objects.exclude(pk=agent.pk).first()
        if other is None:
            from agents.catalog.operations import create_agent

            other = create_agent(
                name="Other", blueprint="assistant", owner=User.objects.get(username="alice")
            )
        model.script(calls(("strike", {})), text("Done."))
        trip(agent=other)
        assert work(start("go")).status == "succeeded"
        trip(agent=agent)
        assert work(start("go")).status == "paused"

    def test_by_the_platform_stops_it_and_the_sweeper_lets_it_go_on(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        model.script(calls(("strike", {})), text("Done."))
        run = start("go")
        with platform_context():
            paula, _ = User.objects.get_or_create(username="paula", is_superuser=True, is_staff=True)
            halt = platform.trip(schema="acme", reason="incident", by=paula, now=NOW)
        assert work(run).status == "paused"
        halts.resume_unhalted(NOW)
        assert seen(run) == ("paused", "Kill switch: incident (by paula)")
        with platform_context():
            platform.lift(halt=halt, by=paula, now=NOW)
        halts.resume_unhalted(NOW)
        assert work(run).status == "succeeded"
        assert entered(probe) == ["strike"]

    def test_is_not_got_round_by_resuming_the_run(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, oscar: Any
    ) -> None:
        model.script(calls(("strike", {})), text("Done."))
        run = start("go")
        trip()
        with pytest.raises(StaleTransition, match="kill switch"):
            operations.resume(run=run, user=oscar, now=NOW)
        assert work(run).status == "paused"
        assert (probe.entered, model.requests) == ([], [])


class TestStartsNothingElse:
    """What follows a failure is new too: it waits as the run does."""

    def test_no_fallback_tool(self, probe: type[Probe], model: FakeModel, start: Start, work: Work) -> None:
        model.script(calls(("peek", {})), text("Done."))
        Tool.objects.filter(name="peek").update(fallback=Tool.objects.get(name="strike"), max_attempts=1)

        def fail() -> None:
            elsewhere(trip)
            raise ToolFailed("no")

        probe.during = fail
        try:
            run = work(start("go"))
            assert (seen(run), entered(probe)) == (("paused", SAID), ["peek"])
            lift()
            assert work(run).status == "succeeded"
            assert entered(probe) == ["peek", "strike"]
        finally:
            Tool.objects.filter(name="peek").update(fallback=None, max_attempts=3)

    def test_no_second_try_after_a_probe(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def not_there(context: ToolContext) -> Happened:
            elsewhere(trip)
            return Happened.NO

        model.script(calls(("strike", {})), text("Done."))
        monkeypatch.setattr(probes.strike, "spec", replace(spec_of("strike"), probe=not_there))
        run = start("go")
        crashes(run, work)
        run = work(run, at=OVER)
        assert (seen(run), entered(probe)) == (("paused", SAID), ["strike"])
        lift()
        assert work(run, at=OVER).status == "succeeded"
        assert entered(probe) == ["strike", "strike"]

    def test_nor_while_the_lost_call_may_still_run(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model.script(calls(("strike", {})), text("Done."))
        monkeypatch.setattr(
            probes.strike, "spec", replace(spec_of("strike"), probe=lambda context: Happened.NO)
        )
        run = start("go")
        crashes(run, work)
        run = work(run, at=LATER)
        assert (run.status, entered(probe)) == ("queued", ["strike"])
        assert run.wake_at is not None
        assert run.wake_at >= NOW + timedelta(seconds=60), "the tool's time-out, counted from its claim"
        assert work(run, at=OVER).status == "succeeded"
        assert entered(probe) == ["strike", "strike"]

    def test_no_fallback_model(self, model: FakeModel, start: Start, work: Work) -> None:
        def refuse() -> dict[str, Any]:
            elsewhere(trip)
            model.status = 400
            return text("")

        model.script(refuse, text("Done."))
        run = start("go")
        Run.objects.filter(pk=run.pk).update(
            snapshot={**run.snapshot, "config": {"fallback_models": ["other"]}}
        )
        run = work(run)
        assert (seen(run), len(model.requests)) == (("paused", SAID), 1)
        lift()
        model.status = 200
        assert work(run).output == {"answer": "Done."}
        assert [request["model"] for request in model.requests][1:] == ["other"]
