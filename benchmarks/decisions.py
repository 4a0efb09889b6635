"""The gate: one recorded decision, and how many two processes record a second."""

import multiprocessing
import time
from statistics import median
from typing import Any, cast

from django.db import connection, transaction
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
    """Return how many durable, audited decisions a second two processes record together."""
    request = _request(run)
    connection.close()
    cast(Any, connection).close_pool()  # its threads do not survive a fork
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_decide_many, args=(request, repeat)) for _ in range(PROCESSES)]
    started = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    seconds = time.perf_counter() - started
    if any(worker.exitcode for worker in workers):
        raise RuntimeError("A process that records decisions failed.")
    return PROCESSES * repeat / seconds


def _decide_many(request: PolicyRequest, repeat: int) -> None:
    with tenant_context(schema_tenant(fixtures.SCHEMA)):
        for number in range(repeat):
            _decide(request.with_arguments({"n": number}))
    connection.close()
