"""One thread a process that renews the leases of the runs under way here, and rings for those that are due.

The thread proves only that the process lives; a process that is stopped renews nothing, and its runs
go to another worker when their leases end.
"""

import heapq
import logging
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from agents.runs.lease import Lease, seconds
from agents.runs.models import Run
from tenants.kernel.context import schema_tenant, tenant_context
from tenants.kernel.tasks import enqueue

logger = logging.getLogger(__name__)
ADVANCE = "agents.advance_run"


class Keeper:
    """Keeps this process's leases alive."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._leases: dict[uuid.UUID, Lease] = {}
        self._alarms: list[tuple[float, str, str]] = []
        threading.Thread(target=self._keep, name="keeper", daemon=True).start()

    @contextmanager
    def keeping(self, lease: Lease) -> Iterator[None]:
        """Renew the lease until the block ends."""
        with self._changed:
            self._leases[lease.token] = lease
        try:
            yield
        finally:
            with self._changed:
                self._leases.pop(lease.token, None)

    def ring_later(self, schema: str, run_id: str, *, delay_s: float) -> None:
        """Ring for a run after a while; if this process dies meanwhile, the sweeper does."""
        with self._changed:
            heapq.heappush(self._alarms, (time.monotonic() + delay_s, schema, run_id))
            self._changed.notify()

    def _keep(self) -> None:
        next_beat = time.monotonic() + settings.RUN_HEARTBEAT_S
        while True:
            with self._changed:
                due = min([next_beat, *(alarm[0] for alarm in self._alarms[:1])])
                self._changed.wait(max(0.0, due - time.monotonic()))
                now = time.monotonic()
                ringing = []
                while self._alarms and self._alarms[0][0] <= now:
                    ringing.append(heapq.heappop(self._alarms))
                leases = list(self._leases.values())
            for _, schema, run_id in ringing:
                self._ring(schema, run_id)
            if now >= next_beat:
                next_beat = now + settings.RUN_HEARTBEAT_S
                self._renew(leases)

    def _ring(self, schema: str, run_id: str) -> None:
        try:
            with tenant_context(schema_tenant(schema)):
                enqueue(ADVANCE, run_id=run_id)
        except Exception:  # the thread must outlive a lost database: it keeps every lease here
            logger.warning("Run %s was not rung for; the sweeper does it", run_id, exc_info=True)
        finally:
            connection.close()

    def _renew(self, leases: list[Lease]) -> None:
        by_schema: dict[str, list[Lease]] = defaultdict(list)
        for lease in leases:
            by_schema[lease.schema].append(lease)
        for schema, held in by_schema.items():
            try:
                with tenant_context(schema_tenant(schema)):
                    _renew_in_schema(held)
            except Exception:  # as above; one tenant's trouble must not cost the others their leases
                logger.warning(
                    "Leases were not renewed; runs go to another worker if this lasts", exc_info=True
                )
            finally:
                connection.close()


def _renew_in_schema(held: list[Lease]) -> None:
    """Renew the leases whose rows are free: one row that is locked must not cost every other run its lease.

    A row is locked by its own worker, whose transaction began with a renewal, or by who ends the run.
    """
    began = time.monotonic()
    tokens = [lease.token for lease in held]
    with transaction.atomic():
        running = Run.objects.filter(lease_token__in=tokens, status=Run.Status.RUNNING)
        free = running.select_for_update(skip_locked=True, of=("self",))
        kept = dict(free.values_list("lease_token", "pk"))
        until = timezone.now() + timedelta(seconds=seconds())
        Run.objects.filter(pk__in=kept.values()).update(lease_expires_at=until)
    for lease in held:
        if lease.token in kept:
            lease.renewed(began)


_making = threading.Lock()


@cache
def _keeper() -> Keeper:
    return Keeper()


def keeper() -> Keeper:
    """Return this process's keeper, started on first use."""
    with _making:
        return _keeper()
