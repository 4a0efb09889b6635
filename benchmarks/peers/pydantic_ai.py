"""Pydantic AI on DBOS: the agent's run is a workflow, its model requests and its tool are steps."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dbos import DBOS
from pydantic_ai import Agent
from pydantic_ai.durable_exec.dbos import DBOSDurability
from pydantic_ai.models.openai import OpenAIChatModel

from benchmarks.peers import workload
from benchmarks.peers.workload import Many

PACKAGES = ("pydantic-ai-slim", "dbos", "sqlalchemy", "openai")


@contextmanager
def opened() -> Iterator[Many]:
    """Give the workload."""
    DBOS(config={"name": "peers", "system_database_url": workload.DATABASE_URL, "log_level": "WARNING"})
    agent = Agent(OpenAIChatModel(workload.MODEL), name="peer", capabilities=[DBOSDurability()])

    @agent.tool_plain
    @DBOS.step()
    async def ping(n: int) -> dict[str, int]:
        """Return the number."""
        return workload.ping(n)

    @DBOS.workflow()
    async def work(prompt: str) -> tuple[Any, int]:
        result = await agent.run(prompt)
        return result.output, result.usage.tool_calls

    async def one() -> None:
        workload.require(*await work(workload.PROMPT))

    DBOS.launch()
    try:
        with asyncio.Runner() as runner, workload.in_tasks(one, runner) as many:
            yield many
    finally:
        DBOS.destroy()
