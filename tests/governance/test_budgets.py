"""Budgets are exact: what is reserved, settled and released, and by whom, under many at once."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from governance.audit.models import AuditEvent
from governance.metering import operations, rules
from governance.metering.models import Budget, BudgetWindow, Reservation, UsageRecord
from governance.metering.operations import Held, Settlement, Wish
from governance.metering.types import (
    FREE,
    MILLION,
    BudgetExceeded,
    Called,
    CallKind,
    Charge,
    PriceUnknown,
    Spender,
    Unit,
)
from hitl.notifications.models import Notification
from tenants.kernel.context import platform_context, schema_tenant, tenant_context
from tenants.kernel.errors import DomainError, PermissionMissing, StaleTransition
from tenants.kernel.models import uuid7
from tests.governance.clones import as_owner
from tests.governance.samples import AGENT_ID, NOW, RUN_ID

OSCAR = Spender(
    tenant="acme",
    user_id=4,
    user_name="oscar",
    agent_id=AGENT_ID,
    agent_name="Support assistant",
    run_id=RUN_ID,
    run_started_at=NOW,
)
DOLLAR = Charge(micros=MILLION, input_tokens=600, output_tokens=400)
CHEAP = replace(DOLLAR, micros=700_000)
TABLES = ("reservation", "budgetwindow", "budget")


@pytest.fixture
def db(committed: str) -> Iterator[None]:
    """Use the module's own database, where what is written is committed; leave no budget behind."""
    yield
    with as_owner(committed) as owner:
        for schema in ("acme", "public"):
            for table in TABLES:
                owner.execute(f"DELETE FROM {schema}.governance_{table}")
        owner.execute("ALTER TABLE acme.governance_usagerecord DISABLE TRIGGER USER")
        owner.execute("DELETE FROM acme.governance_usagerecord")
        owner.execute("ALTER TABLE acme.governance_usagerecord ENABLE TRIGGER USER")


pytestmark = pytest.mark.usefixtures("acme")


def budget(limit: int, **more: Any) -> Budget:
    """Make a budget of the tenant, in dollars a day unless said otherwise."""
    given = {"scope": "tenant", "window": "day", "unit": "micros", **more}
    given.setdefault("name", f"{given['scope']} {given.get('subject', '')} {uuid7()}")
    made = Budget(limit=limit, **given)
    made.clean()
    made.save()
    return made


def reserve(
    charge: Charge = DOLLAR, *, spender: Spender = OSCAR, at: datetime = NOW, key: str = ""
) -> Held | None:
    """Reserve for a call of its own."""
    step = str(uuid7())
    called = Called(kind=CallKind.MODEL, name="fake", step_id=step, key=key or f"{step}:1.1")
    wish = Wish(called=called, spender=spender, estimate=charge, expires_at=at + timedelta(minutes=2))
    with transaction.atomic():
        return operations.book(rules=rules.standing(), wish=wish, now=at)


def settle(
    held: Held | None, actual: Charge | None = DOLLAR, *, at: datetime = NOW, spender: Spender = OSCAR
) -> None:
    """Settle a reservation."""
    assert held is not None
    row = Reservation.objects.get(pk=held.id)
    called = Called(kind=CallKind.MODEL, name="fake", step_id=str(row.step_id), key=row.key)
    settlement = Settlement(held=held, called=called, spender=spender, actual=actual)
    with transaction.atomic():
        operations.book(rules=rules.standing(), settlements=[settlement], now=at)


def standing(of: Budget) -> tuple[int, int]:
    """Return what is spent and reserved in the latest window of a budget."""
    window = BudgetWindow.objects.filter(budget=of).latest("started_at")
    return window.spent, window.reserved


def when_connected(action: Callable[[], Any]) -> Any:
    """Do it; on a busy machine hundreds of threads wait for a connection longer than a request would."""
    while True:
        try:
            connection.ensure_connection()
            break
        except OperationalError as error:
            if "couldn't get a connection" not in str(error):
                raise
    return action()


def at_once(actions: Sequence[Callable[[], Any]]) -> list[Any]:
    """Do each in a thread of its own, all let loose together; return what each returned or raised."""
    results: list[Any] = []
    barrier = threading.Barrier(len(actions))

    def act(action: Callable[[], Any]) -> None:
        with tenant_context(schema_tenant("acme")):
            barrier.wait()
            try:
                results.append(when_connected(action))
            except DomainError as error:
                results.append(error)
            finally:
                connection.close()

    threads = [threading.Thread(target=act, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == len(actions)
    return results


class TestManyAtOnce:
    def test_320_reservations_of_a_dollar_on_50_dollars_admit_50_and_settle_to_the_cent(self) -> None:
        fifty = budget(50 * MILLION)
        wide = budget(1000 * MILLION, scope="user")
        known = rules.standing()

        def one() -> Held | None:
            step = str(uuid7())
            called = Called(kind=CallKind.MODEL, name="fake", step_id=step, key=f"{step}:1.1")
            wish = Wish(called=called, spender=OSCAR, estimate=DOLLAR, expires_at=NOW + timedelta(minutes=2))
            with transaction.atomic():
                return operations.book(rules=known, wish=wish, now=NOW)

        results = at_once([one] * 320)
        admitted = [held for held in results if isinstance(held, Held)]
        refused = [error for error in results if isinstance(error, BudgetExceeded)]
        assert (len(admitted), len(refused)) == (50, 270), [r for r in results if r not in admitted][:3]
        assert standing(fifty) == (0, 50 * MILLION)
        assert standing(wide) == (0, 50 * MILLION), "what a refused call had reserved elsewhere is given back"

        costs = [Charge(micros=970_000 + 1_111 * n, input_tokens=1) for n in range(50)]
        actions = [partial(settle, held, cost) for held, cost in zip(admitted, costs, strict=True)]
        assert at_once(actions) == [None] * 50
        total = sum(cost.micros or 0 for cost in costs)
        assert standing(fifty) == standing(wide) == (total, 0)
        assert sum(row.cost_micros or 0 for row in UsageRecord.objects.all()) == total

    def test_settles_once_however_many_try(self) -> None:
        day = budget(5 * MILLION)
        held = reserve()
        at_once([lambda: settle(held)] * 12)
        assert standing(day) == (MILLION, 0)
        assert UsageRecord.objects.count() == 1

    def test_that_settle_and_reserve_in_other_orders_do_not_wait_for_each_other(self) -> None:
        """One has reserved in B only, as before A was made; then each settles and reserves in one transaction."""
        b = budget(1000 * MILLION, name="b")
        old = [reserve() for _ in range(12)]
        a = budget(1000 * MILLION, name="a")
        Budget.objects.filter(pk=a.pk).update(enabled=True)
        new = [reserve() for _ in range(12)]
        known = rules.standing()

        def go_on(held: Held) -> Held | None:
            row = Reservation.objects.get(pk=held.id)
            called = Called(kind=CallKind.MODEL, name="fake", step_id=str(row.step_id), key=row.key)
            following = replace(called, key=f"{row.step_id}:1.2")
            wish = Wish(called=following, spender=OSCAR, estimate=DOLLAR, expires_at=NOW)
            ended = Settlement(held=held, called=called, spender=OSCAR, actual=DOLLAR)
            with transaction.atomic():
                return operations.book(rules=known, settlements=[ended], wish=wish, now=NOW)

        results = at_once([partial(go_on, held) for held in [*old, *new] if held])
        assert all(isinstance(held, Held) for held in results), results
        assert standing(b) == (24 * MILLION, 24 * MILLION)
        assert standing(a) == (12 * MILLION, 24 * MILLION)


class TestScopes:
    def test_nest_and_the_narrowest_that_is_full_is_named(self) -> None:
        tenant = budget(10 * MILLION)
        agent = budget(2 * MILLION, scope="agent", name="Each agent")
        for _ in range(2):
            assert reserve() is not None
        with pytest.raises(BudgetExceeded, match="“Each agent” of each agent") as raised:
            reserve()
        assert raised.value.data == {
            "budget": "Each agent", "scope": "agent", "unit": "micros", "limit": 2 * MILLION, "spent": 0,
            "reserved": 2 * MILLION, "wanted": MILLION,
        }  # fmt: skip
        assert "An administrator (Admin, Budgets) can raise it" in raised.value.detail
        assert (standing(tenant), standing(agent)) == ((0, 2 * MILLION), (0, 2 * MILLION))
        assert reserve(spender=replace(OSCAR, agent_id=str(uuid7()))) is not None, "another agent has its own"

    def test_of_one_user_leaves_others_alone(self) -> None:
        budget(MILLION, scope="user", subject="4")
        reserve()
        with pytest.raises(BudgetExceeded):
            reserve()
        assert reserve(spender=replace(OSCAR, user_id=5)) is None, "no budget counts Rita's calls"

    def test_of_a_team_is_shared_by_its_members(self, oscar: Any, bob: Any) -> None:
        budget(2 * MILLION, scope="team", subject="operator")
        mine, colleague = replace(OSCAR, user_id=oscar.pk), replace(OSCAR, user_id=bob.pk)
        assert reserve(spender=colleague) is None, "Bob is no operator"
        reserve(spender=mine)
        reserve(spender=mine)
        with pytest.raises(BudgetExceeded, match="team operator"):
            reserve(spender=mine)

    def test_two_of_one_scope_both_hold(self) -> None:
        day, hour = budget(5 * MILLION), budget(MILLION, window="hour", name="An hour")
        reserve()
        with pytest.raises(BudgetExceeded, match="An hour"):
            reserve()
        assert (standing(day), standing(hour)) == ((0, MILLION), (0, MILLION))

    def test_of_tokens_counts_tokens_beside_money(self) -> None:
        tokens = budget(1500, unit="tokens")
        money = budget(50 * MILLION)
        reserve()
        with pytest.raises(
            BudgetExceeded, match=r"1,500 tokens a day, 0 tokens spent, 1,000 tokens reserved"
        ):
            reserve()
        assert (standing(tokens), standing(money)) == ((0, 1000), (0, MILLION))

    def test_of_each_run_begins_with_each_run(self) -> None:
        budget(MILLION, scope="run", window="run")
        reserve()
        with pytest.raises(BudgetExceeded):
            reserve()
        assert reserve(spender=replace(OSCAR, run_id=str(uuid7()))) is not None

    def test_of_each_request_limits_one_call_and_counts_nothing(self) -> None:
        budget(MILLION - 1, scope="request", window="request", name="One call")
        with pytest.raises(BudgetExceeded, match="One call"):
            reserve()
        assert reserve(Charge(micros=MILLION - 1)) is None
        assert not BudgetWindow.objects.exists()

    def test_of_the_platform_tells_a_tenant_nothing_of_what_the_others_spend(self) -> None:
        with platform_context():
            budget(MILLION, scope="platform", name="Everything")
        with tenant_context(schema_tenant("globex")):
            Budget.objects.update(enabled=False)  # its own, of the demo
            theirs = replace(OSCAR, tenant="globex")
            settle(reserve(CHEAP, spender=theirs), spender=theirs, actual=CHEAP)
        with pytest.raises(BudgetExceeded) as refused:
            reserve()
        told = f"{refused.value.detail} {refused.value.data}"
        warned = AuditEvent.objects.filter(action="budget.warned", subject_id="Everything")
        told += str([event.body for event in warned])
        told += str([one.text for one in Notification.objects.filter(subject__contains="Everything")])
        assert "Everything" in told
        assert not [figure for figure in ("0.70", "700000", "'limit'", "'spent'") if figure in told]

    def test_of_the_platform_counts_every_tenant(self) -> None:
        with platform_context():
            everybody = budget(3 * MILLION, scope="platform", name="Everything")
            each = budget(2 * MILLION, name="Each tenant")
        reserve()
        reserve()
        with pytest.raises(BudgetExceeded, match="The operator of the platform can raise it"):
            reserve()
        with tenant_context(schema_tenant("globex")):
            Budget.objects.update(enabled=False)  # its own, of the demo
            reserve(spender=replace(OSCAR, tenant="globex"))
            with pytest.raises(BudgetExceeded, match="“Everything” of the whole platform"):
                reserve(spender=replace(OSCAR, tenant="globex"))
        with platform_context():
            assert standing(everybody) == (0, 3 * MILLION)
            assert sorted(BudgetWindow.objects.filter(budget=each).values_list("subject", "reserved")) == [
                ("acme", 2 * MILLION),
                ("globex", MILLION),
            ]

    def test_that_do_not_apply_ask_nothing(self) -> None:
        known = rules.standing()
        step = str(uuid7())
        called = Called(kind=CallKind.MODEL, name="fake", step_id=step, key=step)
        wish = Wish(called=called, spender=OSCAR, estimate=DOLLAR, expires_at=NOW)
        with transaction.atomic(), CaptureQueriesContext(connection) as queries:
            assert operations.book(rules=known, wish=wish, now=NOW) is None
        assert [q for q in queries if "SAVEPOINT" not in q["sql"]] == []


class TestWindows:
    @pytest.mark.parametrize(
        ("window", "last", "following"),
        [
            ("hour", datetime(2026, 3, 2, 9, 59, 59, 999999, UTC), datetime(2026, 3, 2, 10, tzinfo=UTC)),
            ("day", datetime(2026, 3, 2, 23, 59, 59, 999999, UTC), datetime(2026, 3, 3, tzinfo=UTC)),
            ("month", datetime(2026, 12, 31, 23, 59, 59, 999999, UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        ],
    )
    def test_roll_over_as_another_row(self, window: str, last: datetime, following: datetime) -> None:
        of = budget(MILLION, window=window)
        held = reserve(at=last)
        with pytest.raises(BudgetExceeded, match=f"starts anew at {following:%Y-%m-%d %H:%M} UTC"):
            reserve(at=last)
        assert reserve(at=following) is not None
        settle(held, at=following)
        rows = BudgetWindow.objects.filter(budget=of).order_by("started_at")
        assert [(row.spent, row.reserved) for row in rows] == [(MILLION, 0), (0, MILLION)]
        assert rows[0].ends_at == rows[1].started_at == following


class TestALimit:
    def test_that_was_lowered_holds_at_once_whatever_a_worker_remembers(self) -> None:
        of = budget(10 * MILLION)
        remembered = rules.standing()
        reserve()
        Budget.objects.filter(pk=of.pk).update(limit=MILLION)
        step = str(uuid7())
        called = Called(kind=CallKind.MODEL, name="fake", step_id=step, key=step)
        wish = Wish(called=called, spender=OSCAR, estimate=DOLLAR, expires_at=NOW)
        with pytest.raises(BudgetExceeded), transaction.atomic():
            operations.book(rules=remembered, wish=wish, now=NOW)

    def test_that_was_switched_off_refuses_nothing(self) -> None:
        of = budget(0)
        with pytest.raises(BudgetExceeded):
            reserve()
        Budget.objects.filter(pk=of.pk).update(enabled=False)
        assert reserve() is None

    def test_in_money_refuses_a_model_without_a_price(self) -> None:
        budget(10 * MILLION)
        with pytest.raises(PriceUnknown, match="The model fake has no price"):
            reserve(Charge(micros=None, input_tokens=5))

    def test_in_tokens_needs_no_price(self) -> None:
        of = budget(10, unit="tokens")
        reserve(Charge(micros=None, input_tokens=5))
        assert standing(of) == (0, 5)


class TestSettling:
    def test_counts_what_it_cost_even_above_the_limit_and_says_so(self) -> None:
        of = budget(MILLION, name="Small")
        settle(reserve(), Charge(micros=3 * MILLION, input_tokens=9))
        assert standing(of) == (3 * MILLION, 0)
        event = AuditEvent.objects.filter(action="budget.warned").latest("id")
        assert (event.outcome, event.body["name"], event.body["spent"]) == ("100", "Small", 3 * MILLION)
        with pytest.raises(BudgetExceeded):
            reserve()

    def test_of_what_was_never_sent_gives_everything_back(self) -> None:
        of = budget(MILLION)
        held = reserve()
        settle(held, FREE)
        assert standing(of) == (0, 0)
        assert not UsageRecord.objects.exists()
        assert held is not None
        assert Reservation.objects.get(pk=held.id).status == Reservation.Status.RELEASED

    def test_of_one_key_is_reserved_once(self) -> None:
        budget(9 * MILLION)
        reserve(key="step:1.1")
        with pytest.raises(Exception, match="duplicate key"):
            reserve(key="step:1.1")

    def test_warns_at_50_80_and_100_percent_once_a_window(self) -> None:
        of = budget(10 * MILLION, name="Ten")
        before = AuditEvent.objects.filter(action="budget.warned").count()
        for _ in range(10):
            settle(reserve())
        warned = AuditEvent.objects.filter(action="budget.warned").order_by("id")[before:]
        assert [(event.outcome, event.body["spent"]) for event in warned] == [
            ("50", 5 * MILLION),
            ("80", 8 * MILLION),
            ("100", 10 * MILLION),
        ]
        settle(reserve(at=NOW + timedelta(days=1)), at=NOW + timedelta(days=1))
        assert BudgetWindow.objects.filter(budget=of).latest("started_at").warned == 0


class TestALostCall:
    def test_is_settled_at_its_estimate_and_waits_for_somebody(self) -> None:
        of = budget(5 * MILLION)
        held = reserve()
        assert held is not None
        assert operations.settle_lost(now=NOW + timedelta(minutes=1)) == 0, "it may still be under way"
        later = NOW + timedelta(minutes=2)
        assert operations.settle_lost(now=later) == 1
        assert operations.settle_lost(now=later) == 0
        assert standing(of) == (MILLION, 0)
        usage = UsageRecord.objects.get()
        assert (usage.cost_micros, usage.estimated) == (MILLION, True)
        assert Reservation.objects.get(pk=held.id).status == Reservation.Status.UNKNOWN
        assert AuditEvent.objects.filter(action="budget.settled-at-estimate", step_id=usage.step_id).exists()

    def test_that_answers_after_all_is_corrected(self) -> None:
        of = budget(5 * MILLION)
        held = reserve()
        operations.settle_lost(now=NOW + timedelta(minutes=2))
        settle(held, Charge(micros=300_000, input_tokens=100, output_tokens=100))
        assert standing(of) == (300_000, 0)
        usage = UsageRecord.objects.order_by("id")
        assert [(row.cost_micros, row.correction) for row in usage] == [(MILLION, False), (-700_000, True)]
        settle(held, Charge(micros=300_000))
        assert standing(of) == (300_000, 0)

    def test_is_reconciled_by_who_may(self, alice: Any, charlie: Any) -> None:
        of = budget(5 * MILLION)
        held = reserve()
        operations.settle_lost(now=NOW + timedelta(minutes=2))
        assert held is not None
        row = Reservation.objects.get(pk=held.id)
        with pytest.raises(PermissionMissing):
            operations.reconcile(reservation=row, was_billed=False, by=charlie, now=NOW)
        operations.reconcile(reservation=row, was_billed=False, by=alice, now=NOW)
        assert standing(of) == (0, 0)
        with pytest.raises(StaleTransition):
            operations.reconcile(reservation=row, was_billed=True, by=alice, now=NOW)
        event = AuditEvent.objects.filter(action="budget.reconciled").latest("id")
        assert (event.actor_name, event.body["was_billed"]) == ("alice", False)


class TestEvidence:
    @pytest.mark.parametrize("table", ["usagerecord", "price"])
    def test_is_only_added_to(self, table: str) -> None:
        budget(5 * MILLION)
        settle(reserve())
        with pytest.raises(Exception, match="append-only"), connection.cursor() as cursor:
            cursor.execute(f"UPDATE governance_{table} SET id = id")

    def test_names_who_spent_it_on_what(self) -> None:
        budget(5 * MILLION)
        settle(reserve())
        usage = UsageRecord.objects.get()
        assert (usage.agent_name, usage.user_name, usage.run_id) == (
            "Support assistant",
            "oscar",
            UUID(RUN_ID),
        )
        assert (usage.input_tokens, usage.output_tokens) == (600, 400)


def test_amounts_are_of_the_unit() -> None:
    assert DOLLAR.amount(Unit.MICROS) == MILLION
    assert DOLLAR.amount(Unit.TOKENS) == 1000
