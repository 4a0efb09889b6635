"""The floor: the journal alone, with replies from a list instead of a model."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.peers import journal
from benchmarks.peers.workload import ANSWER, TURNS, Many

PACKAGES = ("psycopg",)


@contextmanager
def opened() -> Iterator[Many]:
    """Give the workload."""
    with journal.opened(_reply) as many:
        yield many


def _reply(messages: list[Any]) -> dict[str, Any]:
    turn = len(messages) // 2
    if turn == TURNS:
        return {"role": "assistant", "content": ANSWER}
    function = {"name": "ping", "arguments": f'{{"n": {turn}}}'}
    return {
        "role": "assistant",
        "tool_calls": [{"id": f"call_{turn}", "type": "function", "function": function}],
    }
