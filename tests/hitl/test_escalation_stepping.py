"""Steps of an escalation as tables: what each leads to, how it is read, and when windows open."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from governance.types import Risk
from hitl.escalation import coverage, defaults
from hitl.escalation.rehearsal import rehearse
from hitl.escalation.stepping import BETWEEN_STEPS, MAX_LOOPS, START_DELAY, advance
from hitl.escalation.steps import READERS, in_words, parse
from hitl.escalation.types import Facts, FinalAction, IfWindow, Position
from hitl.escalation.windows import next_opening
from tenants.kernel.errors import InvalidInput
from tests.governance.samples import NOW

FACTS = Facts(risk=Risk.HIGH, waiting=10, created_at=NOW, due_at=NOW + timedelta(minutes=20))
BOB = {"step": "notify", "users": ["bob"]}
STOP = {"step": "final", "action": "keep_pending"}
AT_ONCE = timedelta()


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """Return a moment of the week of Monday, 2 March 2026, in UTC."""
    return datetime(2026, 3, 1 + day, hour, minute, tzinfo=UTC)


class TestOneStep:
    @pytest.mark.parametrize(
        ("steps", "event", "index", "after"),
        [
            ([BOB, STOP], "acted", 1, BETWEEN_STEPS),
            ([{"step": "wait", "minutes": 3}, STOP], "waiting", 1, timedelta(minutes=3)),
            ([{"step": "wait", "until_sla_percent": 50}, STOP], "waiting", 1, timedelta(minutes=10)),
            ([{"step": "if_risk", "risk": ["high"]}, BOB, STOP], "condition_true", 1, AT_ONCE),
            ([{"step": "if_risk", "risk": ["low"]}, BOB, STOP], "condition_false", 2, AT_ONCE),
            (
                [{"step": "if_risk", "risk": ["low"], "else_go_to": 4}, BOB, BOB, STOP],
                "condition_false",
                3,
                AT_ONCE,
            ),
            ([{"step": "if_queue", "more_than": 9}, BOB, STOP], "condition_true", 1, AT_ONCE),
            ([{"step": "if_queue", "more_than": 10}, BOB, STOP], "condition_false", 2, AT_ONCE),
            ([{"step": "goto", "to_step": 2}, BOB, STOP], "went_to", 1, BETWEEN_STEPS),
            ([BOB], "acted", 1, None),
            ([{"step": "if_risk", "risk": ["low"]}], "condition_false", 2, None),
        ],
    )
    def test_leads_to(self, steps: list[Any], event: str, index: int, after: timedelta | None) -> None:
        turn = advance(parse(steps), Position(index=0), FACTS, NOW)
        assert (turn.event, turn.position.index) == (event, index)
        assert turn.next_at == (None if after is None else NOW + after)

    def test_past_the_last_is_the_end(self) -> None:
        assert advance(parse([BOB]), Position(index=1), FACTS, NOW).next_at is None

    def test_that_waits_for_a_moment_that_has_passed_goes_on_now(self) -> None:
        steps = parse([{"step": "wait", "until_sla_percent": 50}, STOP])
        late = NOW + timedelta(minutes=15)
        assert advance(steps, Position(index=0), FACTS, late).next_at == late

    def test_outside_its_window_is_asked_again_when_it_opens(self) -> None:
        window = {"step": "if_window", "days": ["tue"], "from": "09:00", "to": "17:00", "timezone": "UTC"}
        steps = parse([window, BOB, STOP])
        turn = advance(steps, Position(index=0), FACTS, NOW)
        assert (turn.event, turn.position.index, turn.next_at) == ("outside_window", 0, at(2, 9))
        assert advance(steps, turn.position, FACTS, at(2, 9)).event == "inside_window"


class TestLoop:
    def test_ends_after_five_times_in_all(self) -> None:
        steps = parse([BOB, {"step": "goto", "to_step": 1}, STOP])
        position, events, now = Position(index=0), [], NOW
        for _ in range(40):
            turn = advance(steps, position, FACTS, now)
            events.append(turn.event)
            if turn.next_at is None:
                break
            position, now = turn.position, turn.next_at
        assert events.count("went_to") == MAX_LOOPS
        assert events[-2:] == ["loop_limit", "acted"]

    def test_by_a_condition_is_counted_too(self) -> None:
        steps = parse([{"step": "if_risk", "risk": ["low"], "else_go_to": 1}, STOP])
        turn = advance(steps, Position(index=0, loops=4), FACTS, NOW)
        assert (turn.position.index, turn.position.loops) == (0, 5)
        assert advance(steps, turn.position, FACTS, NOW).event == "loop_limit"


class TestReading:
    @pytest.mark.parametrize(
        ("step", "named"),
        [
            ({}, "Step 2, step: must be one of"),
            ({"step": "approve"}, "Step 2, step: must be one of"),
            ("notify", "Step 2, step: must be one of"),
            ({"step": "notify"}, "Step 2, users: must name somebody"),
            ({"step": "notify", "users": "bob"}, "Step 2, users: must be a list of names"),
            ({"step": "notify", "users": [1]}, "Step 2, users: must be a list of names"),
            (
                {"step": "notify", "users": ["bob"], "importance": "loud"},
                "Step 2, importance: must be one of",
            ),
            ({"step": "notify", "agent_owner": "yes"}, "Step 2, agent_owner: must be true or false"),
            ({"step": "notify", "schedule": "nights"}, "Step 2, schedule: must be the id"),
            ({"step": "notify", "user": ["bob"]}, "Step 2, user: is no field of notify"),
            ({"step": "notify_round_robin"}, "Step 2, users: must name at least one"),
            ({"step": "wait"}, "Step 2, minutes: give either"),
            ({"step": "wait", "minutes": 0.5}, "Step 2, minutes: must be a number from 1 to 20160"),
            ({"step": "wait", "minutes": 20161}, "Step 2, minutes: must be a number from 1 to 20160"),
            ({"step": "wait", "minutes": True}, "Step 2, minutes: must be a number"),
            ({"step": "wait", "minutes": float("nan")}, "Step 2, minutes: must be a number"),
            ({"step": "wait", "minutes": 5, "until_sla_percent": 50}, "Step 2, minutes: give either"),
            ({"step": "if_risk", "risk": ["huge"]}, "Step 2, risk: does not know huge"),
            (
                {"step": "if_risk", "risk": ["high"], "else_go_to": 3},
                "Step 2, else_go_to: must be a number from 1",
            ),
            ({"step": "if_queue"}, "Step 2, more_than: must say how many"),
            ({"step": "raise_priority"}, "Step 2, to: must be one of"),
            ({"step": "add_reviewers", "users": []}, "Step 2, users: must name at least one"),
            ({"step": "goto"}, "Step 2, to_step: must be the number of a step"),
            ({"step": "goto", "to_step": 9}, "Step 2, to_step: must be a number from 1 to 2"),
            ({"step": "goto", "to_step": 1.5}, "Step 2, to_step: must be a whole number"),
            ({"step": "final", "action": "approve"}, "Step 2, action: must be one of reject, expire"),
        ],
    )
    def test_names_the_step_and_the_field_that_cannot_be_used(self, step: Any, named: str) -> None:
        with pytest.raises(InvalidInput) as raised:
            parse([BOB, step])
        assert raised.value.detail.startswith(named)
        assert raised.value.errors[0]["at"].startswith("/steps/1/")

    @pytest.mark.parametrize(
        ("changed", "named"),
        [
            ({"days": ["someday"]}, "Step 1, days"),
            ({"from": "9:00"}, "Step 1, from"),
            ({"to": "25:00"}, "Step 1, to"),
            ({"timezone": "Mars/Phobos"}, "Step 1, timezone"),
        ],
    )
    def test_names_what_is_wrong_with_a_window(self, changed: dict[str, Any], named: str) -> None:
        window = {"step": "if_window", "days": ["mon"], "from": "09:00", "to": "17:00", "timezone": "UTC"}
        with pytest.raises(InvalidInput) as raised:
            parse([{**window, **changed}])
        assert raised.value.detail.startswith(named)

    @pytest.mark.parametrize("document", [None, {}, [], "[]", [BOB] * 51])
    def test_refuses_what_is_no_list_of_steps(self, document: Any) -> None:
        with pytest.raises(InvalidInput):
            parse(document)

    def test_knows_no_way_to_approve(self) -> None:
        assert "approve" not in {*READERS, *(action.value for action in FinalAction)}

    def test_tells_every_step_in_words(self) -> None:
        told = in_words(parse(defaults.STEPS))
        assert told == [
            "Wait until 50 % of the service level have passed.",
            "Notify everybody who may decide, as important.",
            "Leave the review open until it expires.",
        ]


NIGHT = {"days": ("fri",), "opens": "22:00", "closes": "06:00", "timezone": "UTC"}


def window(**given: Any) -> IfWindow:
    """Return a window from words."""
    values = {**NIGHT, **given}
    (step,) = parse(
        [{"step": "if_window", "days": list(values["days"]), "from": values["opens"], "to": values["closes"],
          "timezone": values["timezone"]}]
    )  # fmt: skip
    assert isinstance(step, IfWindow)
    return step


class TestWindow:
    @pytest.mark.parametrize(
        ("given", "moment", "opens"),
        [
            ({}, at(5, 21, 59), at(5, 22)),
            ({}, at(5, 22), at(5, 22)),
            ({}, at(6, 5, 59), at(6, 5, 59)),  # Saturday morning belongs to Friday night
            ({}, at(6, 6), at(12, 22)),
            ({"opens": "00:00", "closes": "00:00"}, at(5, 12), at(5, 12)),
            ({"opens": "09:00", "closes": "09:00"}, at(5, 1), at(5, 1)),  # equal times: the whole day
            ({"opens": "09:00", "closes": "09:00"}, at(6, 1), at(12, 0)),
            ({"opens": "09:00", "closes": "17:00", "timezone": "Asia/Tokyo"}, at(4, 23), at(5, 0)),
            ({"opens": "09:00", "closes": "17:00", "timezone": "America/New_York"}, at(5, 13), at(5, 14)),
            # New York has gone over to summer time a week later: an hour earlier in UTC.
            (
                {"opens": "09:00", "closes": "17:00", "timezone": "America/New_York"},
                at(12, 12, 59),
                at(12, 13),
            ),
        ],
    )
    def test_opens(self, given: dict[str, Any], moment: datetime, opens: datetime) -> None:
        assert next_opening(window(**given), moment) == opens


class TestRehearsal:
    def test_tells_who_would_be_called_when(self) -> None:
        steps = parse([BOB, {"step": "wait", "minutes": 10}, {"step": "notify", "users": ["rita"]}, STOP])

        def who(action: Any, _index: int, _at: datetime) -> list[str] | None:
            return list(action.users) if hasattr(action, "users") else None

        calls = rehearse(steps, facts=FACTS, start=NOW, until=NOW + timedelta(hours=1), who=who)
        found = [((call.at - NOW).total_seconds(), call.step, call.who, call.ends) for call in calls]
        assert found == [(10, 1, ("bob",), False), (615, 3, ("rita",), False), (620, 4, None, True)]

    def test_ends_when_the_review_expires(self) -> None:
        steps = parse([{"step": "wait", "minutes": 100}, BOB])
        assert (
            rehearse(steps, facts=FACTS, start=NOW, until=NOW + timedelta(hours=1), who=lambda *_: []) == []
        )

    def test_starts_after_a_delay(self) -> None:
        (call,) = rehearse(parse([BOB]), facts=FACTS, start=NOW, until=at(3, 0), who=lambda *_: ["bob"])
        assert call.at == NOW + START_DELAY


class TestCoverage:
    def words(self, covered: Any) -> list[str]:
        start = at(1, 0)
        return coverage.in_words(coverage.gaps(covered, start=start), start=start)

    def test_of_somebody_at_any_time_is_complete(self) -> None:
        assert self.words(lambda _moment: True) == []

    def test_of_nobody_says_so(self) -> None:
        assert self.words(lambda _moment: False) == ["nobody at any time"]

    def test_names_the_hours_of_a_day_once_for_every_week(self) -> None:
        night = self.words(lambda moment: not (moment.weekday() == 5 and 2 <= moment.hour < 8))
        assert night == ["nobody on Saturday 02:00-08:00"]

    def test_names_a_weekend_as_one(self) -> None:
        assert self.words(lambda moment: moment.weekday() < 5) == [
            "nobody from Saturday 00:00 to Monday 00:00"
        ]

    def test_ends_a_day_at_its_last_hour(self) -> None:
        assert self.words(lambda moment: not (moment.weekday() == 2 and moment.hour >= 20)) == [
            "nobody on Wednesday 20:00-24:00"
        ]
