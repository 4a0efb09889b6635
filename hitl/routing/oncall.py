"""Who is on call at an instant, and until when. Pure.

Local times become instants as `zoneinfo` says: a time that the clocks skip is the same distance after the
change, a time that they repeat is its first. Instants alone are compared, so nobody hands over twice and
nobody is missing on the days when the clocks change.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hitl.routing.types import Unit

DAY = timedelta(days=1)
LOOK = timedelta(days=28)
"""How far around an instant the ends of a shift are looked for."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """Hours of some weekdays (Monday is 0) of the schedule's zone.

    It opens on those days; `closes` before `opens` is on the next day, and equal to it is a whole day later.
    """

    days: frozenset[int]
    opens: time
    closes: time


@dataclass(frozen=True, kw_only=True)
class Layer:
    """People who take turns, from `starts_at` on and in the order given; within the windows, if there are any."""

    participants: tuple[int, ...]
    starts_at: datetime
    length: int
    unit: Unit
    handoff: time
    windows: tuple[Window, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Override:
    """Somebody takes over: from whoever is on call, or only from `replaces`."""

    user_id: int
    replaces: int | None = None
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A schedule: the first layer with somebody on duty answers, then the overrides in the order they were made.

    `absent` are people who can no longer be called; their turns are gaps that a later layer fills.
    """

    zone: ZoneInfo
    layers: tuple[Layer, ...] = ()
    overrides: tuple[Override, ...] = ()
    absent: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Shift:
    """A stretch of time in which one person, or nobody, is on call; without its end."""

    user_id: int | None
    starts_at: datetime
    ends_at: datetime


def who(plan: Plan, at: datetime) -> int | None:
    """Return who is on call at that instant; None for nobody."""
    on_duty = (_on_duty(layer, at, plan.zone) for layer in plan.layers)
    answer = next((user for user in on_duty if user is not None and user not in plan.absent), None)
    for override in plan.overrides:
        is_for = override.replaces is None or override.replaces == answer
        if override.starts_at <= at < override.ends_at and is_for and override.user_id not in plan.absent:
            answer = override.user_id
    return answer


def shifts(plan: Plan, start: datetime, end: datetime) -> list[Shift]:
    """Return the shifts from `start` to `end`, gaps included: each begins where the one before ends."""
    edges = {edge for edge in _edges(plan, start, end) if start < edge < end}
    cuts = [start, *sorted(edges), end]
    found: list[Shift] = []
    for begin, finish in pairwise(cuts):
        user = who(plan, begin)
        if found and found[-1].user_id == user:
            begin = found.pop().starts_at  # noqa: PLW2901  # the same person goes on
        found.append(Shift(user_id=user, starts_at=begin, ends_at=finish))
    return found


def shift_at(plan: Plan, at: datetime) -> Shift:
    """Return the shift, or the gap, that the instant is in; its ends are looked for 28 days either way."""
    around = shifts(plan, at - LOOK, at + LOOK)
    return around[bisect_right([shift.starts_at for shift in around], at) - 1]


def gaps(found: Iterable[Shift]) -> list[Shift]:
    """Return the stretches in which nobody is on call."""
    return [shift for shift in found if shift.user_id is None]


def _on_duty(layer: Layer, at: datetime, zone: ZoneInfo) -> int | None:
    if at < layer.starts_at or not layer.participants or not _is_open(layer.windows, at, zone):
        return None
    turns = _turn(layer, at, zone) - _turn(layer, layer.starts_at, zone)
    return layer.participants[turns % len(layer.participants)]


def _is_open(windows: tuple[Window, ...], at: datetime, zone: ZoneInfo) -> bool:
    today = at.astimezone(zone).date()
    spans = (span for window in windows for span in _spans(window, today - DAY, today, zone))
    return not windows or any(opens <= at < closes for opens, closes in spans)


def _spans(window: Window, first: date, last: date, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
    """Return when the window opens and closes on the days from `first` to `last`."""
    for day in _days(first, last):
        if day.weekday() in window.days:
            closing = day if window.closes > window.opens else day + DAY
            yield _instant(day, window.opens, zone), _instant(closing, window.closes, zone)


def _turn(layer: Layer, at: datetime, zone: ZoneInfo) -> int:
    """Return how many hand-offs lie between the layer's first day, at the time of hand-off, and the instant.

    A first shift of days that begins earlier on that day is longer, rather than another one before it.
    """
    first = layer.starts_at.astimezone(zone).date()
    if layer.unit is Unit.HOURS:
        return (at - _instant(first, layer.handoff, zone)) // timedelta(hours=layer.length)
    turn = (at.astimezone(zone).date() - first).days // _days_of(layer)
    return max(turn if _handoff(layer, turn, zone) <= at else turn - 1, 0)


def _handoff(layer: Layer, turn: int, zone: ZoneInfo) -> datetime:
    """Return the instant at which that turn begins."""
    first = layer.starts_at.astimezone(zone).date()
    if layer.unit is Unit.HOURS:
        return _instant(first, layer.handoff, zone) + timedelta(hours=layer.length) * turn
    return _instant(first + DAY * _days_of(layer) * turn, layer.handoff, zone)


def _days_of(layer: Layer) -> int:
    return layer.length * (7 if layer.unit is Unit.WEEKS else 1)


def _edges(plan: Plan, start: datetime, end: datetime) -> Iterator[datetime]:
    """Return every instant at which the answer may change, and some outside of the stretch."""
    for override in plan.overrides:
        yield from (override.starts_at, override.ends_at)
    first, last = start.astimezone(plan.zone).date() - DAY, end.astimezone(plan.zone).date()
    for layer in plan.layers:
        yield layer.starts_at
        for window in layer.windows:
            for span in _spans(window, first, last, plan.zone):
                yield from span
        begin = max(start, layer.starts_at)
        for turn in range(_turn(layer, begin, plan.zone), _turn(layer, max(end, begin), plan.zone) + 1):
            yield _handoff(layer, turn, plan.zone)


def _days(first: date, last: date) -> Iterator[date]:
    return (first + DAY * n for n in range((last - first).days + 1))


def _instant(day: date, clock: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, clock, tzinfo=zone).astimezone(UTC)
