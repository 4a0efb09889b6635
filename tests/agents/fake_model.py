"""A model that answers what a test wrote down, over HTTP like any other."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Message = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """An answer that is none: a status with headers, one that comes after `after_s` seconds, or a cut."""

    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    after_s: float = 0.0
    cut: bool = False


Answer = Message | Fault | Callable[[], Message | Fault]


def text(content: str) -> Message:
    """Return an answer in words."""
    return {"role": "assistant", "content": content}


def calls(*proposed: tuple[str, Any], ids: tuple[str, ...] = ()) -> Message:
    """Return an answer that proposes calls; arguments that are no dict are sent as they are."""
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": ids[n] if ids else f"call_{n}",
                "type": "function",
                "function": {
                    "name": name,
                    "arguments": json.dumps(arguments) if isinstance(arguments, dict) else arguments,
                },
            }
            for n, (name, arguments) in enumerate(proposed)
        ],
    }


class FakeModel(ThreadingHTTPServer):
    """Give the answers in order, then the last one for ever; keep what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[Answer] = [text("Done.")]
        self.requests: list[dict[str, Any]] = []
        self.status = 200

    @property
    def url(self) -> str:
        """Return the base URL for OpenAI clients."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def script(self, *answers: Answer) -> None:
        """Start over with these answers; an answer that is a function is called when its turn comes."""
        self.answers, self.requests, self.status = list(answers), [], 200

    def next(self, request: dict[str, Any]) -> Message | Fault:
        """Return the next answer."""
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer() if callable(answer) else answer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536
    server: FakeModel

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        message = self.server.next(request)
        status, headers = self.server.status, {}
        if isinstance(message, Fault):
            time.sleep(message.after_s)
            if message.cut:
                self.close_connection = True
                return
            status, headers = message.status, dict(message.headers)
        body = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 0,
            "model": "fake",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        }
        if status != 200:
            body = {"error": {"message": "The model is out of order.", "type": "x"}}
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def running() -> Iterator[FakeModel]:
    """Serve from a thread."""
    server = FakeModel()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
