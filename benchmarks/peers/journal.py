"""The least that is durable: one row for each model reply and each tool result, each committed on its own."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from psycopg_pool import ConnectionPool

from benchmarks.peers import workload
from benchmarks.peers.workload import Many

TABLE = """
CREATE TABLE step (run uuid, number integer, kind text, body jsonb, at timestamptz, PRIMARY KEY (run, number))
"""
ROW = "INSERT INTO step (run, number, kind, body, at) VALUES (%s, %s, %s, %s, now())"


@contextmanager
def opened(ask: Callable[[list[Any]], dict[str, Any]]) -> Iterator[Many]:
    """Give the loop of an agent that writes such a journal; `ask` gives the model's next message."""
    with ConnectionPool(
        workload.DATABASE_URL, min_size=1, max_size=workload.MAX_AT_ONCE, kwargs={"autocommit": True}
    ) as pool:
        with pool.connection() as connection:
            connection.execute(TABLE)

        def write(run: str, number: int, kind: str, body: Any) -> None:
            with pool.connection() as connection:
                connection.execute(ROW, [run, number, kind, json.dumps(body)])

        def one() -> None:
            run, messages, calls = workload.new_id(), [{"role": "user", "content": workload.PROMPT}], 0
            while True:
                reply = ask(messages)
                messages.append(reply)
                write(run, len(messages), "model", reply)
                if not reply.get("tool_calls"):
                    break
                for call in reply["tool_calls"]:
                    result = workload.ping(**json.loads(call["function"]["arguments"]))
                    content = {"role": "tool", "tool_call_id": call["id"], "content": json.dumps(result)}
                    messages.append(content)
                    write(run, len(messages), "tool", content)
                    calls += 1
            workload.require(messages[-1].get("content"), calls)

        with workload.in_threads(one) as many:
            yield many
