"""What every peer does: five model turns with one call of a tool that does nothing, then an answer."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol
from uuid import uuid4

from openai import OpenAI

TURNS = 5
PROMPT = f"bench: {TURNS} steps"
ANSWER = "done"
MODEL = os.environ["OPENAI_MODEL"]
DATABASE_URL = os.environ["PEERS_DATABASE_URL"]
MAX_AT_ONCE = 8
PING: Any = {
    "type": "function",
    "function": {
        "name": "ping",
        "description": "Return the number.",
        "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
    },
}


class Many(Protocol):
    """Take `runs` runs from start to end, so many at once."""

    def __call__(self, runs: int, at_once: int) -> None: ...


def ping(n: int) -> dict[str, int]:
    """Return the number."""
    return {"pong": n}


def new_id() -> str:
    """Return an id for a run."""
    return str(uuid4())


def client() -> OpenAI:
    """Return a client of the scripted model; its address and key are in the environment."""
    return OpenAI()


def ask(model: OpenAI, messages: list[Any]) -> dict[str, Any]:
    """Return the model's next message as plain JSON."""
    reply = model.chat.completions.create(model=MODEL, messages=messages, tools=[PING])
    return reply.choices[0].message.model_dump(exclude_none=True)


def require(answer: Any, calls: int) -> None:
    """Raise unless the run did what W1 is."""
    if answer != ANSWER or calls != TURNS:
        raise RuntimeError(f"the run answered {answer!r} after {calls} calls")


@contextmanager
def in_threads(one: Callable[[], None]) -> Iterator[Many]:
    """Give a way to do a run many times, each in a thread."""
    with ThreadPoolExecutor(MAX_AT_ONCE) as pool:

        def many(runs: int, at_once: int) -> None:
            if at_once == 1:
                for _ in range(runs):
                    one()
                return
            for running in [pool.submit(_share, one, runs // at_once) for _ in range(at_once)]:
                running.result()

        yield many


@contextmanager
def in_tasks(one: Callable[[], Awaitable[None]], runner: asyncio.Runner) -> Iterator[Many]:
    """Give a way to do a run many times, each in a task of one event loop."""

    async def share(runs: int) -> None:
        for _ in range(runs):
            await one()

    async def all_of(runs: int, at_once: int) -> None:
        await asyncio.gather(*(share(runs // at_once) for _ in range(at_once)))

    yield lambda runs, at_once: runner.run(all_of(runs, at_once))


def _share(one: Callable[[], None], runs: int) -> None:
    for _ in range(runs):
        one()
