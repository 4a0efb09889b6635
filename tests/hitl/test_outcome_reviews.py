"""A call was cut off: people say what happened, or agree to run it once more."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from governance import gate
from governance.audit.models import AuditEvent
from governance.types import Effect
from hitl.reviews import operations
from hitl.reviews.approvals import REPEAT_WITHIN
from hitl.reviews.models import Review
from hitl.reviews.operations import (
    AlreadyDecided,
    ApprovalNotUsable,
    answer_of,
    available_actions,
    consume,
    consumed_approval,
)
from hitl.reviews.types import Answer, DecisionVerb
from tenants.kernel.errors import InvalidInput, NotFound, PermissionMissing
from tests.governance.samples import NOW

Ask = Callable[..., Review]
Say = Callable[..., Review]


class TestAsk:
    def test_binds_to_the_call_that_was_cut_off(self, ask: Ask) -> None:
        review = ask()
        assert (review.kind, review.status, review.required) == ("outcome", "pending", 1)
        assert review.digest == review.policy_request.digest()
        assert review.arguments["amount"] == 25.0

    def test_is_the_platforms_question_in_the_log(self, ask: Ask) -> None:
        event = AuditEvent.objects.get(action="review.requested", subject_id=str(ask().pk))
        assert (event.actor_kind, event.user_name) == ("system", "oscar")
        assert (event.body["kind"], event.body["tool"]) == ("outcome", "refund_order")
        assert event.body["reason"].startswith("The worker died")

    def test_needs_somebody_even_for_a_tool_that_needs_no_approval(self, ask: Ask) -> None:
        assert ask(required=0).required == 1

    def test_may_be_told_three_things_or_asked_about_or_ended(self, ask: Ask, bob: Any, charlie: Any) -> None:
        review = ask()
        verbs = ("it_happened", "it_did_not", "retry", "request_info", "cancel_run")
        assert available_actions(review, bob).verbs == verbs
        assert available_actions(review, charlie).verbs == ()


class TestSayingWhatHappened:
    @pytest.mark.parametrize("verb", ["it_happened", "it_did_not"])
    def test_closes_the_review_at_once(self, ask: Ask, bob: Any, say: Say, verb: str) -> None:
        review = say(ask(required=2), bob, verb, message=" seen in the ledger ")
        assert (review.status, review.decided_at, review.execute_by) == ("answered", NOW, None)
        assert answer_of(review) == Answer(verb=DecisionVerb(verb), message="seen in the ledger", by="bob")
        event = AuditEvent.objects.get(action=f"review.{verb}", subject_id=str(review.pk))
        assert (event.actor_name, event.outcome) == ("bob", "answered")

    @pytest.mark.parametrize("verb", ["it_happened", "it_did_not"])
    def test_needs_how_one_knows(self, ask: Ask, bob: Any, say: Say, verb: str) -> None:
        review = ask()
        with pytest.raises(InvalidInput) as raised:
            say(review, bob, verb, message=" ")
        assert raised.value.errors[0]["at"] == "/message"
        assert Review.objects.get(pk=review.pk).status == "pending"

    def test_gives_no_approval(self, ask: Ask, bob: Any, say: Say) -> None:
        for verb in ("it_happened", "it_did_not"):
            review = say(ask(), bob, verb, message="seen")
            with pytest.raises(ApprovalNotUsable):
                consume(review_id=review.pk, digest=review.digest, now=NOW)

    def test_outweighs_those_who_wanted_to_try_again(self, ask: Ask, bob: Any, rita: Any, say: Say) -> None:
        review = ask(required=2)
        say(review, bob, "retry")
        say(review, rita, "it_happened", message="the customer has the money")
        review.refresh_from_db()
        assert (review.status, answer_of(review).by) == ("answered", "rita")

    def test_comes_too_late_after_another_answer(self, ask: Ask, bob: Any, rita: Any, say: Say) -> None:
        review = say(ask(), bob, "it_did_not", message="the ledger is empty")
        with pytest.raises(AlreadyDecided, match="bob has answered"):
            say(review, rita, "it_happened", message="no, it is there")


class TestRetry:
    def test_approves_one_second_call(self, ask: Ask, bob: Any, say: Say) -> None:
        review = say(ask(), bob, "retry", message="the ledger is empty")
        assert (review.status, answer_of(review).verb) == ("approved", DecisionVerb.RETRY)
        approval = consume(review_id=review.pk, digest=review.digest, now=NOW)
        assert (approval.approvals, approval.approvers) == (1, ("bob",))
        decision = gate.authorize(review.policy_request, now=NOW, approval=approval)
        assert decision.effect is Effect.PERMIT
        with pytest.raises(ApprovalNotUsable):
            consume(review_id=review.pk, digest=review.digest, now=NOW)

    def test_needs_as_many_people_as_the_call_itself(self, ask: Ask, bob: Any, rita: Any, say: Say) -> None:
        review = ask(required=2)
        assert say(review, bob, "retry").status == "pending"
        with pytest.raises(AlreadyDecided, match="another person"):
            say(review, bob, "retry")
        assert say(review, rita, "retry").status == "approved"

    def test_is_of_exactly_this_action(self, ask: Ask, bob: Any, say: Say) -> None:
        review = ask()
        with pytest.raises(InvalidInput, match="edit"):
            say(review, bob, "retry", arguments={**review.arguments, "amount": 1.0})


class TestWhoMay:
    @pytest.mark.parametrize("verb", ["it_happened", "it_did_not", "retry"])
    def test_not_the_requester_even_as_superuser(self, ask: Ask, alice: Any, say: Say, verb: str) -> None:
        with pytest.raises(PermissionMissing, match="somebody else"):
            say(ask(user=alice), alice, verb, message="mine")

    @pytest.mark.parametrize("verb", ["it_happened", "it_did_not", "retry"])
    def test_not_charlie(self, ask: Ask, charlie: Any, say: Say, verb: str) -> None:
        with pytest.raises(PermissionMissing):
            say(ask(), charlie, verb, message="it did")


class TestWordsForAnotherKind:
    @pytest.mark.parametrize("verb", ["approve", "edit", "reject", "respond"])
    def test_are_refused_of_an_outcome(self, ask: Ask, bob: Any, say: Say, verb: str) -> None:
        review = ask()
        with pytest.raises(InvalidInput, match="it_happened, it_did_not, retry"):
            say(review, bob, verb, message="x", arguments={} if verb == "edit" else None)
        assert review.votes.count() == 0

    @pytest.mark.parametrize("verb", ["it_happened", "it_did_not", "retry", "respond"])
    def test_are_refused_of_a_tool_call(self, review: Review, bob: Any, say: Say, verb: str) -> None:
        with pytest.raises(InvalidInput, match="approve, edit, feedback, reject"):
            say(review, bob, verb, message="x")
        assert review.votes.count() == 0


class TestTimeOver:
    def test_closes_an_outcome_with_nothing_run(self, ask: Ask) -> None:
        review = ask()
        operations.expire(review=review, now=review.expires_at)
        with pytest.raises(ApprovalNotUsable):
            consume(review_id=review.pk, digest=review.digest, now=NOW)
        with pytest.raises(NotFound):
            answer_of(review)


class TestRepeatingACallThatHadItsApproval:
    """The worker that consumed the approval died; the same step goes on under the same key."""

    def again(self, review: Review, *, digest: str = "", after: timedelta = timedelta(0)) -> Any:
        return consumed_approval(review_id=review.pk, digest=digest or review.digest, now=NOW + after)

    @pytest.fixture
    def used(self, review: Review, bob: Any, say: Say) -> Review:
        """Return a review that Bob approved and a worker consumed."""
        say(review, bob)
        consume(review_id=review.pk, digest=review.digest, now=NOW)
        return Review.objects.get(pk=review.pk)

    def test_finds_it_again(self, used: Review) -> None:
        approval = self.again(used)
        assert (approval.approvers, approval.digest) == (("bob",), used.digest)
        assert gate.authorize(used.policy_request, now=NOW, approval=approval).effect is Effect.PERMIT

    def test_may_outlast_the_time_to_start_in(self, used: Review) -> None:
        self.again(used, after=operations.EXECUTE_WITHIN * 2)

    def test_is_refused_a_day_later(self, used: Review) -> None:
        self.again(used, after=REPEAT_WITHIN - timedelta(microseconds=1))
        with pytest.raises(ApprovalNotUsable):
            self.again(used, after=REPEAT_WITHIN)

    def test_is_refused_for_another_action(self, used: Review) -> None:
        with pytest.raises(ApprovalNotUsable):
            self.again(used, digest="0" * 64)

    def test_is_refused_if_it_was_never_used(self, review: Review, bob: Any, say: Say) -> None:
        with pytest.raises(ApprovalNotUsable):
            self.again(review)
        say(review, bob)
        with pytest.raises(ApprovalNotUsable):
            self.again(review)

    def test_is_refused_once_revoked(self, used: Review) -> None:
        used.transition(Review.Status.CANCELLED)
        with pytest.raises(ApprovalNotUsable):
            self.again(used)

    def test_counts_only_those_who_still_may(self, used: Review, bob: Any) -> None:
        bob.groups.clear()
        with pytest.raises(ApprovalNotUsable) as raised:
            self.again(used)
        assert raised.value.data["reason"] == "reviewer_no_longer_eligible"
