"""The OpenAI Agents SDK with its SQLAlchemy session: a conversation that is stored as it grows."""

import asyncio
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from openai import AsyncOpenAI
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.peers import workload
from benchmarks.peers.workload import Many

PACKAGES = ("openai-agents", "sqlalchemy", "asyncpg", "openai")


@contextmanager
def opened() -> Iterator[Many]:
    """Give the workload."""
    # By name: the type checker knows our own package `agents`.
    sdk: Any = importlib.import_module("agents")
    memory: Any = importlib.import_module("agents.extensions.memory")
    sdk.set_tracing_disabled(True)
    engine = create_async_engine(
        workload.DATABASE_URL.replace("postgresql://", "postgresql+asyncpg://"),
        pool_size=workload.MAX_AT_ONCE,
    )
    model = sdk.OpenAIChatCompletionsModel(model=workload.MODEL, openai_client=AsyncOpenAI())
    agent = sdk.Agent(name="peer", model=model, tools=[sdk.function_tool(workload.ping)])

    async def one() -> None:
        session = memory.SQLAlchemySession(workload.new_id(), engine=engine)
        result = await sdk.Runner.run(agent, workload.PROMPT, session=session, max_turns=workload.TURNS + 1)
        calls = sum(item.type == "tool_call_output_item" for item in result.new_items)
        workload.require(result.final_output, calls)

    async def create_tables() -> None:
        await memory.SQLAlchemySession("setup", engine=engine, create_tables=True).get_items()

    with asyncio.Runner() as runner:
        runner.run(create_tables())
        with workload.in_tasks(one, runner) as many:
            yield many
        runner.run(engine.dispose())
