"""A rule asks people of a group: its stage in the plan, its time, and the approval that goes with the call."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group

from governance import gate
from governance.types import Effect, Requirement, Risk
from hitl.reviews import plans, predicates
from hitl.reviews.models import Review
from hitl.reviews.operations import consume
from hitl.reviews.quorum import Plan
from tenants.kernel.errors import PermissionMissing
from tests.governance.rules import in_force, leaf
from tests.governance.samples import NOW
from tests.hitl.conftest import Open, Say

FINANCE = {"approvers": "group:finance", "quorum": 1}
REFUNDS = {"tools": ["refund_*"]}
LATER = NOW + timedelta(minutes=1)


@pytest.fixture
def finance(acme: Any) -> Group:
    """Return the group that is asked."""
    return Group.objects.create(name="finance")


def asks(quorum: int = 1, **params: Any) -> None:
    """Put a rule in force that asks finance about refunds."""
    in_force("require_approval", match=REFUNDS, params={**FINANCE, "quorum": quorum, **params})


class TestPlan:
    def test_has_a_stage_for_the_group_and_one_for_who_else_is_needed(
        self, finance: Group, open_review: Open
    ) -> None:
        asks()
        plan = open_review(risk="critical").decided_by
        assert [(s.name, s.any_of[0].approve, s.any_of[0].where) for s in plan.stages] == [
            ("approval", 1, ""),
            ("finance", 1, "'finance' in reviewer.groups"),
        ]
        assert plan.fewest == 2

    def test_of_two_people_of_a_group_asks_nobody_else(self, finance: Group, open_review: Open) -> None:
        asks(quorum=2)
        plan = open_review().decided_by
        assert [(stage.name, stage.any_of[0].approve) for stage in plan.stages] == [("finance", 2)]
        assert plan.fewest == 2

    def test_that_asks_the_group_already_is_left_as_it_is(self) -> None:
        where = predicates.of_group("finance")
        own = Plan.from_json({"stages": [{"name": "money", "any_of": [{"approve": 2, "where": where}]}]})
        needed = Requirement(approvals=1, risk=Risk.HIGH, groups=("finance",))
        assert not plans.falls_short(own, needed)
        assert plans.falls_short(own, Requirement(approvals=1, risk=Risk.HIGH, groups=("legal",)))

    def test_names_a_group_whatever_its_name(self) -> None:
        for name in ["o'hara", 'say "x"', "a/b", "finance"]:
            assert predicates.group_of(predicates.of_group(name)) == name
        assert predicates.group_of("'a' in reviewer.groups or 'b' in reviewer.groups") == ""
        assert predicates.group_of("") == ""


class TestApproval:
    def test_waits_for_somebody_of_the_group(
        self, finance: Group, open_review: Open, say: Say, bob: Any, rita: Any
    ) -> None:
        rita.groups.add(finance)
        asks()
        review = open_review()
        with pytest.raises(PermissionMissing, match="would not count"):
            say(review, bob)
        assert say(review, rita).status == Review.Status.APPROVED
        approval = consume(review_id=review.pk, digest=review.digest, now=LATER)
        assert (approval.groups, approval.approvers) == (("finance",), ("rita",))
        decision = gate.authorize(review.policy_request, now=LATER, approval=approval)
        assert decision.effect is Effect.PERMIT

    def test_without_the_group_is_too_little_once_a_rule_asks_it(
        self, finance: Group, review: Review, say: Say, bob: Any
    ) -> None:
        assert say(review, bob).status == Review.Status.APPROVED
        asks()
        approval = consume(review_id=review.pk, digest=review.digest, now=LATER)
        decision = gate.authorize(review.policy_request, now=LATER, approval=approval)
        assert (decision.effect, decision.reasons[0].code) == (Effect.DENY, "approvals-missing")

    def test_of_one_person_counts_once_where_two_of_the_group_are_needed(
        self, finance: Group, open_review: Open, say: Say, bob: Any, rita: Any
    ) -> None:
        for person in (bob, rita):
            person.groups.add(finance)
        asks(quorum=2)
        review = open_review()
        assert say(review, bob).status == Review.Status.PENDING
        assert say(review, rita).status == Review.Status.APPROVED
        approval = consume(review_id=review.pk, digest=review.digest, now=LATER)
        assert approval.groups == ("finance", "finance")


class TestTime:
    def test_of_a_review_is_what_the_rule_says_where_that_is_less(
        self, finance: Group, open_review: Open
    ) -> None:
        asks(ttl_s=600)
        assert open_review().expires_at == NOW + timedelta(seconds=600)


class TestAuthor:
    def test_sits_out_what_the_rule_asks_for(self, open_review: Open, bob: Any) -> None:
        in_force("require_approval", match=REFUNDS, author=bob)
        plan = open_review().decided_by
        assert plan.excluded[bob.pk].startswith("You wrote the rule")


class TestEdit:
    def test_that_meets_a_rule_which_asks_more_people_opens_a_new_review(
        self, finance: Group, open_review: Open, say: Say, bob: Any
    ) -> None:
        in_force(
            "require_approval", leaf("args.amount", "gt", 100), match=REFUNDS, params={**FINANCE, "quorum": 1}
        )
        review = open_review(order_id="A-1001", amount=25.0, reason="arrived broken")
        risen = {**review.arguments, "amount": 150.0}
        successor = say(review, bob, "edit", arguments=risen, message="more")
        assert successor.pk != review.pk
        assert successor.supersedes_id == review.pk
        assert "finance" in [stage.name for stage in successor.decided_by.stages]
