"""Fire what is due: one transaction a batch, one savepoint a timer, any number of workers at once.

Timers of a suspended tenant stay due and fire once it is active again.

The clock is the database's, so that a worker whose clock is wrong neither hurries nor delays anything.
"""

import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from tenants.kernel.context import platform_context, schema_tenant, tenant_context
from tenants.timers.registry import TIMERS

logger = logging.getLogger(__name__)
BATCH = 200
BATCH_S = 0.25
"""Seconds after which a batch commits what it did: what its handlers lock, people may wait for."""
TICK_S = 2.0
"""Seconds after which a tick leaves the rest to the next."""
AGAIN = timedelta(milliseconds=100)
"""A timer that is due at once is due in the next tick."""
FIRST_BACKOFF = timedelta(seconds=5)
LONGEST_BACKOFF = timedelta(minutes=10)

_TAKE = """
SELECT t.id, t.schema, t.kind, t.object_id, t.due_at, t.generation, t.failures,
  EXISTS (SELECT 1 FROM public.tenants_tenant n WHERE n.schema_name = t.schema)
FROM public.tenants_timer t WHERE t.due_at <= %s
  AND NOT EXISTS (SELECT 1 FROM public.tenants_tenant s WHERE s.schema_name = t.schema AND s.state = 'suspended')
ORDER BY t.due_at LIMIT %s FOR UPDATE OF t SKIP LOCKED
"""
# A handler may have set its own timer, or another's: the last one stands.
_MOVE = """
UPDATE public.tenants_timer t SET due_at = n.due_at, failures = n.failures
FROM unnest(%s::bigint[], %s::timestamptz[], %s::smallint[], %s::timestamptz[], %s::int[])
  AS n(id, due_at, failures, was_due_at, generation)
WHERE t.id = n.id AND t.due_at = n.was_due_at AND t.generation = n.generation
"""
_END = """
DELETE FROM public.tenants_timer t USING unnest(%s::bigint[], %s::timestamptz[], %s::int[])
  AS n(id, was_due_at, generation)
WHERE t.id = n.id AND t.due_at = n.was_due_at AND t.generation = n.generation
"""


@dataclass(frozen=True)
class Due:
    """One timer that is due, locked by this transaction. `lives` tells whether its tenant exists."""

    id: int
    schema: str
    kind: str
    object_id: UUID
    due_at: datetime
    generation: int
    failures: int
    lives: bool


@dataclass(frozen=True, kw_only=True)
class Fired:
    """What came of one timer: when it is due next, None if it ended."""

    timer: Due
    next_at: datetime | None
    failures: int = 0


def database_now() -> datetime:
    """Return the database's clock."""
    with platform_context(), connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        found: datetime = cursor.fetchone()[0]
    return found


def tick(*, now: datetime, limit_s: float = TICK_S) -> int:
    """Fire the timers due by `now`, the oldest first, until none is left or the time is over; return how many."""
    fired = 0
    deadline = time.monotonic() + limit_s
    while True:
        taken, done = _batch(now)
        fired += done
        if (taken < BATCH and done == taken) or time.monotonic() >= deadline:
            return fired


def _batch(now: datetime) -> tuple[int, int]:
    """Fire one batch in one transaction; return how many timers it took and how many it came to."""
    with platform_context(), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_TAKE, [now, BATCH])
            taken = [Due(*row) for row in cursor.fetchall()]
        deadline = time.monotonic() + BATCH_S
        results: list[Fired] = []
        by_tenant: dict[str, list[Due]] = {}
        for timer in taken:
            by_tenant.setdefault(timer.schema, []).append(timer)
        for schema, timers in by_tenant.items():
            with tenant_context(schema_tenant(schema)):
                for timer in timers:
                    if results and time.monotonic() >= deadline:
                        break
                    results.append(_fire(timer, now))
        _write(results)
    return len(taken), len(results)


def _fire(timer: Due, now: datetime) -> Fired:
    if not timer.lives:
        return Fired(timer=timer, next_at=None)
    try:
        with transaction.atomic():
            next_at = TIMERS.get(timer.kind)(timer.object_id, timer.generation, now)
    except Exception:  # the edge of the tick: log once, go on with the next timer
        logger.exception("Timer %s of %s in %s failed", timer.kind, timer.object_id, timer.schema)
        return Fired(timer=timer, next_at=now + backoff(timer.failures), failures=timer.failures + 1)
    return Fired(timer=timer, next_at=next_at and max(next_at, now + AGAIN))


def backoff(failures: int) -> timedelta:
    """Return how long a timer is postponed that failed so often before: 5 s, doubled each time, up to 10 min."""
    return min(FIRST_BACKOFF * (1 << min(failures, 10)), LONGEST_BACKOFF)


def _write(results: list[Fired]) -> None:
    moved = [result for result in results if result.next_at is not None]
    ended = [result.timer for result in results if result.next_at is None]
    with connection.cursor() as cursor:
        if moved:
            timers = [result.timer for result in moved]
            columns: list[Any] = [
                [timer.id for timer in timers],
                [result.next_at for result in moved],
                [min(result.failures, 32_000) for result in moved],
                [timer.due_at for timer in timers],
                [timer.generation for timer in timers],
            ]
            cursor.execute(_MOVE, columns)
        if ended:
            kept: list[Any] = [
                [t.id for t in ended],
                [t.due_at for t in ended],
                [t.generation for t in ended],
            ]
            cursor.execute(_END, kept)
