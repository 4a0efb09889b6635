"""A bucket gives what it holds, to whoever asks first, and fills again."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tenants.kernel import rates
from tenants.kernel.context import schema_tenant, tenant_context
from tenants.kernel.errors import TenantContextMissing
from tenants.kernel.rates import RatesUnavailable, Taken

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def key() -> str:
    return f"test:{uuid4()}"


def take(key: str, *, amount: float = 1, after_s: float = 0, schema: str = "acme") -> Taken:
    """Take from a bucket of ten that gains sixty in a minute."""
    with tenant_context(schema_tenant(schema)):
        return rates.take(
            key, capacity=10, per_minute=60, amount=amount, now=NOW + timedelta(seconds=after_s)
        )


class TestBucket:
    def test_gives_what_it_holds_and_says_what_is_left(self, key: str) -> None:
        left = [take(key).remaining for _ in range(10)]
        assert left == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
        assert take(key) == Taken(allowed=False, remaining=0, retry_after_s=1, limit=10)

    def test_fills_as_time_goes_by_and_never_above_its_capacity(self, key: str) -> None:
        assert take(key, amount=10).allowed
        assert not take(key, after_s=0.9).allowed
        assert take(key, after_s=1).allowed
        assert take(key, amount=0, after_s=3600).remaining == 10

    def test_gives_all_or_nothing(self, key: str) -> None:
        assert take(key, amount=8).remaining == 2
        assert take(key, amount=3) == Taken(allowed=False, remaining=2, retry_after_s=1, limit=10)
        assert take(key, amount=2).allowed

    def test_never_gives_more_than_it_can_hold(self, key: str) -> None:
        assert not take(key, amount=11).allowed
        assert take(key, amount=10).allowed

    def test_gains_nothing_from_a_clock_that_lags_behind(self, key: str) -> None:
        take(key, amount=10, after_s=100)
        assert not take(key, after_s=0).allowed
        assert not take(key, after_s=100).allowed

    def test_is_not_shared_between_tenants(self, key: str) -> None:
        assert take(key, amount=10).allowed
        assert take(key, amount=10, schema="globex").allowed

    def test_takes_a_new_limit_at_once(self, key: str) -> None:
        with tenant_context(schema_tenant("acme")):
            assert rates.take(key, capacity=2, per_minute=60, amount=2, now=NOW).allowed
            assert not rates.take(key, capacity=2, per_minute=60, now=NOW).allowed
            later = NOW + timedelta(seconds=60)
            assert rates.take(key, capacity=50, per_minute=60, amount=50, now=later).allowed

    def test_gives_exactly_what_it_holds_to_many_at_once(self, key: str) -> None:
        with ThreadPoolExecutor(8) as pool:
            taken = list(pool.map(lambda _: take(key), range(40)))
        assert sum(item.allowed for item in taken) == 10

    def test_belongs_to_a_tenant(self, key: str) -> None:
        with pytest.raises(TenantContextMissing):
            rates.take(key, capacity=1, per_minute=1, now=NOW)


class TestWithoutRedis:
    @pytest.fixture(autouse=True)
    def gone(self, settings: Any) -> Iterator[None]:
        settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
        rates._script.cache_clear()
        yield
        rates._script.cache_clear()

    def test_says_so(self, key: str) -> None:
        with pytest.raises(RatesUnavailable):
            take(key)
