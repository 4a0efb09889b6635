from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest

from launcher import smoke
from launcher.application import is_ready
from launcher.errors import LauncherError

FINISHED = "2026-01-01T00:00:01Z"
RUN: dict[str, Any] = {
    "id": "run-1",
    "agent": "agent-2",
    "status": "queued",
    "output": None,
    "finished_at": FINISHED,
}
REVIEW = {"id": "review-1", "run": "run-1", "tool": "refund", "arguments": {"amount": "25.00"}, "version": 3}


class Api(BaseHTTPRequestHandler):
    """Just enough of the API to tell whether smoke drives it as agreed."""

    server: ThreadingHTTPServer
    status: ClassVar[str]
    outcome: ClassVar[str]
    seen: ClassVar[list[tuple[str, str, Any]]]

    def do_GET(self) -> None:
        path = urlsplit(self.path)
        match path.path, path.query:
            case "/health/ready", _:
                self._answer(200 if self.headers["Host"] == "localhost" else 404, {})
            case "/api/v1/agents", "":
                following = f"http://acme.localhost:{self.server.server_port}/api/v1/agents?cursor=2"
                self._answer(200, {"next": following, "results": [{"id": "agent-1", "blueprint": "support"}]})
            case "/api/v1/agents", "cursor=2":
                agent = {"id": "agent-2", "blueprint": "assistant", "name": "Assistant"}
                self._answer(200, {"next": None, "results": [agent]})
            case "/api/v1/runs/run-1", _:
                self._answer(200, RUN | {"status": self.status, "output": {"answer": "Refunded."}})
                if self.status == "queued":
                    Api.status = "waiting"
            case "/api/v1/hitl/queue", "status=pending":
                self._answer(200, {"next": None, "results": [{**REVIEW, "run": "run-0"}, REVIEW]})
            case "/api/v1/governance/audit", "run=run-1":
                self._answer(200, {"next": None, "results": [{}, {}]})
            case "/api/v1/governance/audit/checkpoints", "":
                self._answer(200, {"next": None, "results": [{"size": 9, "at": "2026-01-01T00:00:02Z"}]})
            case _:
                self._answer(404, {"title": "Not found"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        user = (self.headers["Authorization"] or "").removeprefix("Bearer ")
        Api.seen.append((user, self.path, body))
        match self.path:
            case "/api/v1/auth/login":
                self._answer(200, {"token": body["username"]})
            case "/api/v1/agents/agent-2/execute":
                self._answer(202, RUN)
            case "/api/v1/hitl/queue/review-1/respond":
                Api.status = self.outcome
                self._answer(200, REVIEW)

    def _answer(self, status: int, body: object) -> None:
        right_host = self.headers["Host"] in (f"acme.localhost:{self.server.server_port}", "localhost")
        self.send_response(status if right_host else 421)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    Api.status, Api.outcome, Api.seen = "queued", "succeeded", []
    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


class TestDrive:
    def test_goes_from_request_to_audit(self, port: int) -> None:
        steps: list[str] = []
        smoke.drive(port, steps.append)
        assert steps == [
            "alice is logged in at acme",
            "the agent is Assistant",
            "run run-1 waits for a person",
            "bob is logged in at acme",
            'review review-1 asks about refund {"amount": "25.00"}',
            "bob approved it",
            "the run succeeded: Refunded.",
            "the audit trail holds 2 events about it",
            "a signed checkpoint covers them",
        ]
        assert [entry for entry in Api.seen if not entry[1].endswith("login")] == [
            ("alice", "/api/v1/agents/agent-2/execute", {"input": {"query": smoke.QUERY}, "wait_s": 20}),
            ("bob", "/api/v1/hitl/queue/review-1/respond", {"decision": "approve", "version": 3}),
        ]

    def test_stops_at_a_run_that_fails(self, port: int) -> None:
        Api.outcome = "failed"
        with pytest.raises(LauncherError, match="run run-1 failed instead of succeeded"):
            smoke.drive(port, lambda _: None)

    def test_shows_what_the_server_said(self, port: int) -> None:
        with pytest.raises(LauncherError, match="GET /api/v1/nothing was answered with 404") as caught:
            smoke.Client(port=port).call("GET", "/api/v1/nothing")
        assert "Not found" in caught.value.tail


class TestIsReady:
    def test_asks_the_platform_host(self, port: int) -> None:
        assert is_ready(port)

    def test_is_false_when_nobody_listens(self) -> None:
        from launcher.ports import free_port

        assert not is_ready(free_port())
