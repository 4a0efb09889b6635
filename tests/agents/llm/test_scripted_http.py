"""Talk plain HTTP to the server and its command: what no well-behaved client sends."""

import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from agents.llm.scripted.server import MAX_BODY, running

DEMO = Path(__file__).parents[3] / "agents" / "demo" / "scripts"
CHAT = "/v1/chat/completions"
HELLO = {"role": "user", "content": "hello"}


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    with running(DEMO) as url:
        parts = urlsplit(url)
        yield str(parts.hostname), int(parts.port or 0)


@pytest.fixture
def connection(address: tuple[str, int]) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(*address, timeout=20)
    yield connection
    connection.close()


def send(
    connection: http.client.HTTPConnection, method: str, path: str, body: object = None
) -> tuple[http.client.HTTPResponse, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
    connection.request(method, path, body=data)
    response = connection.getresponse()
    return response, json.loads(response.read() or "null")


class TestHealth:
    def test_counts_the_scripts(self, connection: http.client.HTTPConnection) -> None:
        response, body = send(connection, "GET", "/health?now")
        assert (response.status, body["status"]) == (200, "ok")
        assert body["scripts"] > 0


class TestText:
    def test_with_half_a_surrogate_pair_is_carried_through(
        self, connection: http.client.HTTPConnection
    ) -> None:
        content = "refund 25.00 for order A-1001 because \ud83d was there"
        tools = [{"function": {"name": name}} for name in ("lookup_order", "refund_order")]
        call = {"id": "c1", "function": {"name": "lookup_order", "arguments": "{}"}}
        messages = [
            {"role": "user", "content": content},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "{}"},
        ]
        response, body = send(connection, "POST", CHAT, {"messages": messages, "tools": tools})
        assert response.status == 200
        arguments = body["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
        assert json.loads(arguments)["reason"] == "\ud83d was there"


class TestErrors:
    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"{not json", None),
            (b"\xff\xfe", None),
            (b"[" * 100_000, None),
            ([], None),
            ({"model": "any"}, "missing_required_parameter"),
            ({"messages": []}, "empty_array"),
            ({"messages": "hello"}, "invalid_type"),
            ({"messages": ["hello"]}, "invalid_type"),
            ({"messages": [{"role": "robot", "content": "x"}]}, "invalid_value"),
            ({"messages": [{"role": "user", "content": 1}]}, "invalid_type"),
            ({"messages": [HELLO], "tools": [{}]}, "missing_required_parameter"),
            ({"messages": [HELLO], "n": 2}, "invalid_value"),
            ({"messages": [{"role": "assistant", "tool_calls": [{"id": "1"}]}]}, "invalid_value"),
        ],
    )
    def test_of_the_body_come_in_one_shape_and_leave_the_connection_open(
        self, connection: http.client.HTTPConnection, body: object, code: str | None
    ) -> None:
        response, problem = send(connection, "POST", CHAT, body)
        assert response.status == 400
        assert problem["error"].keys() == {"message", "type", "param", "code"}
        assert (problem["error"]["type"], problem["error"]["code"]) == ("invalid_request_error", code)
        assert send(connection, "GET", "/health")[0].status == 200

    @pytest.mark.parametrize(
        ("method", "path", "status", "code"),
        [
            ("POST", "/v1/embeddings", 404, "unknown_url"),
            ("GET", "/", 404, "unknown_url"),
            ("GET", CHAT, 405, "method_not_supported"),
            ("POST", "/health", 405, "method_not_supported"),
            ("DELETE", "/v1/models", 405, "method_not_supported"),
        ],
    )
    def test_of_the_address_come_in_the_same_shape(
        self, connection: http.client.HTTPConnection, method: str, path: str, status: int, code: str
    ) -> None:
        response, problem = send(connection, method, path, {})
        assert (response.status, problem["error"]["code"]) == (status, code)
        assert send(connection, "GET", "/health")[0].status == 200

    def test_a_wrong_method_is_told_the_right_one(self, connection: http.client.HTTPConnection) -> None:
        assert send(connection, "GET", CHAT)[0].headers["Allow"] == "POST"

    def test_a_head_request_gets_no_body(self, connection: http.client.HTTPConnection) -> None:
        response, body = send(connection, "HEAD", "/health")
        assert (response.status, body) == (405, None)
        assert send(connection, "GET", "/health")[0].status == 200

    def test_a_body_over_the_limit_is_refused(self, connection: http.client.HTTPConnection) -> None:
        response, problem = send(connection, "POST", CHAT, b" " * (MAX_BODY + 1))
        assert response.status == 413
        assert str(MAX_BODY) in problem["error"]["message"]
        assert response.headers["Connection"] == "close"

    @pytest.mark.parametrize(
        ("head", "status"),
        [
            (b"POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked", b" 411 "),
            (b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: many", b" 400 "),
            (b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: " + b"9" * 5000, b" 400 "),
            (b"BREW /health HTTP/1.1", b" 501 "),
            (b"NONSENSE", b'"error": {"message"'),
        ],
    )
    def test_of_a_bad_head_come_in_the_same_shape_and_close_the_connection(
        self, address: tuple[str, int], head: bytes, status: bytes
    ) -> None:
        with socket.create_connection(address, timeout=5) as raw:
            raw.sendall(head + b"\r\n\r\n")
            answer = b"".join(iter(lambda: raw.recv(65536), b""))
        assert status in answer
        assert b'"error": {"message"' in answer


class TestToolMessages:
    CALL = {
        "role": "assistant",
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "ping", "arguments": "{}"}}],
    }

    @pytest.mark.parametrize(
        ("messages", "complaint"),
        [
            ([{"role": "tool", "tool_call_id": "c1", "content": "x"}], "must answer one of the preceding"),
            ([CALL], "did not have response messages: c1"),
            ([CALL, {"role": "user", "content": "and?"}], "did not have response messages: c1"),
            (
                [CALL, {"role": "tool", "tool_call_id": "c2", "content": "x"}],
                "must answer one of the preceding",
            ),
        ],
    )
    def test_must_answer_the_calls_as_openai_demands(
        self, connection: http.client.HTTPConnection, messages: list[Any], complaint: str
    ) -> None:
        response, problem = send(connection, "POST", CHAT, {"messages": messages})
        assert response.status == 400
        assert complaint in problem["error"]["message"]


class TestCommand:
    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "agents.llm.scripted", *arguments]
        root = Path(__file__).parents[3]
        return subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_serves_on_a_free_port_until_it_is_told_to_stop(self, number: signal.Signals) -> None:
        with self.start("--port", "0", "--scripts", str(DEMO)) as process:
            assert process.stdout is not None
            listening, url = process.stdout.readline().split(" on ")
            assert listening == "listening"
            parts = urlsplit(url.strip())
            connection = http.client.HTTPConnection(str(parts.hostname), int(parts.port or 0), timeout=5)
            assert send(connection, "GET", "/health")[0].status == 200
            process.send_signal(number)
            assert process.wait(timeout=10) == 0
            connection.close()
            assert process.stderr is not None
            assert process.stderr.read() == ""

    def test_says_what_is_wrong_with_a_script(self, tmp_path: Path) -> None:
        (tmp_path / "bad.toml").write_text('[[script]]\nname = "bad"\n', encoding="utf-8")
        with self.start("--port", "0", "--scripts", str(tmp_path)) as process:
            _, errors = process.communicate(timeout=10)
        assert process.returncode == 2
        assert errors == "error: bad.toml: script 'bad'.when cannot be empty\n"

    def test_imports_no_django(self) -> None:
        program = (
            "import sys, agents.llm.scripted.__main__, agents.llm.scripted.rehearsal;"
            "print(sorted(name for name in sys.modules if name.partition('.')[0] in ('django', 'openai')))"
        )
        root = Path(__file__).parents[3]
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "[]"
