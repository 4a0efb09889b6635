"""Serve the scripted model over HTTP/1.1: /health, /v1/models, /v1/chat/completions."""

import json
import logging
import socketserver
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from agents.llm.scripted import loading, matching, wire
from agents.llm.scripted.scripts import Script
from agents.llm.scripted.types import Reply
from agents.llm.scripted.wire import ChatRequest, JsonObject, RequestError

MAX_BODY = 8 * 1024 * 1024
"""Bytes; a larger body is refused with 413."""
_MAX_DRAIN = 4 * MAX_BODY
_MAX_LENGTH_DIGITS = 15
_ROUTES = {"/health": "GET", "/v1/models": "GET", "/v1/chat/completions": "POST"}
_FAULT_CODES = {429: "rate_limit_exceeded", 401: "invalid_api_key", 404: "model_not_found"}

logger = logging.getLogger(__name__)


class ScriptedServer(ThreadingHTTPServer):
    """Listen on an address and hold the scripts; one daemon thread per connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], scripts: Sequence[Script]) -> None:
        self.scripts = tuple(scripts)
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        """Bind without the reverse name look-up of HTTPServer, which can take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    @property
    def url(self) -> str:
        """Return the base URL for clients, without the path."""
        return f"http://{self.server_name}:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Log what broke a connection, unless the client just went away."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            logger.exception("connection from %s failed", client_address)


class Handler(BaseHTTPRequestHandler):
    """Turn HTTP into a ChatRequest and a Reply into HTTP."""

    # Without these two a small answer waits some 40 ms for the client's delayed acknowledgement.
    disable_nagle_algorithm = True
    wbufsize = 65536
    protocol_version = "HTTP/1.1"
    server_version = "countersign-scripted"
    server: ScriptedServer

    def dispatch(self) -> None:
        """Answer one request of any method."""
        try:
            body = self._read_body()
            match self._route():
                case "/health":
                    self._send_json(200, {"status": "ok", "scripts": len(self.server.scripts)})
                case "/v1/models":
                    self._send_json(200, wire.models())
                case _:
                    self._chat(wire.parse_request(body))
        except RequestError as error:
            problem = wire.error_body(error.message, status=error.status, code=error.code)
            self._send_json(error.status, problem, error.headers)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = dispatch  # noqa: N815

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what the standard library refuses (a malformed request line, ...) in OpenAI's shape."""
        self.close_connection = True
        problem = message or explain or "The request is malformed."
        self._send_json(code, wire.error_body(problem, status=code, code=None))

    def log_message(self, format: str, *args: object) -> None:
        """Log requests at debug level instead of printing them."""
        logger.debug(format, *args)

    def _route(self) -> str:
        path = self.path.partition("?")[0]
        method = _ROUTES.get(path)
        if method is None:
            raise RequestError(f"Unknown request URL: {self.command} {path}.", status=404, code="unknown_url")
        if method != self.command:
            problem = f"Not allowed to {self.command} on {path} (HINT: use {method})."
            headers = {"Allow": method}
            raise RequestError(problem, status=405, code="method_not_supported", headers=headers)
        return path

    def _read_body(self) -> bytes:
        if "Transfer-Encoding" in self.headers:
            self.close_connection = True
            raise RequestError("Send the body with a Content-Length.", status=411)
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or len(length) > _MAX_LENGTH_DIGITS:
            self.close_connection = True
            raise RequestError("The Content-Length is not a number.")
        if int(length) > MAX_BODY:
            self._drain(int(length))
            raise RequestError(f"The request body is larger than {MAX_BODY} bytes.", status=413)
        return self.rfile.read(int(length))

    def _drain(self, length: int) -> None:
        """Read a refused body away: closing with unread data would reset the connection before the answer."""
        self.close_connection = True
        left = min(length, _MAX_DRAIN)
        while left > 0 and (piece := self.rfile.read(min(left, 65536))):
            left -= len(piece)

    def _chat(self, request: ChatRequest) -> None:
        reply = matching.reply(
            messages=request.messages, offered=request.offered, scripts=self.server.scripts
        )
        time.sleep(reply.fault.delay_ms / 1000)
        if reply.fault.status is not None:
            self._send_fault(reply.fault.status, reply.fault.retry_after_s)
        elif request.stream:
            self._send_stream(request, reply)
        else:
            self._send_json(200, wire.completion(request, reply), cut=reply.fault.cut)

    def _send_fault(self, status: int, retry_after_s: int | None) -> None:
        problem = f"The script answers with status {status}."
        headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
        body = wire.error_body(problem, status=status, code=_FAULT_CODES.get(status))
        self._send_json(status, body, headers)

    def _send_json(
        self, status: int, body: JsonObject, headers: dict[str, str] | None = None, *, cut: bool = False
    ) -> None:
        data = json.dumps(body).encode()
        self.close_connection = self.close_connection or cut
        self._send_head(
            status, {"Content-Type": "application/json", "Content-Length": str(len(data))}, headers
        )
        if self.command != "HEAD":
            self.wfile.write(data[: len(data) // 2] if cut else data)

    def _send_stream(self, request: ChatRequest, reply: Reply) -> None:
        events = [json.dumps(chunk) for chunk in wire.chunks(request, reply)] + ["[DONE]"]
        self._send_head(200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"})
        if reply.fault.cut:
            self.close_connection = True
            events = events[: len(events) // 2]
        for event in events:
            data = f"data: {event}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()
        if not reply.fault.cut:
            self.wfile.write(b"0\r\n\r\n")

    def _send_head(self, status: int, headers: dict[str, str], more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers | (more or {})).items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()


@contextmanager
def running(folder: Path, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve the scripts of a folder from a thread; yield the base URL for OpenAI clients (ends in /v1)."""
    server = ScriptedServer((host, port), loading.load_directory(folder))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"{server.url}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
