"""The siege: one fault after another while people go on working, until so many processes were killed."""

import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.chaos.fleet import Member
from benchmarks.chaos.menu import POINT, Fault, menu
from benchmarks.chaos.people import People
from benchmarks.chaos.watch import Watch
from benchmarks.chaos.world import World
from tenants.kernel import failpoints

Say = Callable[[str], None]
BOOT_S = 1.0
REPORT_EVERY = 10
STOP_LEASES = 1.3
SETTLE_S = 2.0


@dataclass
class Siege:
    """Applies the menu and keeps count."""

    world: World
    people: People
    watch: Watch
    seed: int
    say: Say
    applied: Counter[str] = field(default_factory=Counter)
    at_points: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    stopped: tuple[Member, float] | None = None

    def __post_init__(self) -> None:
        """Seed the choice of victims and moments."""
        self._random = random.Random(self.seed)  # noqa: S311  # a reproducible order, not a secret

    def lay(self, *, kills: int) -> None:
        """Apply faults until so many processes were killed, then wait until every run has ended."""
        began = time.monotonic()
        self.people.start()
        for fault in menu(kills=kills, points=failpoints.NAMES, seed=self.seed):
            self.people.check()
            self._apply(fault)
            self._pause()
            if sum(self.applied.values()) % REPORT_EVERY == 0:
                self._progress(began)
        while self.watch.kills < kills:  # a point that nobody reached
            self._apply(Fault.KILL_WORKER)
            self._pause()
        self._continue_stopped(now=True)
        self.people.stop_asking()
        self.say(
            f"{self.watch.kills} kills after {time.monotonic() - began:.0f} s; waiting for the last runs"
        )
        self._wait_for_the_end()

    def _progress(self, began: float) -> None:
        self.say(
            f"{self.watch.kills} kills, {len(self.people.jobs)} runs asked for, {self.people.unfinished()} under way, "
            f"{len(self.world.ledger.lines)} effects, {time.monotonic() - began:.0f} s"
        )

    def _apply(self, fault: str) -> None:
        if fault.startswith(POINT):
            self._die_at(fault.removeprefix(POINT))
            return
        match Fault(fault):
            case Fault.KILL_WORKER:
                self._kill("worker")
            case Fault.KILL_WEB:
                self._kill("web")
            case Fault.KILL_BEAT:
                self._kill("beat")
            case Fault.STOP_WORKER:
                self._stop_a_worker()
            case Fault.FLUSH_VALKEY:
                self.world.flush_valkey()
            case Fault.RESTART_VALKEY:
                self.world.kill_valkey()
                time.sleep(self._random.random())
                self.world.start_valkey()
            case Fault.RESTART_POSTGRES:
                self.world.restart_postgres(immediate=False)
            case Fault.CRASH_POSTGRES:
                self.world.restart_postgres(immediate=True)
        self.applied[fault] += 1

    def _die_at(self, point: str) -> None:
        """Wait for a process to die at the point; a point that nobody reaches in time is noted as missed."""
        before = self.watch.kills
        self.world.arm(point)
        deadline = time.monotonic() + self.world.profile.point_timeout_s
        while self.watch.kills == before and time.monotonic() < deadline:
            self._continue_stopped()
            time.sleep(0.01)
        if self.world.disarm():
            self.at_points[point] += 1
            self.applied["kill -9 at a failpoint"] += 1
        else:
            self.missed[point] += 1

    def _kill(self, role: str) -> None:
        self.world.fleet.kill(self._victim(role))

    def _victim(self, role: str) -> Member:
        """Return a process that has had time to begin its work."""
        while True:
            frozen = self.stopped[0].pid if self.stopped else 0
            grown = [
                member
                for member in self.world.fleet.of(role)
                if member.pid != frozen and time.monotonic() - member.since > BOOT_S
            ]
            if grown:
                return self._random.choice(grown)
            time.sleep(0.05)

    def _stop_a_worker(self) -> None:
        """Freeze a worker until its leases are over; other faults go on meanwhile."""
        self._continue_stopped(now=True)
        victim = self._victim("worker")
        self.people.waiting_for_a_stopped_worker.set()
        self.watch.note_stop()
        self.world.fleet.signal(victim, signal.SIGSTOP)
        self.stopped = (victim, time.monotonic() + STOP_LEASES * self.world.profile.lease_s)
        self.world.fleet.add("worker")

    def _continue_stopped(self, *, now: bool = False) -> None:
        """Wake a stopped worker when its time is over (`now` waits for that); it leaves after its work."""
        if self.stopped is None:
            return
        victim, until = self.stopped
        while now and time.monotonic() < until:
            time.sleep(0.05)
        if time.monotonic() < until:
            return
        self.world.fleet.signal(victim, signal.SIGCONT)
        time.sleep(SETTLE_S)  # long enough for it to report what it had begun
        self.stopped = None
        self.world.fleet.dismiss(victim)
        self.people.waiting_for_a_stopped_worker.clear()

    def _pause(self) -> None:
        until = time.monotonic() + self.world.profile.pause_s * (0.5 + self._random.random())
        while time.monotonic() < until:
            self._continue_stopped()
            self.watch.look()
            time.sleep(0.1)

    def _wait_for_the_end(self) -> None:
        deadline = time.monotonic() + self.world.profile.patience_s
        while self.people.unfinished() and time.monotonic() < deadline:
            self.people.check()
            time.sleep(0.2)
        self.people.go_home()
        time.sleep(SETTLE_S * 2)  # the sealer's turn
