"""An approval is used up by one execution of exactly the approved action, while it still holds."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import DatabaseError, transaction

from governance import gate
from governance.types import Approval, Decision, Effect
from hitl.reviews.models import Review, Vote
from hitl.reviews.operations import EXECUTE_WITHIN, ApprovalNotUsable, cancel_for_run, consume, expire
from tenants.kernel.models import uuid7
from tests.governance.samples import NOW

Say = Callable[..., Review]


@pytest.fixture
def approved(review: Review, bob: Any, say: Say) -> Review:
    """Return a review that Bob approved."""
    return say(review, bob)


def use(review: Review, *, digest: str = "", after: timedelta = timedelta(0)) -> Approval:
    return consume(review_id=review.pk, digest=digest or review.digest, now=NOW + after)


def refuses(review: Review, reason: str, *, after: timedelta = timedelta(0)) -> None:
    with pytest.raises(ApprovalNotUsable) as raised:
        use(review, after=after)
    assert raised.value.data["reason"] == reason
    assert Review.objects.get(pk=review.pk).consumed_at is None


def run(review: Review, approval: Approval) -> Decision:
    return gate.authorize(review.policy_request, now=NOW, approval=approval)


class TestConsume:
    def test_gives_the_approval_of_the_people_who_voted(self, approved: Review) -> None:
        approval = use(approved)
        assert (approval.approvals, approval.approvers, approval.decided_at) == (1, ("bob",), NOW)
        assert approval.digest == approved.digest == approved.policy_request.digest()

    def test_works_once(self, approved: Review) -> None:
        use(approved)
        with pytest.raises(ApprovalNotUsable):
            use(approved)
        approved.refresh_from_db()
        assert approved.consumed_at == NOW

    def test_refuses_another_action(self, approved: Review) -> None:
        for digest in ("0" * 64, approved.digest.upper(), approved.digest[:-1]):
            with pytest.raises(ApprovalNotUsable):
                use(approved, digest=digest)

    def test_refuses_an_approval_whose_time_is_over(self, approved: Review) -> None:
        for late in (EXECUTE_WITHIN, EXECUTE_WITHIN + timedelta(seconds=1)):
            with pytest.raises(ApprovalNotUsable):
                use(approved, after=late)
        use(approved, after=EXECUTE_WITHIN - timedelta(microseconds=1))

    def test_refuses_a_review_that_was_not_approved(
        self, open_review: Callable[..., Review], bob: Any, say: Say
    ) -> None:
        pending, rejected, expired, cancelled = (open_review() for _ in range(4))
        say(rejected, bob, "reject", message="no")
        expire(review=expired, now=NOW)
        cancel_for_run(run_id=cancelled.run_id, now=NOW)
        for review in (pending, rejected, expired, cancelled, Review(pk=uuid7(), digest="0" * 64)):
            with pytest.raises(ApprovalNotUsable):
                use(review)

    def test_refuses_an_approval_that_was_revoked(self, approved: Review) -> None:
        approved.transition(Review.Status.CANCELLED)
        with pytest.raises(ApprovalNotUsable):
            use(approved)

    def test_refuses_the_action_as_it_was_before_an_edit(
        self, review: Review, bob: Any, rita: Any, say: Say
    ) -> None:
        proposed = review.digest
        say(review, bob, "edit", arguments={**review.arguments, "amount": 1.0})
        edited = say(review, rita, version=2)
        with pytest.raises(ApprovalNotUsable):
            use(edited, digest=proposed)
        assert use(edited).digest == edited.digest != proposed


class TestApproversWhoNoLongerMay:
    def test_do_not_count(self, approved: Review, bob: Any) -> None:
        bob.groups.clear()
        refuses(approved, "reviewer_no_longer_eligible")
        bob.groups.add(Group.objects.get(name="reviewer"))
        assert run(approved, use(approved)).effect is Effect.PERMIT

    def test_do_not_count_when_deactivated(self, approved: Review, bob: Any) -> None:
        bob.is_active = False
        bob.save()
        refuses(approved, "reviewer_no_longer_eligible")

    def test_leave_the_others_short_of_two(self, critical: Review, bob: Any, rita: Any, say: Say) -> None:
        say(critical, bob)
        say(critical, rita)
        rita.groups.clear()
        refuses(critical, "reviewer_no_longer_eligible")

    def test_include_the_requester_however_the_vote_came_about(self, review: Review, oscar: Any) -> None:
        Vote.objects.create(
            review=review,
            reviewer=oscar,
            decision="approve",
            verdict="approve",
            rules=["approval/1"],
            digest=review.digest,
            channel="api",
            at=NOW,
        )
        review.transition(Review.Status.APPROVED, execute_by=NOW + EXECUTE_WITHIN)
        oscar.user_permissions.add(Permission.objects.get(codename="decide_review"))
        refuses(review, "reviewer_no_longer_eligible")


class TestVotes:
    def test_are_never_changed_or_deleted(self, approved: Review, oscar: Any) -> None:
        votes = Vote.objects.filter(review=approved)
        for change in (lambda: votes.update(reviewer=oscar), lambda: votes.update(message="x"), votes.delete):
            with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
                change()


class TestVotesThatDoNotCount:
    def test_are_those_on_an_older_action(
        self, critical: Review, bob: Any, rita: Any, person: Any, say: Say
    ) -> None:
        dora, emil = (person(name, "hitl.decide_review") for name in ("dora", "emil"))
        say(critical, dora)
        say(critical, bob, "edit", arguments={**critical.arguments, "amount": 1.0})
        assert say(critical, rita, version=2).status == Review.Status.PENDING
        approved = say(critical, emil, version=2)
        assert use(approved).approvers == ("rita", "emil")
