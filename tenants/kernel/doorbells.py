"""Send task messages from one background thread, so that a slow or absent broker holds up nobody.

A message is a doorbell: the row it points at stays due and a sweeper rings again, so a message that
cannot be sent is dropped with one line in the log, and one that is lost with the process is no loss.
"""

import atexit
import logging
import queue
import threading
from functools import cache
from typing import Any

from celery import current_app
from kombu.exceptions import OperationalError

from tenants.kernel.failpoints import hit

logger = logging.getLogger(__name__)
LIMIT = 10_000
"""Messages that may wait for a slow broker; what comes on top is left to the sweeper."""
LAST_S = 1.0
"""Seconds that a process which ends gives its last messages."""

Message = tuple[str, dict[str, Any], str, dict[str, str]]
"""Task name, arguments, task id and headers."""


class Sender:
    """Sends what is put, in order."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[Message] = queue.Queue(LIMIT)
        threading.Thread(target=self._send_all, name="doorbells", daemon=True).start()
        atexit.register(self.flush, LAST_S)

    def put(self, message: Message) -> None:
        """Hand one message over; returns at once."""
        try:
            self._waiting.put_nowait(message)
        except queue.Full:
            logger.warning("The broker is too slow; %s will be picked up by its sweeper.", message[0])

    def flush(self, timeout_s: float) -> None:
        """Wait until everything put so far was sent or dropped, or the time is over."""
        waiter = threading.Thread(target=self._waiting.join, daemon=True)
        waiter.start()
        waiter.join(timeout_s)

    def _send_all(self) -> None:
        while True:
            name, kwargs, task_id, headers = self._waiting.get()
            hit("ring.before-send")
            try:
                current_app.send_task(name, kwargs=kwargs, task_id=task_id, headers=headers)
                hit("ring.sent")
            except (OperationalError, OSError):
                logger.warning("Broker unavailable; %s will be picked up by its sweeper.", name)
            except Exception:  # the edge of a fire-and-forget notice: log once, go on with the next
                logger.exception("%s could not be sent; it will be picked up by its sweeper.", name)
            finally:
                self._waiting.task_done()


_making = threading.Lock()


@cache
def _sender() -> Sender:
    return Sender()


def sender() -> Sender:
    """Return this process's sender, started on first use."""
    with _making:
        return _sender()
