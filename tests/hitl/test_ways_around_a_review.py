"""What somebody tries who wants a call to run without the people who should decide it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from auditlog.models import LogEntry

from agents.tools.models import Tool
from governance import gate
from governance.audit.models import AuditEvent
from governance.policies.models import RiskThreshold
from governance.types import PolicyRequest, UserRef
from hitl.grants import operations as grants
from hitl.grants.types import GrantRequest
from hitl.reviews import approvals, eligibility, operations
from hitl.reviews.deadlines import on_veto_end
from hitl.reviews.models import Review, ReviewPlan
from hitl.reviews.plans import excluded_names
from hitl.reviews.record import AlreadyDecided, ReviewChanged
from hitl.reviews.types import Assurance, ReviewRequest
from tenants.kernel.errors import PermissionMissing
from tests.governance.samples import NOW, proposal
from tests.hitl.conftest import TTL

Open = Callable[..., Review]
Say = Callable[..., Review]
END = NOW + timedelta(minutes=5)
ANYBODY = {"name": "one", "any_of": [{"approve": 1, "where": ""}]}


@pytest.fixture
def call(agent: Any, oscar: Any) -> Callable[..., PolicyRequest]:
    """Return a function that makes a medium call which can be undone."""

    def make(*, run: Any = None, delegator: Any = None, **changes: Any) -> PolicyRequest:
        Tool.objects.filter(name="refund_order").update(risk="medium", reversible=True)
        arguments = {"order_id": "A-1001", "amount": 25.0, "reason": "arrived broken", **changes}
        request = proposal(agent=agent, user=oscar, **arguments)
        if run is not None:
            request = replace(request, run=replace(request.run, run_id=str(run)))
        if delegator is not None:
            request = replace(request, delegator=UserRef(id=delegator.pk, name=delegator.username))
        return request

    return make


@pytest.fixture
def held(call: Callable[..., PolicyRequest]) -> Open:
    """Return a function that opens a review of such a call."""

    def make(**values: Any) -> Review:
        decision = gate.authorize(call(**values), now=NOW)
        asked = ReviewRequest(decision=decision, evidence={}, expires_at=NOW + TTL)
        return operations.request_review(request=asked, now=NOW)

    return make


@pytest.fixture
def standing_in(oscar: Any) -> Iterator[set[str]]:
    """Return a set of names: who is in it stands in for Oscar."""
    names: set[str] = set()

    def find(users: Iterable[Any], _at: Any) -> dict[int, list[Any]]:
        return {user.pk: [oscar] for user in users if user.username in names}

    eligibility.STANDS_IN_FOR.append(find)
    yield names
    eligibility.STANDS_IN_FOR.remove(find)


def silence(review: Review, at: Any = END) -> Review:
    """Let the veto window end."""
    on_veto_end(review.pk, 0, at)
    return Review.objects.get(pk=review.pk)


class TestSilence:
    """Runs nothing where it says nothing."""

    def test_is_no_consent_where_nobody_could_object(
        self, held: Open, standing_in: set[str], bob: Any
    ) -> None:
        review = held(delegator=bob)
        standing_in.add("rita")
        assert eligibility.eligible(review) == []
        review = silence(review)
        assert (review.status, review.veto_until) == ("pending", None)
        assert AuditEvent.objects.filter(action="review.window-closed", subject_id=str(review.pk)).exists()

    def test_is_consent_where_one_could(self, held: Open, bob: Any) -> None:
        assert silence(held(delegator=bob)).status == "approved"

    def test_does_not_outlive_the_review(self, held: Open) -> None:
        review = held()
        assert silence(review, review.expires_at).status == "pending"

    def test_counts_no_more_than_a_grant_where_each_call_is_decided_by_hand(
        self, held: Open, person: Any
    ) -> None:
        ReviewPlan.objects.create(name="by hand", document={"stages": [ANYBODY]}, author=person("vera"))
        assert held().veto_until is None
        ReviewPlan.objects.update(document={"stages": [ANYBODY], "human_only": False})
        assert held().veto_until == END

    def test_is_over_once_somebody_took_their_approval_back(
        self, held: Open, person: Any, bob: Any, say: Say
    ) -> None:
        two = {"stages": [{"name": "two", "any_of": [{"approve": 2}]}], "human_only": False}
        ReviewPlan.objects.create(name="two", document=two, author=person("vera"))
        review = held()
        say(review, bob)
        say(review, bob, "withdraw")
        review = silence(review)
        assert (review.status, review.veto_until) == ("pending", None)

    @pytest.mark.parametrize("verb", ["reject", "feedback", "revoke"])
    def test_does_not_answer_the_next_try_of_what_somebody_turned_down(
        self, held: Open, bob: Any, say: Say, verb: str
    ) -> None:
        first = held()
        if verb == "revoke":
            approvals.revoke(review_id=silence(first).pk, by=bob, message="No!", now=END)
        else:
            say(first, bob, verb, message="No!")
        assert held(run=first.run_id, reason="arrived  broken").veto_until is None
        assert held(reason="arrived  broken").veto_until == END


class TestTryingAgain:
    def test_what_was_taken_back_is_refused_at_once(
        self, held: Open, call: Callable[..., PolicyRequest], bob: Any, rita: Any, say: Say
    ) -> None:
        first = say(held(), bob)
        approvals.revoke(review_id=first.pk, by=rita, message="No!", now=NOW)
        found = operations.rejected_before(call(run=first.run_id))
        assert found is not None and found.pk == first.pk

    def test_in_other_spelling_of_the_same_values_is_refused_at_once(
        self, held: Open, call: Callable[..., PolicyRequest], bob: Any, say: Say
    ) -> None:
        first = say(held(), bob, "reject", message="No!")
        again = call(run=first.run_id, amount=25)
        again = again.with_arguments(dict(reversed(again.arguments.items())))
        assert operations.rejected_before(again) == first


class TestWhoWritesThePlan:
    def test_does_not_decide_under_it_whatever_it_says(
        self, open_review: Open, rita: Any, bob: Any, say: Say
    ) -> None:
        lenient = {"stages": [ANYBODY], "exclude": ["initiator"]}
        ReviewPlan.objects.create(name="mine", tool="refund_order", document=lenient, author=rita)
        review = open_review()
        with pytest.raises(PermissionMissing, match="You wrote the rule"):
            say(review, rita)
        assert say(review, bob).status == "approved"


class TestWhoChangesARule:
    """Sits out for a day: a rule that is gone names no author."""

    def test_does_not_decide_what_it_would_have_held(
        self, open_review: Open, client_of: Any, person: Any, rita: Any, bob: Any, say: Say
    ) -> None:
        rita = person("rita", "governance.delete_riskthreshold")
        rule = RiskThreshold.objects.create(
            tool="*", argument="amount", at_least=1, risk="critical", author=rita
        )
        assert client_of(rita).delete(f"/api/v1/governance/thresholds/{rule.pk}").status_code == 204
        gone = AuditEvent.objects.get(action="config.changed", subject_id=str(rule.pk), actor_name="rita")
        assert gone.outcome == "delete"
        review = open_review()
        with pytest.raises(PermissionMissing, match="You have changed the rules of reviews"):
            say(review, rita)
        assert ("rita", "has just changed the rules") in excluded_names(review.decided_by)
        assert say(review, bob).status == "approved"

    def test_decides_again_a_day_later(self, open_review: Open, rita: Any, say: Say) -> None:
        RiskThreshold.objects.create(tool="*", argument="amount", at_least=1, risk="high", author=rita)
        LogEntry.objects.filter(content_type__model="riskthreshold").update(
            actor=rita, timestamp=NOW - timedelta(hours=24)
        )
        RiskThreshold.objects.all().delete()
        assert say(open_review(), rita).status == "approved"


class TestAnEditor:
    def test_who_comes_to_stand_in_for_the_asker_approves_nothing_by_another_edit(
        self, open_review: Open, standing_in: set[str], person: Any, bob: Any, say: Say
    ) -> None:
        lenient = {"stages": [ANYBODY], "exclude": ["initiator"]}
        ReviewPlan.objects.create(name="lenient", document=lenient, author=person("vera"))
        review = open_review()
        say(review, bob, "edit", arguments={**review.arguments, "amount": 20.0})
        say(review, bob, "withdraw", version=2)
        standing_in.add("bob")
        with pytest.raises(AlreadyDecided, match="You stand in for oscar"):
            say(review, bob, "edit", arguments={**review.arguments, "amount": 21.0}, version=2)


class TestEarliestStart:
    def test_is_the_latest_that_an_approver_asked_for(
        self, critical: Review, bob: Any, rita: Any, say: Say
    ) -> None:
        tomorrow = NOW + timedelta(days=1)
        say(critical, bob, not_before=tomorrow)
        approved = say(critical, rita)
        assert (approved.status, approved.not_before) == ("approved", tomorrow)
        assert approved.execute_by == tomorrow + operations.EXECUTE_WITHIN
        said = AuditEvent.objects.filter(action="review.approve", subject_id=str(critical.pk)).order_by("id")
        assert [event.body["not_before"] for event in said] == [tomorrow.isoformat(), None]

    def test_goes_with_the_arguments_it_was_about(
        self, critical: Review, bob: Any, rita: Any, person: Any, say: Say
    ) -> None:
        say(critical, bob, not_before=NOW + timedelta(days=1))
        say(critical, rita, "edit", arguments={**critical.arguments, "amount": 20.0})
        critical.refresh_from_db()
        assert critical.not_before is None


class TestGrants:
    def test_speak_of_what_their_giver_saw(self, review: Review, bob: Any, rita: Any, say: Say) -> None:
        say(review, rita, "edit", arguments={**review.arguments, "amount": 30.0})
        unseen = GrantRequest(scope="exact_args", reason="fine", assurance=Assurance.TOKEN)
        with pytest.raises(ReviewChanged):
            grants.give(review_id=review.pk, giver=bob, request=unseen, now=NOW)
        review.refresh_from_db()
        seen = replace(unseen, digest=review.digest)
        assert grants.give(review_id=review.pk, giver=bob, request=seen, now=NOW).arguments["amount"] == 30.0

    def test_do_not_answer_for_a_riskier_call_than_the_one_they_came_from(
        self, held: Open, bob: Any, person: Any
    ) -> None:
        asked = GrantRequest(scope="tool", reason="fine", assurance=Assurance.SESSION)
        grants.give(review_id=held().pk, giver=bob, request=asked, now=NOW)
        assert held().status == "approved"
        RiskThreshold.objects.create(
            tool="*", argument="amount", at_least=50, risk="high", author=person("vera")
        )
        assert held(amount=90.0).status == "pending"
        assert held().status == "approved"


class TestUnknownOutcome:
    def test_is_not_repeated_by_fewer_than_the_plan_asks(
        self, ask: Open, bob: Any, rita: Any, person: Any, say: Say
    ) -> None:
        two = {"stages": [{"name": "two", "any_of": [{"approve": 2}]}]}
        ReviewPlan.objects.create(name="two", document=two, author=person("vera"))
        review = say(ask(), bob, "retry")
        assert review.status == "pending"
        assert say(review, rita, "retry").status == "approved"

    def test_is_told_by_one(self, ask: Open, bob: Any, person: Any, say: Say) -> None:
        two = {"stages": [{"name": "two", "any_of": [{"approve": 2}]}]}
        ReviewPlan.objects.create(name="two", document=two, author=person("vera"))
        assert say(ask(), bob, "it_did_not", message="not in the ledger").status == "answered"
