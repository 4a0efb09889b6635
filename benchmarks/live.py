"""From the commit of a change to the message about it in every open page's socket."""

import asyncio
import json
import os
import threading
import time
from functools import partial
from statistics import median

from django.db import transaction
from websockets.asyncio.client import ClientConnection, connect

from benchmarks import fixtures
from benchmarks.machine import Figures
from benchmarks.queue_page import Browser
from benchmarks.runs import percentile, waiting_reviews
from hitl.reviews.models import Review
from tenants.kernel import live
from tenants.kernel.context import tenant_context
from tenants.kernel.models import uuid7

OPEN_AT_ONCE = 20
PATIENCE_S = 20.0


def live_updates(sockets: int, *, per_s: int, seconds: float) -> Figures:
    """Return the milliseconds from the commit of a change to its message at each of so many sockets.

    A change is a committed update of a review and its notice; one writer makes `per_s` of them a second. The
    sockets are one tenant's and in this process, which reads them with the same two cores that serve them.
    """
    review = waiting_reviews(1)[0]
    return asyncio.run(_measure(review, sockets, per_s, seconds))


async def _measure(review: Review, sockets: int, per_s: int, seconds: float) -> Figures:
    browser = await asyncio.to_thread(Browser, "bob")
    clients = await _open(browser, sockets)
    committed: dict[str, float] = {}
    heard: list[tuple[str, float]] = []
    readers = [asyncio.create_task(_listen(client, heard)) for client in clients]
    writer = threading.Thread(target=_write, args=(review, per_s, seconds, committed))
    writer.start()
    while writer.is_alive():
        await asyncio.sleep(0.05)
    expected = len(committed) * sockets
    deadline = time.monotonic() + PATIENCE_S
    while len(heard) < expected and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    for reader in readers:
        reader.cancel()
    for client in clients:
        await client.close()
    delays = [(at - committed[key]) * 1000 for key, at in heard if key in committed]
    return {
        "live.sockets": len(clients),
        "live.events_per_s": len(committed) / seconds,
        "live.p50_ms": median(delays),
        "live.p95_ms": percentile(delays, 0.95),
        "live.lost": expected - len(delays),
    }


async def _open(browser: Browser, sockets: int) -> list[ClientConnection]:
    """Open the sockets a few at a time, with the session of one signed-in person."""
    url = f"ws://127.0.0.1:{os.environ['PORT']}/ws/live"
    headers = {"Host": browser.host, "Cookie": browser.cookie}
    clients: list[ClientConnection] = []
    while len(clients) < sockets:
        batch = min(OPEN_AT_ONCE, sockets - len(clients))
        opening = (
            connect(url, origin=f"http://{browser.host}", additional_headers=headers, open_timeout=30)  # type: ignore[arg-type]
            for _ in range(batch)
        )
        clients += await asyncio.gather(*opening)
    return clients


async def _listen(client: ClientConnection, heard: list[tuple[str, float]]) -> None:
    async for message in client:
        at = time.perf_counter()
        heard += [(change["id"], at) for change in json.loads(message)]


def _write(review: Review, per_s: int, seconds: float, committed: dict[str, float]) -> None:
    """Commit changes at an even pace, each announced under a key of its own."""
    with tenant_context(fixtures.tenant()):
        started = time.perf_counter()
        for number in range(int(per_s * seconds)):
            time.sleep(max(0.0, started + number / per_s - time.perf_counter()))
            key = str(uuid7())
            with transaction.atomic():
                Review.objects.filter(pk=review.pk).update(presented_at=review.created_at)
                live.publish_on_commit("reviews", key)
                transaction.on_commit(partial(_note, committed, key))


def _note(committed: dict[str, float], key: str) -> None:
    committed[key] = time.perf_counter()
