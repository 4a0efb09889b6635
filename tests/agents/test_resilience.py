"""Breakers that many workers share, and caps that let in exactly as many as they say."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from agents.resilience import operations
from agents.resilience.models import Circuit
from agents.resilience.types import CapState, CircuitState
from agents.runs.models import Run, Step
from governance.audit.models import AuditEvent
from tenants.kernel.context import schema_tenant, tenant_context
from tenants.kernel.errors import PermissionMissing
from tests.governance.samples import NOW

MANY = 20
TOOL = "tool"
NAME = "refund_order"
LATER = NOW + timedelta(seconds=60)
MakeRun = Callable[..., Run]


@pytest.fixture
def db(committed: str) -> None:
    """Use the module's own database."""


@pytest.fixture(autouse=True)
def _clean(acme: Any) -> None:
    Circuit.objects.all().delete()
    Step.objects.all().delete()
    Run.objects.all().delete()


@pytest.fixture
def make_run(agent: Any, oscar: Any) -> MakeRun:
    """Return a function that stores a run, by default one that a worker has."""

    def make(**fields: Any) -> Run:
        given = {"status": Run.Status.RUNNING, "snapshot": {}, "input": {}, "trace_id": "", **fields}
        return Run.objects.create(
            agent=agent, agent_version=1, requester=oscar, created_at=NOW, updated_at=NOW, **given
        )

    return make


def executing(run: Run, *, kind: str = TOOL, name: str = NAME) -> Step:
    return run.steps.create(
        number=run.steps.count() + 1, kind=kind, name=name, status="executing", request={}, created_at=NOW
    )


def fail(times: int = 1, *, at: datetime = NOW) -> None:
    for _ in range(times):
        operations.record(TOOL, NAME, ok=False, known=None, now=at)


def succeed(*, at: datetime) -> None:
    operations.record(TOOL, NAME, ok=True, known=known(), now=at)


def known() -> CircuitState:
    return operations.state_of(Circuit.objects.get(kind=TOOL, name=NAME))


def events() -> list[tuple[str, str]]:
    """Return what is on record about the circuit that is there now, first to last."""
    pk = str(Circuit.objects.get().pk)
    found = AuditEvent.objects.filter(subject_kind="circuit", subject_id=pk)
    return [(event.action, event.actor_name) for event in found.order_by("id")]


def together(actions: list[Callable[[], Any]]) -> list[Any]:
    """Do all at once, each in a thread with a connection of its own; return what they returned."""
    results: list[Any] = []
    barrier = threading.Barrier(len(actions))

    def attempt(action: Callable[[], Any]) -> None:
        with tenant_context(schema_tenant("acme")):
            barrier.wait()
            results.append(action())
        connection.close()

    threads = [threading.Thread(target=attempt, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == len(actions)
    return results


class TestRecord:
    def test_of_a_success_where_nothing_failed_is_no_statement(self) -> None:
        with transaction.atomic(), CaptureQueriesContext(connection) as queries:
            operations.record(TOOL, NAME, ok=True, known=None, now=NOW)
            assert list(queries) == []

    def test_of_the_first_failure_makes_the_circuit(self) -> None:
        fail()
        assert known() == CircuitState(kind=TOOL, name=NAME, failures=1)
        assert events() == []

    def test_of_the_fifth_failure_opens_it_and_says_so(self) -> None:
        fail(5)
        assert (known().state, known().opened_at) == ("open", NOW)
        assert events() == [("circuit.opened", "countersign")]

    def test_of_a_success_forgets_the_failures(self) -> None:
        fail(4)
        succeed(at=NOW)
        fail(4)
        assert (known().state, known().failures) == ("closed", 4)

    def test_goes_through_half_open_back_to_closed(self) -> None:
        fail(5)
        for state in ("half_open", "half_open", "closed"):
            succeed(at=LATER)
            assert known().state == state
        assert [action for action, _ in events()] == [
            "circuit.opened",
            "circuit.half_opened",
            "circuit.closed",
        ]
        assert known() == CircuitState(kind=TOOL, name=NAME)

    def test_of_a_failed_trial_opens_it_for_another_minute(self) -> None:
        fail(5)
        succeed(at=LATER)
        fail(at=LATER)
        assert (known().state, known().opened_at) == ("open", LATER)

    def test_keeps_the_thresholds_of_the_row(self) -> None:
        Circuit.objects.create(kind=TOOL, name=NAME, fail_after=2)
        fail(2)
        assert known().state == "open"

    def test_is_undone_with_the_transaction_it_was_made_in(self) -> None:
        def undone() -> None:
            with transaction.atomic():
                fail()
                raise InterruptedError

        with pytest.raises(InterruptedError):
            undone()
        assert not Circuit.objects.exists()

    def test_leaves_other_parts_alone(self) -> None:
        fail(5)
        operations.record("provider", "default", ok=False, known=None, now=NOW)
        assert Circuit.objects.get(kind="provider").state == "closed"

    def test_by_many_workers_at_once_counts_each_and_opens_exactly_once(self) -> None:
        together([fail] * MANY)
        assert (known().state, known().failures) == ("open", 5)
        assert events() == [("circuit.opened", "countersign")]

    def test_by_fewer_than_it_takes_loses_none(self) -> None:
        Circuit.objects.create(kind=TOOL, name=NAME, fail_after=MANY + 1)
        together([fail] * MANY)
        assert (known().state, known().failures) == ("closed", MANY)


class TestReset:
    def test_closes_it_and_names_the_person(self, oscar: Any) -> None:
        fail(5)
        circuit = operations.reset(circuit=Circuit.objects.get(), by=oscar, now=NOW)
        assert circuit.state == "closed"
        assert known() == CircuitState(kind=TOOL, name=NAME)
        assert events()[-1] == ("circuit.reset", "oscar")

    @pytest.mark.parametrize("who", ["vera", "charlie", "audrey", "bob"])
    def test_is_refused_to_who_may_not_change_circuits(self, who: str, person: Any) -> None:
        fail(5)
        with pytest.raises(PermissionMissing):
            operations.reset(circuit=Circuit.objects.get(), by=person(who), now=NOW)
        assert known().state == "open"


class TestHasSlot:
    @pytest.mark.parametrize(
        ("cap", "kind", "name"),
        [
            (CapState(kind="tool", name=NAME, limit=2), "tool", NAME),
            (CapState(kind="provider", name="default", limit=2), "model", "gpt-x"),
        ],
    )
    def test_counts_the_steps_that_execute(
        self, cap: CapState, kind: str, name: str, make_run: MakeRun
    ) -> None:
        mine = make_run()
        for expected in (True, True, False):
            assert self.ask(cap, mine) is expected
            executing(make_run(), kind=kind, name=name)

    def test_counts_neither_other_tools_nor_closed_steps_nor_its_own_run(self, make_run: MakeRun) -> None:
        mine = make_run()
        executing(mine)
        executing(make_run(), name="send_email")
        executing(make_run(), kind="model")
        Step.objects.filter(pk=executing(make_run()).pk).update(status="succeeded")
        assert self.ask(CapState(kind="tool", name=NAME, limit=1), mine)

    def test_of_the_tenant_counts_other_running_runs(self, make_run: MakeRun) -> None:
        cap = CapState(kind="tenant", name="", limit=1)
        mine = make_run()
        make_run(status="queued")
        make_run(status="waiting")
        assert self.ask(cap, mine)
        make_run()
        assert not self.ask(cap, mine)

    @pytest.mark.parametrize("limit", [1, 3, 7])
    def test_lets_in_exactly_the_limit_of_twenty_at_once(self, limit: int, make_run: MakeRun) -> None:
        cap = CapState(kind="tool", name=NAME, limit=limit)

        def claim(run: Run) -> bool:
            with transaction.atomic():
                if not operations.has_slot(cap, run_id=run.pk):
                    return False
                executing(run)
                return True

        runs = [make_run() for _ in range(MANY)]
        assert sum(together([lambda run=run: claim(run) for run in runs])) == limit  # type: ignore[misc]
        assert Step.objects.filter(status="executing").count() == limit

    def test_lets_in_exactly_the_limit_of_runs_of_the_tenant(self, make_run: MakeRun) -> None:
        cap = CapState(kind="tenant", name="", limit=4)

        def claim(run: Run) -> bool:
            with transaction.atomic():
                if not operations.has_slot(cap, run_id=run.pk):
                    return False
                run.transition("running")
                return True

        runs = [make_run(status="queued") for _ in range(MANY)]
        assert sum(together([lambda run=run: claim(run) for run in runs])) == 4  # type: ignore[misc]

    @staticmethod
    def ask(cap: CapState, run: Run) -> bool:
        with transaction.atomic():
            return operations.has_slot(cap, run_id=run.pk)


class TestNextWaiting:
    def test_is_the_oldest_run_that_queues_for_the_cap(self, make_run: MakeRun) -> None:
        make_run(status="queued", waits_for="tool:send_email")
        make_run(status="queued")
        make_run(status="cancelled", waits_for="tool:refund_order")
        oldest = make_run(status="queued", waits_for="tool:refund_order")
        make_run(status="queued", waits_for="tool:refund_order")
        with transaction.atomic():
            assert operations.next_waiting(TOOL, NAME) == oldest

    def test_is_nobody_where_nobody_waits(self, make_run: MakeRun) -> None:
        make_run(status="queued")
        with transaction.atomic():
            assert operations.next_waiting(TOOL, NAME) is None

    def test_is_another_for_each_who_asks_at_once(self, make_run: MakeRun) -> None:
        waiting = {make_run(status="queued", waits_for="tool:refund_order").pk for _ in range(2)}
        barrier = threading.Barrier(2)

        def ring() -> Any:
            with transaction.atomic():
                run = operations.next_waiting(TOOL, NAME)
                barrier.wait(timeout=10)
                return run.pk if run else None

        assert set(together([ring, ring])) == waiting
