"""MCP servers on loopback: the SDK's own, and one that says exactly what a test wrote down."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer

from tests.tenants.sinks import Target, answer, listening

VERSION = "2025-11-25"
Reply = Callable[[Any, dict[str, Any]], None]


def tool(name: str = "echo", **more: Any) -> dict[str, Any]:
    """Return a declaration."""
    schema = {"type": "object", "properties": {"text": {"type": "string"}}}
    return {"name": name, "description": f"The tool {name}.", "inputSchema": schema, **more}


class Scripted:
    """A server of the handshake era that lists `tools` and answers calls with `on_call`."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.tools: Any = [tool()]
        self.on_call: Reply = lambda handler, message: result(handler, message, text("done"))
        self.on_list: Reply | None = None
        self.called: list[dict[str, Any]] = []
        self.methods: list[str] = []
        target.reply = self._reply

    @property
    def url(self) -> str:
        """Return its endpoint."""
        return f"{self.target.url}/mcp"

    def _reply(self, handler: Any) -> None:
        seen = self.target.seen[-1]
        if seen["method"] != "POST":
            answer(handler, 405, b"")
            return
        message = json.loads(seen["body"])
        method = str(message.get("method"))
        self.methods.append(method)
        match method:
            case "initialize":
                info = {"name": "scripted", "version": "1"}
                said = {"protocolVersion": VERSION, "capabilities": {"tools": {}}, "serverInfo": info}
                result(handler, message, said)
            case "tools/list" if self.on_list is not None:
                self.on_list(handler, message)
            case "tools/list":
                result(handler, message, {"tools": self.tools})
            case "tools/call":
                self.called.append({**message, "headers": seen["headers"]})
                self.on_call(handler, message)
            case _ if "id" not in message:
                answer(handler, 202, b"")
            case _:
                fault(handler, message, -32601, "Method not found")


def text(said: str, **more: Any) -> dict[str, Any]:
    """Return the result of a call in words."""
    return {"content": [{"type": "text", "text": said}], **more}


def result(handler: Any, message: dict[str, Any], said: Any) -> None:
    """Answer a request."""
    answer(handler, 200, json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": said}).encode())


def fault(handler: Any, message: dict[str, Any], code: int, said: str) -> None:
    """Answer a request with an error."""
    error = {"code": code, "message": said}
    answer(handler, 200, json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": error}).encode())


@contextmanager
def scripted() -> Iterator[Scripted]:
    """Serve a scripted server."""
    with listening() as target:
        yield Scripted(target)


@contextmanager
def genuine(server: MCPServer) -> Iterator[str]:
    """Serve a server of the SDK over streamable HTTP; give its URL."""
    config = uvicorn.Config(server.streamable_http_app(), host="127.0.0.1", port=0, log_level="error")
    web = uvicorn.Server(config)
    thread = threading.Thread(target=web.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not web.started and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{web.servers[0].sockets[0].getsockname()[1]}/mcp"
    finally:
        web.should_exit = True
        thread.join(timeout=10)
