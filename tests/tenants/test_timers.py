"""Timers of every tenant fire once, whoever ticks, and one that fails holds up no other."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction

from tenants.kernel.context import current_schema, platform_context, schema_tenant, tenant_context
from tenants.timers import tick as ticking
from tenants.timers.models import Timer
from tenants.timers.operations import set_timer
from tenants.timers.registry import TIMERS
from tenants.timers.tick import backoff, database_now, tick
from tests.governance.clones import own_database
from tests.governance.samples import NOW

LATER = NOW + timedelta(minutes=5)
MANY = 300
Call = tuple[str | None, UUID, int]
calls: list[Call] = []
answers: dict[UUID, Any] = {}


def handler(object_id: UUID, generation: int, now: datetime) -> datetime | None:
    """Note the call; answer what the test wants."""
    calls.append((current_schema(), object_id, generation))
    answer = answers.get(object_id)
    result: datetime | None = answer() if callable(answer) else answer
    return result


@pytest.fixture(scope="module")
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """Give the module a database of its own: other connections see only what is committed."""
    with own_database(django_db_blocker) as name:
        yield name


@pytest.fixture
def db(committed: str) -> None:
    """Use the module's own database."""


@pytest.fixture(autouse=True)
def _registered(acme: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls.clear()
    answers.clear()
    Timer.objects.all().delete()
    monkeypatch.setitem(TIMERS._loaded, "sample", handler)


def due(at: datetime = NOW, *, answer: Any = None, generation: int = 0, schema: str = "acme") -> UUID:
    """Set a timer that falls due then, and say what its handler answers."""
    object_id = uuid4()
    answers[object_id] = answer
    with tenant_context(schema_tenant(schema)):
        set_timer(kind="sample", object_id=object_id, due_at=at, generation=generation)
    return object_id


def row(object_id: UUID) -> Timer:
    return Timer.objects.get(object_id=object_id)


def together(count: int, *, now: datetime = NOW) -> list[int]:
    """Tick in so many threads at once, each on a connection of its own; return what each fired."""
    fired: list[int] = []
    barrier = threading.Barrier(count)

    def run() -> None:
        barrier.wait()
        fired.append(tick(now=now))
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return fired


class TestDueTimer:
    def test_fires_in_its_tenant_with_its_generation_and_ends(self) -> None:
        ours, theirs = due(generation=3), due(schema="globex")
        assert tick(now=NOW) == 2
        assert sorted(calls) == sorted([("acme", ours, 3), ("globex", theirs, 0)])
        assert not Timer.objects.exists()

    def test_fires_in_the_order_of_the_times(self) -> None:
        second, first = due(NOW), due(NOW - timedelta(hours=1))
        tick(now=NOW)
        assert [object_id for _, object_id, _ in calls] == [first, second]

    def test_that_is_not_due_yet_waits(self) -> None:
        due(LATER)
        assert tick(now=NOW) == 0
        assert tick(now=LATER) == 1

    def test_is_due_again_when_its_handler_says(self) -> None:
        again = due(answer=LATER)
        tick(now=NOW)
        assert row(again).due_at == LATER

    def test_fires_once_in_a_tick_even_if_it_is_due_again_at_once(self) -> None:
        busy = due(answer=NOW)
        assert tick(now=NOW) == 1
        assert NOW < row(busy).due_at < NOW + timedelta(seconds=1)

    def test_that_its_own_handler_set_stays_as_it_was_set(self) -> None:
        def set_again() -> None:
            set_timer(kind="sample", object_id=again, due_at=LATER, generation=2)

        again = due(answer=set_again)
        tick(now=NOW)
        assert (row(again).due_at, row(again).generation) == (LATER, 2)

    def test_of_a_tenant_that_is_gone_ends(self) -> None:
        gone = due()
        Timer.objects.filter(object_id=gone).update(schema="nobody")
        assert tick(now=NOW) == 1
        assert (calls, Timer.objects.exists()) == ([], False)

    def test_is_seen_from_a_context_of_the_platform(self) -> None:
        due()
        with platform_context():
            assert tick(now=NOW) == 1

    def test_is_written_with_its_object_or_not_at_all(self) -> None:
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            due()
            _ = 1 / 0
        assert tick(now=NOW) == 0


class TestFailingHandler:
    def test_holds_up_no_other_and_is_tried_later(self, caplog: pytest.LogCaptureFixture) -> None:
        def fail() -> None:
            Timer.objects.all().delete()
            raise RuntimeError("broken")

        bad, good = due(NOW - timedelta(seconds=1), answer=fail), due()
        assert tick(now=NOW) == 2
        assert (row(bad).failures, row(bad).due_at) == (1, NOW + backoff(0))
        assert not Timer.objects.filter(object_id=good).exists()
        assert caplog.text.count("failed") == 1

    def test_of_the_database_leaves_the_tenant_right_for_the_next(self) -> None:
        def fail() -> None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1/0")

        due(NOW - timedelta(seconds=1), answer=fail)
        schemas: list[Any] = []

        def look() -> None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT current_schema()")
                schemas.append(cursor.fetchone()[0])

        due(answer=look)
        due(answer=look, schema="globex")
        tick(now=NOW)
        assert sorted(schemas) == ["acme", "globex"]

    def test_that_succeeds_at_last_starts_again_from_no_failures(self) -> None:
        timer = due(answer=LATER)
        Timer.objects.filter(object_id=timer).update(failures=4)
        tick(now=NOW)
        assert row(timer).failures == 0

    def test_of_an_unknown_kind_waits_for_a_worker_that_knows_it(self) -> None:
        set_timer(kind="of-the-next-release", object_id=uuid4(), due_at=NOW)
        tick(now=NOW)
        assert Timer.objects.get().due_at > NOW

    @pytest.mark.parametrize(("failures", "seconds"), [(0, 5), (1, 10), (3, 40), (7, 600), (1000, 600)])
    def test_is_tried_less_and_less_often(self, failures: int, seconds: int) -> None:
        assert backoff(failures) == timedelta(seconds=seconds)


class TestManyTickers:
    def test_fire_each_timer_once(self) -> None:
        for _ in range(MANY):
            due()
        assert sum(together(3)) == MANY
        assert len({object_id for _, object_id, _ in calls}) == len(calls) == MANY

    def test_pass_over_what_another_holds(self) -> None:
        held, free = due(), due()
        with transaction.atomic():
            Timer.objects.select_for_update().get(object_id=held)
            assert together(1) == [1]
        assert [object_id for _, object_id, _ in calls] == [free]


class TestTick:
    def test_ends_when_its_time_is_over(self) -> None:
        for _ in range(MANY):
            due()
        assert tick(now=NOW, limit_s=0) == ticking.BATCH

    def test_commits_after_a_while_what_it_did(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ticking, "BATCH_S", 0)
        for _ in range(3):
            due()
        assert tick(now=NOW) == 3

    def test_goes_by_the_clock_of_the_database(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            (theirs,) = cursor.fetchone()
        assert abs(database_now() - theirs) < timedelta(seconds=5)


class TestClockThatJumps:
    def test_back_fires_nothing_twice_and_forward_nothing_early(self) -> None:
        hour = timedelta(hours=1)
        due(NOW)
        due(NOW + 2 * hour)
        assert [tick(now=NOW), tick(now=NOW - hour), tick(now=NOW + hour)] == [1, 0, 0]
        assert tick(now=NOW + 2 * hour) == 1
