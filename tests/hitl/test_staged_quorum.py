"""Stages are all to be met, each by one of its rules; a person counts once, and for one stage."""

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl.reviews.predicates import Reviewer
from hitl.reviews.quorum import (
    Ballot,
    Outcome,
    Plan,
    Verdict,
    approvers,
    is_reachable,
    resolve,
)
from hitl.reviews.types import BallotKind

D = "digest"
GROUPS = {1: {"payments"}, 2: {"payments", "risk"}, 3: {"risk"}, 4: {"risk", "cro"}, 5: set()}
PEOPLE = {pk: Reviewer(id=pk, username=f"p{pk}", groups=frozenset(groups)) for pk, groups in GROUPS.items()}
YES, NO, BACK = Verdict.APPROVE, Verdict.REJECT, Verdict.WITHDRAW


def plan(**values: Any) -> Plan:
    peer = {"name": "peer", "any_of": [{"approve": 1, "where": "'payments' in reviewer.groups"}]}
    control = {
        "name": "control",
        "any_of": [
            {"approve": 2, "where": "'risk' in reviewer.groups"},
            {"approve": 1, "where": "'cro' in reviewer.groups"},
        ],
    }
    return Plan.from_json({"stages": [peer, control], **values})


PLAN = plan()


def one(*rules: dict[str, Any], **values: Any) -> Plan:
    return Plan.from_json({"stages": [{"name": "only", "any_of": list(rules)}], **values})


def votes(on: Plan, *said: tuple[int, Verdict], digest: str = D) -> list[Ballot]:
    """Let people vote one after the other, each for the rules that count then."""
    cast: list[Ballot] = []
    for pk, verdict in said:
        rules = on.counting_rules(PEOPLE[pk], cast, digest=digest)
        cast.append(Ballot(reviewer_id=pk, verdict=verdict, digest=digest, rules=rules))
    return cast


def outcome(on: Plan, *said: tuple[int, Verdict]) -> Outcome:
    return resolve(on, votes(on, *said), digest=D)


class TestStages:
    @pytest.mark.parametrize(
        ("people", "expected"),
        [
            ((1,), Outcome.OPEN),
            ((3, 4), Outcome.OPEN),
            ((1, 3), Outcome.OPEN),
            ((1, 4), Outcome.APPROVED),
            ((4, 1), Outcome.APPROVED),
            ((2, 3), Outcome.OPEN),
            ((2, 4), Outcome.APPROVED),
            ((1, 2, 3), Outcome.APPROVED),
            ((2, 3, 1), Outcome.APPROVED),
            ((5, 1, 3), Outcome.OPEN),
            ((1, 1, 3, 3), Outcome.OPEN),
        ],
    )
    def test_are_all_met_by_people_of_their_own(self, people: tuple[int, ...], expected: Outcome) -> None:
        assert outcome(PLAN, *((pk, YES) for pk in people)) is expected

    def test_find_the_right_person_for_each_seat(self) -> None:
        """Person 2 could sit in both stages; whoever comes first must not take the only seat of another."""
        for order in permutations((1, 2, 3)):
            assert outcome(PLAN, *((pk, YES) for pk in order)) is Outcome.APPROVED

    def test_may_be_met_by_one_person_if_the_plan_says_so(self) -> None:
        both = plan(allow_overlap=True)
        assert outcome(both, (2, YES), (3, YES)) is Outcome.APPROVED
        assert outcome(PLAN, (2, YES), (3, YES)) is Outcome.OPEN

    @pytest.mark.parametrize("overlap", [True, False])
    def test_need_as_many_people_in_all_as_the_plan_says(self, overlap: bool) -> None:
        more = plan(allow_overlap=overlap, min_distinct=4)
        assert outcome(more, (1, YES), (4, YES), (3, YES)) is Outcome.OPEN
        assert outcome(more, (1, YES), (4, YES), (3, YES), (2, YES)) is Outcome.APPROVED

    def test_say_with_how_few_people_they_can_be_met(self) -> None:
        assert (PLAN.fewest, plan(allow_overlap=True).fewest, plan(min_distinct=5).fewest) == (2, 1, 5)


class TestOrder:
    def test_opens_a_stage_when_those_before_are_met(self) -> None:
        after = plan(order="sequential")
        assert after.counting_rules(PEOPLE[4], [], digest=D) == ()
        assert after.counting_rules(PEOPLE[1], [], digest=D) == ("peer/1",)
        met = votes(after, (1, YES))
        assert after.counting_rules(PEOPLE[4], met, digest=D) == ("control/1", "control/2")
        assert outcome(after, (1, YES), (4, YES)) is Outcome.APPROVED

    def test_counts_nobody_who_came_before_their_stage(self) -> None:
        assert outcome(plan(order="sequential"), (4, YES), (1, YES)) is Outcome.OPEN

    def test_closes_a_stage_again_when_its_approval_is_withdrawn(self) -> None:
        after = plan(order="sequential")
        back = votes(after, (1, YES), (1, BACK))
        assert after.counting_rules(PEOPLE[4], back, digest=D) == ()

    def test_opens_nothing_by_votes_on_an_older_action(self) -> None:
        after = plan(order="sequential")
        assert after.counting_rules(PEOPLE[4], votes(after, (1, YES), digest="old"), digest=D) == ()


class TestRejection:
    def test_counts_for_each_rule_on_its_own(self) -> None:
        two = one(
            {"approve": 1, "reject": 2, "where": "'payments' in reviewer.groups"},
            {"approve": 1, "reject": 2, "where": "'cro' in reviewer.groups"},
        )
        assert outcome(two, (1, NO), (4, NO)) is Outcome.OPEN
        assert outcome(two, (1, NO), (2, NO)) is Outcome.REJECTED

    def test_of_those_without_a_say_against_closes_nothing(self) -> None:
        mute = one(
            {"approve": 1, "reject": 0, "where": "'payments' in reviewer.groups"},
            {"approve": 1, "reject": 1, "where": "'cro' in reviewer.groups"},
        )
        assert outcome(mute, (1, NO), (2, NO)) is Outcome.OPEN
        assert outcome(mute, (1, NO), (4, NO)) is Outcome.REJECTED

    def test_by_somebody_who_counts_nowhere_says_nothing(self) -> None:
        assert outcome(PLAN, (5, NO)) is Outcome.OPEN

    def test_after_an_approval_takes_it_away(self) -> None:
        two = one({"approve": 2, "reject": 2})
        cast = votes(two, (1, YES), (1, NO), (2, YES))
        assert resolve(two, cast, digest=D) is Outcome.OPEN
        assert approvers(two, cast, digest=D) == {2}


class TestWithdrawal:
    def test_takes_an_approval_back_until_it_is_given_again(self) -> None:
        two = one({"approve": 2})
        assert outcome(two, (1, YES), (1, BACK), (2, YES)) is Outcome.OPEN
        assert outcome(two, (1, YES), (1, BACK), (2, YES), (1, YES)) is Outcome.APPROVED

    def test_comes_too_late_once_it_is_decided(self) -> None:
        assert outcome(one({"approve": 1}), (1, YES), (1, BACK)) is Outcome.APPROVED


class TestEditor:
    def test_does_not_count(self) -> None:
        edited = replace(one({"approve": 1}), editor=1)
        assert outcome(edited, (1, YES)) is Outcome.OPEN
        assert outcome(edited, (1, YES), (2, YES)) is Outcome.APPROVED

    def test_is_never_the_only_approver_even_where_the_plan_lets_them_count(self) -> None:
        lenient = replace(one({"approve": 1}, exclude=["initiator"]), editor=1)
        assert outcome(lenient, (1, YES)) is Outcome.OPEN
        two = replace(one({"approve": 2}, exclude=["initiator"]), editor=1)
        assert outcome(two, (1, YES), (2, YES)) is Outcome.APPROVED


class TestGrants:
    @pytest.mark.parametrize(("human_only", "expected"), [(True, Outcome.OPEN), (False, Outcome.APPROVED)])
    def test_count_unless_each_call_is_decided_by_hand(self, human_only: bool, expected: Outcome) -> None:
        by_hand = one({"approve": 1}, human_only=human_only)
        granted = [replace(ballot, kind=BallotKind.GRANT) for ballot in votes(by_hand, (1, YES))]
        assert resolve(by_hand, granted, digest=D) is expected


class TestReachable:
    @pytest.mark.parametrize(
        ("people", "against", "expected"),
        [
            ((1, 4), (), True),
            ((1, 2, 3), (), True),
            ((2, 3), (), False),
            ((1, 5), (), False),
            ((), (), False),
            ((1, 2, 4), (4,), False),
            ((1, 2, 3, 4), (4,), True),
        ],
    )
    def test_is_what_those_who_are_left_can_still_approve(
        self, people: tuple[int, ...], against: tuple[int, ...], expected: bool
    ) -> None:
        cast = votes(PLAN, *((pk, NO) for pk in against))
        assert is_reachable(PLAN, [PEOPLE[pk] for pk in people], cast, digest=D) is expected

    def test_leaves_out_who_is_excluded_and_who_edited(self) -> None:
        people = [PEOPLE[1], PEOPLE[4]]
        assert not is_reachable(replace(PLAN, excluded={4: "owner"}), people, [], digest=D)
        assert not is_reachable(replace(PLAN, editor=1), people, [], digest=D)


ballots_st = st.lists(
    st.tuples(st.sampled_from(sorted(PEOPLE)), st.sampled_from([YES, NO, BACK])), max_size=8
)
plans_st = st.builds(
    plan,
    order=st.sampled_from(["parallel", "sequential"]),
    min_distinct=st.integers(1, 4),
    allow_overlap=st.booleans(),
)


class TestProperties:
    @given(plans_st, st.lists(st.sampled_from(sorted(PEOPLE)), max_size=6), st.sampled_from(sorted(PEOPLE)))
    def test_another_approver_never_undoes_an_approval(self, on: Plan, people: list[int], more: int) -> None:
        said = [(pk, YES) for pk in people]
        if outcome(on, *said) is Outcome.APPROVED:
            assert outcome(on, *said, (more, YES)) is Outcome.APPROVED

    @given(plans_st, ballots_st)
    def test_what_comes_after_the_first_outcome_changes_nothing(
        self, on: Plan, said: list[tuple[int, Verdict]]
    ) -> None:
        decided = [outcome(on, *said[:n]) for n in range(len(said) + 1)]
        first = next((one for one in decided if one is not Outcome.OPEN), Outcome.OPEN)
        assert decided[-1] is first

    @given(plans_st, ballots_st)
    def test_an_approval_has_enough_people_who_are_in_its_groups(
        self, on: Plan, said: list[tuple[int, Verdict]]
    ) -> None:
        if outcome(on, *said) is not Outcome.APPROVED:
            return
        people = {pk for pk, verdict in said if verdict is YES}
        assert len(people) >= max(on.min_distinct, on.fewest)
        assert any("payments" in GROUPS[pk] for pk in people)
        assert any("cro" in GROUPS[pk] for pk in people) or sum("risk" in GROUPS[pk] for pk in people) >= 2

    @given(plans_st, ballots_st)
    def test_what_people_approved_could_be_approved_by_them(
        self, on: Plan, said: list[tuple[int, Verdict]]
    ) -> None:
        if outcome(on, *said) is Outcome.APPROVED:
            assert is_reachable(on, PEOPLE.values(), [], digest=D)

    @given(ballots_st)
    def test_votes_on_another_action_never_count(self, said: list[tuple[int, Verdict]]) -> None:
        assert resolve(PLAN, votes(PLAN, *said, digest="old"), digest=D) is Outcome.OPEN
