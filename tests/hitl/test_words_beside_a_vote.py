"""Feedback, questions, withdrawals and the end of a run: what may be said besides yes and no."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from governance import gate
from governance.audit.models import AuditEvent
from governance.types import RunRef
from hitl.reviews import operations
from hitl.reviews.models import Review, ReviewTier
from hitl.reviews.operations import AlreadyDecided, available_actions, rejected_before, reply
from hitl.reviews.types import DecisionVerb, ReviewRequest
from tenants.kernel.errors import InvalidInput, NotFound, PermissionMissing
from tenants.kernel.models import uuid7
from tests.governance.samples import NOW, proposal
from tests.hitl.conftest import TTL

Open = Callable[..., Review]
Say = Callable[..., Review]
Again = Callable[..., Review]


@pytest.fixture
def again(agent: Any, oscar: Any) -> Again:
    """Return a function that opens another review of a run, as when its agent tries anew."""

    def ask(review: Review, **arguments: Any) -> Review:
        request = proposal(agent=agent, user=oscar, **{**review.arguments, **arguments})
        run = RunRef(run_id=str(review.run_id), step_id=str(uuid7()), trace_id="0" * 32)
        decision = gate.authorize(replace(request, run=run), now=NOW)
        asked = ReviewRequest(decision=decision, evidence={}, expires_at=NOW + TTL)
        return operations.request_review(request=asked, now=NOW)

    return ask


class TestFeedback:
    def test_closes_the_review_with_the_guidance(self, review: Review, bob: Any, say: Say) -> None:
        closed = say(review, bob, "feedback", message="Half of it.")
        vote = operations.rejection_of(closed)
        assert vote is not None
        assert (closed.status, vote.decision, vote.message, vote.reviewer) == (
            "rejected", "feedback", "Half of it.", bob,
        )  # fmt: skip

    def test_needs_the_guidance(self, review: Review, bob: Any, say: Say) -> None:
        with pytest.raises(InvalidInput, match="differently"):
            say(review, bob, "feedback", message=" ")

    def test_is_offered_three_times_in_a_run_and_then_no_more(
        self, review: Review, bob: Any, say: Say, again: Again
    ) -> None:
        for amount in (20.0, 15.0, 10.0):
            assert DecisionVerb.FEEDBACK in available_actions(review, bob).verbs
            say(review, bob, "feedback", message="less")
            review = again(review, amount=amount)
        assert review.decided_by.feedback_left == 0
        assert DecisionVerb.FEEDBACK not in available_actions(review, bob).verbs
        with pytest.raises(InvalidInput, match="one of"):
            say(review, bob, "feedback", message="less")
        assert say(review, bob, "reject", message="no").status == "rejected"

    def test_is_counted_for_each_run(self, review: Review, open_review: Open, bob: Any, say: Say) -> None:
        say(review, bob, "feedback", message="less")
        assert open_review().decided_by.feedback_left == 3

    def test_is_offered_as_often_as_the_tier_says(self, open_review: Open, bob: Any) -> None:
        ReviewTier.objects.create(risk="high", feedback_rounds=0)
        assert DecisionVerb.FEEDBACK not in available_actions(open_review(), bob).verbs


class TestTheSameCallAgain:
    @pytest.mark.parametrize("verb", ["reject", "feedback"])
    def test_is_known_once_it_was_rejected(
        self, review: Review, bob: Any, say: Say, again: Again, verb: str
    ) -> None:
        say(review, bob, verb, message="no")
        assert rejected_before(again(review).policy_request) == review
        assert rejected_before(again(review, amount=10.0).policy_request) is None

    def test_is_known_as_it_was_proposed_and_as_it_was_edited(
        self, review: Review, bob: Any, rita: Any, say: Say, again: Again
    ) -> None:
        say(review, bob, "edit", arguments={**review.arguments, "amount": 10.0})
        say(review, rita, "reject", message="no", version=2)
        for amount in (25.0, 10.0):
            assert rejected_before(again(review, amount=amount).policy_request) == review
        assert rejected_before(again(review, amount=11.0).policy_request) is None

    def test_is_new_in_another_run(self, review: Review, open_review: Open, bob: Any, say: Say) -> None:
        say(review, bob, "reject", message="no")
        assert rejected_before(open_review().policy_request) is None

    def test_is_new_while_it_was_only_left_undecided(self, review: Review, again: Again) -> None:
        operations.expire(review=review, now=review.expires_at)
        assert rejected_before(again(review).policy_request) is None


class TestRequestInfo:
    def test_asks_and_leaves_the_review_open(self, review: Review, bob: Any, say: Say) -> None:
        asked = say(review, bob, "request_info", message=" Which order? ")
        question = asked.messages.get()
        assert (asked.status, asked.votes.count()) == ("pending", 0)
        assert (question.author, question.is_question, question.text, question.at) == (
            bob,
            True,
            "Which order?",
            NOW,
        )
        assert AuditEvent.objects.filter(action="review.request_info", subject_id=str(review.pk)).exists()
        assert say(review, bob).status == "approved"

    def test_needs_the_question(self, review: Review, bob: Any, say: Say) -> None:
        with pytest.raises(InvalidInput, match="question"):
            say(review, bob, "request_info")

    def test_may_be_said_by_who_has_voted(self, critical: Review, bob: Any, say: Say) -> None:
        say(critical, bob)
        assert available_actions(critical, bob).verbs == ("withdraw", "request_info", "cancel_run")
        say(critical, bob, "request_info", message="And why?")


class TestReply:
    @pytest.mark.parametrize("who", ["oscar", "bob", "rita", "alice"])
    def test_is_for_the_requester_and_reviewers(self, review: Review, person: Any, who: str) -> None:
        said = reply(review_id=review.pk, author=person(who), text=" A-1001 ", now=NOW)
        assert (said.text, said.is_question, said.author.username) == ("A-1001", False, who)
        event = AuditEvent.objects.get(action="review.replied", subject_id=str(review.pk))
        assert (event.actor_name, event.body["message"]) == (who, "A-1001")

    @pytest.mark.parametrize("who", ["vera", "audrey", "charlie"])
    def test_is_not_for_others(self, review: Review, person: Any, who: str) -> None:
        with pytest.raises(PermissionMissing):
            reply(review_id=review.pk, author=person(who), text="x", now=NOW)
        assert review.messages.count() == 0

    def test_needs_a_text_and_a_pending_review(self, review: Review, bob: Any, oscar: Any, say: Say) -> None:
        with pytest.raises(InvalidInput):
            reply(review_id=review.pk, author=oscar, text="\n", now=NOW)
        with pytest.raises(NotFound):
            reply(review_id=uuid7(), author=oscar, text="x", now=NOW)
        say(review, bob)
        with pytest.raises(AlreadyDecided):
            reply(review_id=review.pk, author=oscar, text="x", now=NOW)


class TestWithdraw:
    def test_takes_an_approval_back(self, critical: Review, bob: Any, rita: Any, say: Say) -> None:
        say(critical, bob)
        say(critical, bob, "withdraw")
        assert say(critical, rita).status == "pending"
        approved = say(critical, bob)
        assert approved.status == "approved"
        assert [vote.verdict for vote in approved.votes.order_by("id")] == [
            "approve", "withdraw", "approve", "approve",
        ]  # fmt: skip

    def test_leaves_no_trace_among_the_approvers(
        self, critical: Review, bob: Any, rita: Any, person: Any, say: Say
    ) -> None:
        say(critical, bob)
        say(critical, bob, "withdraw")
        say(critical, rita)
        approved = say(critical, person("dora", "hitl.decide_review"))
        approval = operations.consume(review_id=approved.pk, digest=approved.digest, now=NOW)
        assert (approval.approvers, approval.approvals) == (("rita", "dora"), 2)

    def test_is_only_for_who_approved(self, critical: Review, bob: Any, rita: Any, say: Say) -> None:
        say(critical, bob)
        with pytest.raises(InvalidInput):
            say(critical, rita, "withdraw")


class TestCancelRun:
    def test_closes_the_review(self, review: Review, bob: Any, say: Say) -> None:
        closed = say(review, bob, "cancel_run", message="It refunds strangers.")
        vote = closed.votes.get()
        assert (closed.status, vote.verdict, vote.message) == (
            "cancelled",
            "nothing",
            "It refunds strangers.",
        )

    def test_needs_a_reason(self, review: Review, bob: Any, say: Say) -> None:
        with pytest.raises(InvalidInput, match="why"):
            say(review, bob, "cancel_run")
