"""Votes are counted in order, each person once, and only on the action as it stands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl.reviews.quorum import Ballot, Outcome, Plan, Verdict, resolve

ALICE, BOB, RITA = 1, 2, 3
NOW, OLD = "digest now", "digest before the edit"
YES, NO, SAID = Verdict.APPROVE, Verdict.REJECT, Verdict.ANSWER


def ballot(reviewer: int, verdict: Verdict = YES, digest: str = NOW) -> Ballot:
    return Ballot(reviewer_id=reviewer, verdict=verdict, digest=digest, rules=("approval/1",))


class TestResolve:
    @pytest.mark.parametrize(
        ("ballots", "required", "outcome"),
        [
            ([], 0, Outcome.OPEN),
            ([], 1, Outcome.OPEN),
            ([ballot(BOB)], 0, Outcome.APPROVED),
            ([ballot(BOB)], 1, Outcome.APPROVED),
            ([ballot(BOB)], 2, Outcome.OPEN),
            ([ballot(BOB), ballot(RITA)], 2, Outcome.APPROVED),
            ([ballot(BOB), ballot(RITA)], 3, Outcome.OPEN),
            ([ballot(BOB), ballot(BOB)], 2, Outcome.OPEN),
            ([ballot(BOB), ballot(BOB), ballot(BOB), ballot(RITA)], 2, Outcome.APPROVED),
            ([ballot(BOB, NO)], 1, Outcome.REJECTED),
            ([ballot(BOB, NO)], 2, Outcome.REJECTED),
            ([ballot(BOB), ballot(RITA, NO)], 2, Outcome.REJECTED),
            ([ballot(BOB, NO), ballot(RITA), ballot(ALICE)], 2, Outcome.REJECTED),
            ([ballot(BOB), ballot(RITA), ballot(ALICE, NO)], 2, Outcome.APPROVED),
            ([ballot(BOB, SAID)], 2, Outcome.ANSWERED),
            ([ballot(BOB), ballot(RITA, SAID)], 2, Outcome.ANSWERED),
            ([ballot(BOB, NO), ballot(RITA, SAID)], 1, Outcome.REJECTED),
            ([ballot(BOB), ballot(RITA, SAID)], 1, Outcome.APPROVED),
        ],
    )
    def test_walks_the_ballots_in_order(self, ballots: list[Ballot], required: int, outcome: Outcome) -> None:
        assert resolve(Plan.simple(required), ballots, digest=NOW) is outcome

    @pytest.mark.parametrize(
        "ballots",
        [
            [ballot(BOB, digest=OLD)],
            [ballot(BOB, digest=OLD), ballot(RITA, digest=OLD)],
            [ballot(BOB, digest=OLD), ballot(RITA)],
            [ballot(BOB, NO, digest=OLD), ballot(RITA)],
            [ballot(BOB, SAID, digest=OLD), ballot(RITA)],
        ],
    )
    def test_leaves_votes_on_an_older_action_out(self, ballots: list[Ballot]) -> None:
        assert resolve(Plan.simple(2), ballots, digest=NOW) is Outcome.OPEN

    def test_counts_a_person_again_on_the_new_action(self) -> None:
        ballots = [ballot(BOB, digest=OLD), ballot(RITA), ballot(BOB)]
        assert resolve(Plan.simple(2), ballots, digest=NOW) is Outcome.APPROVED

    @given(st.lists(st.tuples(st.sampled_from([ALICE, BOB, RITA]), st.sampled_from([NOW, OLD]))))
    def test_approves_only_with_as_many_distinct_people(self, votes: list[tuple[int, str]]) -> None:
        ballots = [ballot(person, digest=digest) for person, digest in votes]
        people = {person for person, digest in votes if digest == NOW}
        approved = resolve(Plan.simple(2), ballots, digest=NOW) is Outcome.APPROVED
        assert approved == (len(people) >= 2)
