"""A whole stack of real processes on a database of its own: model, web, worker, beat."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg
import pytest

from launcher.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Where the stack answers, and its database."""

    port: int
    environment: dict[str, str]

    def url(self, tenant: str) -> str:
        """Return the address that a browser opens."""
        return f"http://{tenant}.localhost:{self.port}"

    def host(self, tenant: str) -> str:
        """Return the Host header of a tenant."""
        return f"{tenant}.localhost:{self.port}"

    def client(self, tenant: str, username: str | None = None) -> httpx.Client:
        """Return an API client of a tenant, signed in if a person is named."""
        client = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", headers={"Host": self.host(tenant)}, timeout=70
        )
        if username:
            login = {"username": username, "password": "demo"}
            answer = httpx.post(
                f"{client.base_url}/api/v1/auth/login", json=login, headers=client.headers, timeout=30
            )
            client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
        return client

    def rows(self, tenant: str, query: str, *parameters: Any) -> list[Any]:
        """Read a tenant's tables as their owner."""
        with psycopg.connect(self.environment["DATABASE_OWNER_URL"]) as connection:
            connection.execute(f"SET search_path = {tenant}")
            return connection.execute(query, parameters).fetchall()

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a management command against the stack's database."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )


def _redis_database(url: str, number: int) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{number}"))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """Start the stack once; tests make their own runs and share it."""
    from tests.conftest import clone_database, database_url, drop_database, owner_url

    name = clone_database("cs_stack")
    port, model_port = free_port(), free_port()
    environment = {
        **os.environ,
        "DATABASE_URL": database_url(name, os.environ["DATABASE_URL"]),
        "DATABASE_OWNER_URL": owner_url(name),
        "REDIS_URL": _redis_database(os.environ["REDIS_URL"], 5),
        "OPENAI_BASE_URL": f"http://127.0.0.1:{model_port}/v1",
        "OPENAI_API_KEY": "scripted",
        "OPENAI_MODEL": "scripted-stand-in",
        "PYTHONUNBUFFERED": "1",
    }
    logs = tmp_path_factory.mktemp("stack")
    celery = ["-m", "celery", "-A", "config"]
    commands = {
        "model": [*_scripted(model_port)],
        "web": ["-m", "uvicorn", "config.asgi:application", "--port", str(port), "--log-level", "warning"],
        "worker": [*celery, "worker", "-P", "threads", "-c", "4", "-l", "WARNING", "--without-mingle"],
        "beat": [*celery, "beat", "-s", str(logs / "schedule"), "-l", "WARNING"],
    }
    processes = []
    try:
        for part, command in commands.items():
            output = (logs / f"{part}.log").open("wb")
            processes.append(
                subprocess.Popen(
                    [sys.executable, *command],
                    cwd=ROOT,
                    env=environment,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            )
        running = Stack(port=port, environment=environment)
        _wait_until_ready(running, logs)
        yield running
        if request.session.testsfailed:
            sys.stderr.write(_tails(logs))
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait(timeout=30)
        drop_database(name)


def _scripted(port: int) -> list[str]:
    return ["-m", "agents.llm.scripted", "--port", str(port), "--scripts", "agents/demo/scripts"]


def _wait_until_ready(stack: Stack, logs: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    with stack.client("acme") as client:
        while time.monotonic() < deadline:
            try:
                if client.get("/health/ready").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
    raise RuntimeError(f"The stack did not become ready.\n{_tails(logs)}")


def _tails(logs: Path) -> str:
    return "\n".join(f"{log.name}:\n{log.read_text()[-4000:]}\n" for log in sorted(logs.glob("*.log")))


@pytest.fixture(scope="module")
def browser(stack: Stack) -> Iterator[Any]:
    """Headless Chromium. Closed with its file: its event loop stays on the thread, and Django minds."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield chromium
        chromium.close()


@pytest.fixture
def sign_in(stack: Any, browser: Any) -> Iterator[Callable[..., Any]]:
    """Return a function that opens a page of a tenant as a person, in a context of its own.

    The test fails if any page logged an error, such as a violation of the content security policy.
    """
    contexts, complaints = [], []

    def console(message: Any) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    def response(answer: Any) -> None:
        missing = answer.status >= 400 and answer.request.resource_type in {
            "script",
            "stylesheet",
            "image",
            "font",
        }
        if missing or answer.status >= 500:
            complaints.append(f"{answer.status} {answer.url}")

    def open_page(username: str, *, tenant: str = "acme", at: str = "/", **options: Any) -> Any:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", console)
        page.on("response", response)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{stack.url(tenant)}{at}")
        if page.locator("input[name=username]").count():  # not where a storage state says who it is
            page.fill("input[name=username]", username)
            page.fill("input[name=password]", "demo")
            page.locator("form:has(input[name=password]) button[type=submit]").click()
        page.wait_for_load_state()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
