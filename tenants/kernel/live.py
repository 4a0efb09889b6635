"""Tell open pages what changed: a topic and an id, never content.

Publishing runs on one background event loop per process, so a slow or absent Redis delays no
request and no run. Changes that come in quick succession travel together. Messages may be lost:
pages read the database again when they reconnect.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

from channels.layers import get_channel_layer
from django.db import transaction
from redis.exceptions import RedisError

from tenants.kernel.context import require_schema

logger = logging.getLogger(__name__)
SEND_TIMEOUT_S = 2.0
LOOK_S = 0.5
NO_NOTICES = (RedisError, OSError, TimeoutError)
"""What a Redis that is away leads to."""
GATHER_S = 0.1
"""The first change goes out at once; what follows within this time travels together."""

Change = tuple[str, str]
"""A topic and the id of what changed."""
MINE = "my-"
"""So begin topics whose id is a person: nobody else hears of them."""


class Publisher:
    """Collects changes from any thread and sends them, a message a tenant, from one event loop."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._pending: dict[str, dict[Change, None]] = {}
        self._sending = False
        threading.Thread(target=self.loop.run_forever, name="live", daemon=True).start()

    def put(self, schema: str, change: Change) -> None:
        """Hand one change over; returns at once."""
        with self._lock:
            self._pending.setdefault(schema, {})[change] = None
            start, self._sending = not self._sending, True
        if start:
            asyncio.run_coroutine_threadsafe(self._send_all(), self.loop)

    def flush(self, timeout_s: float) -> None:
        """Wait until everything put so far was sent or lost, or the time is over."""
        deadline = time.monotonic() + timeout_s
        while self._sending and time.monotonic() < deadline:
            time.sleep(0.01)

    async def _send_all(self) -> None:
        while True:
            with self._lock:
                batch, self._pending = self._pending, {}
                if not batch:
                    self._sending = False
                    return
            for schema, changes in batch.items():
                await self._send(schema, list(changes))
            await asyncio.sleep(GATHER_S)

    async def _send(self, schema: str, changes: list[Change]) -> None:
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await get_channel_layer().group_send(
                    group(schema), {"type": "live.changed", "changes": changes}
                )
        except NO_NOTICES as error:
            logger.warning("%s live updates of %s lost: %s", len(changes), schema, error)
        except Exception:  # the edge of a fire-and-forget notice: log once, never fail the writer
            logger.warning("%s live updates of %s lost", len(changes), schema, exc_info=True)


_making = threading.Lock()


@cache
def _publisher() -> Publisher:
    return Publisher()


def publisher() -> Publisher:
    """Return this process's publisher, made on first use."""
    with _making:
        return _publisher()


def group(schema: str) -> str:
    """Return the channel group of a tenant; the only place that builds such names."""
    return f"t.{schema}"


def heard_by(person: object, changes: Iterable[Sequence[str]]) -> list[dict[str, str]]:
    """Return what a person's page is told of the changes."""
    return [
        {"topic": topic, "id": key}
        for topic, key in changes
        if not topic.startswith(MINE) or key == str(person)
    ]


def publish_on_commit(topic: str, key: object = "") -> None:
    """Announce that `topic`/`key` of this tenant changed, once the transaction commits."""
    schema = require_schema()
    transaction.on_commit(lambda: publisher().put(schema, (topic, str(key))))


def wait_until(topic: str, key: object, *, ready: Callable[[], bool], timeout_s: float) -> bool:
    """Block until `ready()` or the time is over; return what `ready()` last said.

    `ready` runs on the caller's thread: once after the subscription stands, then after each notice
    about `topic`/`key`. It must not keep a database connection open between calls.
    """
    deadline = time.monotonic() + timeout_s
    try:
        heard = _run(_subscribe(require_schema(), (topic, str(key)), timeout_s))
    except NO_NOTICES:
        return _look_until(ready, deadline)
    try:
        while not ready():
            if not _run(heard.next()):
                return ready()
        return True
    except NO_NOTICES:
        return _look_until(ready, deadline)
    finally:
        _run(heard.close())


def _look_until(ready: Callable[[], bool], deadline: float) -> bool:
    """Ask again and again: without Redis nobody tells."""
    while not ready():
        if time.monotonic() >= deadline:
            return False
        time.sleep(min(LOOK_S, max(0.0, deadline - time.monotonic())))
    return True


def _run(coroutine: Any) -> Any:
    return asyncio.run_coroutine_threadsafe(coroutine, publisher().loop).result()


async def _subscribe(schema: str, change: Change, timeout_s: float) -> "Subscription":
    layer = get_channel_layer()
    channel = await layer.new_channel()
    async with asyncio.timeout(SEND_TIMEOUT_S):
        await layer.group_add(group(schema), channel)
    return Subscription(layer, group(schema), channel, change, asyncio.get_running_loop().time() + timeout_s)


class Subscription:
    """One waiter's place in a tenant's group."""

    def __init__(self, layer: Any, name: str, channel: str, change: Change, deadline: float) -> None:
        self._layer, self._name, self._channel = layer, name, channel
        self._change, self._deadline = list(change), deadline

    async def next(self) -> bool:
        """Wait for the next notice of the change; return False when the time is over."""
        try:
            async with asyncio.timeout_at(self._deadline):
                while True:
                    message = await self._layer.receive(self._channel)
                    if self._change in [list(change) for change in message["changes"]]:
                        return True
        except TimeoutError:
            return False

    async def close(self) -> None:
        """Leave the group; without Redis there is none to leave."""
        with suppress(*NO_NOTICES):
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._layer.group_discard(self._name, self._channel)
