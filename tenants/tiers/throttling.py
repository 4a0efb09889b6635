"""API requests a minute, for a tenant as a whole. One round trip to Redis where its tier sets a limit, else none.

The headers are those of draft-ietf-httpapi-ratelimit-headers-11.
"""

import logging
import math
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from tenants.kernel import rates
from tenants.kernel.rates import RatesUnavailable, Taken
from tenants.tiers.limits import limits_of
from tenants.tiers.quotas import exceeded
from tenants.tiers.types import Limit

logger = logging.getLogger(__name__)
BUCKET = "api"
WINDOW_S = 60


class TenantThrottle(BaseThrottle):
    """Count the requests of signed-in people; who is not let in uses nothing of what the tenant may have.

    While Redis is away nothing is counted: a person must be able to stop an agent then, and what an agent does is
    limited by rows in PostgreSQL.
    """

    def allow_request(self, request: Request, view: Any) -> bool:
        """Let the request pass, or raise QuotaExceeded."""
        if not request.user.is_authenticated:
            return True
        limits = limits_of(request._request.tenant)  # type: ignore[attr-defined]  # set by TenantMiddleware
        allowed = limits.requests_per_minute
        if allowed is None:
            return True
        if allowed == 0:
            raise exceeded(limits, Limit.REQUESTS_PER_MINUTE, used=0)
        try:
            taken = rates.take(BUCKET, capacity=allowed, per_minute=allowed, now=timezone.now())
        except RatesUnavailable:
            logger.warning("API requests are not counted: Redis does not answer.")
            return True
        request._request.rate_taken = taken  # type: ignore[attr-defined]  # for the middleware below
        if not taken.allowed:
            wait_s = max(1, math.ceil(taken.retry_after_s))
            raise exceeded(limits, Limit.REQUESTS_PER_MINUTE, used=allowed, retry_after_s=wait_s)
        return True


def add_headers(request: HttpRequest, response: HttpResponse) -> None:
    """Say on the answer what the limit is and what is left of it."""
    taken: Taken | None = getattr(request, "rate_taken", None)
    if taken is None:
        return
    until_full_s = math.ceil((taken.limit - taken.remaining) / taken.limit * WINDOW_S)
    response["RateLimit-Policy"] = f'"{BUCKET}";q={taken.limit:.0f};w={WINDOW_S}'
    response["RateLimit"] = f'"{BUCKET}";r={math.floor(taken.remaining)};t={until_full_s}'
