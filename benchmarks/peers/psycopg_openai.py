"""The journal with the `openai` client: what is left of an agent without any framework."""

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.peers import journal, workload
from benchmarks.peers.workload import Many

PACKAGES = ("psycopg", "openai")


@contextmanager
def opened() -> Iterator[Many]:
    """Give the workload."""
    model = workload.client()
    with journal.opened(lambda messages: workload.ask(model, messages)) as many:
        yield many
