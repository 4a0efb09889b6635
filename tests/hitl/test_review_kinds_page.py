"""The review page for what is not an approval: an unknown outcome, a hand-off, and a tool's preview."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from governance.policies.models import PolicyDecision
from hitl.reviews.models import Review
from hitl.reviews.types import Assurance
from hitl.templatetags.reviews import gist
from tenants.kernel.models import uuid7

Make = Callable[..., Review]
HIDING = "<b>paid\u202e</b>"
INERT = "&lt;b&gt;paid"


@pytest.fixture
def browser(person: Any) -> Callable[[str], Client]:
    """Return a function that gives somebody's browser."""

    def make(who: str) -> Client:
        client = Client(SERVER_NAME="acme.localhost")
        client.force_login(person(who))
        return client

    return make


@pytest.fixture
def as_bob(browser: Callable[[str], Client]) -> Client:
    """Return Bob's browser."""
    return browser("bob")


def now_pending(review: Review) -> Review:
    """Give the review an hour from now: pages ask the clock."""
    Review.objects.filter(pk=review.pk).update(expires_at=timezone.now() + timedelta(hours=1))
    return review


def path(review: Review) -> str:
    return f"/reviews/{review.pk}/"


def seen(review: Review, decision: str, message: str = "") -> dict[str, str]:
    return {
        "decision": decision,
        "version": str(review.version),
        "digest": review.digest,
        "message": message,
    }


def html(client: Client, review: Review) -> str:
    return client.get(path(review)).content.decode()


class TestOutcomePage:
    def test_asks_whether_it_happened_with_three_answers(self, as_bob: Client, ask: Make) -> None:
        page = html(as_bob, ask())
        assert "Did this happen? Refund order" in page
        assert "The worker died while refund_order ran." in page
        for verb in ("it_happened", "it_did_not", "retry"):
            assert f'name="decision" value="{verb}"' in page
        assert 'id="approve"' not in page

    def test_warns_that_running_it_again_may_do_it_twice(self, as_bob: Client, ask: Make) -> None:
        warning, button = html(as_bob, ask()).split('value="retry"')
        assert "does it twice" in warning
        assert 'data-arm="Press again' in button

    def test_shows_what_was_sent(self, as_bob: Client, ask: Make) -> None:
        page = html(as_bob, ask())
        assert "exactly as they were sent" in page
        assert "arrived broken" in page

    def test_shows_when_it_was_sent_and_its_key(self, as_bob: Client, ask: Make) -> None:
        review = now_pending(ask())
        sent = {"run_id": review.run_id, "step_id": review.step_id, "digest": review.digest}
        for at in (review.created_at - timedelta(minutes=7), review.created_at + timedelta(minutes=1)):
            PolicyDecision.objects.create(
                id=uuid7(), at=at, effect="permit", request={}, reasons=[], consumed_at=at, **sent
            )
        page = html(as_bob, review)
        assert "<dt>Sent</dt>" in page
        assert "2026-03-02 09:23:00 UTC" in page
        assert "09:31:00" not in page
        assert f"<dd><code>{review.step_id}</code></dd>" in page

    def test_does_not_speak_of_a_second_call_once_it_is_settled(
        self, as_bob: Client, ask: Make, bob: Any, say: Any
    ) -> None:
        review = now_pending(ask())
        assert "A second call would be exactly this one" in html(as_bob, review)
        say(review, bob, "it_happened", message="seen")
        assert "A second call" not in html(as_bob, review)

    @pytest.mark.parametrize(("verb", "status"), [("it_happened", "answered"), ("it_did_not", "answered")])
    def test_takes_the_answer(self, as_bob: Client, ask: Make, verb: str, status: str) -> None:
        review = now_pending(ask())
        page = as_bob.post(path(review), seen(review, verb, "the ledger says so"), follow=True)
        review.refresh_from_db()
        assert (page.status_code, review.status) == (200, status)
        assert "the ledger says so" in page.content.decode()
        assert "It was not run again" in page.content.decode()

    def test_keeps_what_was_typed_when_the_answer_needs_words(self, as_bob: Client, ask: Make) -> None:
        review = now_pending(ask())
        assert as_bob.post(path(review), seen(review, "it_happened")).status_code == 422
        page = as_bob.post(path(review), {**seen(review, "it_happened", "seen it"), "version": "7"})
        assert page.status_code == 409
        assert ">seen it</textarea>" in page.content.decode()

    def test_counts_those_who_want_it_again(
        self, browser: Callable[[str], Client], ask: Make, rita: Any, say: Any
    ) -> None:
        review = now_pending(ask(required=2))
        say(review, rita, "retry")
        assert "when 2 people say so; 1 did so far" in html(browser("bob"), review)
        browser("bob").post(path(review), seen(review, "retry"))
        review.refresh_from_db()
        assert review.status == "approved"

    def test_leads_from_the_approval_to_the_question_and_back(
        self, as_bob: Client, review: Review, ask: Make, bob: Any, say: Any
    ) -> None:
        approval, question = say(review, bob), ask()
        Review.objects.filter(pk=question.pk).update(step_id=approval.step_id)
        assert f'href="{path(question)}"' in html(as_bob, approval)
        assert f'href="{path(approval)}"' in html(as_bob, question)

    def test_does_not_wait_for_a_result_once_the_question_is_asked_anew(
        self, as_bob: Client, ask: Make, bob: Any, say: Any
    ) -> None:
        first = say(ask(), bob, "retry")
        assert "Waiting for a worker to run it again" in html(as_bob, first)
        second = ask()
        Review.objects.filter(pk=second.pk).update(step_id=first.step_id)
        assert "Waiting for a worker" not in html(as_bob, first)
        assert "People were asked before whether this happened: approved." in html(as_bob, second)

    def test_offers_the_requester_nothing(
        self, browser: Callable[[str], Client], ask: Make, alice: Any
    ) -> None:
        page = html(browser("alice"), ask(user=alice))
        assert "somebody else must decide" in page
        assert 'name="decision"' not in page


class TestHandOffPage:
    def test_shows_the_whole_context(self, as_bob: Client, hand_off: Make) -> None:
        failed = {"error": {"code": "tool-failed", "message": "HTTP 503"}}
        steps = [
            {"number": 1, "kind": "model", "name": "m", "status": "failed", "error": {"message": HIDING}},
            {"number": 2, "kind": "tool", "name": "lookup_order", "status": "failed", "content": failed},
            {"number": 3, "kind": "person", "name": "hand-off", "status": "waiting", "why": "again"},
        ]
        review = hand_off()
        evidence = {"query": "where is my order?", "steps": steps, "last_error": HIDING}
        Review.objects.filter(pk=review.pk).update(evidence=evidence)
        page = html(as_bob, review)
        for shown in ("where is my order?", "lookup_order failed 3 times", "HTTP 503", "last_error"):
            assert shown in page
        assert page.count(INERT) == 2
        assert "\u202e" not in page

    def test_has_no_arguments_and_no_risk(self, as_bob: Client, hand_off: Make) -> None:
        page = html(as_bob, hand_off())
        assert "arguments-title" not in page
        assert "badge risk-" not in page

    @pytest.mark.parametrize(
        ("verb", "status"), [("respond", "answered"), ("retry", "answered"), ("reject", "rejected")]
    )
    def test_takes_an_answer_advice_or_a_reason(
        self, as_bob: Client, hand_off: Make, verb: str, status: str
    ) -> None:
        review = now_pending(hand_off())
        page = as_bob.post(path(review), seen(review, verb, "try A-1002"), follow=True)
        review.refresh_from_db()
        assert (page.status_code, review.status) == (200, status)
        assert "try A-1002" in page.content.decode()

    def test_is_the_same_in_the_admin(self, as_bob: Client, hand_off: Make) -> None:
        page = as_bob.get(f"/admin/hitl/review/{hand_off().pk}/change/")
        assert page.status_code == 200
        assert "unsafe" not in page["Content-Security-Policy"]
        assert 'value="respond"' in page.content.decode()


class TestPreview:
    def preview(self, review: Review, value: Any) -> Review:
        Review.objects.filter(pk=review.pk).update(evidence={"query": "go", "preview": value})
        return review

    @pytest.mark.parametrize("value", [HIDING, {"to": HIDING}, [HIDING]])
    def test_of_the_tool_is_shown_inert_above_the_arguments(
        self, as_bob: Client, review: Review, value: Any
    ) -> None:
        before, _ = html(as_bob, self.preview(review, value)).split('id="arguments-title"')
        assert "What it would do, says the tool" in before
        assert INERT in before
        assert "U+202E</span>" in before

    def test_is_of_the_call_as_proposed(self, as_bob: Client, critical: Review, rita: Any, say: Any) -> None:
        say(
            self.preview(critical, "pays 25.00"),
            rita,
            "edit",
            arguments={**critical.arguments, "amount": 20.0},
            assurance=Assurance.STEP_UP,
        )
        assert "The preview was of the call as proposed" in html(as_bob, critical)

    def test_that_was_not_made_leaves_no_trace(self, as_bob: Client, review: Review) -> None:
        assert "says the tool" not in html(as_bob, review)


class TestLists:
    def test_say_what_kind_of_question_it_is(self, as_bob: Client, ask: Make, hand_off: Make) -> None:
        ask(), hand_off()
        for face in ("/reviews/", "/parts/queue/", "/admin/hitl/review/?status__exact=pending"):
            page = as_bob.get(face).content.decode()
            assert "Did this happen? Refund order" in page
            assert "A run needs a person" in page
            assert "asked: where is my order? · error: lookup_order failed 3 times" in page

    def test_cut_what_was_asked_and_keep_the_error(self, hand_off: Make) -> None:
        review = hand_off()
        review.evidence["query"] = "please " * 100
        line = gist(review)
        assert line.endswith("… · error: lookup_order failed 3 times")
        assert len(line) <= 160

    def test_show_what_people_answered(self, as_bob: Client, ask: Make, bob: Any, say: Any) -> None:
        say(ask(), bob, "it_happened", message="seen")
        assert "status-answered" in html(as_bob, Review.objects.get(status="answered"))
        assert "status-answered" in as_bob.get("/reviews/?status=all").content.decode()


class TestApi:
    @pytest.mark.parametrize(
        ("kind", "allowed"),
        [
            ("outcome", ["it_happened", "it_did_not", "retry", "request_info", "cancel_run"]),
            ("handoff", ["respond", "retry", "reject", "request_info", "cancel_run"]),
        ],
    )
    def test_says_the_kind_and_what_it_may_be_told(
        self, ask: Make, hand_off: Make, bob: Any, client_of: Any, kind: str, allowed: list[str]
    ) -> None:
        ask(), hand_off()
        shown = client_of(bob).get(f"/api/v1/hitl/queue?kind={kind}").json()["results"]
        assert [(one["kind"], one["allowed_decisions"]) for one in shown] == [(kind, allowed)]

    def test_takes_the_word_of_its_kind(self, hand_off: Make, bob: Any, client_of: Any) -> None:
        review = now_pending(hand_off())
        url = f"/api/v1/hitl/queue/{review.pk}/respond"
        wrong = client_of(bob).post(url, {"decision": "approve"}, format="json")
        assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid-input")
        right = client_of(bob).post(url, {"decision": "respond", "message": "On its way."}, format="json")
        assert (right.status_code, right.json()["status"]) == (200, "answered")
