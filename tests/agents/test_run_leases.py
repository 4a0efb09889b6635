"""Leases, their keeper, the sweeper, clocks that jump and a database that goes away."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction

from agents.runs import advance, lease, operations
from agents.runs.hold import Hold
from agents.runs.keeper import Keeper
from agents.runs.lease import LeaseLost
from agents.runs.models import Run, Step
from agents.runs.turns import ModelWork
from tests.agents import probes
from tests.agents.fake_model import FakeModel, calls, text
from tests.agents.probes import Probe
from tests.agents.workbench import (
    LATER,
    Start,
    Work,
    crash,
    crashes,
    elsewhere,
    proposes,
    refresh,
    requeue,
    review_of,
    say,
    tool_step,
    trail,
)
from tests.governance.clones import as_owner
from tests.governance.samples import NOW

TERMINATE = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename = current_user"""


def cut_connections() -> None:
    """End every connection that the platform has to the database."""
    given = connection.settings_dict
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    with psycopg.connect(**{name: given[key] for name, key in names.items()}, autocommit=True) as other:
        other.execute(TERMINATE)


def reconnect() -> None:
    """Drop the pool's connections: they were cut."""
    wrapper: Any = connection
    wrapper.close()
    wrapper.close_pool()


@contextmanager
def stoppable(name: str) -> Iterator[Callable[[bool], None]]:
    """Give a function that lets nobody, or everybody, connect to the database."""
    with as_owner("postgres") as owner:

        def let_in(everybody: bool) -> None:
            owner.execute(f'ALTER DATABASE "{name}" CONNECTION LIMIT {-1 if everybody else 0}')

        try:
            yield let_in
        finally:
            let_in(True)


@pytest.fixture
def db(committed: str, model: FakeModel) -> Iterator[None]:
    """Use the module's own database and the fake model; leave no cut connection behind."""
    yield
    reconnect()


@pytest.fixture
def probe(agent: Any) -> Iterator[type[Probe]]:
    """Give the agent the probes."""
    with probes.installed(agent) as installed:
        yield installed


def claimed(run: Run) -> Hold:
    found = lease.claim(str(run.pk), now=NOW)
    assert found is not None
    return Hold(run=found[0], held=found[1], clock=lambda: NOW)


class TestKeeper:
    def test_keeps_the_lease_of_a_slow_run(self, start: Start, settings: Any) -> None:
        settings.RUN_HEARTBEAT_S = 0.1
        run = start("go")
        hold = claimed(run)
        before = hold.lease.alive_until
        with Keeper().keeping(hold.lease):
            time.sleep(1.0)
        stored = refresh(run).lease_expires_at
        assert hold.lease.alive_until > before
        assert stored is not None
        assert stored > NOW + timedelta(seconds=lease.seconds()), "by the wall clock"
        operations.cancel(run=refresh(run), user=run.requester, now=NOW)

    def test_keeps_the_others_while_the_row_of_one_run_is_locked(self, start: Start, settings: Any) -> None:
        settings.RUN_HEARTBEAT_S = 0.1
        locked, free = claimed(start("go")), claimed(start("go"))
        before = (locked.lease.alive_until, free.lease.alive_until)
        keeper = Keeper()
        with transaction.atomic(), keeper.keeping(locked.lease), keeper.keeping(free.lease):
            assert Run.objects.select_for_update().get(pk=locked.run.pk)
            time.sleep(1.0)
            assert (locked.lease.alive_until, free.lease.alive_until > before[1]) == (before[0], True)
        for hold in (locked, free):
            operations.cancel(run=refresh(hold.run), user=hold.run.requester, now=NOW)

    def test_does_not_keep_a_lease_that_somebody_else_has(self, start: Start, settings: Any) -> None:
        settings.RUN_HEARTBEAT_S = 0.1
        run = start("go")
        hold = claimed(run)
        before = hold.lease.alive_until
        requeue(run)
        with Keeper().keeping(hold.lease):
            time.sleep(0.6)
        assert (hold.lease.alive_until, refresh(run).lease_expires_at) == (before, None)
        operations.cancel(run=refresh(run), user=run.requester, now=NOW)

    def test_outlives_what_it_cannot_ring_and_a_database_that_goes_away(
        self, committed: str, start: Start, settings: Any
    ) -> None:
        settings.RUN_HEARTBEAT_S = 0.1
        run = start("go")
        hold = claimed(run)
        keeper = Keeper()
        before = hold.lease.alive_until
        with stoppable(committed) as let_in, keeper.keeping(hold.lease):
            keeper.ring_later("nowhere", str(run.pk), delay_s=0)
            cut_connections()
            let_in(False)
            keeper.ring_later("acme", str(run.pk), delay_s=0)
            time.sleep(0.5)
            let_in(True)
            deadline = time.monotonic() + 20
            while hold.lease.alive_until <= before and time.monotonic() < deadline:
                time.sleep(0.1)
        assert hold.lease.alive_until > before
        reconnect()
        operations.cancel(run=refresh(run), user=run.requester, now=NOW)


class TestEndedLease:
    def test_starts_no_effect_and_asks_nobody(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "strike")
        run = start("go")
        hold = claimed(run)
        first = advance._resume(hold)
        assert first is not None
        following = advance._carry_on(hold, first)
        assert following is not None
        hold.lease.alive_until = 0.0
        with pytest.raises(LeaseLost):
            advance._carry_on(hold, following)
        assert (probe.entered, tool_step(run).status) == ([], Step.Status.FAILED)
        requeue(run)
        run = work(run, at=LATER)
        assert (run.status, "review.requested" in trail(run), probe.entered) == (
            Run.Status.SUCCEEDED,
            False,
            [],
        )

    def test_of_a_worker_that_was_stopped_lets_it_commit_nothing(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        """The worker wakes up with an answer of the model after another has finished the run."""
        model.script(text("Done."))
        run = start("go")
        hold = claimed(run)
        first = advance._resume(hold)
        assert first is not None
        requeue(run)
        finished = work(run, at=LATER)
        model.script(calls(("strike", {})))
        with pytest.raises(LeaseLost):
            advance._carry_on(hold, first)
        assert (refresh(run).output, probe.entered) == (finished.output, [])
        assert run.steps.count() == 1


class TestRecoveries:
    def test_beyond_the_limit_end_the_run(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, settings: Any
    ) -> None:
        settings.RUN_MAX_RECOVERIES = 2
        proposes(model, "peek")
        run = start("go")
        for _ in range(3):
            probe.during = crash
            with pytest.raises(probes.Crash):
                work(run, at=LATER)
            requeue(run)
        run = work(run, at=LATER)
        assert (run.status, run.error["code"]) == (Run.Status.FAILED, "worker-lost")
        assert (len(probe.entered), trail(run)[-1]) == (3, "run.failed")
        assert not run.steps.filter(status__in=Step.OPEN).exists()

    def test_are_counted_anew_after_a_step_that_was_done(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, settings: Any
    ) -> None:
        settings.RUN_MAX_RECOVERIES = 1
        model.script(calls(("peek", {})), calls(("glance", {})), text("Done."))
        run = start("go")
        crashes(run, work, at=LATER)
        assert refresh(run).recoveries == 1

        def die_in_the_second() -> None:
            if probe.names()[-1] == "glance":
                probe.each_time = None
                raise probes.Crash

        probe.each_time = die_in_the_second
        with pytest.raises(probes.Crash):
            work(run, at=LATER)
        assert refresh(run).recoveries == 0
        requeue(run)
        assert work(run, at=LATER).status == Run.Status.SUCCEEDED


class TestSweeper:
    def test_rings_for_a_run_that_is_due_and_not_for_one_that_is_not(self, start: Start) -> None:
        run = start("go")
        Run.objects.filter(pk=run.pk).update(wake_at=NOW + timedelta(minutes=1))
        assert run not in Run.objects.stalled(NOW + timedelta(seconds=59), grace_s=5)
        assert run in Run.objects.stalled(NOW + timedelta(seconds=60), grace_s=5)

    @pytest.mark.parametrize("status", ["waiting", "paused", "succeeded", "failed", "cancelled"])
    def test_leaves_a_run_alone_that_is(self, start: Start, status: str) -> None:
        run = start("go")
        Run.objects.filter(pk=run.pk).update(status=status)
        assert run not in Run.objects.stalled(NOW + timedelta(days=30), grace_s=5)

    def test_queues_again_what_stalled_and_says_how_many(self, start: Start, work: Work) -> None:
        run = start("go")
        hold = claimed(run)
        assert operations.requeue_stalled(now=LATER) >= 1
        assert refresh(run).status == Run.Status.QUEUED
        assert refresh(run).recoveries == 1
        with pytest.raises(LeaseLost):
            hold.fence()
        assert work(run, at=LATER).status == Run.Status.SUCCEEDED

    def test_passes_over_a_run_whose_row_is_locked_and_serves_the_others(self, start: Start) -> None:
        locked, free = claimed(start("go")).run, claimed(start("go")).run
        with transaction.atomic():
            assert Run.objects.select_for_update().get(pk=locked.pk)
            began = time.monotonic()
            elsewhere(lambda: operations.requeue_stalled(now=LATER))
            assert time.monotonic() - began < 5, "nobody waits for the lock"
            assert (refresh(locked).status, refresh(free).status) == (Run.Status.RUNNING, Run.Status.QUEUED)
        operations.requeue_stalled(now=LATER)
        assert refresh(locked).status == Run.Status.QUEUED
        for run in (locked, free):
            operations.cancel(run=refresh(run), user=run.requester, now=NOW)


class TestClock:
    @pytest.mark.parametrize("jump", [timedelta(hours=-1), timedelta(hours=1)])
    def test_of_a_worker_that_jumps_while_it_works_changes_nothing(
        self, probe: type[Probe], model: FakeModel, start: Start, jump: timedelta
    ) -> None:
        """The lease that starts an effect is measured by a clock that does not jump."""
        proposes(model, "strike")
        run = start("go")
        times = iter([NOW, NOW])
        advance.advance(run_id=str(run.pk), clock=lambda: next(times, NOW + jump))
        assert (refresh(run).status, probe.names()) == (Run.Status.SUCCEEDED, ["strike"])

    def test_that_jumps_back_never_ends_a_lease_early(self, start: Start) -> None:
        run = start("go")
        claimed(run)
        assert run not in Run.objects.stalled(NOW - timedelta(hours=1), grace_s=5)

    def test_that_jumps_ahead_makes_two_workers_take_turns_and_not_both(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        """A sweeper an hour ahead takes a live worker's run away: its effect is on record and not repeated."""
        proposes(model, "strike")
        run = start("go")
        ahead = NOW + timedelta(hours=1)
        probe.during = lambda: elsewhere(lambda: requeue(run, at=ahead))
        assert work(run).status == Run.Status.QUEUED
        assert work(run, at=ahead).status == Run.Status.SUCCEEDED
        assert probe.names() == ["strike"]

    def test_that_jumps_back_holds_up_a_review_and_expires_none(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, bob: Any
    ) -> None:
        proposes(model, "seal")
        run = work(start("go"))
        say(run, bob, "approve", at=NOW - timedelta(hours=1))
        assert work(run, at=NOW - timedelta(hours=1)).status == Run.Status.SUCCEEDED
        assert probe.names() == ["seal"]


class TestDatabaseLost:
    def test_while_a_tool_runs_keeps_its_receipt_until_the_database_is_back(
        self, committed: str, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "strike")
        run = start("go")
        probe.during = cut_connections
        run = work(run)
        assert (run.status, probe.names()) == (Run.Status.SUCCEEDED, ["strike"])
        assert trail(run).count("tool.succeeded") == 1
        assert "review.requested" not in trail(run)

    def test_for_some_seconds_after_an_effect_does_not_lose_the_receipt(
        self, committed: str, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "strike")
        run = start("go")
        with stoppable(committed) as let_in:

            def away() -> None:
                cut_connections()
                let_in(False)
                threading.Timer(1.5, let_in, [True]).start()

            probe.during = away
            run = work(run)
        assert (run.status, probe.names(), trail(run).count("tool.succeeded")) == (
            Run.Status.SUCCEEDED,
            ["strike"],
            1,
        )

    def test_while_the_model_answers_leaves_the_run_to_be_taken_up_again(
        self, committed: str, model: FakeModel, start: Start, work: Work
    ) -> None:
        run = start("go")

        def lost() -> dict[str, Any]:
            cut_connections()
            return text("Done.")

        model.script(lost, text("Done."))
        advance.advance(run_id=str(run.pk), clock=lambda: NOW)
        reconnect()
        assert refresh(run).status == Run.Status.RUNNING
        requeue(run)
        assert work(run, at=LATER).status == Run.Status.SUCCEEDED

    def test_in_a_commit_that_went_through_though_it_seemed_to_fail_writes_nothing_twice(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "strike")
        run = start("go")
        hold = claimed(run)
        first = advance._resume(hold)
        assert first is not None
        call = advance._carry_on(hold, first)
        assert call is not None
        result = call.perform()
        advance._settled(hold, call, result)
        following = advance._settle_when_back(hold, call, result)
        assert isinstance(following, ModelWork)
        assert (trail(run).count("tool.succeeded"), run.steps.count()) == (1, 3)
        requeue(run)
        assert work(run, at=LATER).status == Run.Status.SUCCEEDED
        assert probe.names() == ["strike"]

    def test_for_longer_than_the_lease_leaves_the_question_to_a_person(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "strike")
        run = start("go")
        hold = claimed(run)
        first = advance._resume(hold)
        assert first is not None
        call = advance._carry_on(hold, first)
        assert call is not None
        result = call.perform()
        hold.lease.alive_until = 0.0
        with pytest.raises(LeaseLost):
            advance._settle_when_back(hold, call, result)
        requeue(run)
        run = work(run, at=LATER)
        assert (run.status, review_of(run).kind, probe.names()) == (Run.Status.WAITING, "outcome", ["strike"])

    def test_until_another_worker_has_the_run_still_reports_what_the_call_did(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "strike")
        run = start("go")
        hold = claimed(run)
        first = advance._resume(hold)
        assert first is not None
        call = advance._carry_on(hold, first)
        assert call is not None
        result = call.perform()
        requeue(run)
        run = work(run, at=LATER)
        assert (run.status, review_of(run).status) == (Run.Status.WAITING, "pending")
        with pytest.raises(LeaseLost):
            advance._settle_when_back(hold, call, result)
        assert (review_of(run).status, tool_step(run).status) == ("cancelled", Step.Status.SUCCEEDED)
        assert work(run, at=LATER).status == Run.Status.SUCCEEDED
        assert probe.names() == ["strike"]
