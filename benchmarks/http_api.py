"""The API over HTTP: authenticated reads of a run, and approvals."""

import http.client
import json
import os
import time
from statistics import median
from typing import Any

from django.conf import settings

from agents.runs.models import Run
from benchmarks import fixtures
from benchmarks.machine import Figures
from benchmarks.runs import percentile, wait_for, waiting_reviews

APPROVALS = 20


def reads_and_decisions(repeat: int) -> Figures:
    """Return the milliseconds of reads and of approvals, one after another on one connection."""
    waiting = waiting_reviews(APPROVALS)
    oscar = Client("oscar")
    run_path = f"/api/v1/runs/{waiting[0].run_id}"
    reads = [oscar.call("GET", run_path)[0] for _ in range(repeat)]
    bob = Client("bob")  # only now: the server closes a connection that is idle for 5 s
    decided = [
        bob.call("POST", f"/api/v1/hitl/queue/{review.pk}/respond", {"decision": "approve"})[0]
        for review in waiting
    ]
    wait_for([review.run_id for review in waiting], Run.Status.SUCCEEDED)
    return {
        "api.read_p50_ms": median(reads),
        "api.read_p95_ms": percentile(reads, 0.95),
        "api.decide_p95_ms": percentile(decided, 0.95),
    }


class Client:
    """A signed-in person of the benchmark's tenant, on one kept connection."""

    def __init__(self, username: str) -> None:
        self.web = http.client.HTTPConnection("127.0.0.1", int(os.environ["PORT"]), timeout=30)
        self.headers = {
            "Host": f"{fixtures.SCHEMA}.{settings.PLATFORM_HOST}",
            "Content-Type": "application/json",
        }
        token = self.call("POST", "/api/v1/auth/login", {"username": username, "password": "demo"})[1][
            "token"
        ]
        self.headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str, body: Any = None) -> tuple[float, Any]:
        """Return the milliseconds that the call took, and its answer."""
        started = time.perf_counter()
        self.web.request(method, path, json.dumps(body) if body is not None else None, self.headers)
        response = self.web.getresponse()
        data = response.read()
        elapsed = (time.perf_counter() - started) * 1000
        if response.status >= 400:
            raise SystemExit(f"{method} {path}: {response.status} {data[:300]!r}")
        return elapsed, json.loads(data)
