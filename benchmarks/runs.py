"""Start runs of the benchmark's agent, and wait for what becomes of them."""

import secrets
import time
from collections.abc import Iterable
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from agents.runs import operations
from agents.runs.models import Run
from benchmarks import fixtures
from hitl.reviews.models import Review

TURNS = 5
STEPS = f"bench: {TURNS} steps"
APPROVED = "bench: one approved call"
PATIENCE_S = 180.0
LOOK_EVERY_S = 0.02


def start(query: str) -> Run:
    """Start a run as oscar does through the API."""
    return operations.start(
        agent=fixtures.agent(),
        user=fixtures.user("oscar"),
        input={"query": query},
        trace_id=secrets.token_hex(16),
        now=timezone.now(),
    )


def queue_silently(query: str) -> Run:
    """Queue a run without ringing: its doorbell is discarded with the other callbacks of the commit."""
    with transaction.atomic():
        run = start(query)
        connection.run_on_commit.clear()
    return run


def require(run: Run, status: str) -> None:
    """End the benchmark if the run did not end as it must: a figure of failed runs says nothing."""
    run.refresh_from_db()
    if run.status != status:
        raise SystemExit(f"Benchmark run is {run.status}, not {status}: {run.error}")


def wait_for(ids: Iterable[Any], status: str) -> None:
    """Wait until all runs have the status; look seldom, since looking takes CPU from what is measured."""
    wanted, deadline = list(ids), time.monotonic() + PATIENCE_S
    while left := Run.objects.filter(pk__in=wanted).exclude(status=status).count():
        if time.monotonic() > deadline:
            raise SystemExit(f"{left} benchmark runs were not {status} within {PATIENCE_S:.0f} s.")
        time.sleep(LOOK_EVERY_S)


def waiting_reviews(count: int) -> list[Review]:
    """Start runs that each wait for one approval; return their reviews."""
    ids = [start(APPROVED).pk for _ in range(count)]
    wait_for(ids, Run.Status.WAITING)
    return list(Review.objects.filter(run_id__in=ids, status=Review.Status.PENDING))


def percentile(values: list[float], share: float) -> float:
    """Return the value below which `share` of the values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
