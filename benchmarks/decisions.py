"""The gate: one recorded decision, and how many two processes record a second."""

import subprocess
import sys
import time
from statistics import median

from django.db import transaction
from django.utils import timezone

from agents.runs.models import Run
from agents.tools import executor
from agents.tools.models import Tool
from benchmarks import fixtures, floor
from benchmarks.machine import Figures
from benchmarks.runs import queue_silently
from governance import gate, standing
from governance.types import Decision, PolicyRequest, RunRef, UserRef
from tenants.kernel import writes
from tenants.kernel.context import schema_tenant, tenant_context
from tenants.kernel.models import uuid7

PROCESSES = 2
READY_S = 8.0
WARM_UP = 20


def one_decision(repeat: int) -> Figures:
    """Return the milliseconds of one decision of the gate, and of what it reads and writes in bare SQL."""
    run = queue_silently("bench: 1 steps")
    request = _request(run)
    times = []
    for number in range(repeat):
        asked = request.with_arguments({"n": number})
        started = time.perf_counter()
        decision = _decide(asked)
        times.append((time.perf_counter() - started) * 1000)
        executor.claim(decision, idempotency_key="bench", now=timezone.now())
    floor_ms = floor.gate_ms(run.pk, standing=standing.statement(request), repeat=repeat)
    per_s = _per_second(run, repeat)
    Run.objects.filter(pk=run.pk).update(status=Run.Status.CANCELLED)
    return {
        "gate.ms": median(times[repeat // 10 :]),
        "gate.floor_ms": floor_ms,
        "gate.decisions_per_s": per_s,
    }


def _request(run: Run) -> PolicyRequest:
    user = fixtures.user("oscar")
    return PolicyRequest(
        tenant=fixtures.SCHEMA,
        user=UserRef(id=user.pk, name=user.username),
        agent=fixtures.agent().ref(),
        tool=Tool.objects.get(name="ping").ref(),
        arguments={"n": 0},
        run=RunRef(run_id=str(run.pk), step_id=str(uuid7()), trace_id=run.trace_id),
    )


def _decide(request: PolicyRequest) -> Decision:
    """Decide as a worker does: one transaction, its rows sent together."""
    with transaction.atomic(), writes.batched():
        return gate.authorize(request, now=timezone.now())


def _per_second(run: Run, repeat: int) -> float:
    """Return how many durable, audited decisions a second two processes record together.

    Each process gets ready first, and all begin at one moment.
    """
    start = time.time() + READY_S
    command = [sys.executable, "-m", "benchmarks.deciding", str(run.pk), str(repeat), str(start)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)]
    seconds = [float(worker.communicate()[0]) for worker in workers]
    if any(worker.returncode for worker in workers):
        raise RuntimeError("A process that records decisions failed.")
    return PROCESSES * repeat / max(seconds)


def decide_many(run_id: str, repeat: str, start: str) -> None:
    """Record decisions about a run from the moment on, and print how many seconds that took."""
    with tenant_context(schema_tenant(fixtures.SCHEMA)):
        request = _request(Run.objects.get(pk=run_id))
        for number in range(WARM_UP):
            _decide(request.with_arguments({"n": number}))
        time.sleep(max(0.0, float(start) - time.time()))
        began = time.perf_counter()
        for number in range(int(repeat)):
            _decide(request.with_arguments({"n": number}))
        print(time.perf_counter() - began)
