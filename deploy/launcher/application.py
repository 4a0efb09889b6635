"""The product itself on top of its stores: install, seed, model, web, worker, beat."""

from __future__ import annotations

import http.client
from http import HTTPStatus

from launcher.console import step
from launcher.ports import LOOPBACK
from launcher.processes import Child
from launcher.stack import READY_S, Stack

WORKER_THREADS = 8


def start(stack: Stack) -> None:
    """Start everything and wait until the web server says that it is ready."""
    prepare(stack)
    with step("Starting web, worker and beat"):
        web = _start_web(stack)
        start_worker(stack)
        schedule = str(stack.state.directory / "beat-schedule")
        stack.start_python("beat", (*_celery("beat", "-s", schedule), "-l", "WARNING"), marker="celery")
        stack.children.wait_until(lambda: is_ready(stack.port), child=web, timeout_s=READY_S)
    stack.publish()


def start_worker(stack: Stack) -> Child:
    """Start a worker; it boots while others go on."""
    worker = ("worker", "-P", "threads", "-c", str(WORKER_THREADS), "--without-mingle", "--without-gossip")
    return stack.start_python("worker", (*_celery(*worker), "-l", "WARNING"), marker="celery")


def prepare(stack: Stack) -> None:
    """Start the stores and the model, and make the demo tenants; neither web, worker nor beat."""
    stack.start_stores()
    stack.start_model()
    with step("Preparing the database and the demo tenants"):
        stack.run_python("install", "manage.py", "install", as_owner=True)
        stack.run_python("seed", "manage.py", "seed_demo", as_owner=True)


def welcome(port: int) -> str:
    """Return what the user of the demo needs to know."""
    return f"""
Countersign is running. Ctrl-C stops it; the data stays.

  Acme      http://acme.localhost:{port}/
  Globex    http://globex.localhost:{port}/
  Platform  http://localhost:{port}/admin/    root

  In both tenants: alice (owner), bob and rita (reviewers), oscar (operator), vera (viewer), audrey (auditor).
  Every password is demo.

Sign in as alice at http://acme.localhost:{port}/, ask for a refund; then approve it as bob.
"""


def is_ready(port: int) -> bool:
    """Ask the web server whether it and what it depends on are ready."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", "/health/ready", headers={"Host": "localhost"})
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _start_web(stack: Stack) -> Child:
    options = {"--host": LOOPBACK, "--port": str(stack.port), "--log-level": "warning"}
    options["--ws-per-message-deflate"] = "false"  # messages are tiny, and there is one for each open page
    words = [word for pair in options.items() for word in pair]
    # Without a time limit an open live page would hold up the stop for ever.
    arguments = ("-m", "uvicorn", "config.asgi:application", *words, "--timeout-graceful-shutdown", "3")
    return stack.start_python("web", arguments, marker="uvicorn")


def _celery(*arguments: str) -> tuple[str, ...]:
    return ("-m", "celery", "-A", "config", *arguments)
