"""Bases for tables."""

import os
import threading
import time
import uuid
from typing import Any, Self

from django.db import models

from tenants.kernel.errors import StaleTransition

_stamping = threading.Lock()
_last_stamp = 0


def uuid7() -> uuid.UUID:
    """Return a time-ordered UUID, so that new rows land at the end of an index and sort as they came.

    RFC 9562 section 5.7, with the fraction of the millisecond in the first 12 random bits (section
    6.2, method 3) and a step up where two fall together: in one process each is above the one before.
    """
    global _last_stamp  # noqa: PLW0603  # the clock hand of this process
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    with _stamping:
        stamp = max(milliseconds << 12 | (nanoseconds << 12) // 1_000_000, _last_stamp + 1)
        _last_stamp = stamp
    low = int.from_bytes(os.urandom(8)) >> 2
    return uuid.UUID(int=(stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0x2 << 62 | low)


class Identified(models.Model):
    """A row with a time-ordered UUID as primary key."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)

    class Meta:
        abstract = True


class StatusModel(Identified):
    """A row whose `status` moves only along `TRANSITIONS`, by conditional update."""

    TRANSITIONS: dict[str, frozenset[str]] = {}
    status: Any

    class Meta:
        abstract = True

    def transition(self, new: str, **changes: Any) -> Self:
        """Move to `new` and set `changes`; raise StaleTransition if somebody was first.

        The update asks for the status this object was read with, so of two writers one wins.
        """
        old = str(self.status)
        if new not in self.TRANSITIONS.get(old, frozenset()):
            raise StaleTransition(f"{self._meta.verbose_name} is {old} and cannot become {new}.", status=old)
        moved = type(self)._default_manager.filter(pk=self.pk, status=old).update(status=new, **changes)
        if not moved:
            raise StaleTransition(f"{self._meta.verbose_name} is no longer {old}.", status=old)
        self.status = new
        for name, value in changes.items():
            setattr(self, name, value)
        return self
