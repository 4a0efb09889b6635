"""Breakers and concurrency caps as runs meet them."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from agents.resilience.models import Circuit, ConcurrencyCap
from agents.runs import advance
from agents.runs.models import Run, Step
from tenants.kernel.doorbells import sender
from tests.agents import probes
from tests.agents.fake_model import FakeModel, Fault, text
from tests.agents.probes import Probe
from tests.agents.workbench import (
    LATER,
    Start,
    Work,
    crash,
    elsewhere,
    proposes,
    refresh,
    requeue,
    told,
    trail,
)
from tests.governance.clones import as_owner
from tests.governance.samples import NOW

MINUTE = timedelta(minutes=1)


@pytest.fixture
def db(committed: str, model: FakeModel) -> Iterator[None]:
    """Use the module's own database and the fake model; leave neither breakers nor caps behind."""
    yield
    with as_owner(committed) as owner:
        owner.execute("DELETE FROM acme.agents_circuit")
        owner.execute("DELETE FROM acme.agents_concurrencycap")
        owner.execute("UPDATE acme.agents_run SET status = 'cancelled' WHERE status IN ('queued', 'running')")


@pytest.fixture
def probe(agent: Any) -> Iterator[type[Probe]]:
    """Give the agent the probes."""
    with probes.installed(agent) as installed:
        yield installed


@pytest.fixture
def rung(db: None, agent: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that gives this test's runs that were rung for since it was last asked.

    The keeper of this process still rings, seconds later, for runs that earlier tests postponed.
    """
    sent: list[str] = []
    earlier = {str(pk) for pk in Run.objects.values_list("pk", flat=True)}
    monkeypatch.setattr(
        "celery.Celery.send_task", lambda _self, _name, *, kwargs, **_rest: sent.append(kwargs.get("run_id"))
    )

    def since() -> list[str]:
        sender().flush(5)
        found = [run_id for run_id in sent if run_id not in earlier]
        sent.clear()
        return found

    return since


def circuit(name: str = "tap") -> Circuit:
    return Circuit.objects.get(name=name)


def cap(kind: str, name: str = "", limit: int = 1) -> None:
    ConcurrencyCap.objects.create(kind=kind, name=name, limit=limit)


class TestBreakerOfATool:
    def fail_five_times(self, model: FakeModel, start: Start, work: Work) -> Any:
        """Let two runs fail five times in all; return the time of the last failure."""
        Probe.each_time = probes.fails()
        at = NOW
        for attempts in (3, 2):
            proposes(model, "tap")
            run = start("go")
            for _ in range(attempts):
                at += MINUTE
                work(run, at=at)
        return at

    def test_opens_after_five_failures_of_several_runs_and_calls_are_not_made(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        at = self.fail_five_times(model, start, work)
        assert (circuit().state, circuit().opened_at, len(probe.entered)) == ("open", at, 5)
        proposes(model, "tap")
        run = work(start("go"), at=at + timedelta(seconds=1))
        assert (run.status, len(probe.entered)) == (Run.Status.QUEUED, 5)
        assert run.wake_at is not None
        assert 59 <= (run.wake_at - at).total_seconds() <= 66, "put off until it may be tried"

    def test_is_tried_again_after_a_minute_and_closes_after_three_successes(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        at = self.fail_five_times(model, start, work) + MINUTE
        probe.each_time = None
        for successes, state in ((1, "half_open"), (2, "half_open"), (0, "closed")):
            proposes(model, "tap")
            assert work(start("go"), at=at).status == Run.Status.SUCCEEDED
            assert (circuit().state, circuit().successes) == (state, successes)
        assert len(probe.entered) == 8

    def test_opens_again_when_the_trial_fails(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        at = self.fail_five_times(model, start, work) + MINUTE
        proposes(model, "tap")
        work(start("go"), at=at)
        assert (circuit().state, circuit().opened_at, len(probe.entered)) == ("open", at, 6)

    def test_does_not_count_what_is_the_callers_business(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        probe.each_time = probes.fails("No such order.", transient=False)
        for _ in range(6):
            proposes(model, "tap")
            assert work(start("go")).status == Run.Status.SUCCEEDED
        assert not Circuit.objects.filter(name="tap").exists()

    def test_counts_unknown_outcomes(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        def fail() -> None:
            raise KeyError

        probe.each_time = fail
        for _ in range(5):
            proposes(model, "strike")
            assert work(start("go")).status == Run.Status.WAITING
        assert circuit("strike").state == "open"

    def test_sends_a_call_to_the_fallback_at_once(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        Circuit.objects.create(kind="tool", name="first", state="open", opened_at=NOW)
        proposes(model, "first")
        run = work(start("go"), at=NOW)
        assert (run.status, probe.names()) == (Run.Status.SUCCEEDED, ["second"])
        assert (
            "left alone" in told(model)[0]["content"]
            or "second was used instead" in told(model)[0]["content"]
        )


class TestBreakerOfTheProvider:
    def test_opens_after_five_failures_of_several_runs_and_the_model_is_left_alone(
        self, model: FakeModel, start: Start, work: Work
    ) -> None:
        model.script(Fault(status=503))
        at = NOW
        for attempts in (3, 2):
            run = start("go")
            for _ in range(attempts):
                at += MINUTE
                work(run, at=at)
        assert (circuit("default").state, len(model.requests)) == ("open", 5)
        run = work(start("go"), at=at + timedelta(seconds=1))
        assert (run.status, len(model.requests)) == (Run.Status.QUEUED, 5)
        model.script(text("Done."))
        assert work(run, at=at + 2 * MINUTE).status == Run.Status.SUCCEEDED
        assert circuit("default").state == "half_open"

    def test_does_not_count_what_the_model_refuses(self, model: FakeModel, start: Start, work: Work) -> None:
        model.script(Fault(status=400))
        for _ in range(6):
            work(start("go"))
        assert not Circuit.objects.filter(name="default").exists()


class TestCap:
    def test_of_a_tool_queues_the_second_run_and_rings_for_it_when_the_first_is_done(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, rung: Any
    ) -> None:
        cap("tool", "strike")
        proposes(model, "strike")
        first, second = start("one"), start("two")
        seen: list[Any] = []

        def meanwhile() -> None:
            proposes(model, "strike")
            elsewhere(lambda: advance.advance(run_id=str(second.pk), clock=lambda: NOW))
            waiting = refresh(second)
            seen.append((waiting.status, waiting.waits_for, waiting.lease_token))
            rung()

        probe.during = meanwhile
        assert work(first).status == Run.Status.SUCCEEDED
        assert seen == [(Run.Status.QUEUED, "tool:strike", None)]
        assert str(second.pk) in rung()
        run = work(second)
        assert (run.status, run.waits_for, probe.names()) == (Run.Status.SUCCEEDED, "", ["strike", "strike"])

    def test_of_the_provider_queues_the_second_run(
        self, model: FakeModel, start: Start, work: Work, rung: Any
    ) -> None:
        cap("provider", "default")
        first, second = start("one"), start("two")
        seen: list[Any] = []

        def meanwhile() -> dict[str, Any]:
            elsewhere(lambda: advance.advance(run_id=str(second.pk), clock=lambda: NOW))
            elsewhere(lambda: seen.append((refresh(second).status, refresh(second).waits_for)))
            rung()
            return text("Done.")

        model.script(meanwhile, text("Done."))
        assert work(first).status == Run.Status.SUCCEEDED
        assert seen == [(Run.Status.QUEUED, "provider:default")]
        assert str(second.pk) in rung()
        assert (work(second).status, len(model.requests)) == (Run.Status.SUCCEEDED, 2)

    def test_of_the_tenant_queues_the_second_run_which_does_not_ring_for_itself(
        self, model: FakeModel, start: Start, work: Work, rung: Any
    ) -> None:
        cap("tenant")
        first, second, third = start("one"), start("two"), start("three")
        seen: list[Any] = []

        def meanwhile() -> dict[str, Any]:
            rung()
            for other in (second, third, second):
                elsewhere(partial(advance.advance, run_id=str(other.pk), clock=lambda: NOW))
            elsewhere(lambda: seen.append((refresh(second).status, refresh(second).waits_for, rung())))
            return text("Done.")

        model.script(meanwhile, text("Done."))
        assert work(first).status == Run.Status.SUCCEEDED
        assert seen == [(Run.Status.QUEUED, "tenant:", [])], "a queue that rings itself spins"
        assert rung() == [str(second.pk)], "the run that has waited longest"
        assert work(second).status == Run.Status.SUCCEEDED
        assert rung() == [str(third.pk)]

    def test_is_not_lost_with_the_worker_that_held_the_slot(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        cap("tool", "peek")
        proposes(model, "peek")
        first, second = start("one"), start("two")
        probe.during = crash
        with pytest.raises(probes.Crash):
            work(first)
        proposes(model, "peek")
        assert work(second).waits_for == "tool:peek"
        assert second in Run.objects.stalled(LATER, grace_s=5), "the sweeper rings whoever queues"
        requeue(first)
        proposes(model, "peek")
        assert work(first, at=LATER).status == Run.Status.SUCCEEDED
        assert work(second, at=LATER).status == Run.Status.SUCCEEDED

    def test_is_free_again_when_the_outcome_of_a_lost_call_is_in_question(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        cap("tool", "strike")
        proposes(model, "strike")
        first, second = start("one"), start("two")
        probe.during = crash
        with pytest.raises(probes.Crash):
            work(first)
        requeue(first)
        assert work(first, at=LATER).status == Run.Status.WAITING
        proposes(model, "strike")
        assert work(second, at=LATER).status == Run.Status.SUCCEEDED

    def test_holds_for_calls_that_are_repeated_too(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        cap("tool", "tap")
        proposes(model, "tap")
        first, second = start("one"), start("two")
        probe.during = probes.fails()
        assert work(first).status == Run.Status.QUEUED
        proposes(model, "tap")

        def meanwhile() -> None:
            elsewhere(lambda: advance.advance(run_id=str(first.pk), clock=lambda: NOW + MINUTE))

        probe.during = meanwhile
        assert work(second).status == Run.Status.SUCCEEDED
        assert (refresh(first).status, refresh(first).waits_for) == (Run.Status.QUEUED, "tool:tap")
        assert work(first, at=NOW + MINUTE).status == Run.Status.SUCCEEDED
        assert Step.objects.get(run=first, kind="tool").attempts == 2
        assert trail(first).count("tool.succeeded") == 1
