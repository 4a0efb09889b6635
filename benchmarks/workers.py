"""More worker processes, beside the one that the stack has."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from celery import current_app

THREADS = 8
READY_S = 60.0


@contextmanager
def more(count: int) -> Iterator[None]:
    """Run `count` more workers like the stack's, from when all of them answer until the end of the block."""
    before = len(answering())
    with ExitStack() as stack:
        for number in range(count):
            stack.enter_context(_worker(f"bench{number}"))
        deadline = time.monotonic() + READY_S
        while len(answering()) < before + count:
            if time.monotonic() > deadline:
                raise SystemExit(f"Not all of {count} more workers were ready within {READY_S:.0f} s.")
        yield


def answering() -> dict[str, list[str]]:
    """Return the names of the tasks that each worker works on right now."""
    active = current_app.control.inspect(timeout=1.0).active() or {}
    return {name: [task["name"] for task in tasks] for name, tasks in active.items()}


@contextmanager
def _worker(name: str) -> Iterator[None]:
    options = ("-P", "threads", "-c", str(THREADS), "-l", "ERROR", "--without-mingle", "--without-gossip")
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "config", "worker", "-n", f"{name}@%h", *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        worker.terminate()
        worker.wait(timeout=30)
