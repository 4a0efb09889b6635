"""Who advances a run: a lease with a heartbeat, and a token that fences off everybody else.

A worker claims a queued run and gets a token. Every transaction of that worker begins with `fence`,
which locks the run's row and fails unless the run still runs under this token. A lease that is not
renewed ends; then the sweeper queues the run again, the token dies, and a worker that was only
paused can commit nothing more.
"""

import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q

from agents.halts import standing
from agents.halts.standing import STANDING_SQL
from agents.resilience.types import CapState, CircuitState
from agents.runs.models import Run
from tenants.kernel import prepared
from tenants.kernel.context import require_schema
from tenants.kernel.failpoints import hit
from tenants.tiers.limits import CONCURRENT_RUNS_SQL


class LeaseLost(Exception):
    """The run was cancelled or given to another worker; nothing of this worker may be committed."""


@dataclass
class Lease:
    """The right to advance one run until `alive_until`, a reading of the monotonic clock in seconds."""

    schema: str
    run_id: uuid.UUID
    token: uuid.UUID
    alive_until: float

    def is_alive(self) -> bool:
        """Tell whether the lease was renewed recently enough to start an effect under it."""
        return time.monotonic() < self.alive_until

    def renewed(self, at: float) -> None:
        """Note that a renewal which began at this reading of the monotonic clock was committed."""
        self.alive_until = at + seconds()


@dataclass(frozen=True, kw_only=True)
class Weather:
    """What a worker must know before it starts anything new, read in the statement that renews its lease."""

    stop: str = ""
    circuits: Sequence[CircuitState] = field(default_factory=tuple)
    caps: Sequence[CapState] = field(default_factory=tuple)
    revisions: tuple[uuid.UUID, uuid.UUID] | None = None
    """The state of the tenant's and the platform's rules."""

    def circuit(self, kind: str, name: str) -> CircuitState | None:
        """Return the breaker of a part if it is not plainly closed."""
        return next((item for item in self.circuits if (item.kind, item.name) == (kind, name)), None)

    def cap(self, kind: str, name: str) -> CapState | None:
        """Return the concurrency cap of a part, if it has one."""
        return next((item for item in self.caps if (item.kind, item.name) == (kind, name)), None)


def seconds() -> int:
    """Return how long a lease lasts without a heartbeat."""
    return int(settings.RUN_LEASE_S)


def claim(run_id: str, *, now: datetime) -> tuple[Run, Lease] | None:
    """Take a queued run that is due; None if there is nothing to take: a doorbell may ring twice."""
    token, began = uuid.uuid4(), time.monotonic()
    due = Run.objects.filter(Q(wake_at=None) | Q(wake_at__lte=now), pk=run_id, status=Run.Status.QUEUED)
    claimed = due.update(
        status=Run.Status.RUNNING,
        lease_token=token,
        lease_expires_at=now + timedelta(seconds=seconds()),
        wake_at=None,
        waits_for="",
        updated_at=now,
    )
    if not claimed:
        return None
    hit("run.claimed")
    run = Run.objects.select_related("requester", "agent").filter(pk=run_id, lease_token=token).first()
    if run is None:
        return None
    return run, Lease(require_schema(), run.pk, token, began + seconds())


FENCE_SQL = f"""
UPDATE agents_run SET lease_expires_at = %(until)s, updated_at = %(now)s,
 input_tokens = %(input_tokens)s, output_tokens = %(output_tokens)s,
 cost_micros = %(cost_micros)s, recoveries = CASE WHEN %(progress)s THEN 0 ELSE recoveries END
WHERE id = %(run)s AND status = 'running' AND lease_token = %(token)s
RETURNING pause_requested, pause_reason, {STANDING_SQL}, {CONCURRENT_RUNS_SQL},
 (SELECT json_agg(row_to_json(c)) FROM agents_circuit c WHERE c.state <> 'closed' OR c.failures > 0),
 (SELECT json_agg(row_to_json(p)) FROM agents_concurrencycap p),
 (SELECT revision FROM governance_rulebookstate),
 (SELECT revision FROM public.governance_rulebookstate)
"""  # noqa: S608  # the parts are constants


def fence(run: Run, lease: Lease, *, now: datetime, progress: bool) -> Weather:
    """Renew the lease, store the run's token counts and cost, and return what may be started; or raise LeaseLost.

    The first statement of every transaction of a worker: it locks the run's row until the commit.
    """
    began = time.monotonic()
    values: dict[str, Any] = {
        "until": now + timedelta(seconds=seconds()),
        "now": now,
        "input_tokens": run.input_tokens,
        "output_tokens": run.output_tokens,
        "cost_micros": run.cost_micros,
        "progress": progress,
        "run": run.pk,
        "token": lease.token,
        "schema": lease.schema,
    }
    rows = prepared.execute(FENCE_SQL, values)
    if not rows:
        raise LeaseLost
    lease.renewed(began)
    pause_requested, pause_reason, halts, at_once, circuits, caps, own, platform = rows[0]
    stop = standing.pause_reason_of(_parsed(halts))
    if not stop and pause_requested:
        stop = pause_reason or "Paused"
    return Weather(
        stop=stop,
        circuits=tuple(CircuitState.from_json(item) for item in _parsed(circuits)),
        caps=_with_platforms_cap([CapState.from_json(item) for item in _parsed(caps)], at_once),
        revisions=(own, platform),
    )


def _with_platforms_cap(caps: list[CapState], at_once: int | None) -> tuple[CapState, ...]:
    """Add the lower of the operator's limit and the tier's on the tenant's runs, unless the tenant set one below."""
    stated = [limit for limit in (settings.TENANT_MAX_RUNS or None, at_once) if limit is not None]
    own = [cap.limit for cap in caps if cap.kind == "tenant"]
    limit = min(stated, default=None)
    if limit is None or (own and min(own) < limit):
        return tuple(caps)
    others = [cap for cap in caps if cap.kind != "tenant"]
    return (*others, CapState(kind="tenant", name="", limit=limit))


def _parsed(value: Any) -> list[Any]:
    """Return a JSON column as a list; the driver gives text where Django has not registered a loader."""
    return list(json.loads(value) if isinstance(value, str) else value or ())
