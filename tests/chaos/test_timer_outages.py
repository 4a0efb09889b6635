"""Timers are rows: what the broker forgets and who restarts does not matter to them."""

import time
from typing import Any

import pytest

from benchmarks.chaos.people import People
from benchmarks.chaos.world import World

pytestmark = [pytest.mark.journey]
TICK_S = 2.0
START_DELAY_S = 10.0
PATIENCE_S = 60.0
TAKEN = """
SELECT e.kind, e.at FROM hitl_escalationevent e JOIN hitl_review r ON r.id = e.review_id
WHERE r.run_id = %s AND e.step = 1
"""
DUE = "SELECT s.next_at FROM hitl_escalationstate s JOIN hitl_review r ON r.id = s.review_id WHERE r.run_id = %s"
LATE = "SELECT now() > %s"


def wait_for(world: World, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Wait until the query finds something true; return its rows."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        rows = world.rows(query, *parameters)
        if rows and rows[0][0]:
            return rows
        assert time.monotonic() < deadline, query
        time.sleep(0.05)


class TestTimersAfterTheBrokerForgotEverything:
    def test_fire_within_a_tick_of_the_first_worker_that_is_back(self, world: World, people: People) -> None:
        jobs = [people.ask(approved=True) for _ in range(5)]
        due = [wait_for(world, DUE, job.run)[0][0] for job in jobs]
        world.fleet.resize("worker", 0)
        world.flush_valkey()
        wait_for(world, LATE, max(due))
        assert [world.rows(TAKEN, job.run) for job in jobs] == [[]] * len(jobs)
        world.fleet.resize("worker", 2)
        moments = [wait_for(world, TAKEN, job.run)[0][1] for job in jobs]
        # All in one tick, the first that a worker got hold of; and once, although two workers tick.
        assert (max(moments) - min(moments)).total_seconds() < TICK_S
        time.sleep(2 * TICK_S)
        assert [len(world.rows(TAKEN, job.run)) for job in jobs] == [1] * len(jobs)
