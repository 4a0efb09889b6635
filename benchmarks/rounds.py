"""Rounds in which everybody takes their turn: what slows the machine for a while slows all of them."""

import time
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median

from agents.runs.models import Run
from benchmarks import contestants, fixtures, floor, machine
from benchmarks.contestants import Contestant
from benchmarks.measure import Say
from benchmarks.runs import TURNS
from tenants.kernel.context import tenant_context

AT_ONCE = 8
SETTLE_S = 2.0
FLOOR_STEPS = 50


@dataclass(frozen=True, kw_only=True)
class Size:
    """How many rounds, and how many runs of each contestant in one: one after another, and at once."""

    rounds: int
    runs: int
    runs_at_once: int


FULL = Size(rounds=7, runs=10, runs_at_once=24)
QUICK = Size(rounds=2, runs=4, runs_at_once=8)


@dataclass(kw_only=True)
class Score:
    """What one contestant took in each round, per step."""

    contestant: Contestant
    ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    postgres_cpu_ms: list[float] = field(default_factory=list)
    at_once_ms: list[float] = field(default_factory=list)
    transactions_per_step: float = 0.0

    def take_turn(self, size: Size) -> None:
        """Run one round and note what it took."""
        postgres = machine.cpu_ms()["postgres"]
        steps = size.runs * TURNS
        effort = self.contestant.measure(size.runs, 1)
        self.ms.append(effort.wall_s * 1000 / steps)
        self.cpu_ms.append(effort.cpu_s * 1000 / steps)
        self.postgres_cpu_ms.append((machine.cpu_ms()["postgres"] - postgres) / steps)
        effort = self.contestant.measure(size.runs_at_once, AT_ONCE)
        self.at_once_ms.append(effort.wall_s * 1000 / (size.runs_at_once * TURNS))

    def figures(self) -> dict[str, object]:
        """Return the medians by name."""
        return {
            "ms_per_step": median(self.ms),
            "cpu_ms_per_step": median(self.cpu_ms),
            "postgres_cpu_ms_per_step": median(self.postgres_cpu_ms),
            "transactions_per_step": self.transactions_per_step,
            "steps_per_s": 1000 / median(self.ms),
            f"steps_per_s_{AT_ONCE}_at_once": 1000 / median(self.at_once_ms),
            "versions": self.contestant.versions,
        }


def compared(size: Size, *, only: Collection[str], python: str, say: Say) -> dict[str, object]:
    """Return everybody's figures by dotted name, and how many times a peer's steps per second ours are."""
    spins, floors = [machine.spin_ms()], []
    load = machine.load()
    with ExitStack() as stack:
        stack.enter_context(tenant_context(fixtures.tenant()))
        fixtures.agent()
        ours = Score(contestant=contestants.countersign())
        peers = []
        for name in contestants.PEERS:
            if name in only:
                say(f"starting {name}")
                peers.append(Score(contestant=stack.enter_context(contestants.peer(name, python))))
        everybody = [ours, *peers]
        for score in everybody:
            score.contestant.measure(3, 1)
            score.contestant.measure(AT_ONCE, AT_ONCE)
        _count_transactions(everybody, -1, size)
        for number in range(size.rounds):
            say(f"round {number + 1} of {size.rounds} (the fixed loop takes {spins[-1]:.0f} ms)")
            for score in everybody:
                score.take_turn(size)
            floors.append(floor.step_ms(Run.objects.latest("created_at").pk, repeat=FLOOR_STEPS))
            spins.append(machine.spin_ms())
        _count_transactions(everybody, 1, size)
    found: dict[str, object] = {
        "machine.load_1m": load,
        "machine.spin_ms": median(spins),
        "machine.spin_worst_ms": max(spins),
    }
    found |= {f"countersign.{name}": value for name, value in ours.figures().items() if name != "versions"}
    found["countersign.floor_ms_per_step"] = median(floors)
    for peer in peers:
        name = peer.contestant.name
        found |= {f"peers.{name}.{figure}": value for figure, value in peer.figures().items()}
        found[f"ratio.{name}"] = _times_as_fast(ours.ms, peer.ms)
        found[f"ratio_{AT_ONCE}_at_once.{name}"] = _times_as_fast(ours.at_once_ms, peer.at_once_ms)
        found[f"ratio_cpu.{name}"] = _times_as_fast(ours.cpu_ms, peer.cpu_ms)
    return found


def _times_as_fast(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median over the rounds of the peer's time by ours."""
    return median(their / our for our, their in zip(ours, theirs, strict=True))


def _count_transactions(everybody: Sequence[Score], sign: int, size: Size) -> None:
    time.sleep(SETTLE_S)
    steps = size.rounds * (size.runs + size.runs_at_once) * TURNS
    for score in everybody:
        score.transactions_per_step += sign * contestants.transactions(score.contestant) / steps
