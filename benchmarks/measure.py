"""The workloads, by the name that `--only` knows them by."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from statistics import median

from benchmarks import (
    decisions,
    effects,
    fixtures,
    halt,
    http_api,
    live,
    machine,
    policies,
    queue_page,
    steps,
    timers,
    waiting,
)
from benchmarks.machine import Figures
from tenants.kernel.context import tenant_context

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much each workload does."""

    runs: int
    decisions: int
    effects: int
    reads: int
    halted: int
    waiting: int
    waiting_real: int
    timers: int
    queue: int
    queue_reads: int
    live_s: float


FULL = Size(
    runs=40,
    decisions=400,
    effects=200,
    reads=200,
    halted=200,
    waiting=10_000,
    waiting_real=200,
    timers=10_000,
    queue=5_000,
    queue_reads=60,
    live_s=20,
)
QUICK = Size(
    runs=8,
    decisions=100,
    effects=30,
    reads=50,
    halted=20,
    waiting=1_000,
    waiting_real=20,
    queue=5_000,
    queue_reads=20,
    live_s=5,
    timers=1_000,
)


def _w1(size: Size) -> Figures:
    return steps.in_one_thread(size.runs) | steps.through_workers(size.runs)


# In this order: memory is read before thousands of runs wait.
WORKLOADS: dict[str, tuple[str, Callable[[Size], Figures]]] = {
    "w1": ("governed steps", _w1),
    "gate": ("one decision of the gate", lambda size: decisions.one_decision(size.decisions)),
    "policy": ("a hundred rules", lambda size: policies.hundred_rules(size.decisions * 20)),
    "w2": ("decision to tool started", lambda size: effects.decision_to_effect(size.effects)),
    "api": ("reads and approvals over HTTP", lambda size: http_api.reads_and_decisions(size.reads)),
    "rss": (
        "memory",
        lambda _size: {f"rss_mb.{part}": mb for part, mb in machine.peak_rss_mb().items() if part != "model"},
    ),
    "halt": ("kill switch to the last effect", lambda size: halt.halt(size.halted)),
    "live": (
        "a change to the sockets of open pages",
        lambda size: live.live_updates(200, per_s=50, seconds=size.live_s),
    ),
    "queue": (
        "the queue page among reviews that wait",
        lambda size: queue_page.queue_page(size.queue, repeat=size.queue_reads),
    ),
    "waiting": (
        "runs that wait for people",
        lambda size: waiting.among_many(size.waiting, real=size.waiting_real),
    ),
    "timers": ("timers that are due at once", lambda size: timers.due_timers(size.timers)),
}


def everything(size: Size, *, only: Collection[str], say: Say) -> Figures:
    """Run the named workloads; return their figures by dotted name, and how the machine was meanwhile."""
    results: Figures = {"machine.load_1m": machine.load()}
    spins = [machine.spin_ms()]
    with tenant_context(fixtures.tenant()):
        fixtures.agent()
        for name, (title, measured) in WORKLOADS.items():
            if name in only:
                say(f"{name}: {title} (the fixed loop takes {spins[-1]:.0f} ms)")
                results |= measured(size)
                spins.append(machine.spin_ms())
    return results | {"machine.spin_ms": median(spins), "machine.spin_worst_ms": max(spins)}
