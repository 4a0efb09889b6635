"""Reserve before a call, settle after it, and release what was never sent.

All that a transaction books is booked in one pass, by ascending budget, subject and window, so that no two
transactions wait for each other; and every check is a conditional update of one row, which sees what the last
holder of the lock committed. A check over a snapshot would admit too many.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.metering import warnings, windows
from governance.metering.models import Reservation, UsageRecord
from governance.metering.types import (
    FREE,
    BudgetExceeded,
    BudgetRule,
    Called,
    CallKind,
    Charge,
    MeteringRules,
    PriceUnknown,
    Share,
    Spender,
    Unit,
    Window,
)
from governance.metering.words import refusal
from governance.types import SYSTEM, Actor, Subject, UserRef
from tenants.kernel import prepared, writes
from tenants.kernel.errors import PermissionMissing, StaleTransition
from tenants.kernel.jsonvalues import JsonObject
from tenants.kernel.models import uuid7

RECONCILE = "governance.reconcile_reservation"
BATCH = 200

_RESERVE = """
INSERT INTO {schema}governance_budgetwindow AS w
 (id, budget_id, subject, started_at, ends_at, spent, reserved, warned)
SELECT %(id)s, b.id, %(subject)s, %(started_at)s, %(ends_at)s, 0, %(amount)s, 0
FROM {schema}governance_budget b WHERE b.id = %(budget)s AND b.enabled AND b."limit" >= %(amount)s
ON CONFLICT (budget_id, subject, started_at) DO UPDATE SET reserved = w.reserved + EXCLUDED.reserved
WHERE (SELECT b."limit" FROM {schema}governance_budget b WHERE b.id = w.budget_id)
 - w.spent - w.reserved >= EXCLUDED.reserved
RETURNING w.id
"""
_STATE = """
SELECT b.enabled, b."limit", COALESCE(w.spent, 0), COALESCE(w.reserved, 0)
FROM {schema}governance_budget b LEFT JOIN {schema}governance_budgetwindow w
 ON w.budget_id = b.id AND w.subject = %(subject)s AND w.started_at = %(started_at)s
WHERE b.id = %(budget)s
"""
_GIVE_BACK = "UPDATE {schema}governance_budgetwindow SET reserved = reserved - %(amount)s WHERE id = %(id)s"
_SETTLE = """
UPDATE {schema}governance_budgetwindow w SET reserved = w.reserved - %(held)s, spent = w.spent + %(actual)s
FROM {schema}governance_budget b WHERE w.id = %(id)s AND b.id = w.budget_id
RETURNING b.name, b.scope, w.subject, b.unit, b."limit", w.spent, w.warned, w.ends_at
"""


@dataclass(frozen=True, kw_only=True)
class Held:
    """A reservation as whoever made it remembers it."""

    id: UUID
    estimate: Charge
    holds: Sequence[JsonObject]


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """How one call ended. Without `held`, no budget counted it, and only its usage is put on record.

    `actual` is None where nobody knows; then it counts as estimated. `FREE` releases all that was held.
    """

    held: Held | None
    called: Called
    spender: Spender
    actual: Charge | None


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A call that is to be made, what it may cost at most, and by when it must have ended."""

    called: Called
    spender: Spender
    estimate: Charge
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class _Move:
    """A change of one window: what is spent and given back there, or what is reserved."""

    place: tuple[Any, ...]
    share: Share | None = None
    hold: JsonObject = field(default_factory=dict)
    spent: int = 0


def needs_estimate(rules: MeteringRules, spender: Spender) -> bool:
    """Tell whether any budget counts this spender's calls."""
    return next(iter(windows.applying(rules, spender)), None) is not None


def book(
    *, rules: MeteringRules, settlements: Sequence[Settlement] = (), wish: Wish | None = None, now: datetime
) -> Held | None:
    """Settle calls that have ended and reserve for the next one; return the reservation, None if no budget counts it.

    Call it as the last thing that locks rows in the transaction, which must be committed before the call is
    made. Raises BudgetExceeded naming the budget, or PriceUnknown; what was settled stays settled then.
    """
    moves = [move for one in settlements for move in _settling(one, now=now)]
    shares: list[Share] = []
    if wish is not None:
        _check_single(rules, wish)
        shares = windows.shares(rules, wish.spender, now=now)
        moves += [_Move(place=(*share.place, 1), share=share) for share in shares]
    holds: list[JsonObject] = []
    refused: BudgetExceeded | PriceUnknown | None = None
    for move in sorted(moves, key=lambda move: move.place):
        if move.share is None:
            _settle(move, now=now)
        elif wish is not None and refused is None:
            try:
                hold = _reserve(move.share, wish)
            except (BudgetExceeded, PriceUnknown) as error:
                refused = error
                for given in holds:
                    values = {"amount": given["amount"], "id": UUID(given["window"])}
                    prepared.execute(_of(_GIVE_BACK, is_platforms=given["platform"]), values)
                if isinstance(error, BudgetExceeded):
                    warnings.refused(move.share, now=now)
            else:
                holds += [hold] if hold else []
    if refused is not None:
        raise refused
    return _kept(wish, holds, now=now) if wish is not None and holds else None


def _check_single(rules: MeteringRules, wish: Wish) -> None:
    """Raise BudgetExceeded if one call alone may cost more than a call may."""
    for budget, _ in windows.applying(rules, wish.spender):
        if budget.window is Window.REQUEST:
            check_price(budget, wish.called, wish.estimate)
            wanted = wish.estimate.amount(budget.unit)
            if wanted > budget.limit:
                raise refusal(budget, spent=0, reserved=0, limit=budget.limit, wanted=wanted, ends_at=None)


def check_price(budget: BudgetRule, called: Called, estimate: Charge) -> None:
    """Raise PriceUnknown if the budget is in money and the call has no price."""
    if budget.unit is Unit.MICROS and estimate.micros is None:
        raise PriceUnknown(
            f"The model {called.name} has no price, and the budget “{budget.name}” is in money. An administrator "
            "adds the price, 0 for a model that is free.",
            budget=budget.name,
        )


def _reserve(share: Share, wish: Wish) -> JsonObject | None:
    """Hold the estimate in one window; None if the budget has just been switched off."""
    budget = share.budget
    check_price(budget, wish.called, wish.estimate)
    amount = wish.estimate.amount(budget.unit)
    values = {
        "id": uuid7(),
        "budget": budget.id,
        "subject": share.subject,
        "started_at": share.started_at,
        "ends_at": share.ends_at,
        "amount": amount,
    }
    rows = prepared.execute(_of(_RESERVE, is_platforms=budget.is_platforms), values)
    if rows:
        return {
            "budget": str(budget.id),
            "platform": budget.is_platforms,
            "unit": budget.unit.value,
            "window": str(rows[0][0]),
            "subject": share.subject,
            "started_at": share.started_at.isoformat(),
            "amount": amount,
        }
    state = prepared.execute(_of(_STATE, is_platforms=budget.is_platforms), values)
    if not state or not state[0][0]:
        return None
    _, limit, spent, reserved = state[0]
    raise refusal(budget, spent=spent, reserved=reserved, limit=limit, wanted=amount, ends_at=share.ends_at)


def _kept(wish: Wish, holds: list[JsonObject], *, now: datetime) -> Held:
    spender, called = wish.spender, wish.called
    row = Reservation(
        key=called.key,
        kind=called.kind,
        name=called.name[:120],
        step_id=UUID(called.step_id),
        run_id=UUID(spender.run_id),
        user_id=spender.user_id,
        user_name=spender.user_name,
        agent_id=spender.agent_id,
        agent_name=spender.agent_name,
        estimate=_in_json(wish.estimate),
        holds=holds,
        created_at=now,
        expires_at=wish.expires_at,
    )
    writes.insert(row)
    return Held(id=row.pk, estimate=wish.estimate, holds=holds)


# --- settling


def _settling(one: Settlement, *, now: datetime) -> list[_Move]:
    """Close the reservation of a call and put its usage on record; return what is to change in its budgets."""
    if one.held is None:
        if one.actual != FREE:
            record_usage(one.called, one.spender, one.actual, now=now)
        return []
    status = Reservation.Status.UNKNOWN if one.actual is None else Reservation.Status.SETTLED
    charge = one.held.estimate if one.actual is None else one.actual
    if charge == FREE:
        status = Reservation.Status.RELEASED
    row = Reservation(pk=one.held.id, status=Reservation.Status.OPEN)
    try:
        row.transition(status, actual=_in_json(charge), settled_at=now)
    except StaleTransition:
        return _too_late(one, now=now)
    if status is not Reservation.Status.RELEASED:
        record_usage(one.called, one.spender, charge, now=now, estimated=one.actual is None)
    return [
        _of_hold(hold, held=hold["amount"], spent=charge.amount(Unit(hold["unit"])))
        for hold in one.held.holds
    ]


def _too_late(one: Settlement, *, now: datetime) -> list[_Move]:
    """Correct a call that was settled at its estimate by now; one that was settled otherwise stays as it is."""
    held, actual = one.held, one.actual
    if held is None or actual is None:
        return []
    row = Reservation(pk=held.id, status=Reservation.Status.UNKNOWN)
    try:
        row.transition(Reservation.Status.RECONCILED, actual=_in_json(actual), settled_at=now)
    except StaleTransition:
        return []
    record_usage(one.called, one.spender, _difference(actual, held.estimate), now=now, correction=True)
    return [
        _of_hold(hold, held=0, spent=actual.amount(Unit(hold["unit"])) - hold["amount"])
        for hold in held.holds
    ]


def _difference(actual: Charge, estimate: Charge) -> Charge:
    return Charge(
        micros=(actual.micros or 0) - (estimate.micros or 0),
        input_tokens=actual.input_tokens - estimate.input_tokens,
        cached_tokens=actual.cached_tokens - estimate.cached_tokens,
        output_tokens=actual.output_tokens - estimate.output_tokens,
        prices=actual.prices,
    )


def _of_hold(hold: JsonObject, *, held: int, spent: int) -> _Move:
    place = (hold["budget"], hold["subject"], hold["started_at"], 0)
    return _Move(place=place, hold={**hold, "amount": held}, spent=spent)


def _settle(move: _Move, *, now: datetime) -> None:
    hold = move.hold
    values = {"held": hold["amount"], "actual": move.spent, "id": UUID(hold["window"])}
    for row in prepared.execute(_of(_SETTLE, is_platforms=hold["platform"]), values):
        warnings.after(row, window=hold["window"], is_platforms=hold["platform"], now=now)


def record_usage(
    called: Called,
    spender: Spender,
    charge: Charge | None,
    *,
    now: datetime,
    estimated: bool = False,
    correction: bool = False,
) -> None:
    """Put on record what a call used; with the batch of the transaction, if there is one."""
    if charge is None or (called.kind is CallKind.TOOL and not charge.micros):
        return
    writes.insert(
        UsageRecord(
            at=now,
            kind=called.kind,
            name=called.name[:120],
            agent_id=spender.agent_id,
            agent_name=spender.agent_name[:150],
            user_id=spender.user_id,
            user_name=spender.user_name[:150],
            run_id=UUID(spender.run_id),
            step_id=UUID(called.step_id),
            key=called.key,
            input_tokens=charge.input_tokens,
            cached_tokens=charge.cached_tokens,
            output_tokens=charge.output_tokens,
            cost_micros=charge.micros,
            prices=list(charge.prices),
            estimated=estimated,
            correction=correction,
        )
    )


def is_recorded(called: Called, *, now: datetime) -> bool:
    """Tell whether the usage of this attempt is on record; looks back an hour."""
    recent = UsageRecord.objects.filter(at__gte=now - timedelta(hours=1))
    return recent.filter(key=called.key).exists()


# --- what nobody settled


def settle_lost(*, now: datetime) -> int:
    """Settle at the estimate what was reserved for calls whose worker was lost; return how many there were.

    Never released: the provider may have done the work. Each waits for somebody to reconcile it.
    """
    lost = list(Reservation.objects.lost(now)[:BATCH])
    for row in lost:
        with transaction.atomic():
            if not Reservation.objects.lost(now).select_for_update(skip_locked=True).filter(pk=row.pk):
                continue
            book(rules=MeteringRules(), settlements=[_settlement(row, actual=None)], now=now)
            body = {"key": row.key, "estimate": row.estimate, "name": row.name}
            audit.record(
                _entry(row, "budget.settled-at-estimate", SYSTEM, at=now, outcome="unknown", body=body)
            )
    return len(lost)


@transaction.atomic
def reconcile(*, reservation: Reservation, was_billed: bool, by: Any, now: datetime) -> Reservation:
    """Say of a call that was settled at its estimate whether the provider billed it; else it costs nothing.

    Raises PermissionMissing without `governance.reconcile_reservation`, StaleTransition if it does not wait for
    anybody's word.
    """
    if not by.has_perm(RECONCILE):
        raise PermissionMissing("You may not reconcile what calls have cost.")
    row = Reservation.objects.select_for_update().get(pk=reservation.pk)
    if row.status != Reservation.Status.UNKNOWN:
        raise StaleTransition(f"This call is {row.get_status_display().lower()}; it waits for nobody's word.")
    actual = _charge(row.estimate) if was_billed else FREE
    settlement = _settlement(row, actual=actual)
    for move in _too_late(settlement, now=now):
        _settle(move, now=now)
    person = Actor(kind="person", id=str(by.pk), name=by.username)
    body = {"key": row.key, "was_billed": was_billed, "cost_micros": actual.micros}
    audit.record(_entry(row, "budget.reconciled", person, at=now, outcome="ok", body=body))
    row.refresh_from_db()
    return row


def _settlement(row: Reservation, *, actual: Charge | None) -> Settlement:
    return Settlement(
        held=Held(id=row.pk, estimate=_charge(row.estimate), holds=row.holds),
        called=Called(kind=CallKind(row.kind), name=row.name, step_id=str(row.step_id), key=row.key),
        spender=Spender(
            tenant="",
            user_id=row.user_id,
            user_name=row.user_name,
            agent_id=row.agent_id,
            agent_name=row.agent_name,
            run_id=str(row.run_id),
            run_started_at=row.created_at,
        ),
        actual=actual,
    )


def _entry(
    row: Reservation, action: str, actor: Actor, *, at: datetime, outcome: str, body: JsonObject
) -> Entry:
    return Entry(
        at=at,
        action=action,
        actor=actor,
        user=UserRef(id=row.user_id, name=row.user_name),
        agent_id=row.agent_id,
        agent_name=row.agent_name,
        run_id=str(row.run_id),
        step_id=str(row.step_id),
        subject=Subject(kind="reservation", id=str(row.pk)),
        outcome=outcome,
        body=body,
    )


def _in_json(charge: Charge) -> JsonObject:
    return {
        "micros": charge.micros,
        "input_tokens": charge.input_tokens,
        "cached_tokens": charge.cached_tokens,
        "output_tokens": charge.output_tokens,
    }


def _charge(stored: JsonObject) -> Charge:
    return Charge(**stored)


def _of(statement: str, *, is_platforms: bool) -> str:
    """Return the statement for the tables of the current schema, or of the platform."""
    return statement.format(schema="public." if is_platforms else "")
