"""Reviews come to people: by queue, by strategy, by claim; and go on when they cannot stay."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group

from governance.audit.models import AuditEvent
from governance.types import Risk
from hitl.reviews.models import Review
from hitl.reviews.record import AlreadyDecided
from hitl.reviews.signals import review_changed
from hitl.reviews.types import Assurance
from hitl.routing import duty, operations
from hitl.routing.models import ReviewerProfile, ReviewQueue, Substitution
from hitl.routing.operations import AlreadyClaimed, NotAssigned
from hitl.routing.types import Strategy
from tenants.kernel.errors import InvalidInput, NotFound, PermissionMissing
from tenants.kernel.models import uuid7
from tenants.timers.models import Timer
from tests.governance.samples import NOW

HOUR = timedelta(hours=1)
Open = Callable[..., Review]
MakeQueue = Callable[..., ReviewQueue]


@pytest.fixture
def queue(acme: Any) -> MakeQueue:
    """Return a function that makes the tenant's only queue, of those who review."""
    ReviewQueue.objects.all().delete()

    def make(strategy: Strategy = Strategy.ROUND_ROBIN, **values: Any) -> ReviewQueue:
        given = {"group": Group.objects.get(name="reviewer"), "name": f"Queue {uuid7()}", **values}
        return ReviewQueue.objects.create(strategy=strategy, **given)

    return make


@pytest.fixture
def unrouted(queue: MakeQueue, review: Review) -> Review:
    """Return a review of a refund that is in no queue, with nobody, and has no service level."""
    Review.objects.filter(pk=review.pk).update(due_at=None)
    return review


def events(review: Review) -> list[str]:
    """Return what is on record about who has the review, oldest first."""
    about = ("claimed", "released", "assigned", "unassigned", "handed_back", "claim_expired", "passed_on")
    actions = [f"review.{word}" for word in about]
    found = AuditEvent.objects.filter(subject_id=str(review.pk), action__in=actions)
    return [
        action.removeprefix("review.") for action in found.order_by("id").values_list("action", flat=True)
    ]


def holder(review: Review) -> str | None:
    review.refresh_from_db()
    return review.assigned_to.username if review.assigned_to else None


class TestRoute:
    def test_puts_a_review_into_the_first_queue_that_matches(
        self, queue: MakeQueue, open_review: Open
    ) -> None:
        queue(Strategy.NONE, position=1, tool="send_*")
        right = queue(Strategy.NONE, position=2, tool="refund_*")
        queue(Strategy.NONE, position=3)
        queue(Strategy.NONE, position=0, enabled=False)
        review = open_review()
        assert (review.queue, review.assigned_to) == (right, None)
        assert events(review) == []

    def test_leaves_a_review_that_no_queue_takes(self, queue: MakeQueue, open_review: Open) -> None:
        queue(tool="send_*")
        review = open_review()
        assert (review.queue, review.assigned_to, events(review)) == (None, None, [])

    def test_takes_everybody_in_turn(self, queue: MakeQueue, open_review: Open, bob: Any, rita: Any) -> None:
        queue(Strategy.ROUND_ROBIN)
        got = [open_review().assigned_to for _ in range(4)]
        assert got in ([bob, rita, bob, rita], [rita, bob, rita, bob])

    def test_takes_who_has_the_fewest(self, queue: MakeQueue, open_review: Open, bob: Any, rita: Any) -> None:
        queue(Strategy.LEAST_LOADED)
        for _ in range(3):
            review = open_review()
            Review.objects.filter(pk=review.pk).update(assigned_to=bob)
        assert {open_review().assigned_to for _ in range(3)} == {rita}

    def test_asks_for_the_skills_of_the_queue(self, queue: MakeQueue, open_review: Open, rita: Any) -> None:
        queue(skills=["payments"])
        ReviewerProfile.objects.create(user=rita, skills=["law", "payments"])
        assert {open_review().assigned_to for _ in range(3)} == {rita}

    def test_asks_nobody_who_has_enough(self, queue: MakeQueue, open_review: Open, bob: Any) -> None:
        queue()
        ReviewerProfile.objects.create(user=bob, max_open=1)
        assert Counter(open_review().assigned_to.username for _ in range(4)) == {"bob": 1, "rita": 3}

    def test_never_asks_who_may_not_decide(self, queue: MakeQueue, open_review: Open, person: Any) -> None:
        both = person("carol", roles=("operator", "reviewer"))
        queue(group=None)
        for _ in range(4):
            review = open_review(user=both)
            assert review.assigned_to not in {None, both, review.owner}

    def test_leaves_it_to_nobody_if_nobody_suits_and_says_so(
        self, queue: MakeQueue, open_review: Open, bob: Any, rita: Any
    ) -> None:
        queue(skills=["tax"])
        review = open_review()
        assert (review.assigned_to, events(review)) == (None, ["unassigned"])
        event = AuditEvent.objects.get(subject_id=str(review.pk), action="review.unassigned")
        assert event.body["queue"].startswith("Queue ")

    def test_does_nothing_to_a_review_that_was_decided_at_once(
        self, queue: MakeQueue, open_review: Open, say: Any, bob: Any
    ) -> None:
        review = say(open_review(), bob)
        queue()
        operations.route(review=review, now=NOW)
        assert (review.queue, holder(review)) == (None, None)

    def test_takes_hand_offs_and_questions_too(
        self, queue: MakeQueue, hand_off: Callable[..., Review], bob: Any, rita: Any
    ) -> None:
        queue(kinds=["handoff"], risks=[Risk.MEDIUM.value])
        assert hand_off().assigned_to in {bob, rita}

    def test_tells_who_listens(self, queue: MakeQueue, open_review: Open) -> None:
        heard: list[Any] = []

        def listen(review: Review, **_kwargs: Any) -> None:
            heard.append(review.assigned_to)

        review_changed.connect(listen)
        queue()
        review = open_review()
        review_changed.disconnect(listen)
        assert heard == [review.assigned_to]


class TestDeciding:
    def test_is_not_kept_from_others_by_an_assignment_or_a_claim(
        self, queue: MakeQueue, open_review: Open, say: Any, bob: Any, rita: Any
    ) -> None:
        queue()
        assigned, claimed = open_review(), open_review()
        operations.claim(review_id=claimed.pk, user=bob, now=NOW)
        for review in (assigned, claimed):
            other = rita if review.assigned_to == bob else bob
            assert say(review, rita if review is claimed else other).status == Review.Status.APPROVED

    def test_goes_on_with_somebody_else_when_who_has_it_has_voted(
        self, queue: MakeQueue, open_review: Open, say: Any, bob: Any, rita: Any
    ) -> None:
        queue()
        critical = open_review(risk="critical")
        first = critical.assigned_to
        other = rita if first == bob else bob
        say(critical, first, assurance=Assurance.STEP_UP)
        assert (holder(critical), critical.status) == (other.username, Review.Status.PENDING)
        assert events(critical) == ["assigned", "passed_on", "assigned"]

    def test_goes_on_when_who_has_it_edits_it_and_may_not_approve_it(
        self, queue: MakeQueue, open_review: Open, say: Any, bob: Any, rita: Any
    ) -> None:
        queue()
        critical = open_review(risk="critical")
        editor = critical.assigned_to
        other = rita if editor == bob else bob
        say(critical, editor, "edit", arguments={**critical.arguments, "amount": 20.0})
        assert (holder(critical), critical.status) == (other.username, Review.Status.PENDING)
        assert events(critical) == ["assigned", "passed_on", "assigned"]

    def test_stays_with_who_may_approve_what_another_edited(
        self, queue: MakeQueue, open_review: Open, say: Any, bob: Any, rita: Any
    ) -> None:
        queue()
        critical = open_review(risk="critical")
        first = critical.assigned_to
        other = rita if first == bob else bob
        say(critical, other, "edit", arguments={**critical.arguments, "amount": 20.0})
        assert holder(critical) == first.username

    def test_stays_with_who_only_asked_a_question(
        self, queue: MakeQueue, open_review: Open, say: Any
    ) -> None:
        queue()
        review = open_review()
        first = review.assigned_to
        say(review, first, "request_info", message="Which ear cup?")
        assert holder(review) == first.username


class TestClaim:
    def test_lasts_its_minutes_and_sets_a_timer(self, unrouted: Review, bob: Any) -> None:
        review = operations.claim(review_id=unrouted.pk, user=bob, now=NOW)
        assert (review.assigned_to, review.claimed_until) == (bob, NOW + timedelta(minutes=30))
        timer = Timer.objects.get(schema="acme", kind="review.claim", object_id=review.pk)
        assert timer.due_at == review.claimed_until
        assert events(review) == ["claimed"]

    def test_lasts_no_longer_than_half_of_the_time_left(self, unrouted: Review, bob: Any) -> None:
        Review.objects.filter(pk=unrouted.pk).update(due_at=NOW + timedelta(minutes=20))
        review = operations.claim(review_id=unrouted.pk, user=bob, now=NOW)
        assert review.claimed_until == NOW + timedelta(minutes=10)

    def test_lasts_as_long_as_the_queue_says(self, queue: MakeQueue, open_review: Open, bob: Any) -> None:
        queue(claim_minutes=5)
        review = operations.claim(review_id=open_review().pk, user=bob, now=NOW)
        assert review.claimed_until == NOW + timedelta(minutes=5)

    def test_of_another_is_respected_while_it_lasts(self, unrouted: Review, bob: Any, rita: Any) -> None:
        review = operations.claim(review_id=unrouted.pk, user=bob, now=NOW)
        with pytest.raises(AlreadyClaimed, match="bob works on it until 10:00 UTC") as refused:
            operations.claim(review_id=unrouted.pk, user=rita, now=NOW)
        assert refused.value.status == 409
        assert refused.value.data["by"] == "bob"
        assert review.claimed_until is not None
        operations.claim(review_id=unrouted.pk, user=rita, now=review.claimed_until)
        assert holder(unrouted) == "rita"

    def test_takes_over_what_is_only_assigned(
        self, unrouted: Review, bob: Any, rita: Any, alice: Any
    ) -> None:
        operations.assign(review_id=unrouted.pk, to=bob, by=alice, now=NOW)
        operations.claim(review_id=unrouted.pk, user=rita, now=NOW)
        assert holder(unrouted) == "rita"

    @pytest.mark.parametrize("who", ["oscar", "alice", "vera", "charlie"])
    def test_is_for_those_who_may_decide(self, unrouted: Review, person: Any, who: str) -> None:
        with pytest.raises(PermissionMissing):  # the requester, the agent's owner, and two without the right
            operations.claim(review_id=unrouted.pk, user=person(who), now=NOW)
        assert (holder(unrouted), events(unrouted)) == (None, [])

    def test_is_not_for_who_has_voted(self, critical: Review, say: Any, bob: Any) -> None:
        say(critical, bob, assurance=Assurance.STEP_UP)
        with pytest.raises(PermissionMissing, match="voted"):
            operations.claim(review_id=critical.pk, user=bob, now=NOW)

    def test_of_a_closed_or_unknown_review_is_refused(self, unrouted: Review, say: Any, bob: Any) -> None:
        with pytest.raises(AlreadyDecided, match="expired"):
            operations.claim(review_id=unrouted.pk, user=bob, now=unrouted.expires_at)
        say(unrouted, bob)
        with pytest.raises(AlreadyDecided):
            operations.claim(review_id=unrouted.pk, user=bob, now=NOW)
        with pytest.raises(NotFound):
            operations.claim(review_id=uuid7(), user=bob, now=NOW)


class TestClaimTimer:
    def test_ends_the_claim_when_it_is_due(self, unrouted: Review, bob: Any) -> None:
        review = operations.claim(review_id=unrouted.pk, user=bob, now=NOW)
        until = review.claimed_until
        assert until is not None
        assert operations.on_claim_timer(review.pk, 0, until - timedelta(seconds=1)) == until
        assert holder(review) == "bob"
        assert operations.on_claim_timer(review.pk, 0, until) is None
        assert (holder(review), review.claimed_until) == (None, None)
        assert events(review) == ["claimed", "claim_expired"]

    def test_gives_the_review_to_somebody_else_if_the_queue_assigns(
        self, queue: MakeQueue, open_review: Open, bob: Any
    ) -> None:
        queue(Strategy.LEAST_LOADED)
        review = operations.claim(review_id=open_review().pk, user=bob, now=NOW)
        operations.on_claim_timer(review.pk, 0, NOW + HOUR)
        assert (holder(review), review.claimed_until) == ("rita", None)

    def test_that_comes_twice_or_late_does_nothing(self, unrouted: Review, say: Any, bob: Any) -> None:
        review = operations.claim(review_id=unrouted.pk, user=bob, now=NOW)
        say(review, bob)
        assert operations.on_claim_timer(review.pk, 0, NOW + HOUR) is None
        assert operations.on_claim_timer(uuid7(), 0, NOW) is None
        assert holder(review) == "bob"
        assert events(review) == ["claimed"]

    def test_is_registered(self) -> None:
        from tenants.timers.registry import TIMERS

        assert TIMERS.get("review.claim") is operations.on_claim_timer


class TestRelease:
    def test_gives_it_back(self, unrouted: Review, bob: Any) -> None:
        operations.claim(review_id=unrouted.pk, user=bob, now=NOW)
        operations.release(review_id=unrouted.pk, user=bob, now=NOW)
        assert (holder(unrouted), unrouted.claimed_until) == (None, None)
        assert events(unrouted) == ["claimed", "released"]

    def test_lets_the_queue_give_it_to_another(
        self, queue: MakeQueue, open_review: Open, bob: Any, rita: Any
    ) -> None:
        queue()
        review = open_review()
        first = review.assigned_to
        operations.release(review_id=review.pk, user=first, now=NOW)
        assert holder(review) == ({"bob", "rita"} - {first.username}).pop()

    def test_is_for_who_has_it(self, unrouted: Review, bob: Any, rita: Any) -> None:
        operations.claim(review_id=unrouted.pk, user=bob, now=NOW)
        with pytest.raises(NotAssigned):
            operations.release(review_id=unrouted.pk, user=rita, now=NOW)
        assert holder(unrouted) == "bob"


class TestAssign:
    def test_gives_it_to_somebody_and_ends_a_claim(
        self, unrouted: Review, alice: Any, bob: Any, rita: Any
    ) -> None:
        operations.claim(review_id=unrouted.pk, user=bob, now=NOW)
        operations.assign(review_id=unrouted.pk, to=rita, by=alice, now=NOW)
        assert (holder(unrouted), unrouted.claimed_until) == ("rita", None)

    def test_needs_the_permission(self, unrouted: Review, bob: Any, rita: Any) -> None:
        with pytest.raises(PermissionMissing):
            operations.assign(review_id=unrouted.pk, to=rita, by=bob, now=NOW)

    @pytest.mark.parametrize("who", ["oscar", "vera", "charlie"])
    def test_is_to_those_who_may_decide(self, unrouted: Review, alice: Any, person: Any, who: str) -> None:
        with pytest.raises(InvalidInput, match=f"{who} may not decide"):
            operations.assign(review_id=unrouted.pk, to=person(who), by=alice, now=NOW)

    def test_is_not_by_who_asked(self, queue: MakeQueue, open_review: Open, alice: Any, bob: Any) -> None:
        with pytest.raises(PermissionMissing, match="You asked for this"):
            operations.assign(review_id=open_review(user=alice).pk, to=bob, by=alice, now=NOW)


class TestAvailability:
    def test_going_away_hands_back_what_is_not_claimed(
        self, queue: MakeQueue, open_review: Open, bob: Any, rita: Any
    ) -> None:
        queue()
        reviews = [open_review() for _ in range(6)]
        mine = [review for review in reviews if review.assigned_to == bob]
        operations.claim(review_id=mine[0].pk, user=bob, now=NOW)
        operations.set_availability(user=bob, available=False, until=None, now=NOW)
        assert [holder(review) for review in mine] == ["bob", "rita", "rita"]
        assert events(mine[1]) == ["assigned", "handed_back", "assigned"]
        assert open_review().assigned_to == rita
        assert AuditEvent.objects.filter(action="reviewer.availability", actor_name="bob").count() == 1

    def test_comes_back_by_itself_at_the_end(self, queue: MakeQueue, open_review: Open, bob: Any) -> None:
        queue()
        operations.set_availability(user=bob, available=False, until=NOW + HOUR, now=NOW)
        assert open_review().assigned_to != bob
        profile = ReviewerProfile.objects.get(user=bob)
        assert not profile.is_available(NOW + HOUR - timedelta(seconds=1))
        assert profile.is_available(NOW + HOUR)

    def test_is_back_when_they_say_so(self, bob: Any) -> None:
        operations.set_availability(user=bob, available=False, until=NOW + HOUR, now=NOW)
        profile = operations.set_availability(user=bob, available=True, until=None, now=NOW)
        assert (profile.is_available(NOW), profile.away_until) == (True, None)

    @pytest.mark.parametrize(("available", "until"), [(True, NOW + HOUR), (False, NOW), (False, NOW - HOUR)])
    def test_with_an_end_that_makes_no_sense_is_refused(self, bob: Any, available: bool, until: Any) -> None:
        with pytest.raises(InvalidInput):
            operations.set_availability(user=bob, available=available, until=until, now=NOW)


class TestSubstitution:
    @pytest.fixture
    def carol(self, person: Any) -> Any:
        """Carol may decide, and is in no group."""
        return person("carol", "hitl.decide_review")

    @pytest.fixture
    def define(self, alice: Any) -> Callable[..., Substitution]:
        """Return a function with which Alice lets somebody stand in for a person for a day."""

        def make(person: Any, substitute: Any, by: Any = None) -> Substitution:
            return duty.substitute(
                person=person,
                substitute=substitute,
                starts_at=NOW,
                ends_at=NOW + timedelta(days=1),
                reason="holidays",
                by=by or alice,
                now=NOW,
            )

        return make

    def test_gives_the_persons_reviews_to_the_substitute(
        self, queue: MakeQueue, open_review: Open, define: Any, bob: Any, rita: Any, carol: Any
    ) -> None:
        queue(skills=["payments"])
        ReviewerProfile.objects.create(user=bob, skills=["payments"])
        define(bob, carol)
        assert {open_review().assigned_to for _ in range(2)} == {carol}
        operations.set_availability(user=carol, available=False, until=None, now=NOW)
        assert open_review().assigned_to is None  # nobody stands in for a substitute

    def test_names_who_stands_in_and_for_whom_while_it_lasts(
        self, define: Any, bob: Any, rita: Any, carol: Any
    ) -> None:
        define(bob, carol)
        define(rita, carol)
        assert duty.stand_ins([bob, rita], NOW) == [carol]
        assert duty.standing_in_for(carol, NOW) == [bob, rita]
        for at in (NOW - timedelta(seconds=1), NOW + timedelta(days=1)):
            assert (duty.stand_ins([bob], at), duty.standing_in_for(carol, at)) == ([], [])

    def test_is_one_link_long(self, define: Any, bob: Any, rita: Any, carol: Any) -> None:
        define(bob, rita)
        define(rita, carol)
        assert duty.stand_ins([bob], NOW) == [rita]

    def test_gives_no_right_to_decide(self, define: Any, bob: Any, carol: Any, charlie: Any) -> None:
        with pytest.raises(InvalidInput, match="charlie may not decide"):
            define(bob, charlie)
        define(bob, carol)
        carol.user_permissions.clear()
        assert (duty.stand_ins([bob], NOW), duty.standing_in_for(carol, NOW)) == ([], [])

    def test_calls_nobody_who_is_excluded_from_the_review(
        self, queue: MakeQueue, open_review: Open, define: Any, bob: Any, rita: Any, carol: Any
    ) -> None:
        queue()
        carol.groups.add(Group.objects.get(name="operator"))
        define(bob, carol)
        review = open_review(user=carol)
        assert duty.stand_ins([bob], NOW, review) == []
        assert review.assigned_to == rita

    def test_makes_no_way_around_an_exclusion(
        self, unrouted: Review, define: Any, bob: Any, oscar: Any
    ) -> None:
        define(oscar, bob)
        with pytest.raises(PermissionMissing, match="You stand in for oscar"):
            operations.claim(review_id=unrouted.pk, user=bob, now=NOW)

    @pytest.mark.parametrize("who", ["bob", "oscar", "vera", "audrey", "charlie"])
    def test_is_defined_by_admins_only(
        self, define: Any, person: Any, bob: Any, carol: Any, rita: Any, who: str
    ) -> None:
        by = person(who)
        for one, other in [(by, carol), (rita, by), (rita, carol)]:
            if one != other:
                with pytest.raises(PermissionMissing):
                    define(one, other, by=by)

    def test_is_on_record_with_who_defined_it(self, define: Any, bob: Any, carol: Any) -> None:
        made = define(bob, carol)
        assert made.created_by.username == "alice"
        event = AuditEvent.objects.get(action="substitution.defined")
        assert (event.actor_name, event.body["person"], event.body["substitute"]) == ("alice", "bob", "carol")

    def test_ends_after_it_starts_and_is_by_somebody_else(self, alice: Any, bob: Any, rita: Any) -> None:
        for substitute, ends in [(bob, NOW + HOUR), (rita, NOW - HOUR), (rita, NOW)]:
            with pytest.raises(InvalidInput):
                duty.substitute(
                    person=bob,
                    substitute=substitute,
                    starts_at=NOW,
                    ends_at=ends,
                    reason="x",
                    by=alice,
                    now=NOW,
                )
