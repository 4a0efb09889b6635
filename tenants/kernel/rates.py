"""Token buckets in Redis: how much of something may happen in a minute, across all processes.

One Lua script and one round trip for each question. A bucket belongs to the tenant of the current
context, so tenants share none. Buckets are forgotten once they are full again.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from tenants.kernel.context import require_schema
from tenants.kernel.errors import DomainError

TIMEOUT_S = 0.5
"""How long Redis may take to answer; who asks decides what holds without it."""
PREFIX = "cs:rate:"
TAKE = """
local capacity, per_s = tonumber(ARGV[1]), tonumber(ARGV[2])
local amount, now = tonumber(ARGV[3]), tonumber(ARGV[4])
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local at = math.max(tonumber(kept[2]) or now, now)
local elapsed = math.max(0, now - (tonumber(kept[2]) or now))
local tokens = math.min(capacity, (tonumber(kept[1]) or capacity) + elapsed * per_s)
local allowed, wait = 0, 0
if tokens + 0.000001 >= amount then
  allowed, tokens = 1, math.max(0, tokens - amount)
else
  wait = (math.min(amount, capacity) - tokens) / per_s
end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.9f', tokens), 'at', string.format('%.6f', at))
redis.call('PEXPIRE', KEYS[1], math.ceil((capacity - tokens) / per_s * 1000) + 1000)
return {allowed, string.format('%.6f', tokens), string.format('%.6f', wait)}
"""


class RatesUnavailable(DomainError):
    """Redis does not answer, so nobody can tell how much has happened."""

    code = "rates-unavailable"
    status = 503
    title = "The rate limit cannot be checked just now"


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What came of asking a bucket.

    `retry_after_s` is 0 where it was allowed. An amount above the capacity is never allowed, and is told
    how long the bucket takes to fill.
    """

    allowed: bool
    remaining: float
    retry_after_s: float
    limit: float


def take(key: str, *, capacity: float, per_minute: float, amount: float = 1, now: datetime) -> Taken:
    """Take `amount` from the tenant's bucket of that name, if it holds so much; all or nothing.

    The bucket holds `capacity` at most and gains `per_minute` in a minute; both may change from call to
    call and hold at once. A clock that lags behind gains nothing. An amount of 0 only looks. Raises
    RatesUnavailable when Redis does not answer, ValueError for a capacity or a rate that is not above 0.
    """
    if capacity <= 0 or per_minute <= 0 or amount < 0:
        raise ValueError("A bucket needs a capacity and a rate above 0, and an amount of 0 or more.")
    name = f"{PREFIX}{require_schema()}:{key}"
    arguments = [capacity, per_minute / 60, amount, now.timestamp()]
    try:
        allowed, tokens, wait = _script()(keys=[name], args=[repr(float(value)) for value in arguments])
    except RedisError as error:
        raise RatesUnavailable from error
    return Taken(
        allowed=bool(allowed), remaining=float(tokens), retry_after_s=float(wait), limit=float(capacity)
    )


@cache
def _script() -> Any:
    """Return the script on this process's connections; it is sent once and called by its digest."""
    client = redis.Redis.from_url(
        settings.CELERY_BROKER_URL,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 1),  # for a connection that a restart of Redis cut
    )
    return client.register_script(TAKE)
