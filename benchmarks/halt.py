"""How soon after a kill switch was tripped the last effect starts, with many runs under way."""

import secrets
import statistics
import time
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from agents.catalog.models import Agent
from agents.catalog.operations import create_agent
from agents.halts import operations as halts
from agents.runs import operations
from agents.runs.models import Run, Step
from benchmarks import fixtures

AGENT = "Halted benchmark"
CALLS = 45
TRIPS = 20
PATIENCE_S = 30.0
BETWEEN_S = 0.5


def halt(runs: int) -> dict[str, float]:
    """Trip and lift a switch 20 times over so many live runs that call a tool again and again.

    Call it in the tenant's context. A delay is from the commit of the trip to the start of the last
    tool call that started after it, 0 where none did; `trip_ms` is what the person who trips waits.
    """
    delays, waits, late = [], [], 0
    oscar = fixtures.user("oscar")
    for _ in range(TRIPS):
        _top_up(runs)
        began = time.perf_counter()
        switch = halts.trip(agent=_agent(), reason="benchmark", by=oscar, now=timezone.now())
        committed = timezone.now()
        waits.append((time.perf_counter() - began) * 1000)
        _wait_until_nothing_runs()
        after = [(start - committed).total_seconds() * 1000 for start in _starts(since=committed)]
        delays.append(max([0.0, *after]))
        late += len(after)
        halts.lift(halt=switch, by=oscar, now=timezone.now())
    _end_all()
    return {
        "halt.p50_ms": statistics.median(delays),
        "halt.p99_ms": sorted(delays)[min(len(delays) - 1, int(len(delays) * 0.99))],
        "halt.late_effects_per_trip": late / TRIPS,
        "halt.trip_ms": statistics.median(waits),
    }


def _agent() -> Agent:
    found = Agent.objects.filter(name=AGENT).first()
    config = {"max_turns": 100}
    return found or create_agent(
        name=AGENT, blueprint="assistant", owner=fixtures.user("alice"), config=config, tools=["ping"]
    )


def _live() -> Any:
    return Run.objects.filter(agent=_agent()).exclude(status__in=Run.ENDED)


def _top_up(runs: int) -> None:
    """Start runs until so many are live, and let workers get into them."""
    for _ in range(runs - _live().count()):
        operations.start(
            agent=_agent(),
            user=fixtures.user("oscar"),
            input={"query": f"bench: {CALLS} steps"},
            trace_id=secrets.token_hex(16),
            now=timezone.now(),
        )
    deadline = time.monotonic() + PATIENCE_S
    while not _live().filter(status=Run.Status.RUNNING).exists():
        if time.monotonic() > deadline:
            raise SystemExit(f"No worker took up a run within {PATIENCE_S:.0f} s.")
        time.sleep(0.01)
    time.sleep(BETWEEN_S)


def _wait_until_nothing_runs() -> None:
    deadline = time.monotonic() + PATIENCE_S
    while _live().filter(status__in=[Run.Status.RUNNING, Run.Status.QUEUED]).exists():
        if time.monotonic() > deadline:
            raise SystemExit(f"Runs were still going {PATIENCE_S:.0f} s after the kill switch.")
        time.sleep(0.02)


def _starts(*, since: datetime) -> list[datetime]:
    """Return when calls started that did so after a moment: their end, less how long they took."""
    closed = Step.objects.filter(
        run__agent=_agent(), kind=Step.Kind.TOOL, status=Step.Status.SUCCEEDED, finished_at__gt=since
    )
    rows = closed.values_list("finished_at", "result")
    starts = [end - timedelta(milliseconds=(result or {})["ms"]) for end, result in rows if end is not None]
    return [start for start in starts if start > since]


def _end_all() -> None:
    """Cancel what is left, while a switch keeps workers from ending it first."""
    oscar = fixtures.user("oscar")
    switch = halts.trip(agent=_agent(), reason="benchmark", by=oscar, now=timezone.now())
    _wait_until_nothing_runs()
    for run in _live().select_related("requester"):
        operations.cancel(run=run, user=oscar, now=timezone.now())
    halts.lift(halt=switch, by=oscar, now=timezone.now())
