"""The workloads. Medians and percentiles of what the platform does, on the stack it runs on."""

import http.client
import json
import os
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from agents.llm import client
from agents.runs import operations
from agents.runs.advance import advance
from agents.runs.models import Run, Step
from agents.tools import executor
from agents.tools.models import Tool
from benchmarks import fixtures, floor
from governance import gate
from governance.types import PolicyRequest, RunRef, UserRef
from hitl.reviews import operations as reviews
from hitl.reviews.models import Review
from hitl.reviews.types import Channel, DecisionVerb, Response
from tenants.kernel.context import tenant_context
from tenants.kernel.models import uuid7

TURNS = 5
PATIENCE_S = 120.0
Say = Callable[[str], None]


def everything(*, runs: int, say: Say) -> dict[str, float]:
    """Run every workload and return its figures by dotted name."""
    results: dict[str, float] = {}
    with tenant_context(fixtures.tenant()):
        say("w1: governed steps in one thread")
        results |= _w1_in_process(runs)
        say("w1: governed steps per second through workers")
        results |= _w1_through_workers(runs)
        say("gate: one decision")
        results |= _gate(runs * 10)
        say("w2: decision to tool started")
        results |= _w2(runs)
    say("api: authenticated reads and decisions")
    results |= _api(runs * 5)
    return results | _memory()


def percentile(values: list[float], share: float) -> float:
    """Return the value below which `share` of the values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _start(query: str) -> Run:
    return operations.start(
        agent=fixtures.agent(),
        user=fixtures.user("oscar"),
        input={"query": query},
        trace_id=secrets.token_hex(16),
        now=timezone.now(),
    )


def _queued_silently(query: str) -> Run:
    """Queue a run without ringing: its doorbell callback is discarded with the list of callbacks."""
    with transaction.atomic():
        run = _start(query)
        connection.run_on_commit.clear()
    return run


def _w1_in_process(runs: int) -> dict[str, float]:
    times, model_times = [], []
    for _ in range(runs):
        run = _queued_silently(f"bench: {TURNS} steps")
        started = time.perf_counter()
        advance(run_id=str(run.pk))
        times.append((time.perf_counter() - started) * 1000 / TURNS)
        _require(run, Run.Status.SUCCEEDED)
    messages = [{"role": "user", "content": f"bench: {TURNS} steps"}]
    tools = [
        {
            "type": "function",
            "function": {"name": "ping", "parameters": Tool.objects.get(name="ping").parameters},
        }
    ]
    for _ in range(runs):
        started = time.perf_counter()
        client.complete(model=settings.OPENAI_MODEL, messages=messages, tools=tools)
        model_times.append((time.perf_counter() - started) * 1000)
    ms, model_ms = statistics.median(times), statistics.median(model_times)
    return {
        "w1.ms_per_step": ms,
        "w1.model_ms_per_step": model_ms * (TURNS + 1) / TURNS,
        "w1.ms_per_step_beyond_model": ms - model_ms * (TURNS + 1) / TURNS,
        "w1.floor_ms_per_step": floor.step_ms(run.pk, repeat=runs * 5),
    }


def _require(run: Run, status: str) -> None:
    run.refresh_from_db()
    if run.status != status:
        raise SystemExit(f"Benchmark run ended as {run.status}: {run.error}")


def _w1_through_workers(runs: int) -> dict[str, float]:
    one = _throughput(runs * 2)
    with _second_worker():
        two = _throughput(runs * 2)
    return {"w1.steps_per_s_1proc": one, "w1.steps_per_s_2proc": two}


def _throughput(runs: int) -> float:
    _wait_for([_start(f"bench: {TURNS} steps").pk for _ in range(4)], Run.Status.SUCCEEDED)
    started = time.perf_counter()
    _wait_for([_start(f"bench: {TURNS} steps").pk for _ in range(runs)], Run.Status.SUCCEEDED)
    return runs * TURNS / (time.perf_counter() - started)


def _wait_for(ids: list[Any], status: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while Run.objects.filter(pk__in=ids).exclude(status=status).exists():
        if time.monotonic() > deadline:
            raise SystemExit(f"Benchmark runs did not become {status} within {PATIENCE_S:.0f} s.")
        time.sleep(0.01)


@contextmanager
def _second_worker() -> Iterator[None]:
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "config",
        "worker",
        "-P",
        "threads",
        "-c",
        "8",
        "-l",
        "ERROR",
    ]
    worker = subprocess.Popen(
        [*command, "-n", "second@%h", "--without-mingle", "--without-gossip"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        time.sleep(5)
        yield
    finally:
        worker.terminate()
        worker.wait(timeout=20)


def _gate(repeat: int) -> dict[str, float]:
    run = _queued_silently("bench: 1 steps")
    agent, user = fixtures.agent(), fixtures.user("oscar")
    tool = Tool.objects.get(name="ping")
    times = []
    for n in range(repeat):
        request = PolicyRequest(
            tenant=fixtures.SCHEMA,
            user=UserRef(id=user.pk, name=user.username),
            agent=agent.ref(),
            tool=tool.ref(),
            arguments={"n": n},
            run=RunRef(run_id=str(run.pk), step_id=str(uuid7()), trace_id=run.trace_id),
        )
        started = time.perf_counter()
        with transaction.atomic():
            decision = gate.authorize(request, now=timezone.now())
        times.append((time.perf_counter() - started) * 1000)
        executor.claim(decision, idempotency_key="bench", now=timezone.now())
    Run.objects.filter(pk=run.pk).update(status=Run.Status.CANCELLED)
    return {"gate.ms": statistics.median(times), "gate.floor_ms": floor.gate_ms(run.pk, repeat=repeat)}


def _waiting_reviews(count: int) -> list[Review]:
    ids = [_start("bench: one approved call").pk for _ in range(count)]
    _wait_for(ids, Run.Status.WAITING)
    return list(Review.objects.filter(run_id__in=ids, status=Review.Status.PENDING))


def _w2(count: int) -> dict[str, float]:
    bob = fixtures.user("bob")
    delays = []
    for review in _waiting_reviews(count):
        response = Response(verb=DecisionVerb.APPROVE, channel=Channel.API)
        reviews.respond(review_id=review.pk, reviewer=bob, response=response, now=timezone.now())
        committed = time.time()
        _wait_for([review.run_id], Run.Status.SUCCEEDED)
        step = Step.objects.get(pk=review.step_id)
        delays.append(((step.result or {})["content"]["started_at"] - committed) * 1000)
    return {"w2.p50_ms": statistics.median(delays), "w2.p95_ms": percentile(delays, 0.95)}


def _api(repeat: int) -> dict[str, float]:
    web = http.client.HTTPConnection("127.0.0.1", int(os.environ["PORT"]), timeout=30)
    host = f"{fixtures.SCHEMA}.{settings.PLATFORM_HOST}"

    def call(method: str, path: str, token: str = "", body: Any = None) -> tuple[float, Any]:
        headers = {"Host": host, "Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        started = time.perf_counter()
        web.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = web.getresponse()
        data = response.read()
        elapsed = (time.perf_counter() - started) * 1000
        if response.status >= 400:
            raise SystemExit(f"{method} {path}: {response.status} {data[:300]!r}")
        return elapsed, json.loads(data)

    login = {"password": "demo"}
    oscar = call("POST", "/api/v1/auth/login", body={"username": "oscar", **login})[1]["token"]
    bob = call("POST", "/api/v1/auth/login", body={"username": "bob", **login})[1]["token"]
    with tenant_context(fixtures.tenant()):
        waiting = _waiting_reviews(20)
    run_path = f"/api/v1/runs/{waiting[0].run_id}"
    reads = [call("GET", run_path, oscar)[0] for _ in range(repeat)]
    decided = [
        call("POST", f"/api/v1/hitl/queue/{review.pk}/respond", bob, {"decision": "approve"})[0]
        for review in waiting
    ]
    with tenant_context(fixtures.tenant()):
        _wait_for([review.run_id for review in waiting], Run.Status.SUCCEEDED)
    return {
        "api.read_p50_ms": statistics.median(reads),
        "api.read_p95_ms": percentile(reads, 0.95),
        "api.decide_p95_ms": percentile(decided, 0.95),
    }


def _memory() -> dict[str, float]:
    """Return each part's memory in MB, children included.

    The peak of the resident set; for PostgreSQL, whose processes share most of theirs, the sum of
    the proportional sets at the end.
    """
    found: dict[str, float] = {}
    processes = json.loads((Path(os.environ["COUNTERSIGN_STATE"]) / "processes.json").read_text())
    for name, pid in _named(processes):
        used = _proportional_mb(pid) if name == "postgres" else _peak_mb(pid)
        found[f"rss_mb.{name}"] = found.get(f"rss_mb.{name}", 0.0) + used
    return found


def _named(processes: Any) -> Iterator[tuple[str, int]]:
    names = {"valkey": "redis"}
    for process in processes:
        name = names.get(process["name"], process["name"])
        if name in {"web", "worker", "beat", "postgres", "redis"}:
            for pid in [process["pid"], *_children(process["pid"])]:
                yield name, pid


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []


def _proportional_mb(pid: int) -> float:
    return _kilobytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss") / 1024


def _peak_mb(pid: int) -> float:
    return _kilobytes(Path(f"/proc/{pid}/status"), "VmHWM") / 1024


def _kilobytes(path: Path, name: str) -> int:
    lines = path.read_text().splitlines() if path.exists() else []
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)
