"""DBOS: a workflow whose model turns and tool calls are steps, each recorded before the next."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dbos import DBOS

from benchmarks.peers import workload
from benchmarks.peers.workload import Many

PACKAGES = ("dbos", "sqlalchemy", "openai")


@contextmanager
def opened() -> Iterator[Many]:
    """Give the workload."""
    model = workload.client()
    DBOS(config={"name": "peers", "system_database_url": workload.DATABASE_URL, "log_level": "WARNING"})

    @DBOS.step()
    def turn(messages: list[Any]) -> dict[str, Any]:
        return workload.ask(model, messages)

    @DBOS.step()
    def ping(n: int) -> dict[str, int]:
        return workload.ping(n)

    @DBOS.workflow()
    def work(prompt: str) -> tuple[Any, int]:
        messages: list[Any] = [{"role": "user", "content": prompt}]
        calls = 0
        while (reply := turn(messages)).get("tool_calls"):
            messages.append(reply)
            for call in reply["tool_calls"]:
                result = ping(**json.loads(call["function"]["arguments"]))
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": json.dumps(result)})
                calls += 1
        return reply.get("content"), calls

    DBOS.launch()
    try:
        with workload.in_threads(lambda: workload.require(*work(workload.PROMPT))) as many:
            yield many
    finally:
        DBOS.destroy()
