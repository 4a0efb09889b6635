"""What was under way at each death: seen from outside, by reading rows just after it."""

import threading
import time
from dataclasses import dataclass, field

from benchmarks.chaos.fleet import Member
from benchmarks.chaos.ledger import NON_IDEMPOTENT
from benchmarks.chaos.world import World

SIGKILLED = -9
WANTED = (SIGKILLED, 0, -15)
"""How a process ends that was killed or asked to leave."""
HELD = """
SELECT r.id::text, r.lease_token::text, extract(epoch FROM r.lease_expires_at)::float8, s.id::text, s.name
FROM agents_run r LEFT JOIN agents_step s ON s.run_id = r.id AND s.status = 'executing' AND s.kind = 'tool'
WHERE r.status = 'running' AND r.lease_token IS NOT NULL
"""


@dataclass(frozen=True, kw_only=True)
class Death:
    """One process of the fleet that ended; `at` in seconds since 1970."""

    role: str
    at: float
    status: int


@dataclass
class Watch:
    """Deaths, and the leases and calls that were seen open after them."""

    world: World
    deaths: list[Death] = field(default_factory=list)
    stops: list[float] = field(default_factory=list)
    expires: dict[str, float] = field(default_factory=dict)
    holders: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Take notes whenever a process of the fleet ends."""
        self._lock = threading.Lock()
        self.world.fleet.on_death = self.note

    @property
    def kills(self) -> int:
        """Return how many processes of the fleet were ended by SIGKILL."""
        return sum(death.status == SIGKILLED for death in self.deaths)

    @property
    def crashes(self) -> list[str]:
        """Return which ended by themselves: role and exit code."""
        return [
            f"{death.role} ended with {death.status}" for death in self.deaths if death.status not in WANTED
        ]

    def note(self, member: Member, status: int) -> None:
        """Note a death."""
        with self._lock:
            self.deaths.append(Death(role=member.role, at=time.time(), status=status))
        self.look()

    def look(self) -> None:
        """Note who holds what: each lease as it was last renewed, each open call with the leases it was under."""
        for _, token, expires, step, tool in self.world.rows(HELD):
            with self._lock:
                self.expires[token] = expires
                if tool in NON_IDEMPOTENT:
                    self.holders.setdefault(step, set()).add(token)

    def note_stop(self) -> None:
        """Note that a worker is being frozen."""
        with self._lock:
            self.stops.append(time.time())

    def loss_before(self, lease: str, recovered_at: float) -> float | None:
        """Return when the holder of a lease was lost: the first loss after the last renewal that was seen."""
        if lease not in self.expires:
            return None
        renewed = self.expires[lease] - self.world.profile.lease_s
        losses = [*self.stops, *(death.at for death in self.deaths if death.role == "worker")]
        return min((at for at in losses if renewed <= at <= recovered_at), default=None)
