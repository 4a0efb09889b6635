"""Keep a tenant within its limits, exactly, however many ask at once."""

import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet, Subquery

from tenants.kernel.context import require_schema
from tenants.kernel.errors import DomainError
from tenants.tiers.limits import current
from tenants.tiers.models import Tier
from tenants.tiers.types import FEATURES, PASSING, WORDS, Limit, Limits

P = ParamSpec("P")
R = TypeVar("R")
QUOTA_LOCK = 0x71_75_6F_74
TOO_MANY, FORBIDDEN = 429, 403
WHO = "An operator of the platform can change the tier, or agree on another limit."


class QuotaExceeded(DomainError):
    """The tenant's tier does not include this, or not so much of it.

    Tells the limit, what is allowed and in use, the tier, the tiers that lift it, and who can change it. 429 where
    waiting helps (`retry_after_s`), else 403.
    """

    code = "quota-exceeded"
    status = FORBIDDEN
    title = "The tier of this organisation does not allow this"

    def __init__(self, detail: str, *, status: int, **data: Any) -> None:
        super().__init__(detail, who=WHO, **data)
        self.status = status  # type: ignore[misc]  # of this one


def ensure_room(limit: Limit, *, used: Callable[[], int], now: datetime) -> None:
    """Raise QuotaExceeded unless the tenant may have one more; call it in the transaction that adds it.

    Others that ask about the same limit wait for the end of that transaction, so none goes over. `used` counts what
    there is; nothing is counted and nobody waits where the limit is not set.
    """
    limits = current()
    allowed = limits.of(limit)
    if allowed is None:
        return
    with connection.cursor() as cursor:
        # A statement of its own: the count must begin after the lock is held.
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [QUOTA_LOCK, f"{require_schema()}:{limit}"]
        )
    found = used()
    if found >= allowed:
        retry_after_s = seconds_to_midnight(now) if limit is Limit.RUNS_PER_DAY else None
        raise exceeded(limits, limit, used=found, retry_after_s=retry_after_s)


def exceeded(limits: Limits, limit: Limit, *, used: int, retry_after_s: int | None = None) -> QuotaExceeded:
    """Return the refusal that names the limit, its use and the way up."""
    allowed = limits.of(limit)
    higher = [
        tier.slug
        for tier in _above(limits.tier)
        if (more := getattr(tier, limit.value)) is None or more > (allowed or 0)
    ]
    return QuotaExceeded(
        f"The tier {limits.tier} allows {allowed:,} {WORDS[limit]}, and {used:,} are in use."
        f"{_way_up(higher)} {WHO}",
        status=TOO_MANY if limit in PASSING else FORBIDDEN,
        limit=limit.value,
        allowed=allowed,
        used=used,
        tier=limits.tier,
        lifted_by=higher,
        **({} if retry_after_s is None else {"retry_after_s": retry_after_s}),
    )


def ensure_feature(feature: str) -> None:
    """Raise QuotaExceeded unless the tenant's tier includes the feature; KeyError if there is none so called."""
    words = FEATURES[feature]
    limits = current()
    if limits.has(feature):
        return
    higher = [tier.slug for tier in _above(limits.tier) if _have(tier.features, feature)]
    raise QuotaExceeded(
        f"The tier {limits.tier} does not include {words}.{_way_up(higher)} {WHO}",
        status=FORBIDDEN,
        limit=f"feature:{feature}",
        allowed=0,
        used=0,
        tier=limits.tier,
        lifted_by=higher,
    )


def _have(features: Iterable[str], feature: str) -> bool:
    return Limits(tier="", features=frozenset(features)).has(feature)


def requires_feature(feature: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let an operation run only where the current tenant's tier includes the feature."""
    FEATURES[feature]  # a word that is no feature fails when the module is loaded

    def decorate(operation: Callable[P, R]) -> Callable[P, R]:
        @wraps(operation)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            ensure_feature(feature)
            return operation(*args, **kwargs)

        return checked

    return decorate


def _above(tier: str) -> QuerySet[Tier]:
    return Tier.objects.filter(rank__gt=Subquery(Tier.objects.filter(pk=tier).values("rank")))


def _way_up(higher: list[str]) -> str:
    return f" More comes with {' or '.join(higher)}." if higher else ""


def day_of(now: datetime) -> datetime:
    """Return when the day of a moment began, in UTC."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def first_id_of_day(now: datetime) -> UUID:
    """Return the least UUIDv7 of the day of a moment: rows with such ids are of today if theirs is not less."""
    return UUID(int=int(day_of(now).timestamp() * 1000) << 80)


def seconds_to_midnight(now: datetime) -> int:
    """Return the seconds until the day ends, in UTC."""
    return math.ceil((day_of(now) + timedelta(days=1) - now).total_seconds())
