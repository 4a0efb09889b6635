"""W1: runs of five model turns with one tool call each; every step is durable before the next."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from statistics import median

from django.conf import settings
from django.db import connection

from agents.llm import client
from agents.runs import operations
from agents.runs.advance import advance
from agents.runs.models import Run
from agents.tools.models import Tool
from benchmarks import fixtures, floor, machine, workers
from benchmarks.machine import Figures
from benchmarks.runs import STEPS, TURNS, queue_silently, require, wait_for
from tenants.kernel.context import tenant_context

ROUNDS = 3


def in_one_thread(runs: int) -> Figures:
    """Return the milliseconds of a step in one thread of this process, beside its model call and its floor."""
    times, cpu_times, floors, models = [], [], [], []
    for number in range(runs + warm_up(runs)):
        run = queue_silently(STEPS)
        with timed() as (wall, cpu):
            advance(run_id=str(run.pk))
        require(run, Run.Status.SUCCEEDED)
        if number >= warm_up(runs):
            times.append(wall[0] / TURNS)
            cpu_times.append(cpu[0] / TURNS)
            # In between, so that what slows the machine for a while slows all three.
            models.append(_model_ms() * (TURNS + 1) / TURNS)
            floors.append(floor.step_ms(run.pk, repeat=10))
    ms, model_ms = median(times), median(models)
    return {
        "w1.ms_per_step": ms,
        "w1.model_ms_per_step": model_ms,
        "w1.ms_per_step_beyond_model": ms - model_ms,
        "w1.floor_ms_per_step": median(floors),
        "w1.cpu_ms_per_step_one_thread": median(cpu_times),
    }


def through_workers(runs: int) -> Figures:
    """Return steps per second with one, two and three worker processes, and the CPU that a step takes."""
    alone, cpu = throughput(runs)
    found = {"w1.steps_per_s_1proc": alone, "w1.cpu_ms_per_step": cpu.pop("worker")}
    found |= {f"w1.cpu_ms_per_step_{part}": ms for part, ms in sorted(cpu.items())}
    for extra in (1, 2):
        with workers.more(extra):
            found[f"w1.steps_per_s_{extra + 1}proc"] = throughput(runs)[0]
    return found


def throughput(runs: int) -> tuple[float, Figures]:
    """Return the median steps per second of some rounds, and the CPU milliseconds per step of each part."""
    _work_off(2 * workers.THREADS)
    before = machine.cpu_ms()
    speeds = [runs * TURNS / _work_off(runs) for _ in range(ROUNDS)]
    steps = ROUNDS * runs * TURNS
    return median(speeds), {
        part: (ms - before.get(part, 0.0)) / steps for part, ms in machine.cpu_ms().items()
    }


def in_threads(runs: int, *, at_once: int) -> None:
    """Start `runs` runs and take them to their end in this process, so many at once, one thread each."""
    if at_once == 1:
        for _ in range(runs):
            _start_to_end()
        return
    with ThreadPoolExecutor(at_once) as pool:
        for running in [pool.submit(_in_tenant, runs // at_once) for _ in range(at_once)]:
            running.result()


def warm_up(runs: int) -> int:
    """Return how many runs go before the first that counts."""
    return max(2, runs // 10)


@contextmanager
def timed() -> Iterator[tuple[list[float], list[float]]]:
    """Give two lists that hold, after the block, its milliseconds and the CPU milliseconds of this process."""
    wall: list[float] = []
    cpu: list[float] = []
    started, cpu_started = time.perf_counter(), time.process_time()
    yield wall, cpu
    wall.append((time.perf_counter() - started) * 1000)
    cpu.append((time.process_time() - cpu_started) * 1000)


def _start_to_end() -> None:
    run = queue_silently(STEPS)
    advance(run_id=str(run.pk))
    require(run, Run.Status.SUCCEEDED)


def _in_tenant(runs: int) -> None:
    with tenant_context(fixtures.tenant()):
        for _ in range(runs):
            _start_to_end()
    connection.close()  # back to the pool: this thread ends


def _work_off(runs: int) -> float:
    """Ring for runs that are queued already; return the seconds until the last has ended."""
    queued = [queue_silently(STEPS) for _ in range(runs)]
    started = time.perf_counter()
    for run in queued:
        operations.ring(run)
    wait_for([run.pk for run in queued], Run.Status.SUCCEEDED)
    return time.perf_counter() - started


def _model_ms() -> float:
    function = {"name": "ping", "parameters": Tool.objects.get(name="ping").parameters}
    with timed() as (wall, _cpu):
        client.complete(
            model=settings.OPENAI_MODEL,
            messages=[{"role": "user", "content": STEPS}],
            tools=[{"type": "function", "function": function}],
            max_output_tokens=4096,
        )
    return wall[0]
