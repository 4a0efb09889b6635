"""Who is asked when a timer is due: kind to `module:function`, filled by the apps above.

A handler is called in the tenant's context inside a transaction of its own savepoint, as
`handler(object_id, generation, now)`. It returns when the timer is due next, or None to end it. It locks
its row with `skip_locked` and returns `now` when the row is busy: the timer row is locked already, and who
holds the row may wait for it. A timer fires at most once in a tick. Operations never delete timers: one that
was overtaken ends itself, by its generation or by the state of its row.
"""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from tenants.kernel.registry import Registry

Handler = Callable[[UUID, int, datetime], datetime | None]
TIMERS: Registry[Handler] = Registry("timer", {}, group="countersign.timers")
