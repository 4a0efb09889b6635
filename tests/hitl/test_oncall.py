"""Who is on call, by table and by property, on the days when clocks change too."""

import itertools
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hitl.routing.oncall import Layer, Override, Plan, Shift, Window, gaps, shift_at, shifts, who
from hitl.routing.types import Unit

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia")
BOB, RITA, CAROL = 2, 3, 4
EVERY_DAY = frozenset(range(7))


def local(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    """Return the instant of a local time; the first of two."""
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


FIRST_DAY = utc("2026-03-02T00:00")


def layer(
    *participants: int,
    starts: datetime = FIRST_DAY,
    length: int = 1,
    unit: Unit = Unit.DAYS,
    handoff: time = time(9),
    windows: tuple[Window, ...] = (),
) -> Layer:
    return Layer(
        participants=participants,
        starts_at=starts,
        length=length,
        unit=unit,
        handoff=handoff,
        windows=windows,
    )


def plan(*layers: Layer, zone: ZoneInfo = BERLIN, overrides: tuple[Override, ...] = ()) -> Plan:
    return Plan(zone=zone, layers=layers, overrides=overrides)


class TestRotation:
    @pytest.mark.parametrize(
        ("at", "expected"),
        [
            ("2026-03-01T23:59", None),  # before it begins
            ("2026-03-02T01:00", BOB),  # from its beginning, before the first hand-off
            ("2026-03-03T08:59", BOB),
            ("2026-03-03T09:00", RITA),
            ("2026-03-04T08:59:59", RITA),
            ("2026-03-04T09:00", CAROL),
            ("2026-03-05T09:00", BOB),
        ],
    )
    def test_hands_over_each_day_at_the_local_time(self, at: str, expected: int | None) -> None:
        daily = plan(layer(BOB, RITA, CAROL))
        assert who(daily, local(at)) == expected

    def test_of_weeks_hands_over_on_the_weekday_of_its_beginning(self) -> None:
        weekly = plan(layer(BOB, RITA, unit=Unit.WEEKS, starts=local("2026-03-02T00:00")))
        for at, expected in [
            ("2026-03-08T23:00", BOB),
            ("2026-03-09T08:59", BOB),
            ("2026-03-09T09:00", RITA),
            ("2026-03-16T09:00", BOB),
            ("2026-03-30T09:00", BOB),  # after the clocks went forward
            ("2026-03-30T08:59", RITA),
        ]:
            assert who(weekly, local(at)) == expected, at

    def test_of_hours_counts_hours_that_pass(self) -> None:
        half_days = plan(layer(BOB, RITA, length=12, unit=Unit.HOURS, starts=local("2026-03-28T09:00")))
        assert who(half_days, local("2026-03-28T20:59")) == BOB
        assert who(half_days, local("2026-03-28T21:00")) == RITA
        assert who(half_days, local("2026-03-29T09:59")) == RITA  # an hour was skipped: the hand-off moved
        assert who(half_days, local("2026-03-29T10:00")) == BOB

    def test_without_people_is_a_gap(self) -> None:
        assert who(plan(layer()), local("2026-03-03T10:00")) is None
        assert who(plan(), local("2026-03-03T10:00")) is None

    def test_leaves_the_turn_of_who_has_gone_to_a_later_layer(self) -> None:
        both = (layer(BOB, RITA), layer(CAROL))
        left = Plan(zone=BERLIN, layers=both, absent=frozenset({RITA}))
        assert who(left, local("2026-03-02T10:00")) == BOB
        assert who(left, local("2026-03-03T10:00")) == CAROL


class TestClockChanges:
    def test_forward_neither_skips_nor_repeats_a_hand_off(self) -> None:
        early = plan(layer(BOB, RITA, handoff=time(2, 30), starts=local("2026-03-28T12:00")))
        assert shifts(early, local("2026-03-28T12:00"), local("2026-03-30T12:00")) == [
            Shift(user_id=BOB, starts_at=local("2026-03-28T12:00"), ends_at=utc("2026-03-29T01:30")),
            Shift(user_id=RITA, starts_at=utc("2026-03-29T01:30"), ends_at=utc("2026-03-30T00:30")),
            Shift(user_id=BOB, starts_at=utc("2026-03-30T00:30"), ends_at=local("2026-03-30T12:00")),
        ]  # 02:30 does not exist on the 29th: it is 03:30

    def test_backward_hands_over_once_at_the_first_of_two_times(self) -> None:
        early = plan(layer(BOB, RITA, handoff=time(2, 30), starts=local("2026-10-24T12:00")))
        found = shifts(early, local("2026-10-24T12:00"), local("2026-10-26T01:00"))
        assert [(shift.user_id, shift.ends_at) for shift in found] == [
            (BOB, utc("2026-10-25T00:30")),
            (RITA, utc("2026-10-26T00:00")),
        ]

    def test_make_the_shift_of_that_day_23_or_25_hours_long(self) -> None:
        daily = plan(layer(BOB, RITA, starts=local("2026-01-01T09:00")))
        for at, hours in [("2026-03-28T10:00", 23), ("2026-10-24T10:00", 25), ("2026-06-01T10:00", 24)]:
            shift = shift_at(daily, local(at))
            assert (shift.ends_at - shift.starts_at) == timedelta(hours=hours), at

    def test_leave_no_hole_between_windows_that_meet(self) -> None:
        nights = Window(days=EVERY_DAY, opens=time(22), closes=time(2, 30))
        mornings = Window(days=EVERY_DAY, opens=time(2, 30), closes=time(22))
        for zone, day in [(BERLIN, "2026-03-29"), (BERLIN, "2026-10-25"), (NEW_YORK, "2026-03-08")]:
            two = plan(
                layer(BOB, windows=(nights,), starts=utc("2026-01-01T00:00")),
                layer(RITA, windows=(mornings,), starts=utc("2026-01-01T00:00")),
                zone=zone,
            )
            midnight = local(f"{day}T00:00", zone)
            assert gaps(shifts(two, midnight, midnight + timedelta(days=2))) == []


class TestWindows:
    @pytest.mark.parametrize(
        ("at", "expected"),
        [
            ("2026-03-06T21:59", None),
            ("2026-03-06T22:00", BOB),  # Friday
            ("2026-03-07T05:59", BOB),  # Saturday morning belongs to Friday's night
            ("2026-03-07T06:00", None),
            ("2026-03-07T22:00", None),
        ],
    )
    def test_across_midnight_belong_to_the_day_on_which_they_open(
        self, at: str, expected: int | None
    ) -> None:
        night = Window(days=frozenset({4}), opens=time(22), closes=time(6))
        assert who(plan(layer(BOB, windows=(night,))), local(at)) == expected

    def test_that_close_when_they_open_last_a_day(self) -> None:
        saturday = Window(days=frozenset({5}), opens=time(0), closes=time(0))
        weekend = plan(layer(BOB, windows=(saturday,)))
        found = shifts(weekend, local("2026-03-06T00:00"), local("2026-03-09T00:00"))
        assert [(shift.user_id, shift.starts_at) for shift in found] == [
            (None, local("2026-03-06T00:00")),
            (BOB, local("2026-03-07T00:00")),
            (None, local("2026-03-08T00:00")),
        ]

    def test_left_open_are_filled_by_a_later_layer(self) -> None:
        office = Window(days=frozenset(range(5)), opens=time(8), closes=time(18))
        two = plan(layer(BOB, windows=(office,)), layer(RITA))
        assert who(two, local("2026-03-03T12:00")) == BOB
        assert who(two, local("2026-03-03T19:00")) == RITA
        assert who(two, local("2026-03-07T12:00")) == RITA


class TestOverrides:
    FROM, UNTIL = local("2026-03-02T12:00"), local("2026-03-04T12:00")

    def test_beat_whoever_would_be_on_call(self) -> None:
        override = Override(user_id=CAROL, starts_at=self.FROM, ends_at=self.UNTIL)
        daily = plan(layer(BOB, RITA), overrides=(override,))
        found = shifts(daily, local("2026-03-02T09:00"), local("2026-03-05T09:00"))
        assert [(shift.user_id, shift.starts_at) for shift in found] == [
            (BOB, local("2026-03-02T09:00")),
            (CAROL, self.FROM),
            (BOB, self.UNTIL),
        ]

    def test_of_one_person_leave_the_others_their_turn(self) -> None:
        override = Override(user_id=CAROL, replaces=RITA, starts_at=self.FROM, ends_at=self.UNTIL)
        daily = plan(layer(BOB, RITA), overrides=(override,))
        assert who(daily, local("2026-03-02T13:00")) == BOB
        assert who(daily, local("2026-03-03T10:00")) == CAROL
        assert who(daily, local("2026-03-04T10:00")) == BOB

    def test_fill_a_gap_and_the_last_one_made_counts(self) -> None:
        first = Override(user_id=BOB, starts_at=self.FROM, ends_at=self.UNTIL)
        second = Override(user_id=RITA, replaces=BOB, starts_at=self.FROM, ends_at=self.UNTIL)
        assert who(plan(overrides=(first, second)), self.FROM) == RITA
        assert who(plan(overrides=(second, first)), self.FROM) == BOB

    def test_by_who_has_gone_change_nothing(self) -> None:
        override = Override(user_id=CAROL, starts_at=self.FROM, ends_at=self.UNTIL)
        left = Plan(zone=BERLIN, layers=(layer(BOB),), overrides=(override,), absent=frozenset({CAROL}))
        assert who(left, self.FROM) == BOB


INSTANTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))
CLOCKS = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 59]))
LAYERS = st.builds(
    Layer,
    participants=st.lists(st.integers(1, 5), max_size=4).map(tuple),
    starts_at=INSTANTS,
    length=st.integers(1, 40),
    unit=st.sampled_from(list(Unit)),
    handoff=CLOCKS,
    windows=st.lists(
        st.builds(Window, days=st.frozensets(st.integers(0, 6)), opens=CLOCKS, closes=CLOCKS), max_size=2
    ).map(tuple),
)
OVERRIDES = st.builds(
    lambda user, replaces, start, hours: Override(
        user_id=user, replaces=replaces, starts_at=start, ends_at=start + timedelta(hours=hours)
    ),
    st.integers(1, 5),
    st.none() | st.integers(1, 5),
    INSTANTS,
    st.integers(1, 500),
)
PLANS = st.builds(
    Plan,
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    layers=st.lists(LAYERS, max_size=3).map(tuple),
    overrides=st.lists(OVERRIDES, max_size=2).map(tuple),
    absent=st.frozensets(st.integers(1, 5), max_size=2),
)
STRETCHES = st.integers(1, 20).map(lambda days: timedelta(days=days))


class TestEveryPlan:
    @settings(max_examples=30, deadline=None)
    @given(PLANS, INSTANTS, STRETCHES, st.lists(st.integers(0, 999), max_size=20))
    def test_has_one_answer_at_each_instant(
        self, drawn: Plan, start: datetime, stretch: timedelta, places: list[int]
    ) -> None:
        found = shifts(drawn, start, start + stretch)
        assert found[0].starts_at == start
        assert found[-1].ends_at == start + stretch
        for one, following in itertools.pairwise(found):
            assert one.ends_at == following.starts_at
            assert one.user_id != following.user_id
        for place in places:
            at = start + stretch * place / 1000
            (shift,) = [shift for shift in found if shift.starts_at <= at < shift.ends_at]
            assert who(drawn, at) == shift.user_id

    @settings(max_examples=30, deadline=None)
    @given(LAYERS, st.sampled_from(ZONES), STRETCHES, STRETCHES)
    def test_with_a_full_rotation_has_no_gap(
        self, drawn: Layer, zone: str, after: timedelta, stretch: timedelta
    ) -> None:
        full = layer(
            BOB,
            RITA,
            starts=drawn.starts_at,
            length=drawn.length,
            unit=drawn.unit,
            handoff=drawn.handoff,
        )
        start = full.starts_at + after
        found = shifts(plan(drawn, full, zone=ZoneInfo(zone)), start, start + stretch)
        assert gaps(found) == []

    @settings(max_examples=30, deadline=None)
    @given(PLANS, INSTANTS)
    def test_says_since_when_and_until_when(self, drawn: Plan, at: datetime) -> None:
        shift = shift_at(drawn, at)
        assert shift.starts_at <= at < shift.ends_at
        assert shift.user_id == who(drawn, at)

    @given(st.integers(1, 9), st.integers(2, 5))
    def test_gives_each_the_same_number_of_turns(self, length: int, people: int) -> None:
        weekly = plan(layer(*range(1, people + 1), length=length, starts=utc("2026-01-01T09:00")))
        end = utc("2026-01-01T09:00") + timedelta(days=length * people * 2)
        found = shifts(weekly, utc("2026-01-01T09:00"), end)
        assert {shift.user_id for shift in found} == set(range(1, people + 1))
