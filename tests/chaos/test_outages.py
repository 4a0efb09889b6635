"""Parts that go away and come back: the broker, a frozen worker, a worker that is told to leave."""

import signal
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import psycopg
import pytest

from benchmarks.chaos.judge import judge
from benchmarks.chaos.people import Job, People
from benchmarks.chaos.watch import Watch
from benchmarks.chaos.world import TENANT, World

pytestmark = [pytest.mark.journey]
OUTAGE_S = 30.0
PATIENCE_S = 60.0
LOSE_LEASE = """
UPDATE agents_run SET status = 'running', lease_token = gen_random_uuid(), lease_expires_at = now() - %(ago)s::interval,
updated_at = now() - %(ago)s::interval WHERE id = %(run)s
"""
STATUS = "SELECT status FROM agents_run WHERE id = %s"


def status(world: World, job: Job) -> str:
    ((found,),) = world.rows(STATUS, job.run)
    return str(found)


def wait_for(condition: Callable[[], bool], what: str, *, timeout_s: float = PATIENCE_S) -> float:
    """Wait until it holds; return the seconds it took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > timeout_s:
            raise AssertionError(f"Not within {timeout_s:.0f} s: {what}")
        time.sleep(0.05)
    return time.monotonic() - began


def finish(world: World, people: People | None, jobs: list[Job]) -> float:
    """Let the people decide, if any are there, until the runs have ended; return the seconds it took."""

    def ended() -> bool:
        if people is not None:
            people.review()
        return all(status(world, job) in ("succeeded", "failed", "cancelled") for job in jobs)

    return wait_for(ended, f"runs {[job.number for job in jobs]} end")


def assert_sound(world: World, people: People, watch: Watch) -> None:
    """Nothing is lost, done twice or kept from people, in all that happened so far."""
    verdict = judge(world, people, watch)
    assert (verdict.lost, verdict.duplicates) == ([], [])
    assert verdict.raised == verdict.ambiguous
    assert verdict.audit_valid, verdict.audit


class TestBrokerDown:
    def test_http_writes_go_on_and_runs_finish_when_it_is_back(
        self, world: World, people: People, watch: Watch
    ) -> None:
        waiting = people.ask(approved=True)
        wait_for(lambda: status(world, waiting) == "waiting", "a payment waits for Bob")
        world.kill_valkey()
        seen = len(world.api.answers)
        began = time.monotonic()
        people.review()
        jobs = [waiting]
        while time.monotonic() - began < OUTAGE_S:
            jobs.append(people.ask())
            time.sleep(1)
        down = world.api.answers[seen:]
        world.start_valkey()
        took = finish(world, people, jobs)
        assert {answer.status // 100 for answer in down} == {2}
        assert max(answer.seconds for answer in down) < 5, "publishing never holds up a request"
        assert took < PATIENCE_S
        assert_sound(world, people, watch)

    def test_a_restart_leaves_every_worker_consuming(self, world: World, people: People) -> None:
        """A known problem of Celery on Redis (#7705, #7800): connected again, but deaf."""
        for _ in range(3):
            world.fleet.resize("worker", 1)
            assert finish(world, people, [people.ask()]) < PATIENCE_S
            world.kill_valkey()
            world.start_valkey()
            assert finish(world, people, [people.ask()]) < PATIENCE_S / 2

    def test_flushing_it_with_doorbells_queued_loses_nothing(
        self, world: World, people: People, watch: Watch
    ) -> None:
        world.fleet.resize("worker", 0)
        jobs = [people.ask(approved=n % 3 == 0) for n in range(12)]
        world.flush_valkey()
        world.fleet.resize("worker", 2)
        finish(world, people, jobs)
        assert_sound(world, people, watch)


class TestFrozenWorker:
    def test_commits_nothing_once_its_lease_is_over(self, world: World, people: People, watch: Watch) -> None:
        world.fleet.resize("worker", 1)
        (frozen,) = world.fleet.of("worker")
        world.ledger.open.clear()
        jobs = [people.ask() for _ in range(4)]
        wait_for(lambda: len(_executing(world, jobs)) == len(jobs), "every run is in a call")
        leases = _leases(world, jobs)
        world.fleet.signal(frozen, signal.SIGSTOP)
        world.ledger.open.set()  # the calls take effect, and nobody is there to hear of it
        world.fleet.add("worker")
        wait_for(lambda: not set(leases) & set(_leases(world, jobs)), "its runs are taken from it")
        finish(world, people, jobs)
        before = _history(world, jobs)
        world.fleet.signal(frozen, signal.SIGCONT)
        time.sleep(3)
        assert _history(world, jobs) == before
        world.fleet.dismiss(frozen)
        assert_sound(world, people, watch)

    def test_in_the_middle_of_a_commit_holds_up_no_other_run(
        self, world: World, people: People, watch: Watch
    ) -> None:
        world.fleet.resize("worker", 0)
        locked, *others = (people.ask() for _ in range(4))
        with psycopg.connect(world.stack.variables["DATABASE_OWNER_URL"]) as owner:
            owner.execute(f"SET search_path = {TENANT}")
            for n, job in enumerate([locked, *others]):
                owner.execute(LOSE_LEASE, {"ago": timedelta(seconds=100 - n), "run": job.run})
            owner.commit()
            owner.execute("SELECT FROM agents_run WHERE id = %s FOR UPDATE", [locked.run])
            world.fleet.resize("worker", 2)
            finish(world, people, others)
            assert status(world, locked) == "running"
        finish(world, people, [locked])
        assert_sound(world, people, watch)


class TestWaitingForPeople:
    def test_holds_no_worker_and_outlives_a_restart_of_everything(
        self, world: World, people: People, watch: Watch
    ) -> None:
        waiting = [
            people.ask(approved=True) for _ in range(3 * world.profile.threads * world.profile.workers)
        ]
        wait_for(lambda: all(status(world, job) == "waiting" for job in waiting), "all wait for Bob")
        assert finish(world, None, [people.ask()]) < PATIENCE_S, "workers are free"
        for role in ("worker", "web", "beat"):
            for member in world.fleet.of(role):
                world.fleet.kill(member)
        world.kill_valkey()
        world.restart_postgres(immediate=True)
        world.start_valkey()
        assert all(status(world, job) == "waiting" for job in waiting)
        finish(world, people, waiting)
        assert_sound(world, people, watch)


class TestRollingRestart:
    def test_hands_every_run_over(self, world: World, people: People, watch: Watch) -> None:
        jobs: list[Job] = []
        for _ in range(3):
            jobs += [people.ask(approved=n % 3 == 0) for n in range(8)]
            wait_for(partial(_any_executing, world, jobs), "work is under way")
            for member in world.fleet.of("worker"):
                world.fleet.dismiss(member)
                world.fleet.add("worker")
        finish(world, people, jobs)
        assert_sound(world, people, watch)


def _ids(jobs: list[Job]) -> list[str]:
    return [job.run for job in jobs]


def _executing(world: World, jobs: list[Job]) -> list[str]:
    query = "SELECT id::text FROM agents_step WHERE run_id::text = ANY(%s) AND status = 'executing'"
    return [step for (step,) in world.rows(query, _ids(jobs))]


def _any_executing(world: World, jobs: list[Job]) -> bool:
    return bool(_executing(world, jobs))


def _leases(world: World, jobs: list[Job]) -> list[str]:
    query = "SELECT lease_token::text FROM agents_run WHERE id::text = ANY(%s) AND lease_token IS NOT NULL"
    return [token for (token,) in world.rows(query, _ids(jobs))]


def _history(world: World, jobs: list[Job]) -> list[tuple[object, ...]]:
    """Return what a stale worker could change: runs and their steps."""
    query = """
    SELECT r.id, r.status, r.updated_at, s.number, s.status, s.finished_at, s.result
    FROM agents_run r JOIN agents_step s ON s.run_id = r.id WHERE r.id::text = ANY(%s) ORDER BY r.id, s.number
    """
    return world.rows(query, _ids(jobs))
