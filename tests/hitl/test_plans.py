"""Which plan decides a call, who is excluded from it, and the alarm when too few people are left."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import Group

from governance import gate
from governance.audit.models import AuditEvent
from governance.policies.models import RiskThreshold
from governance.types import UserRef
from hitl.reviews import eligibility, operations
from hitl.reviews.models import Review, ReviewPlan
from hitl.reviews.operations import AlreadyDecided, available_actions
from hitl.reviews.signals import review_unsatisfiable
from hitl.reviews.types import ReviewRequest
from tenants.kernel.errors import PermissionMissing
from tests.governance.samples import NOW, proposal
from tests.hitl.conftest import TTL

Open = Callable[..., Review]
Say = Callable[..., Review]
Make = Callable[..., ReviewPlan]


def stage(name: str, *rules: tuple[int, str]) -> dict[str, Any]:
    any_of = [{"approve": n, "where": f"'{group}' in reviewer.groups" if group else ""} for n, group in rules]
    return {"name": name, "any_of": any_of}


@pytest.fixture
def make(person: Any) -> Make:
    """Return a function that makes a plan, written by somebody who reviews nothing."""

    def plan(
        name: str, *stages: dict[str, Any], risk: str = "", tool: str = "", **document: Any
    ) -> ReviewPlan:
        stages = stages or (stage("one", (1, "")),)
        return ReviewPlan.objects.create(
            name=name, risk=risk, tool=tool, document={"stages": list(stages), **document}, author=person("vera")
        )  # fmt: skip

    return plan


@pytest.fixture
def member(person: Any) -> Callable[..., Any]:
    """Return a function that makes somebody who decides reviews and belongs to these groups."""

    def join(name: str, *groups: str) -> Any:
        user = person(name, "hitl.decide_review")
        user.groups.add(*(Group.objects.get_or_create(name=group)[0] for group in groups))
        return type(user).objects.get(pk=user.pk)

    return join


@pytest.fixture
def alarms() -> Iterator[list[Review]]:
    """Collect the reviews for which too few people are left."""
    seen: list[Review] = []

    def note(review: Review, **_kwargs: Any) -> None:
        seen.append(review)

    review_unsatisfiable.connect(note)
    yield seen
    review_unsatisfiable.disconnect(note)


class TestWhichPlan:
    def test_is_one_stage_of_as_many_people_as_the_gate_asks_for(
        self, review: Review, critical: Review
    ) -> None:
        assert [one.decided_by.fewest for one in (review, critical)] == [1, 2]
        assert review.decided_by.name == ""

    @pytest.mark.parametrize(
        ("rows", "chosen"),
        [
            ([("all", "", ""), ("tier", "high", "")], "tier"),
            ([("tier", "high", ""), ("pattern", "", "refund_*")], "pattern"),
            ([("pattern", "high", "refund_*"), ("name", "", "refund_order")], "name"),
            ([("name", "", "refund_order"), ("name-and-tier", "high", "refund_order")], "name-and-tier"),
            ([("other-tier", "critical", "refund_order"), ("all", "", "")], "all"),
            ([("other-tool", "high", "send_*"), ("all", "", "")], "all"),
            ([("b", "", ""), ("a", "", "")], "a"),
            ([("other-tool", "high", "send_*")], ""),
        ],
    )
    @pytest.mark.parametrize("turned", [False, True])
    def test_is_the_most_specific(
        self, make: Make, open_review: Open, rows: list[tuple[str, str, str]], chosen: str, turned: bool
    ) -> None:
        for name, risk, tool in reversed(rows) if turned else rows:
            make(name, risk=risk, tool=tool)
        assert open_review().decided_by.name == chosen

    def test_is_none_that_is_disabled(self, make: Make, open_review: Open) -> None:
        make("off")
        ReviewPlan.objects.update(enabled=False)
        assert open_review().decided_by.name == ""

    def test_never_asks_fewer_people_than_the_gate(
        self, make: Make, open_review: Open, bob: Any, rita: Any, say: Say
    ) -> None:
        make("one is enough", stage("one", (1, "")))
        review = open_review(risk="critical")
        assert review.required == 2
        assert say(review, bob).status == "pending"
        assert say(review, rita).status == "approved"

    def test_is_fixed_when_the_review_opens(self, make: Make, open_review: Open, bob: Any, say: Say) -> None:
        plan, review = make("one", stage("one", (1, ""))), open_review()
        plan.document = {"stages": [stage("many", (5, "nobody"))]}
        plan.save()
        assert say(Review.objects.get(pk=review.pk), bob).status == "approved"

    def test_asks_each_stage(self, make: Make, open_review: Open, member: Any, bob: Any, say: Say) -> None:
        make("staged", stage("peer", (1, "payments")), stage("control", (2, "risk"), (1, "cro")))
        pat, carl = member("pat", "payments"), member("carl", "cro")
        review = open_review()
        with pytest.raises(PermissionMissing, match="would not count"):
            say(review, bob)
        assert say(review, pat).status == "pending"
        assert review.votes.get().rules == ["peer/1"]
        assert say(review, carl).status == "approved"

    def test_asks_a_later_stage_only_then(self, make: Make, open_review: Open, member: Any, say: Say) -> None:
        make("staged", stage("peer", (1, "payments")), stage("control", (1, "cro")), order="sequential")
        pat, carl = member("pat", "payments"), member("carl", "cro")
        review = open_review()
        actions = available_actions(review, carl)
        assert "approve" not in actions.verbs
        assert actions.why_not.endswith("asks other people first.")
        say(review, pat)
        assert say(review, carl).status == "approved"


class TestWhoIsExcluded:
    def test_are_owner_initiator_delegator_and_author(
        self, agent: Any, oscar: Any, alice: Any, person: Any, member: Any, make: Make
    ) -> None:
        for name in ("oscar", "vera", "dora", "theo"):
            person(name, "hitl.decide_review")
        make("plan")  # by Vera
        RiskThreshold.objects.create(
            tool="refund_order", argument="amount", at_least=1, risk="critical", author=person("theo")
        )
        request = replace(
            proposal(agent=agent, user=oscar), delegator=UserRef(id=person("dora").pk, name="dora")
        )
        asked = ReviewRequest(decision=gate.authorize(request, now=NOW), evidence={}, expires_at=NOW + TTL)
        review = operations.request_review(request=asked, now=NOW)
        why = {
            name: eligibility.why_excluded(review, person(name))
            for name in ("oscar", "dora", "alice", "vera", "theo", "bob", "rita")
        }
        assert {name: words[:12] for name, words in why.items()} == {
            "oscar": "You asked fo", "dora": "It was asked", "alice": "You own the ", "vera": "You wrote th",
            "theo": "You wrote th", "bob": "", "rita": "",
        }  # fmt: skip
        for name, words in why.items():
            assert bool(available_actions(review, person(name)).verbs) != bool(words)
        assert [user.username for user in eligibility.eligible(review)] == ["bob", "rita"]

    def test_may_do_nothing_at_all_as_superusers_either(self, review: Review, alice: Any, say: Say) -> None:
        assert alice.is_superuser
        for verb in ("approve", "edit", "feedback", "reject", "request_info", "cancel_run", "withdraw"):
            with pytest.raises(PermissionMissing, match="You own the agent"):
                say(review, alice, verb, message="x", arguments={} if verb == "edit" else None)
        assert review.votes.count() == 0

    def test_is_as_the_plan_says_but_always_the_initiator(
        self, make: Make, open_review: Open, person: Any, alice: Any, say: Say
    ) -> None:
        make("lenient", exclude=["initiator"])
        review = open_review()
        assert available_actions(review, person("oscar", "hitl.decide_review")).verbs == ()
        assert say(review, alice).status == "approved"

    def test_are_those_who_stand_in_for_them(
        self, review: Review, bob: Any, rita: Any, oscar: Any, say: Say
    ) -> None:
        def stands_in(users: Iterable[Any], _at: Any) -> dict[int, list[Any]]:
            return {user.pk: [oscar] for user in users if user.pk == bob.pk}

        eligibility.STANDS_IN_FOR.append(stands_in)
        try:
            assert (
                available_actions(review, bob).why_not == "You stand in for oscar, who may not decide this."
            )
            with pytest.raises(PermissionMissing, match="stand in for oscar"):
                say(review, bob)
            assert [user.username for user in eligibility.eligible(review)] == ["rita"]
            assert say(review, rita).status == "approved"
        finally:
            eligibility.STANDS_IN_FOR.remove(stands_in)

    def test_are_those_who_stand_in_for_the_editor(
        self, review: Review, bob: Any, rita: Any, say: Say
    ) -> None:
        def stands_in(users: Iterable[Any], _at: Any) -> dict[int, list[Any]]:
            return {user.pk: [bob] for user in users if user.pk == rita.pk}

        eligibility.STANDS_IN_FOR.append(stands_in)
        try:
            say(review, bob, "edit", arguments={**review.arguments, "amount": 10.0})
            with pytest.raises(PermissionMissing, match="stand in for bob"):
                say(review, rita, version=2)
        finally:
            eligibility.STANDS_IN_FOR.remove(stands_in)

    def test_is_on_record_for_whom_somebody_stood_in(
        self, review: Review, bob: Any, rita: Any, say: Say
    ) -> None:
        def stands_in(users: Iterable[Any], _at: Any) -> dict[int, list[Any]]:
            return {user.pk: [rita] for user in users if user.pk == bob.pk}

        eligibility.STANDS_IN_FOR.append(stands_in)
        try:
            say(review, bob)
        finally:
            eligibility.STANDS_IN_FOR.remove(stands_in)
        assert review.votes.get().on_behalf_of == rita


class TestTooFewPeople:
    def test_alarm_at_once(self, make: Make, open_review: Open, alarms: list[Review]) -> None:
        make("nobody", stage("peer", (1, "payments")))
        review = open_review()
        assert [one.pk for one in alarms] == [review.pk]
        event = AuditEvent.objects.get(action="review.unsatisfiable", subject_id=str(review.pk))
        assert (event.body["required"], event.body["eligible"]) == (1, [])
        assert review.status == "pending"

    def test_do_not_alarm_where_they_are_enough(self, critical: Review, alarms: list[Review]) -> None:
        assert alarms == []

    def test_include_one_person_who_alone_is_in_two_groups(
        self, make: Make, open_review: Open, member: Any, alarms: list[Review]
    ) -> None:
        make("two", stage("peer", (1, "payments")), stage("control", (1, "cro")))
        member("pat", "payments", "cro")
        open_review()
        assert len(alarms) == 1
        member("carl", "cro")
        open_review()
        assert len(alarms) == 1

    def test_alarm_after_an_edit_that_leaves_too_few(
        self, critical: Review, bob: Any, rita: Any, say: Say, alarms: list[Review]
    ) -> None:
        say(critical, bob, "edit", arguments={**critical.arguments, "amount": 10.0})
        assert [one.pk for one in alarms] == [critical.pk]

    def test_after_a_rejection_close_the_review(
        self, make: Make, open_review: Open, bob: Any, rita: Any, say: Say
    ) -> None:
        make("patient", {"name": "one", "any_of": [{"approve": 2, "reject": 2}]})
        review = open_review()
        with pytest.raises(AlreadyDecided):
            say(say(review, bob, "reject", message="no"), rita)
        assert Review.objects.get(pk=review.pk).status == "rejected"

    def test_are_not_left_by_one_rejection_of_several(
        self, make: Make, open_review: Open, member: Any, bob: Any, rita: Any, say: Say
    ) -> None:
        make("patient", {"name": "one", "any_of": [{"approve": 2, "reject": 2}]})
        dora = member("dora")
        review = open_review()
        assert say(review, bob, "reject", message="no").status == "pending"
        assert say(review, rita).status == "pending"
        assert say(review, dora).status == "approved"
