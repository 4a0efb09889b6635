"""The gate: one recorded decision."""

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
from governance import gate
from governance.types import PolicyRequest, RunRef, UserRef
from tenants.kernel.models import uuid7


def one_decision(repeat: int) -> Figures:
    """Return the milliseconds of one decision of the gate, and of its rows in bare SQL."""
    run = queue_silently("bench: 1 steps")
    agent, user = fixtures.agent(), fixtures.user("oscar")
    tool = Tool.objects.get(name="ping")
    times = []
    for number in range(repeat):
        request = PolicyRequest(
            tenant=fixtures.SCHEMA,
            user=UserRef(id=user.pk, name=user.username),
            agent=agent.ref(),
            tool=tool.ref(),
            arguments={"n": number},
            run=RunRef(run_id=str(run.pk), step_id=str(uuid7()), trace_id=run.trace_id),
        )
        started = time.perf_counter()
        with transaction.atomic():
            decision = gate.authorize(request, now=timezone.now())
        times.append((time.perf_counter() - started) * 1000)
        executor.claim(decision, idempotency_key="bench", now=timezone.now())
    Run.objects.filter(pk=run.pk).update(status=Run.Status.CANCELLED)
    return {
        "gate.ms": median(times[repeat // 10 :]),
        "gate.floor_ms": floor.gate_ms(run.pk, repeat=repeat),
    }
