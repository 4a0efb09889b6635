"""People decide reviews: who may, about what they saw, once."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission

from governance.access.models import User
from governance.audit.models import AuditEvent
from hitl.reviews import operations
from hitl.reviews.models import Review
from hitl.reviews.operations import AlreadyDecided, ReviewChanged, available_actions
from hitl.reviews.signals import review_decided
from hitl.reviews.types import DecisionVerb
from tenants.kernel.errors import InvalidInput, NotFound, PermissionMissing, StaleTransition
from tenants.kernel.models import uuid7
from tests.governance.samples import NOW

LESS = {"order_id": "A-1001", "amount": 10.0, "reason": "arrived broken"}
MORE = {"order_id": "A-1001", "amount": 30.0, "reason": "arrived broken"}
Open = Callable[..., Review]
Say = Callable[..., Review]


@pytest.fixture
def decided() -> Iterator[list[Review]]:
    """Collect the reviews that were announced as decided."""
    seen: list[Review] = []

    def note(review: Review, **_kwargs: Any) -> None:
        seen.append(review)

    review_decided.connect(note)
    yield seen
    review_decided.disconnect(note)


def stored(review: Review) -> dict[str, Any]:
    """Return the review and its votes as the database has them."""
    row = Review.objects.filter(pk=review.pk).values().get()
    return {**row, "votes": list(review.votes.order_by("id").values())}


class TestOpen:
    def test_holds_the_exact_action(self, review: Review) -> None:
        review.refresh_from_db()
        assert review.status == Review.Status.PENDING
        assert review.digest == review.policy_request.digest()
        assert review.arguments == review.arguments_proposed
        assert (review.required, review.risk, review.version) == (1, "high", 1)

    def test_of_what_needs_no_approval_is_refused(self, open_review: Open) -> None:
        with pytest.raises(InvalidInput):
            open_review(tool="lookup_order", order_id="A-1001")

    def test_is_audited(self, review: Review) -> None:
        event = AuditEvent.objects.get(action="review.requested", subject_id=str(review.pk))
        assert (event.actor_kind, event.actor_name, event.user_name) == (
            "agent",
            "Support assistant",
            "oscar",
        )
        assert event.body["digest"] == review.digest


class TestApprove:
    def test_closes_the_review(self, review: Review, bob: Any, say: Say, decided: list[Review]) -> None:
        say(review, bob, message="fine")
        review.refresh_from_db()
        assert review.status == Review.Status.APPROVED
        assert (review.decided_at, review.execute_by) == (NOW, NOW + operations.EXECUTE_WITHIN)
        assert [item.pk for item in decided] == [review.pk]

    def test_records_the_vote_on_the_digest(self, review: Review, bob: Any, say: Say) -> None:
        say(review, bob, message="fine")
        vote = review.votes.get()
        assert (vote.reviewer, vote.decision, vote.verdict, vote.digest) == (
            bob,
            "approve",
            "approve",
            review.digest,
        )
        assert (vote.message, vote.channel, vote.at) == ("fine", "api", NOW)

    def test_is_audited_with_the_person_and_the_action(self, review: Review, bob: Any, say: Say) -> None:
        say(review, bob)
        event = AuditEvent.objects.get(action="review.approve", subject_id=str(review.pk))
        assert (event.actor_kind, event.actor_name, event.outcome) == ("person", "bob", "approved")
        assert (event.body["digest"], event.body["arguments"]) == (review.digest, review.arguments)

    def test_cannot_carry_other_arguments(self, review: Review, bob: Any, say: Say) -> None:
        before = stored(review)
        with pytest.raises(InvalidInput, match="edit"):
            say(review, bob, arguments=MORE)
        assert stored(review) == before


class TestEdit:
    def test_puts_the_edited_action_to_somebody_else(
        self, review: Review, bob: Any, rita: Any, say: Say
    ) -> None:
        proposed, digest = review.arguments, review.digest
        say(review, bob, "edit", arguments=LESS)
        review.refresh_from_db()
        assert (review.status, review.arguments, review.version) == ("pending", LESS, 2)
        assert review.arguments_proposed == proposed
        assert review.digest == review.policy_request.digest() != digest
        assert review.votes.get().arguments == LESS
        assert say(review, rita, version=2).status == "approved"

    def test_is_not_approved_by_its_editor(self, review: Review, bob: Any, say: Say) -> None:
        say(review, bob, "edit", arguments=LESS)
        with pytest.raises(PermissionMissing, match="the last edit"):
            say(review, bob, version=2)
        review.refresh_from_db()
        assert (review.status, review.votes.count()) == ("pending", 1)

    def test_keeps_the_types_of_the_arguments(self, review: Review, bob: Any, say: Say) -> None:
        say(review, bob, "edit", arguments={**LESS, "amount": 10})
        review.refresh_from_db()
        assert type(review.arguments["amount"]) is int

    def test_that_breaks_the_schema_leaves_the_review_as_it_was(
        self, review: Review, bob: Any, say: Say
    ) -> None:
        for arguments in [
            {},
            {**LESS, "amount": "10"},
            {**LESS, "amount": 0},
            {**LESS, "amount": 100_001},
            {**LESS, "amount": None},
            {**LESS, "to": "me"},
            {"order_id": "A-1001", "amount": 1},
            {**LESS, "order_id": "A" * 21},
        ]:
            before = stored(review)
            with pytest.raises(InvalidInput) as raised:
                say(review, bob, "edit", arguments=arguments)
            assert {error["rule"] for error in raised.value.errors} == {"argument-schema"}
            assert stored(review) == before

    def test_with_what_cannot_be_stored_exactly_leaves_the_review_as_it_was(
        self, review: Review, bob: Any, say: Say
    ) -> None:
        for value in [
            float("nan"),
            float("inf"),
            -float("inf"),
            1e22,
            2**60,
            "a\x00b",
            "\ud800",
            (1, 2),
            {1: 2},
            b"x",
        ]:
            before = stored(review)
            for name in ("amount", "reason"):
                with pytest.raises(InvalidInput):
                    say(review, bob, "edit", arguments={**LESS, name: value})
            assert stored(review) == before

    def test_without_an_object_is_refused(self, review: Review, bob: Any, say: Say) -> None:
        odd: list[Any] = [None, [], "{}", 1, True]
        for arguments in odd:
            with pytest.raises(InvalidInput):
                say(review, bob, "edit", arguments=arguments)

    def test_is_refused_when_the_requester_lost_the_right(
        self, review: Review, bob: Any, oscar: Any, say: Say
    ) -> None:
        oscar.groups.clear()
        before = stored(review)
        with pytest.raises(InvalidInput) as raised:
            say(review, bob, "edit", arguments=LESS)
        assert raised.value.errors[0]["rule"] == "user-permission"
        assert stored(review) == before


class TestReject:
    def test_closes_the_review_with_the_reason(
        self, review: Review, bob: Any, say: Say, decided: list[Review]
    ) -> None:
        say(review, bob, "reject", message="  too much\x00 ")
        review.refresh_from_db()
        assert (review.status, review.execute_by) == ("rejected", None)
        vote = operations.rejection_of(review)
        assert vote is not None
        assert (vote.reviewer, vote.message) == (bob, "too much\ufffd")
        assert len(decided) == 1

    def test_needs_a_reason(self, review: Review, bob: Any, say: Say) -> None:
        for message in ["", " ", "\n\t"]:
            before = stored(review)
            with pytest.raises(InvalidInput) as raised:
                say(review, bob, "reject", message=message)
            assert raised.value.errors[0]["at"] == "/message"
            assert stored(review) == before

    def test_by_one_of_two_is_enough(self, critical: Review, bob: Any, rita: Any, say: Say) -> None:
        say(critical, bob)
        say(critical, rita, "reject", message="no")
        critical.refresh_from_db()
        assert critical.status == Review.Status.REJECTED


class TestWhoMay:
    def test_not_the_requester_even_as_superuser(self, open_review: Open, alice: Any, say: Say) -> None:
        review = open_review(user=alice)
        assert alice.is_superuser
        before = stored(review)
        for verb in DecisionVerb:
            with pytest.raises(PermissionMissing, match="somebody else"):
                say(review, alice, verb, message="mine", arguments=LESS if verb == "edit" else None)
        assert stored(review) == before

    def test_not_the_agent_even_with_the_permission(self, review: Review, agent: Any, say: Say) -> None:
        agent.principal.user_permissions.add(Permission.objects.get(codename="decide_review"))
        principal = User.objects.get(pk=agent.principal_id)
        with pytest.raises(PermissionMissing, match="Only people"):
            say(review, principal)

    def test_not_charlie(self, review: Review, charlie: Any, say: Say) -> None:
        with pytest.raises(PermissionMissing):
            say(review, charlie)

    def test_not_one_who_may_only_read(self, review: Review, person: Any, say: Say) -> None:
        with pytest.raises(PermissionMissing):
            say(review, person("vera"))

    def test_not_one_who_was_deactivated(self, review: Review, bob: Any, say: Say) -> None:
        bob.is_active = False
        with pytest.raises(PermissionMissing):
            say(review, bob)

    def test_any_one_else_with_the_permission(self, review: Review, person: Any, say: Say) -> None:
        say(review, person("dora", "hitl.decide_review"))
        review.refresh_from_db()
        assert review.status == Review.Status.APPROVED

    def test_is_told_before_anybody_tries(
        self, review: Review, open_review: Open, alice: Any, bob: Any, charlie: Any
    ) -> None:
        verbs = ("approve", "edit", "feedback", "reject", "request_info", "cancel_run")
        assert available_actions(review, bob).verbs == verbs
        assert available_actions(review, charlie).verbs == ()
        assert available_actions(open_review(user=alice), alice).why_not.startswith("You asked for this")


class TestSecondDecision:
    @pytest.mark.parametrize("first", ["approve", "edit", "reject"])
    @pytest.mark.parametrize("second", ["approve", "edit", "reject"])
    def test_comes_too_late(
        self, review: Review, bob: Any, rita: Any, say: Say, first: str, second: str
    ) -> None:
        say(review, bob, first, message="first", arguments=LESS if first == "edit" else None)
        if first == "edit":
            say(review, rita, version=2)
        before = stored(review)
        for person in (bob, rita):
            with pytest.raises(AlreadyDecided):
                say(review, person, second, message="x", arguments=MORE if second == "edit" else None)
        assert stored(review) == before

    def test_comes_too_late_even_about_the_version_that_was_shown(
        self, review: Review, bob: Any, rita: Any, say: Say
    ) -> None:
        say(review, bob)
        with pytest.raises(AlreadyDecided):
            say(review, rita, version=7, digest="other")


class TestWhatWasSeen:
    def test_may_be_named(self, review: Review, bob: Any, say: Say) -> None:
        say(review, bob, version=1, digest=review.digest)

    @pytest.mark.parametrize("seen", [{"version": 2}, {"version": 0}, {"digest": ""}, {"digest": "0" * 64}])
    @pytest.mark.parametrize("verb", ["approve", "edit", "reject"])
    def test_must_be_the_review_as_it_is(
        self, review: Review, bob: Any, say: Say, verb: str, seen: dict[str, Any]
    ) -> None:
        before = stored(review)
        arguments = LESS if verb == "edit" else None
        with pytest.raises(ReviewChanged) as raised:
            say(review, bob, verb, message="x", arguments=arguments, **seen)
        assert raised.value.data == {"version": 1}
        assert stored(review) == before

    def test_is_stale_after_an_edit(self, critical: Review, bob: Any, rita: Any, say: Say) -> None:
        shown = critical.digest
        say(critical, bob, "edit", arguments=LESS)
        for seen in ({"version": 1}, {"digest": shown}, {"version": 2, "digest": shown}, {"version": 0}):
            with pytest.raises(ReviewChanged):
                say(critical, rita, **seen)

    def test_is_taken_to_be_the_first_version_by_those_who_name_none(
        self, critical: Review, bob: Any, rita: Any, say: Say
    ) -> None:
        say(critical, bob, "edit", arguments=LESS)
        with pytest.raises(ReviewChanged):
            say(critical, rita)
        critical.refresh_from_db()
        say(critical, rita, digest=critical.digest)

    def test_of_a_review_that_does_not_exist_is_nothing(self, review: Review, bob: Any, say: Say) -> None:
        with pytest.raises(NotFound):
            say(Review(pk=uuid7()), bob)


class TestExpiry:
    @pytest.mark.parametrize("late", [timedelta(0), timedelta(microseconds=1), timedelta(seconds=1)])
    @pytest.mark.parametrize("verb", ["approve", "edit", "reject"])
    def test_refuses_a_late_decision(
        self, review: Review, bob: Any, say: Say, verb: str, late: timedelta
    ) -> None:
        before = stored(review)
        arguments = LESS if verb == "edit" else None
        with pytest.raises(AlreadyDecided, match="expired"):
            say(review, bob, verb, message="x", arguments=arguments, at=review.expires_at + late)
        assert stored(review) == before

    def test_accepts_the_last_moment(self, review: Review, bob: Any, say: Say) -> None:
        say(review, bob, at=review.expires_at - timedelta(microseconds=1))

    def test_closes_the_review_and_wakes_what_waits(self, review: Review, decided: list[Review]) -> None:
        operations.expire(review=review, now=review.expires_at)
        review.refresh_from_db()
        assert review.status == Review.Status.EXPIRED
        assert [item.pk for item in decided] == [review.pk]
        assert AuditEvent.objects.filter(action="review.expired", subject_id=str(review.pk)).exists()

    def test_after_a_decision_is_refused(self, review: Review, bob: Any, say: Say) -> None:
        say(review, bob)
        with pytest.raises(StaleTransition):
            operations.expire(review=Review.objects.get(pk=review.pk), now=review.expires_at)
        with pytest.raises(StaleTransition):
            operations.expire(review=review, now=review.expires_at)  # read while it was pending
        assert Review.objects.get(pk=review.pk).status == Review.Status.APPROVED

    def test_is_due_at_its_time(self, review: Review) -> None:
        assert review in Review.objects.due_to_expire(review.expires_at)
        assert review not in Review.objects.due_to_expire(review.expires_at - timedelta(microseconds=1))


class TestTwoPeople:
    def test_must_both_approve(
        self, critical: Review, bob: Any, rita: Any, say: Say, decided: list[Review]
    ) -> None:
        say(critical, bob)
        critical.refresh_from_db()
        assert (critical.status, critical.required, decided) == ("pending", 2, [])
        say(critical, rita)
        critical.refresh_from_db()
        assert (critical.status, len(decided)) == ("approved", 1)

    @pytest.mark.parametrize("again", ["approve", "edit", "reject"])
    def test_are_not_one_person_twice(self, critical: Review, bob: Any, say: Say, again: str) -> None:
        say(critical, bob)
        with pytest.raises(AlreadyDecided, match="You have voted"):
            say(critical, bob, again, message="again", arguments=LESS if again == "edit" else None)
        critical.refresh_from_db()
        assert critical.status == Review.Status.PENDING

    def test_an_edit_voids_the_votes_on_the_older_action(
        self, critical: Review, bob: Any, rita: Any, person: Any, say: Say
    ) -> None:
        dora = person("dora", "hitl.decide_review")
        say(critical, bob)
        say(critical, rita, "edit", arguments=MORE)
        critical.refresh_from_db()
        assert (critical.status, critical.arguments, critical.version) == ("pending", MORE, 2)
        assert say(critical, dora, version=2).status == Review.Status.PENDING
        assert say(critical, bob, version=2).status == Review.Status.APPROVED

    def test_an_editor_is_neither_of_them(self, critical: Review, bob: Any, rita: Any, say: Say) -> None:
        say(critical, bob, "edit", arguments=MORE)
        with pytest.raises(PermissionMissing):
            say(critical, bob, version=2)
        assert say(critical, rita, version=2).status == Review.Status.PENDING

    def test_an_edit_that_changes_nothing_is_refused(self, critical: Review, bob: Any, say: Say) -> None:
        before = stored(critical)
        with pytest.raises(InvalidInput, match="Nothing is changed"):
            say(critical, bob, "edit", arguments=critical.arguments)
        assert stored(critical) == before

    def test_editing_back_to_what_one_approved_before_does_not_count_twice(
        self, critical: Review, bob: Any, rita: Any, say: Say
    ) -> None:
        proposed = critical.arguments
        say(critical, bob)
        say(critical, rita, "edit", arguments=MORE)
        before = stored(critical)
        with pytest.raises(AlreadyDecided):
            say(critical, bob, "edit", arguments=proposed, version=2)
        assert stored(critical) == before


class TestCancel:
    def test_closes_the_open_reviews_of_the_run(self, review: Review, open_review: Open) -> None:
        other = open_review()
        operations.cancel_for_run(run_id=review.run_id, now=NOW)
        review.refresh_from_db()
        other.refresh_from_db()
        assert (review.status, other.status) == ("cancelled", "pending")

    def test_leaves_decided_reviews_alone(self, review: Review, bob: Any, say: Say) -> None:
        say(review, bob)
        operations.cancel_for_run(run_id=review.run_id, now=NOW)
        review.refresh_from_db()
        assert review.status == Review.Status.APPROVED

    def test_comes_before_a_late_decision(self, review: Review, bob: Any, say: Say) -> None:
        operations.cancel_for_run(run_id=review.run_id, now=NOW)
        with pytest.raises(AlreadyDecided):
            say(review, bob)
