"""A run failed again and again: a person answers it, guides the agent or gives up."""

from collections.abc import Callable
from typing import Any

import pytest

from governance import gate
from governance.audit.models import AuditEvent
from governance.types import Effect
from hitl.reviews import operations
from hitl.reviews.models import Review
from hitl.reviews.operations import AlreadyDecided, ApprovalNotUsable, answer_of, available_actions
from hitl.reviews.types import Answer, DecisionVerb
from tenants.kernel.errors import InvalidInput, PermissionMissing
from tests.governance.samples import NOW

HandOff = Callable[..., Review]
Say = Callable[..., Review]


class TestHandOff:
    def test_proposes_no_action(self, hand_off: HandOff) -> None:
        review = hand_off()
        assert (review.kind, review.tool, review.arguments, review.parameters) == ("handoff", "", {}, {})
        assert (review.reason, review.required, len(review.digest)) == ("lookup_order failed 3 times", 1, 64)
        assert gate.authorize(review.policy_request, now=NOW).effect is Effect.DENY

    def test_is_the_platforms_request_in_the_log(self, hand_off: HandOff) -> None:
        event = AuditEvent.objects.get(action="review.requested", subject_id=str(hand_off().pk))
        assert (event.actor_kind, event.user_name, event.body["kind"]) == ("system", "oscar", "handoff")

    def test_may_be_told_three_things_or_asked_about_or_ended(self, hand_off: HandOff, bob: Any) -> None:
        verbs = ("respond", "retry", "reject", "request_info", "cancel_run")
        assert available_actions(hand_off(), bob).verbs == verbs


class TestAnswer:
    @pytest.mark.parametrize(
        ("verb", "message"), [("respond", "It is on its way."), ("retry", "Ask for A-1001."), ("retry", "")]
    )
    def test_closes_the_review(self, hand_off: HandOff, bob: Any, say: Say, verb: str, message: str) -> None:
        review = say(hand_off(), bob, verb, message=message)
        assert (review.status, review.execute_by) == ("answered", None)
        assert answer_of(review) == Answer(verb=DecisionVerb(verb), message=message, by="bob")

    def test_may_give_up(self, hand_off: HandOff, bob: Any, say: Say) -> None:
        review = say(hand_off(), bob, "reject", message="the shop is closed")
        assert review.status == "rejected"
        assert answer_of(review) == Answer(verb=DecisionVerb.REJECT, message="the shop is closed", by="bob")

    @pytest.mark.parametrize("verb", ["respond", "reject"])
    def test_needs_a_text(self, hand_off: HandOff, bob: Any, say: Say, verb: str) -> None:
        with pytest.raises(InvalidInput):
            say(hand_off(), bob, verb, message="\n")

    def test_is_given_once(self, hand_off: HandOff, bob: Any, rita: Any, say: Say) -> None:
        review = say(hand_off(), bob, "retry")
        with pytest.raises(AlreadyDecided, match="bob has answered"):
            say(review, rita, "respond", message="It is on its way.")

    def test_never_approves_anything(self, hand_off: HandOff, bob: Any, say: Say) -> None:
        review = say(hand_off(), bob, "retry")
        with pytest.raises(ApprovalNotUsable):
            operations.consume(review_id=review.pk, digest=review.digest, now=NOW)

    @pytest.mark.parametrize("verb", ["approve", "edit", "it_happened", "it_did_not"])
    def test_uses_the_words_of_a_hand_off(self, hand_off: HandOff, bob: Any, say: Say, verb: str) -> None:
        with pytest.raises(InvalidInput, match="respond, retry, reject"):
            say(hand_off(), bob, verb, message="x", arguments={} if verb == "edit" else None)


class TestWhoMay:
    @pytest.mark.parametrize("verb", ["respond", "retry", "reject"])
    def test_not_the_requester_even_as_superuser(
        self, hand_off: HandOff, alice: Any, say: Say, verb: str
    ) -> None:
        with pytest.raises(PermissionMissing, match="somebody else"):
            say(hand_off(user=alice), alice, verb, message="mine")

    @pytest.mark.parametrize("verb", ["respond", "retry", "reject"])
    def test_not_one_who_may_only_read(self, hand_off: HandOff, person: Any, say: Say, verb: str) -> None:
        with pytest.raises(PermissionMissing):
            say(hand_off(), person("vera"), verb, message="x")


class TestTimeOver:
    def test_closes_it_without_an_answer(self, hand_off: HandOff, bob: Any, say: Say) -> None:
        review = hand_off()
        operations.expire(review=review, now=review.expires_at)
        assert Review.objects.get(pk=review.pk).status == "expired"
        with pytest.raises(AlreadyDecided):
            say(review, bob, "respond", message="It is on its way.")
