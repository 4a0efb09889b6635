"""Thousands of runs that wait for people: what they hold, and what they do to the others."""

import time
from statistics import median

from agents.runs import operations
from agents.runs.models import Run
from benchmarks import machine, workers
from benchmarks.copies import copy_waiting
from benchmarks.effects import effect_ms
from benchmarks.machine import Figures
from benchmarks.runs import STEPS, percentile, start, wait_for, waiting_reviews

IDLE_S = 10.0
OTHERS = 10


def among_many(total: int, *, real: int) -> Figures:
    """Let `total` runs wait, `real` of them made by the product and the rest copied; return what that costs.

    `worker_slots` counts the threads of workers that hold a run; `other_run_ms` is a run of five steps from start
    to end with all the others waiting, `approve_to_effect` is W2 among them, on runs that the product made;
    `cpu_ms_per_s` is what the stack uses with nothing else to do.
    """
    memory_before, alone_ms = machine.rss_mb(), _other_run_ms()
    reviews = waiting_reviews(real)
    copy_waiting(reviews[0], total - real)
    waiting = Run.objects.filter(status=Run.Status.WAITING).count()
    idle = _idle_cpu()
    slots = [name for names in workers.answering().values() for name in names if name == operations.ADVANCE]
    memory, among_ms = machine.rss_mb(), _other_run_ms()
    delays = [effect_ms(review) for review in reviews]
    return {
        "waiting.runs": waiting,
        "waiting.runs_not_copied": real,
        "waiting.worker_slots": len(slots),
        **{f"waiting.rss_mb.{part}": memory[part] for part in ("worker", "postgres")},
        **{f"waiting.rss_mb_before.{part}": memory_before[part] for part in ("worker", "postgres")},
        **{f"waiting.cpu_ms_per_s.{part}": idle[part] for part in ("worker", "beat", "postgres")},
        "waiting.other_run_before_ms": alone_ms,
        "waiting.other_run_ms": among_ms,
        "waiting.approve_to_effect_p50_ms": median(delays),
        "waiting.approve_to_effect_p95_ms": percentile(delays, 0.95),
    }


def _idle_cpu() -> Figures:
    before = machine.cpu_ms()
    time.sleep(IDLE_S)
    return {part: (ms - before.get(part, 0.0)) / IDLE_S for part, ms in machine.cpu_ms().items()}


def _other_run_ms() -> float:
    times = []
    for _ in range(OTHERS):
        run = start(STEPS)
        wait_for([run.pk], Run.Status.SUCCEEDED)
        run.refresh_from_db()
        assert run.finished_at is not None
        times.append((run.finished_at - run.created_at).total_seconds() * 1000)
    return median(times)
