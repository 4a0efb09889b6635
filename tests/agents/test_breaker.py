"""When a circuit lets calls through, and what results make of it: tables, no database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agents.resilience.breaker import after, allows, closed, seconds_until_try
from agents.resilience.types import CapState, CircuitState
from tests.governance.samples import NOW

CLOSED = CircuitState(kind="tool", name="refund_order")
OPEN = replace(CLOSED, state="open", failures=5, opened_at=NOW)
HALF_OPEN = replace(OPEN, state="half_open", successes=1)
LATER = NOW + timedelta(seconds=60)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


class TestAllows:
    @pytest.mark.parametrize(
        ("circuit", "moment", "expected"),
        [
            (None, NOW, True),
            (CLOSED, NOW, True),
            (replace(CLOSED, failures=4), NOW, True),
            (OPEN, NOW, False),
            (OPEN, at(59.9), False),
            (OPEN, at(60), True),
            (replace(OPEN, retry_after_s=5), at(5), True),
            (replace(OPEN, retry_after_s=0), NOW, True),
            (HALF_OPEN, NOW, True),
        ],
    )
    def test_calls_while_closed_half_open_or_due_to_be_tried(
        self, circuit: CircuitState | None, moment: datetime, expected: bool
    ) -> None:
        assert allows(circuit, moment) is expected

    @pytest.mark.parametrize(
        ("circuit", "moment", "expected"),
        [
            (None, NOW, 0),
            (CLOSED, NOW, 0),
            (OPEN, NOW, 60),
            (OPEN, at(45.5), 14.5),
            (OPEN, at(3600), 0),
            (HALF_OPEN, NOW, 0),
        ],
    )
    def test_says_for_how_long_not(
        self, circuit: CircuitState | None, moment: datetime, expected: float
    ) -> None:
        assert seconds_until_try(circuit, moment) == expected


class TestAfter:
    @pytest.mark.parametrize(
        ("circuit", "ok", "moment", "expected"),
        [
            (CLOSED, True, NOW, CLOSED),
            (CLOSED, False, NOW, replace(CLOSED, failures=1)),
            (replace(CLOSED, failures=4), True, NOW, CLOSED),
            (replace(CLOSED, failures=4), False, NOW, OPEN),
            (replace(CLOSED, failures=9, fail_after=3), False, NOW, replace(OPEN, failures=10, fail_after=3)),
            (OPEN, True, at(30), OPEN),
            (OPEN, False, at(30), OPEN),
            (OPEN, True, LATER, replace(OPEN, state="half_open", successes=1)),
            (OPEN, False, LATER, replace(OPEN, opened_at=LATER)),
            (replace(OPEN, close_after=1), True, LATER, replace(CLOSED, close_after=1)),
            (HALF_OPEN, True, LATER, replace(HALF_OPEN, successes=2)),
            (replace(HALF_OPEN, successes=2), True, LATER, CLOSED),
            (HALF_OPEN, False, LATER, replace(OPEN, opened_at=LATER)),
        ],
    )
    def test_follows_the_table(
        self, circuit: CircuitState, ok: bool, moment: datetime, expected: CircuitState
    ) -> None:
        assert after(circuit, ok, moment) == expected

    def test_opens_after_five_failures_in_a_row_and_not_before(self) -> None:
        circuit = CLOSED
        for n in range(5):
            assert circuit.state == "closed", n
            circuit = after(circuit, False, NOW)
        assert (circuit.state, circuit.opened_at) == ("open", NOW)

    def test_never_opens_while_successes_come_between(self) -> None:
        circuit = CLOSED
        for _ in range(100):
            for ok in (False, False, False, False, True):
                circuit = after(circuit, ok, NOW)
        assert circuit == CLOSED

    def test_closes_after_three_successes_in_a_row_once_the_minute_is_over(self) -> None:
        circuit = OPEN
        for state in ("half_open", "half_open", "closed"):
            circuit = after(circuit, True, LATER)
            assert circuit.state == state
        assert circuit == CLOSED

    def test_counts_successes_from_zero_after_it_opened_again(self) -> None:
        circuit = after(replace(HALF_OPEN, successes=2), False, NOW)
        assert after(circuit, True, LATER).successes == 1


class TestClosed:
    def test_keeps_only_the_thresholds(self) -> None:
        assert closed(replace(OPEN, fail_after=2, retry_after_s=9)) == replace(
            CLOSED, fail_after=2, retry_after_s=9
        )


class TestFromJson:
    ROW: dict[str, Any] = {
        "id": "0189", "kind": "tool", "name": "refund_order", "state": "open", "failures": 5, "successes": 0,
        "fail_after": 5, "retry_after_s": 60, "close_after": 3,
    }  # fmt: skip

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("2026-03-02T09:30:00+00:00", NOW),
            ("2026-03-02T09:30:00.12345+00:00", datetime(2026, 3, 2, 9, 30, 0, 123450, UTC)),
            ("2026-03-02T10:30:00+01:00", NOW),
            (None, None),
        ],
    )
    def test_reads_the_times_that_postgresql_writes(
        self, text: str | None, expected: datetime | None
    ) -> None:
        circuit = CircuitState.from_json({**self.ROW, "opened_at": text})
        assert circuit == replace(OPEN, opened_at=expected)

    def test_of_a_cap_leaves_other_columns_out(self) -> None:
        row = {"id": "0189", "kind": "tenant", "name": "", "limit": 3}
        assert CapState.from_json(row) == CapState(kind="tenant", name="", limit=3)
