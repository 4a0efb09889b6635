"""The world outside: an HTTP server that appends one line an effect to a file and syncs it to disk.

It counts effects independently of the platform and its database, and it never fails. A little random
delay before and after each line gives a kill the chance to fall into the window of a call.
"""

import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

IDEMPOTENT = "ledger_put"
NON_IDEMPOTENT = ("ledger_add", "ledger_pay")
APPROVED = "ledger_pay"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One effect: which tool did it, for which call (`job`, `n`) of which run, under which key."""

    tool: str
    job: int
    n: int
    run: str
    key: str
    at: float

    @property
    def call(self) -> tuple[str, int, int]:
        """Return what the model asked for, whoever carried it out and however often."""
        return self.tool, self.job, self.n


class Ledger:
    """The lines, in memory and in the file. While `open` is cleared, what must not be repeated waits."""

    def __init__(self, file: Path, *, delay_s: float, seed: int) -> None:
        self.lines: list[Line] = []
        self._of_job: dict[int, list[Line]] = {}
        self.open = threading.Event()
        self.open.set()
        self.delay_s = delay_s
        self._random = random.Random(seed)  # noqa: S311  # delays, not secrets
        self._lock = threading.Lock()
        self._file = file.open("ab")
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.ledger = self
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Return where the tools find it."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._file.close()

    def write(self, body: Mapping[str, Any]) -> int:
        """Append a line and sync it; an idempotent one whose key is known is answered, not written."""
        self._wait()
        if body["tool"] in NON_IDEMPOTENT:
            self.open.wait()
        line = Line(**body, at=time.time())
        with self._lock:
            known = line.tool == IDEMPOTENT and any(other.key == line.key for other in self.of_job(line.job))
            if not known:
                self._file.write(json.dumps(asdict(line)).encode() + b"\n")
                self._file.flush()
                os.fsync(self._file.fileno())
                self.lines.append(line)
                self._of_job.setdefault(line.job, []).append(line)
            number = len(self.lines)
        self._wait()
        return number

    def of_job(self, job: int) -> list[Line]:
        """Return the lines about a job."""
        return list(self._of_job.get(job, ()))

    def has(self, tool: str, job: int, n: int) -> bool:
        """Tell whether a call took effect: what a person finds who looks."""
        return any(line.call == (tool, job, n) for line in self.of_job(job))

    def _wait(self) -> None:
        time.sleep(self._random.random() * self.delay_s)


def duplicates(lines: list[Line]) -> list[str]:
    """Return the calls that took effect more than once.

    A call that must not be repeated has one line. One that may be repeated has one key, so that its
    target can tell that it is the same call.
    """
    once = Counter(line.call for line in lines if line.tool in NON_IDEMPOTENT)
    found = [
        f"{tool} of job {job}, call {n}: {count} effects"
        for (tool, job, n), count in once.items()
        if count > 1
    ]
    keys: dict[tuple[str, int, int], set[str]] = {}
    for line in lines:
        if line.tool == IDEMPOTENT:
            keys.setdefault(line.call, set()).add(line.key)
    found += [f"{call}: {len(seen)} keys" for call, seen in keys.items() if len(seen) > 1]
    return found


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    ledger: Ledger

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of callers that were killed."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:  # http.server's name
        job = int(self.path.rpartition("/")[2])
        self._answer({"job": job, "lines": len(self.server.ledger.of_job(job))})

    def do_POST(self) -> None:  # http.server's name
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer({"line": self.server.ledger.write(body)})

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""

    def _answer(self, body: Mapping[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
