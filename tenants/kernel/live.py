"""Tell open pages what changed: a topic and an id, never content.

Publishing runs on one background event loop per process, so a slow or absent Redis delays no
request and no run. Messages may be lost; pages read the database again when they reconnect.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

from channels.layers import get_channel_layer
from django.db import transaction

from tenants.kernel.context import require_schema

logger = logging.getLogger(__name__)
CONNECT_TIMEOUT_S = 2.0


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="live", daemon=True).start()
    return loop


def group(schema: str, topic: str = "all") -> str:
    """Return the channel group of a tenant's topic; the only place that builds such names."""
    return f"t.{schema}.{topic}"


async def _send(schema: str, topic: str, key: str) -> None:
    layer = get_channel_layer()
    message = {"type": "live.changed", "topic": topic, "id": key}
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            for name in (group(schema), group(schema, f"{topic}.{key}")):
                await layer.group_send(name, message)
    except Exception:  # the edge of a fire-and-forget notice: log once, never fail the writer
        logger.warning("Live update of %s lost", topic, exc_info=True)


def publish_on_commit(topic: str, key: object) -> None:
    """Announce that `topic`/`key` of this tenant changed, once the transaction commits."""
    schema = require_schema()

    def send() -> None:
        asyncio.run_coroutine_threadsafe(_send(schema, topic, str(key)), _loop())

    transaction.on_commit(send)


def wait_until(topic: str, key: object, *, ready: Callable[[], bool], timeout_s: float) -> bool:
    """Block until `ready()` or the time is over; return what `ready()` last said.

    `ready` runs on the caller's thread: once after the subscription stands, then after each notice
    about `topic`/`key`. It must not keep a database connection open between calls.
    """
    name = group(require_schema(), f"{topic}.{key}")
    changed: Any = asyncio.run_coroutine_threadsafe(_subscribe(name, timeout_s), _loop()).result()
    try:
        while not ready():
            if not changed():
                return ready()
        return True
    finally:
        changed.close()


async def _subscribe(name: str, timeout_s: float) -> "_Subscription":
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(name, channel)
    deadline = asyncio.get_running_loop().time() + timeout_s
    return _Subscription(layer, name, channel, deadline)


class _Subscription:
    """A call waits for the next notice and returns False when the time is over."""

    def __init__(self, layer: Any, name: str, channel: str, deadline: float) -> None:
        self._layer, self._name, self._channel, self._deadline = layer, name, channel, deadline

    def __call__(self) -> bool:
        return asyncio.run_coroutine_threadsafe(self._next(), _loop()).result()

    async def _next(self) -> bool:
        try:
            async with asyncio.timeout_at(self._deadline):
                await self._layer.receive(self._channel)
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Leave the group."""
        asyncio.run_coroutine_threadsafe(
            self._layer.group_discard(self._name, self._channel), _loop()
        ).result()
