"""Which faults, in which order. Pure: the same seed gives the same menu."""

import random
from collections.abc import Sequence
from enum import StrEnum


class Fault(StrEnum):
    """What is done to the stack. A failpoint is named `point:NAME`; the first three groups are kills."""

    KILL_WORKER = "kill -9 of a worker"
    KILL_WEB = "kill -9 of web"
    KILL_BEAT = "kill -9 of beat"
    STOP_WORKER = "SIGSTOP of a worker beyond its lease"
    FLUSH_VALKEY = "FLUSHALL"
    RESTART_VALKEY = "kill -9 of Valkey, and restart"
    RESTART_POSTGRES = "fast restart of PostgreSQL"
    CRASH_POSTGRES = "immediate restart of PostgreSQL"


POINT = "point:"
KILLS_PER_FAULT = {
    Fault.KILL_WEB: 50,
    Fault.KILL_BEAT: 50,
    Fault.STOP_WORKER: 25,
    Fault.FLUSH_VALKEY: 25,
    Fault.RESTART_VALKEY: 50,
    Fault.RESTART_POSTGRES: 50,
    Fault.CRASH_POSTGRES: 50,
}
"""One of these comes with so many kills."""


def is_kill(fault: str) -> bool:
    """Tell whether the fault ends a process of the fleet with SIGKILL."""
    return fault.startswith(POINT) or fault in {Fault.KILL_WORKER, Fault.KILL_WEB, Fault.KILL_BEAT}


def menu(*, kills: int, points: Sequence[str], seed: int) -> list[str]:
    """Return faults with so many kills: half at the points in turn, the rest at random moments."""
    shuffled = random.Random(seed)  # noqa: S311  # a reproducible order, not a secret
    at_points = [f"{POINT}{points[i % len(points)]}" for i in range(kills // 2)]
    others = [fault for fault, share in KILLS_PER_FAULT.items() for _ in range(max(1, kills // share))]
    rest = kills - len(at_points) - sum(is_kill(fault) for fault in others)
    faults = [*at_points, *others, *[Fault.KILL_WORKER] * max(0, rest)]
    shuffled.shuffle(faults)
    return [str(fault) for fault in faults]
