"""Who gets a review, by table: strategy, load, skills, availability and who got the last one."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl.routing.assignment import Candidate, choose, claim_ends
from hitl.routing.matching import Facts, first
from hitl.routing.models import ReviewQueue
from hitl.routing.types import Strategy

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
NO_SKILLS: frozenset[str] = frozenset()
IN_TURN, FEWEST = Strategy.ROUND_ROBIN, Strategy.LEAST_LOADED


def people(*loads: int) -> list[Candidate]:
    """Return persons 1, 2, … with as many open reviews."""
    return [Candidate(user_id=n, open=load) for n, load in enumerate(loads, 1)]


class TestChoose:
    @pytest.mark.parametrize(
        ("strategy", "loads", "last", "expected"),
        [
            (Strategy.NONE, (0, 0), None, None),
            (IN_TURN, (), None, None),
            (IN_TURN, (9, 0, 0), None, 1),
            (IN_TURN, (0, 9, 0), 1, 2),
            (IN_TURN, (0, 0, 0), 3, 1),
            (IN_TURN, (0, 0, 0), 99, 1),
            (FEWEST, (2, 1, 3), None, 2),
            (FEWEST, (1, 1, 1), 1, 2),
            (FEWEST, (1, 1, 1), 3, 1),
            (FEWEST, (0, 1, 1), 1, 1),
        ],
    )
    def test_follows_the_strategy(
        self, strategy: Strategy, loads: tuple[int, ...], last: int | None, expected: int | None
    ) -> None:
        assert choose(people(*loads), strategy=strategy, skills=NO_SKILLS, last=last) == expected

    def test_passes_over_who_is_away_full_or_lacks_a_skill(self) -> None:
        tax = frozenset({"tax"})
        team = [
            Candidate(user_id=1, skills=tax, available=False),
            Candidate(user_id=2, skills=tax, open=3, max_open=3),
            Candidate(user_id=3, skills=frozenset({"law"})),
            Candidate(user_id=4, skills=frozenset({"tax", "law"}), open=2, max_open=3),
        ]
        assert choose(team, strategy=FEWEST, skills=tax, last=None) == 4
        assert choose(team[:3], strategy=FEWEST, skills=tax, last=None) is None

    @given(st.sets(st.integers(1, 50), min_size=1), st.integers(0, 60), st.sampled_from([IN_TURN, FEWEST]))
    def test_spreads_evenly(self, ids: set[int], rounds: int, strategy: Strategy) -> None:
        got: Counter[int] = Counter()
        last = None
        for _ in range(rounds):
            team = [Candidate(user_id=pk, open=got[pk]) for pk in ids]
            last = choose(team, strategy=strategy, skills=NO_SKILLS, last=last)
            assert last is not None
            got[last] += 1
        assert max(got[pk] for pk in ids) - min(got[pk] for pk in ids) <= 1


class TestClaim:
    @pytest.mark.parametrize(
        ("minutes", "due_in", "expires_in", "expected"),
        [
            (30, None, 600, 30),
            (30, None, 40, 20),
            (30, 20, 600, 10),
            (30, 600, 700, 30),
            (30, -5, 40, 20),  # the service level is breached: what is left is the time to expiry
        ],
    )
    def test_ends_after_its_minutes_or_half_of_the_time_left(
        self, minutes: int, due_in: int | None, expires_in: int, expected: int
    ) -> None:
        due_at = None if due_in is None else NOW + timedelta(minutes=due_in)
        ends = claim_ends(
            now=NOW, minutes=minutes, due_at=due_at, expires_at=NOW + timedelta(minutes=expires_in)
        )
        assert ends == NOW + timedelta(minutes=expected)


class TestMatching:
    @pytest.mark.parametrize(
        ("asked", "is_found"),
        [
            ({}, True),
            ({"risks": ["high", "critical"]}, True),
            ({"risks": ["critical"]}, False),
            ({"kinds": ["tool_call"]}, True),
            ({"kinds": ["handoff"]}, False),
            ({"tool": "refund_*"}, True),
            ({"tool": "refund_order"}, True),
            ({"tool": "REFUND_*"}, False),
            ({"agent": "Support*"}, True),
            ({"agent": "HR*"}, False),
            ({"risks": ["high"], "tool": "send_*"}, False),
        ],
    )
    def test_asks_for_all_that_a_queue_names(self, asked: dict[str, object], is_found: bool) -> None:
        facts = Facts(risk="high", kind="tool_call", tool="refund_order", agent="Support assistant")
        queue = ReviewQueue(name="q", **asked)
        assert first([queue], facts) is (queue if is_found else None)

    def test_takes_the_first(self) -> None:
        facts = Facts(risk="high", kind="tool_call", tool="refund_order", agent="a")
        queues = [ReviewQueue(name="other", tool="x"), ReviewQueue(name="first"), ReviewQueue(name="second")]
        assert first(queues, facts) is queues[1]
