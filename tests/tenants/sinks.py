"""Real listeners on loopback: one that counts who connects, and one that answers HTTP as told."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Target(ThreadingHTTPServer):
    """An HTTP server that notes each connection and request and answers with `reply`."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__((host, port), _Handler)
        self.connections = 0
        self.seen: list[dict[str, Any]] = []
        self.reply: Callable[[Any], None] = lambda handler: answer(handler, 200, b'{"ok": true}')

    @property
    def port(self) -> int:
        """Return the port it listens on."""
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """Return its URL without a path."""
        return f"http://{self.server_address[0]!s}:{self.port}"

    def get_request(self) -> Any:
        """Count the connection."""
        self.connections += 1
        return super().get_request()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Target

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        self.server.seen.append(
            {"method": self.command, "path": self.path, "headers": dict(self.headers), "body": body}
        )
        self.server.reply(self)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


def answer(handler: Any, status: int, body: bytes, **headers: str) -> None:
    """Answer in one piece; a header's `_` stands for `-`."""
    handler.send_response(status)
    given = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    for name, value in (given | {k.replace("_", "-"): v for k, v in headers.items()}).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def hang_up(handler: Any) -> None:
    """Close the connection without a word."""
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def trickle(handler: Any) -> None:
    """Send a byte at a time, for ever."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.end_headers()
    while True:
        handler.wfile.write(b" ")
        time.sleep(0.05)


def trickle_headers(handler: Any) -> None:
    """Never come to the end of the first header."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        handler.wfile.write(b"x")
        time.sleep(0.05)


def flood(handler: Any) -> None:
    """Send as much as is taken, for ever."""
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x" * 65536)


@contextmanager
def listening(host: str = "127.0.0.1", port: int = 0) -> Iterator[Target]:
    """Serve for the length of the block."""
    target = Target(host, port)
    thread = threading.Thread(target=target.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield target
    finally:
        target.shutdown()
        target.server_close()
        thread.join()
