"""People stop runs and let them go on; workers that are to stop hand them back."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from agents.halts import operations as halts
from agents.halts import platform
from agents.halts.models import Halt
from agents.runs import engine, operations, shutdown
from agents.runs.models import Run, Step
from governance.access.models import User
from tenants.kernel.context import platform_context, schema_tenant, tenant_context
from tenants.kernel.errors import PermissionMissing, StaleTransition
from tests.agents import probes
from tests.agents.fake_model import FakeModel, calls, text
from tests.agents.probes import Probe
from tests.agents.workbench import (
    LATER,
    Start,
    Work,
    crashes,
    elsewhere,
    proposes,
    refresh,
    requeue,
    review_of,
    say,
    tool_step,
    tool_steps,
)
from tests.governance.clones import as_owner
from tests.governance.samples import NOW


@pytest.fixture
def db(committed: str, model: FakeModel) -> Iterator[None]:
    """Use the module's own database and the fake model; leave no kill switch behind."""
    yield
    with as_owner(committed) as owner:
        owner.execute("UPDATE acme.agents_halt SET lifted_at = now() WHERE lifted_at IS NULL")
        owner.execute("UPDATE public.tenants_platformhalt SET lifted_at = now() WHERE lifted_at IS NULL")


@pytest.fixture
def probe(agent: Any) -> Iterator[type[Probe]]:
    """Give the agent the probes."""
    with probes.installed(agent) as installed:
        yield installed


def pause(run: Run, user: Any) -> None:
    operations.pause(run=refresh(run), user=user, reason="Look first", now=NOW)


def resume(run: Run, user: Any) -> None:
    operations.resume(run=refresh(run), user=user, now=NOW)


class TestPause:
    def test_of_a_queued_run_keeps_workers_off(
        self, model: FakeModel, start: Start, work: Work, oscar: Any
    ) -> None:
        run = start("go")
        pause(run, oscar)
        assert (work(run).status, len(model.requests)) == (Run.Status.PAUSED, 0)
        resume(run, oscar)
        assert work(run).status == Run.Status.SUCCEEDED

    def test_whose_reason_reads_like_a_kill_switch_is_ended_by_people_alone(
        self, start: Start, oscar: Any
    ) -> None:
        run = start("go")
        operations.pause(run=run, user=oscar, reason="Kill switch drill: leave it", now=NOW)
        halts.resume_unhalted(LATER)
        run = refresh(run)
        assert (run.status, run.pause_reason) == (
            Run.Status.PAUSED,
            "Paused: Kill switch drill: leave it (by oscar)",
        )

    def test_while_the_model_answers_stops_the_run_before_the_call(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, oscar: Any
    ) -> None:
        run = start("go")

        def paused() -> dict[str, Any]:
            elsewhere(lambda: pause(run, oscar))
            return calls(("strike", {}))

        model.script(paused, text("Done."))
        run = work(run)
        assert (run.status, run.pause_reason, probe.entered) == (
            Run.Status.PAUSED,
            "Look first (by oscar)",
            [],
        )
        assert run.pause_requested is False
        resume(run, oscar)
        assert work(run).status == Run.Status.SUCCEEDED
        assert (probe.names(), len(model.requests)) == (["strike"], 2), "the answer was read back"

    def test_while_a_tool_runs_lets_it_finish_and_stops_after_it(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, oscar: Any
    ) -> None:
        model.script(calls(("strike", {}), ("peek", {})), text("Done."))
        run = start("go")
        probe.during = lambda: elsewhere(lambda: pause(run, oscar))
        run = work(run)
        assert (run.status, tool_steps(run)) == (Run.Status.PAUSED, [("strike", "succeeded")])
        resume(run, oscar)
        assert work(run).status == Run.Status.SUCCEEDED
        assert probe.names() == ["strike", "peek"]

    def test_while_a_tool_fails_keeps_its_fallback_from_starting(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, oscar: Any
    ) -> None:
        proposes(model, "first")
        run = start("go")

        def paused() -> None:
            elsewhere(lambda: pause(run, oscar))
            probes.fails()()

        probe.during = paused
        run = work(run)
        assert (run.status, probe.names()) == (Run.Status.PAUSED, ["first"])
        resume(run, oscar)
        assert work(run).status == Run.Status.SUCCEEDED
        assert (probe.names(), tool_steps(run)) == (
            ["first", "second"],
            [("first", "failed"), ("second", "succeeded")],
        )

    def test_of_a_waiting_run_outlasts_the_approval(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, oscar: Any, bob: Any
    ) -> None:
        proposes(model, "seal")
        run = work(start("go"))
        pause(run, oscar)
        say(run, bob, "approve")
        assert (work(run).status, probe.entered) == (Run.Status.PAUSED, [])
        resume(run, oscar)
        assert (work(run).status, probe.names()) == (Run.Status.SUCCEEDED, ["seal"])

    def test_of_a_waiting_run_that_is_resumed_undecided_waits_again(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, oscar: Any, bob: Any
    ) -> None:
        proposes(model, "seal")
        run = work(start("go"))
        pause(run, oscar)
        resume(run, oscar)
        assert refresh(run).status == Run.Status.WAITING
        say(run, bob, "approve")
        assert work(run).status == Run.Status.SUCCEEDED

    def test_that_is_resumed_while_a_reviewer_decides_never_leaves_the_run_waiting_for_ever(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, oscar: Any, bob: Any
    ) -> None:
        proposes(model, "seal")
        run = work(start("go"))
        pause(run, oscar)
        decided = threading.Event()

        def decide() -> None:
            with tenant_context(schema_tenant("acme")), transaction.atomic():
                say(run, bob, "approve")
                decided.set()
                time.sleep(0.4)
            connection.close()

        reviewer = threading.Thread(target=decide)
        reviewer.start()
        assert decided.wait(10)
        resume(run, oscar)
        reviewer.join()
        assert work(run).status == Run.Status.SUCCEEDED

    def test_of_a_run_that_was_put_off_keeps_it_from_coming_back_by_itself(
        self, model: FakeModel, start: Start, work: Work, oscar: Any
    ) -> None:
        from tests.agents.fake_model import Fault

        model.script(Fault(status=503), text("Done."))
        run = work(start("go"))
        pause(run, oscar)
        assert work(run, at=NOW + timedelta(hours=1)).status == Run.Status.PAUSED
        assert run not in Run.objects.stalled(NOW + timedelta(hours=1), grace_s=5)
        resume(run, oscar)
        assert work(run, at=NOW + timedelta(hours=1)).status == Run.Status.SUCCEEDED

    def test_is_taken_back_before_it_took_effect(
        self, model: FakeModel, start: Start, work: Work, oscar: Any
    ) -> None:
        run = start("go")

        def hesitate() -> dict[str, Any]:
            elsewhere(lambda: pause(run, oscar))
            elsewhere(lambda: resume(run, oscar))
            return text("Done.")

        model.script(hesitate)
        assert work(run).status == Run.Status.SUCCEEDED

    def test_is_for_the_requester_and_operators(self, start: Start, charlie: Any, person: Any) -> None:
        run = start("go")
        with pytest.raises(PermissionMissing):
            pause(run, charlie)
        pause(run, person("pausing", "agents.pause_run"))
        with pytest.raises(PermissionMissing):
            resume(run, charlie)

    def test_of_a_run_that_has_ended_or_is_paused_is_refused(
        self, start: Start, work: Work, oscar: Any
    ) -> None:
        run = work(start("go"))
        with pytest.raises(StaleTransition):
            pause(run, oscar)
        with pytest.raises(StaleTransition):
            resume(run, oscar)

    def test_survives_the_loss_of_the_worker_that_was_asked(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, oscar: Any
    ) -> None:
        proposes(model, "peek")
        run = start("go")

        def paused_and_dead() -> None:
            elsewhere(lambda: pause(run, oscar))
            probes.Probe.entered.clear()
            raise probes.Crash

        probe.during = paused_and_dead
        with pytest.raises(probes.Crash):
            work(run)
        requeue(run)
        run = work(run, at=LATER)
        assert (run.status, probe.entered) == (Run.Status.PAUSED, [])


class TestCancel:
    def test_of_a_paused_run_ends_it(self, start: Start, work: Work, oscar: Any) -> None:
        run = start("go")
        pause(run, oscar)
        operations.cancel(run=refresh(run), user=oscar, now=NOW)
        assert work(run).status == Run.Status.CANCELLED

    def test_of_a_run_whose_outcome_is_in_question_withdraws_the_question(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, oscar: Any
    ) -> None:
        def fail() -> None:
            raise KeyError

        proposes(model, "strike")
        probe.during = fail
        run = work(start("go"))
        operations.cancel(run=run, user=oscar, now=NOW)
        assert (work(run).status, review_of(run).status) == (Run.Status.CANCELLED, "cancelled")
        assert tool_step(run).status == Step.Status.UNKNOWN, "nobody claims that nothing happened"


class TestKillSwitch:
    def trip(self, agent: Any, alice: Any) -> Halt:
        return halts.trip(agent=agent, reason="Odd refunds", by=alice, now=NOW)

    @pytest.mark.parametrize("scope", ["agent", "tenant"])
    def test_stops_a_run_before_its_next_effect_and_lifting_lets_it_go_on(
        self,
        probe: type[Probe],
        model: FakeModel,
        start: Start,
        work: Work,
        agent: Any,
        alice: Any,
        scope: str,
    ) -> None:
        run = start("go")
        of = agent if scope == "agent" else None

        def tripped() -> dict[str, Any]:
            elsewhere(lambda: self.trip(of, alice))
            return calls(("strike", {}))

        model.script(tripped, text("Done."))
        run = work(run)
        assert (run.status, probe.entered) == (Run.Status.PAUSED, [])
        assert run.pause_reason == "Kill switch: Odd refunds (by alice)"
        halts.lift(halt=Halt.objects.get(lifted_at=None), by=alice, now=LATER)
        assert work(run, at=LATER).status == Run.Status.SUCCEEDED
        assert probe.names() == ["strike"]

    def test_of_the_platform_stops_a_run_and_the_sweeper_lets_it_go_on(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        with platform_context():
            paula, _ = User.objects.get_or_create(username="paula", is_superuser=True, is_staff=True)
        run = start("go")
        halted: list[Any] = []

        def trip() -> None:
            with platform_context():
                halted.append(platform.trip(schema="acme", reason="All stop", by=paula, now=NOW))

        def tripped() -> dict[str, Any]:
            elsewhere(trip)
            return calls(("strike", {}))

        model.script(tripped, text("Done."))
        run = work(run)
        assert (run.status, probe.entered) == (Run.Status.PAUSED, [])
        with platform_context():
            platform.lift(halt=halted[0], by=paula, now=LATER)
        assert halts.resume_unhalted(LATER) >= 1
        assert work(run, at=LATER).status == Run.Status.SUCCEEDED

    def test_keeps_a_claimed_run_from_starting(
        self, model: FakeModel, start: Start, work: Work, agent: Any, alice: Any
    ) -> None:
        self.trip(agent, alice)
        run = start("go")
        assert (work(run).status, len(model.requests)) == (Run.Status.PAUSED, 0)

    def test_while_a_tool_fails_keeps_its_fallback_from_starting(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, agent: Any, alice: Any
    ) -> None:
        proposes(model, "first")

        def tripped() -> None:
            elsewhere(lambda: self.trip(agent, alice))
            probes.fails()()

        probe.during = tripped
        run = work(start("go"))
        assert (run.status, probe.names()) == (Run.Status.PAUSED, ["first"])

    def test_while_a_target_is_probed_keeps_the_call_from_being_repeated(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, agent: Any, alice: Any
    ) -> None:
        from agents.tools.base import Happened

        def tripped() -> Happened:
            elsewhere(lambda: self.trip(agent, alice))
            return Happened.NO

        proposes(model, "deliver")
        probe.target_says = staticmethod(tripped)
        run = start("go")
        crashes(run, work)
        run = work(run, at=LATER)
        assert (run.status, probe.names()) == (Run.Status.PAUSED, ["deliver"])
        halts.lift(halt=Halt.objects.get(lifted_at=None), by=alice, now=LATER)
        assert work(run, at=LATER).status == Run.Status.SUCCEEDED
        assert probe.names() == ["deliver", "deliver"]


class TestShutdown:
    @pytest.fixture(autouse=True)
    def running_again(self) -> Iterator[None]:
        """Let the process go on after the test."""
        yield
        shutdown._asked.clear()

    def test_hands_a_run_back_before_the_model_is_asked(
        self, model: FakeModel, start: Start, work: Work
    ) -> None:
        shutdown.request()
        run = work(start("go"))
        assert (run.status, run.lease_token, len(model.requests)) == (Run.Status.QUEUED, None, 0)
        shutdown._asked.clear()
        assert work(run).status == Run.Status.SUCCEEDED

    def test_finishes_a_call_that_was_claimed_and_hands_the_run_back_after_it(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "strike")
        probe.during = shutdown.request
        run = work(start("go"))
        assert (run.status, tool_steps(run)) == (Run.Status.QUEUED, [("strike", "succeeded")])
        shutdown._asked.clear()
        assert (work(run).status, probe.names()) == (Run.Status.SUCCEEDED, ["strike"])

    def test_asked_for_while_the_model_answers_does_not_strand_the_call_it_led_to(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        def stop() -> dict[str, Any]:
            shutdown.request()
            return calls(("strike", {}))

        model.script(stop, text("Done."))
        run = work(start("go"))
        assert (run.status, tool_steps(run)) == (Run.Status.QUEUED, [("strike", "succeeded")])


class TestEngineVersion:
    def test_of_a_run_is_that_of_the_code_which_began_it(self, start: Start) -> None:
        assert start("go").engine_version == engine.ENGINE_VERSION
        assert engine.ENGINE_VERSION in engine.READABLE_VERSIONS

    def test_that_this_code_cannot_read_ends_the_run_and_says_so(
        self, model: FakeModel, start: Start, work: Work
    ) -> None:
        run = start("go")
        Run.objects.filter(pk=run.pk).update(engine_version=99)
        run = work(run)
        assert (run.status, run.error["code"]) == (Run.Status.FAILED, "engine-version")
        assert ("version 99" in run.error["message"], len(model.requests)) == (True, 0)


class TestSession:
    def ask(self, agent: Any, user: Any, query: str, session: str) -> Run:
        return operations.start(
            agent=agent,
            user=user,
            input={"query": query},
            trace_id="0" * 32,
            now=NOW,
            session_id=session,
        )

    def test_remembers_what_was_asked_and_answered_in_it(
        self, model: FakeModel, agent: Any, oscar: Any, work: Work
    ) -> None:
        model.script(text("It is blue."), text("Still blue."))
        work(self.ask(agent, oscar, "What colour?", "s-1"))
        work(self.ask(agent, oscar, "And now?", "s-1"))
        said = [(m["role"], m["content"]) for m in model.requests[-1]["messages"][1:]]
        assert said == [("user", "What colour?"), ("assistant", "It is blue."), ("user", "And now?")]

    def test_is_not_that_of_another_person_session_or_none(
        self, model: FakeModel, agent: Any, oscar: Any, alice: Any, work: Work
    ) -> None:
        model.script(text("Secret."))
        work(self.ask(agent, oscar, "What?", "s-2"))
        for user, session in ((alice, "s-2"), (oscar, "s-3"), (oscar, "")):
            assert self.ask(agent, user, "And?", session).snapshot["memory"] == []

    def test_is_not_that_of_another_agent(self, agent: Any, alice: Any, work: Work) -> None:
        from agents.catalog.operations import create_agent

        work(self.ask(agent, alice, "What?", "s-4"))
        other = create_agent(name="Another one", blueprint="assistant", owner=alice)
        assert self.ask(other, alice, "And?", "s-4").snapshot["memory"] == []

    def test_forgets_runs_that_failed(self, model: FakeModel, agent: Any, oscar: Any, work: Work) -> None:
        from tests.agents.fake_model import Fault

        model.script(Fault(status=400))
        work(self.ask(agent, oscar, "What?", "s-5"))
        assert self.ask(agent, oscar, "And?", "s-5").snapshot["memory"] == []

    def test_is_bounded_in_runs_and_in_characters(
        self, model: FakeModel, agent: Any, oscar: Any, work: Work
    ) -> None:
        model.script(text("a" * 10_000))
        for number in range(operations.MEMORY_RUNS + 2):
            work(self.ask(agent, oscar, f"{number} " + "q" * 10_000, "s-6"))
        memory = self.ask(agent, oscar, "And?", "s-6").snapshot["memory"]
        assert [exchange["query"][:2].strip() for exchange in memory] == [str(n) for n in range(2, 12)]
        assert {len(exchange[key]) for exchange in memory for key in exchange} == {
            operations.MEMORY_CHARACTERS
        }

    def test_is_kept_by_a_run_that_loses_its_worker(
        self, probe: type[Probe], model: FakeModel, agent: Any, oscar: Any, work: Work
    ) -> None:
        model.script(text("It is blue."))
        work(self.ask(agent, oscar, "What colour?", "s-7"))
        proposes(model, "peek")
        run = self.ask(agent, oscar, "And now?", "s-7")
        probe.during = lambda: (_ for _ in ()).throw(probes.Crash())
        with pytest.raises(probes.Crash):
            work(run)
        requeue(run)
        assert work(run, at=LATER).status == Run.Status.SUCCEEDED
        assert model.requests[-1]["messages"][2]["content"] == "It is blue."
