"""Many calls of one shape decided together: each a vote of its own on what was seen."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from governance.audit.models import AuditEvent
from hitl.desk import batches
from hitl.desk.batches import Result, Seen
from hitl.reviews.models import Review, Vote
from hitl.reviews.types import Assurance, Channel, DecisionVerb
from tenants.kernel.errors import InvalidInput, PermissionMissing
from tenants.kernel.models import uuid7
from tests.governance.samples import NOW

API = "/api/v1/hitl/queue/batch"
Decide = Callable[..., list[Result]]


@pytest.fixture
def refunds(open_review: Any) -> list[Review]:
    """Return five refunds of different amounts that wait, with an hour left by the clock of the pages."""
    made = [open_review(order_id="A-1001", amount=20.0 + n, reason="arrived broken") for n in range(5)]
    reviews = Review.objects.filter(pk__in=[review.pk for review in made])
    reviews.update(expires_at=timezone.now() + timedelta(hours=1))
    return list(reviews.order_by("id"))


@pytest.fixture
def decide(bob: Any) -> Decide:
    """Return a function with which Bob, or another, decides reviews together."""

    def go(
        reviews: Sequence[Review] = (), verb: str = "approve", *, who: Any = None, **more: Any
    ) -> list[Result]:
        seen = more.get("seen", [as_seen(review) for review in reviews])
        return batches.decide(
            reviewer=who or bob,
            verb=DecisionVerb(verb),
            message=more.get("message", ""),
            seen=seen,
            channel=Channel.API,
            assurance=Assurance.SESSION,
            now=NOW,
        )

    return go


def as_seen(review: Review) -> Seen:
    return Seen(review_id=review.pk, version=review.version, digest=review.digest)


def statuses(reviews: Sequence[Review]) -> set[str]:
    return set(Review.objects.filter(pk__in=[r.pk for r in reviews]).values_list("status", flat=True))


class TestDecide:
    def test_casts_one_vote_for_each(self, refunds: list[Review], decide: Decide, bob: Any) -> None:
        results = decide(refunds)
        assert [result.review_id for result in results] == [review.pk for review in refunds]
        assert {(result.decided, result.status) for result in results} == {(True, "approved")}
        votes = Vote.objects.filter(review__in=refunds, reviewer=bob, decision="approve")
        assert {(vote.review_id, vote.digest) for vote in votes} == {(r.pk, r.digest) for r in refunds}

    def test_refuses_arguments_too_long_to_be_shown_whole(
        self, open_review: Any, decide: Decide, bob: Any
    ) -> None:
        made = [open_review(order_id="A-1001", amount=20.0 + n, reason="broken") for n in range(3)]
        for review, text in zip(made, ["x" * 70_000, "é" * 30_000], strict=False):
            Review.objects.filter(pk=review.pk).update(arguments={**review.arguments, "reason": text})
        Review.objects.update(expires_at=timezone.now() + timedelta(hours=1))
        browser = Client(SERVER_NAME="acme.localhost")
        browser.force_login(bob)
        page = browser.get(f"/reviews/batch/{made[0].shape}/").content.decode()
        assert [str(review.pk) in page for review in made] == [False, False, True]
        assert [result.code for result in decide(made)] == ["not-in-a-batch", "not-in-a-batch", ""]

    def test_gives_each_the_same_reason(self, refunds: list[Review], decide: Decide) -> None:
        decide(refunds, "reject", message="Ask for photos")
        assert set(Vote.objects.filter(review__in=refunds).values_list("message", flat=True)) == {
            "Ask for photos"
        }
        assert statuses(refunds) == {"rejected"}

    def test_leaves_the_others_when_one_is_refused(
        self, refunds: list[Review], decide: Decide, rita: Any, say: Any
    ) -> None:
        say(refunds[1], rita)
        say(refunds[2], rita, "edit", arguments={**refunds[2].arguments, "amount": 1.0})
        results = decide(refunds)
        assert [result.code for result in results] == ["", "already-decided", "review-changed", "", ""]
        assert [result.decided for result in results] == [True, False, False, True, True]

    def test_tells_of_what_is_not_there(self, refunds: list[Review], decide: Decide) -> None:
        missing = Seen(review_id=uuid7(), version=1, digest="0" * 64)
        results = decide(seen=[missing, as_seen(refunds[0])])
        assert [(result.code, result.decided) for result in results] == [("not-found", False), ("", True)]

    def test_needs_what_was_seen(self, refunds: list[Review], decide: Decide) -> None:
        other = Seen(review_id=refunds[0].pk, version=1, digest=refunds[1].digest)
        assert decide(seen=[other])[0].code == "review-changed"
        assert statuses(refunds[:1]) == {"pending"}

    def test_leaves_ones_own_to_others(
        self, refunds: list[Review], decide: Decide, oscar: Any, person: Any
    ) -> None:
        oscar = person("oscar", "hitl.decide_review")
        assert {result.code for result in decide(refunds, who=oscar)} == {"permission-denied"}
        assert statuses(refunds) == {"pending"}

    @pytest.mark.parametrize(
        "change", [{"risk": "critical"}, {"min_assurance": "step_up"}, {"kind": "outcome"}]
    )
    def test_leaves_what_needs_a_page_of_its_own(
        self, refunds: list[Review], decide: Decide, change: dict[str, str]
    ) -> None:
        Review.objects.filter(pk=refunds[0].pk).update(**change)
        results = decide(refunds)
        assert [result.code for result in results] == ["not-in-a-batch", "", "", "", ""]
        assert statuses(refunds[:1]) == {"pending"}

    def test_is_recorded_as_one_deed_beside_the_votes(
        self, refunds: list[Review], decide: Decide, bob: Any
    ) -> None:
        decide(refunds)
        event = AuditEvent.objects.filter(action="review.batch").latest("id")
        assert event.actor_name == "bob"
        assert set(event.body["reviews"]) == {str(review.pk) for review in refunds}
        assert AuditEvent.objects.filter(action="review.approve").count() >= len(refunds)


class TestRefusals:
    """Nothing is decided."""

    def test_of_several_shapes(self, refunds: list[Review], open_review: Any, decide: Decide) -> None:
        other = open_review(
            tool="send_email",
            to="jonas.keller@example.com",
            subject="Hello",
            body="Your parcel is on its way.",
        )
        assert other.shape != refunds[0].shape
        with pytest.raises(InvalidInput, match="together"):
            decide([*refunds, other])
        assert statuses(refunds) == {"pending"}

    @pytest.mark.parametrize("verb", ["edit", "feedback", "cancel_run", "withdraw"])
    def test_of_another_word(self, refunds: list[Review], decide: Decide, verb: str) -> None:
        with pytest.raises(InvalidInput):
            decide(refunds, verb)

    def test_of_no_reason_to_reject(self, refunds: list[Review], decide: Decide) -> None:
        with pytest.raises(InvalidInput, match="why you reject"):
            decide(refunds, "reject", message=" ")

    def test_of_none_too_many_or_the_same_twice(self, refunds: list[Review], decide: Decide) -> None:
        many = [Seen(review_id=uuid7(), version=1, digest="") for _ in range(101)]
        for seen in ((), many, [as_seen(refunds[0])] * 2):
            with pytest.raises(InvalidInput, match="1 to 100"):
                decide(seen=seen)

    def test_of_who_may_not_decide(self, refunds: list[Review], decide: Decide, charlie: Any) -> None:
        with pytest.raises(PermissionMissing):
            decide(refunds, who=charlie)


class TestPage:
    @pytest.fixture
    def client(self, bob: Any) -> Client:
        browser = Client(SERVER_NAME="acme.localhost")
        browser.force_login(bob)
        return browser

    def path(self, review: Review) -> str:
        return f"/reviews/batch/{review.shape}/"

    def form(self, reviews: Sequence[Review], **more: str) -> dict[str, Any]:
        seen = {f"seen-{review.pk}": f"{review.version} {review.digest}" for review in reviews}
        ticked = [str(review.pk) for review in reviews]
        return {**seen, "item": ticked, "confirm": str(len(ticked)), "decision": "approve", **more}

    def test_shows_what_differs_with_nothing_ticked(self, client: Client, refunds: list[Review]) -> None:
        page = client.get(self.path(refunds[0]))
        assert page.context["apart"] == ["amount"]
        assert page.context["alike"] == {"order_id": "A-1001", "reason": "arrived broken"}
        assert page.content.decode().count('name="item"') == 5
        assert " checked" not in page.content.decode()

    def test_shows_what_stands_out_first(
        self, client: Client, refunds: list[Review], open_review: Any
    ) -> None:
        large = open_review(order_id="A-1001", amount=99.0, reason="arrived broken")
        Review.objects.filter(pk=large.pk).update(expires_at=timezone.now() + timedelta(hours=1))
        lines = client.get(self.path(large)).context["lines"]
        assert lines[0].review == large
        assert [name for name, _ in lines[0].standing.reasons] == ["amount"]

    def test_leaves_out_what_is_decided_apart(self, client: Client, refunds: list[Review]) -> None:
        Review.objects.filter(pk=refunds[0].pk).update(risk="critical")
        shown = [line.review for line in client.get(self.path(refunds[0])).context["lines"]]
        assert set(shown) == set(refunds[1:])

    def test_can_be_narrowed_to_those_chosen(self, client: Client, refunds: list[Review]) -> None:
        page = client.get(self.path(refunds[0]), {"id": [str(refunds[1].pk), "nonsense"]})
        assert [line.review for line in page.context["lines"]] == [refunds[1]]

    def test_decides_what_was_ticked(self, client: Client, refunds: list[Review]) -> None:
        page = client.post(self.path(refunds[0]), self.form(refunds[:3]))
        assert page.status_code == 200
        assert "3 of 3 decided" in page.content.decode()
        assert statuses(refunds[:3]) == {"approved"}
        assert statuses(refunds[3:]) == {"pending"}

    @pytest.mark.parametrize(
        "wrong", [{"confirm": ""}, {"confirm": "2"}, {"decision": "edit"}, {"item": []}, {"decision": ""}]
    )
    def test_keeps_everything_open_when_the_form_is_wrong(
        self, client: Client, refunds: list[Review], wrong: dict[str, Any]
    ) -> None:
        page = client.post(self.path(refunds[0]), {**self.form(refunds), **wrong})
        assert page.status_code == 422
        assert 'role="alert"' in page.content.decode()
        assert statuses(refunds) == {"pending"}

    def test_keeps_the_ticks_after_a_mistake(self, client: Client, refunds: list[Review]) -> None:
        page = client.post(self.path(refunds[0]), {**self.form(refunds[:2]), "confirm": "7"})
        assert page.content.decode().count(" checked") == 2

    def test_says_which_was_not_decided_and_why(
        self, client: Client, refunds: list[Review], rita: Any, say: Any
    ) -> None:
        form = self.form(refunds)
        say(refunds[0], rita)
        page = client.post(self.path(refunds[0]), form)
        assert "4 of 5 decided" in page.content.decode()
        assert "rita has approved this already." in page.content.decode()

    def test_of_no_such_shape_does_not_exist(self, client: Client) -> None:
        assert client.get("/reviews/batch/nothing/").status_code == 404

    def test_is_for_those_who_decide(self, refunds: list[Review], person: Any) -> None:
        browser = Client(SERVER_NAME="acme.localhost")
        browser.force_login(person("vera"))
        assert browser.get(self.path(refunds[0])).status_code == 403


class TestApi:
    def body(self, reviews: Sequence[Review], **more: Any) -> dict[str, Any]:
        items = [{"id": str(r.pk), "version": r.version, "digest": r.digest} for r in reviews]
        return {"decision": "approve", "items": items, **more}

    def test_answers_for_each(
        self, refunds: list[Review], client_of: Any, bob: Any, rita: Any, say: Any
    ) -> None:
        body = self.body(refunds)
        say(refunds[0], rita)
        answer = client_of(bob).post(API, body, format="json")
        assert answer.status_code == 200
        assert answer.json()["decided"] == 4
        assert answer.json()["results"][0]["code"] == "already-decided"
        assert [result["id"] for result in answer.json()["results"]] == [str(r.pk) for r in refunds]

    def test_answers_the_same_key_with_the_same_answer(
        self, refunds: list[Review], client_of: Any, bob: Any
    ) -> None:
        post = client_of(bob).post
        headers = {"Idempotency-Key": "a-batch"}
        first, second = (post(API, self.body(refunds), format="json", headers=headers) for _ in range(2))
        assert first.json() == second.json()
        assert Vote.objects.filter(review__in=refunds).count() == len(refunds)

    def test_keeps_what_was_decided_when_one_fails_under_a_key(
        self, refunds: list[Review], client_of: Any, bob: Any, rita: Any, say: Any
    ) -> None:
        body = self.body(refunds)
        say(refunds[2], rita)
        client_of(bob).post(API, body, format="json", headers={"Idempotency-Key": "another-batch"})
        assert statuses(refunds) == {"approved"}
        assert Vote.objects.filter(review__in=refunds, reviewer=bob).count() == 4

    @pytest.mark.parametrize(
        "change", [{"items": []}, {"decision": "edit"}, {"items": [{"id": "x"}]}, {"decision": "reject"}]
    )
    def test_names_what_to_change(
        self, refunds: list[Review], client_of: Any, bob: Any, change: dict[str, Any]
    ) -> None:
        answer = client_of(bob).post(API, {**self.body(refunds), **change}, format="json")
        assert answer.status_code == 422
        assert answer["Content-Type"] == "application/problem+json"
        assert statuses(refunds) == {"pending"}
