"""The review page in the dashboard and in the admin: what it shows, and what it answers."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from hitl.desk import preferences
from hitl.reviews import operations
from hitl.reviews.models import Review
from hitl.reviews.types import Assurance, BallotKind
from tests.governance.samples import NOW

DASHBOARD, ADMIN = "/reviews/{}/", "/admin/hitl/review/{}/change/"


@pytest.fixture
def as_bob(bob: Any) -> Client:
    """Return Bob's browser."""
    client = Client(SERVER_NAME="acme.localhost")
    client.force_login(bob)
    return client


def _unexpired(review: Review) -> Review:
    """Give the review an hour from now: pages ask the clock."""
    Review.objects.filter(pk=review.pk).update(expires_at=timezone.now() + timedelta(hours=1))
    return review


def _path(review: Review) -> str:
    return DASHBOARD.format(review.pk)


def _seen(review: Review, decision: str, **more: str) -> dict[str, str]:
    return {"decision": decision, "version": str(review.version), "digest": review.digest, **more}


class TestWhatItShows:
    @pytest.mark.parametrize("face", [DASHBOARD, ADMIN])
    def test_is_the_same_page_under_the_strict_policy_in_both_faces(
        self, as_bob: Client, review: Review, face: str
    ) -> None:
        page = as_bob.get(face.format(review.pk))
        assert page.status_code == 200
        assert "unsafe" not in page["Content-Security-Policy"]
        assert 'id="approve"' in page.content.decode()

    def test_has_no_inline_script_or_style(self, as_bob: Client, review: Review) -> None:
        html = as_bob.get(_path(review)).content.decode()
        assert not [word for word in ("<style", " style=", " onclick=", "<script>") if word in html]

    def test_marks_characters_that_hide(self, as_bob: Client, open_review: Any) -> None:
        review = open_review(order_id="A-1001", amount=25.0, reason="broken\u202eneppah<b>")
        html, decision = as_bob.get(_path(review)).content.decode().split('id="decision"')
        assert "\u202e" not in html
        assert "These fields hide the characters" in decision
        assert "U+202E</span>neppah&lt;b&gt;" in html

    def test_shows_arguments_in_the_order_of_the_schema(self, as_bob: Client, review: Review) -> None:
        shown = [argument["name"] for argument in as_bob.get(_path(review)).context["arguments"]]
        assert shown == [name for name in review.parameters["required"] if name in review.arguments]

    def test_offers_the_requester_no_decision(self, oscar: Any, review: Review) -> None:
        client = Client(SERVER_NAME="acme.localhost")
        client.force_login(oscar)
        page = client.get(_path(review))
        assert not page.context["allowed"]
        assert page.context["why_not"] in page.content.decode()

    def test_counts_only_approvals_of_the_action_as_it_stands(
        self, as_bob: Client, critical: Review, rita: Any, say: Any
    ) -> None:
        say(critical, rita, assurance=Assurance.STEP_UP)
        assert as_bob.get(_path(critical)).context["plan"].given == 1

    def test_says_what_an_edit_left_out_or_changed(
        self, as_bob: Client, critical: Review, rita: Any, say: Any
    ) -> None:
        edited = {**critical.arguments, "amount": 20.0}
        say(critical, rita, "edit", arguments=edited, assurance=Assurance.STEP_UP)
        changed = [a for a in as_bob.get(_path(critical)).context["arguments"] if a["changed"]]
        assert [(a["name"], a["proposed"], a["value"]) for a in changed] == [("amount", 25.0, 20.0)]

    def test_keeps_the_tools_preview_of_an_edited_call_folded_under_the_difference(
        self, as_bob: Client, critical: Review, rita: Any, say: Any
    ) -> None:
        Review.objects.filter(pk=critical.pk).update(evidence={"preview": {"refunded_after": 24.5}})
        html = as_bob.get(_path(critical)).content.decode()
        assert html.index('id="preview-title"') < html.index('id="arguments-title"')
        assert "stale-preview" not in html
        say(critical, rita, "edit", arguments={**critical.arguments, "amount": 20.0})
        html = as_bob.get(_path(critical)).content.decode()
        assert html.index('id="diff-title"') < html.index('<details class="result" id="stale-preview">')
        assert "The preview was of the call as proposed" in html

    def test_offers_the_claim_to_those_who_may_approve_it(
        self, as_bob: Client, critical: Review, rita: Any, say: Any
    ) -> None:
        claim = f"/reviews/{_unexpired(critical).pk}/claim/"
        as_rita = Client(SERVER_NAME="acme.localhost")
        as_rita.force_login(rita)
        assert claim in as_rita.get(_path(critical)).content.decode()
        say(critical, rita, "edit", arguments={**critical.arguments, "amount": 20.0})
        assert claim not in as_rita.get(_path(critical)).content.decode()
        assert claim in as_bob.get(_path(critical)).content.decode()

    def test_says_that_a_call_was_sent_back(
        self, as_bob: Client, open_review: Any, bob: Any, say: Any
    ) -> None:
        review, other, rejected = open_review(), open_review(), open_review()
        say(review, bob, "feedback", message="Offer 20.")
        say(rejected, bob, "reject", message="No.")
        html = as_bob.get(_path(review)).content.decode()
        assert '<span class="badge status-sent-back">sent back</span>' in html
        assert "Sent back</h2>" in html
        assert "may propose it again" in html
        similar = as_bob.get(_path(other)).context["similar"]
        assert {row["pk"]: row["ended"] for row in similar} == {
            review.pk: "sent_back",
            rejected.pk: "rejected",
        }
        queue = as_bob.get("/reviews/?status=decided").content.decode()
        assert (queue.count("status-sent-back"), queue.count("status-rejected")) == (1, 1)

    def test_says_that_a_standing_grant_voted_instead_of_a_channel(
        self, as_bob: Client, open_review: Any, rita: Any, say: Any
    ) -> None:
        by_hand, by_grant = say(open_review(), rita), open_review()
        operations.cast(review=by_grant, kind=BallotKind.GRANT, user=rita, message="Small", now=NOW)
        assert "· api" in as_bob.get(_path(by_hand)).content.decode()
        html = as_bob.get(_path(by_grant)).content.decode()
        assert ("· standing grant" in html, "· api" in html) == (True, False)

    def test_says_who_decides_only_where_there_is_something_to_say(
        self, as_bob: Client, critical: Review, bob: Any, rita: Any, say: Any
    ) -> None:
        _unexpired(critical)
        assert "<h3>Who decides" in as_bob.get(_path(critical)).content.decode()
        Review.objects.filter(pk=critical.pk).update(plan={}, status=Review.Status.APPROVED)
        assert "<h3>Who decides" not in as_bob.get(_path(critical)).content.decode()


class TestDecisions:
    @pytest.mark.parametrize("face", [DASHBOARD, ADMIN])
    def test_lead_on_to_the_next_review_in_the_same_face(
        self, as_bob: Client, open_review: Any, face: str
    ) -> None:
        first, second = _unexpired(open_review()), _unexpired(open_review())
        Review.objects.exclude(pk__in=[first.pk, second.pk]).update(status=Review.Status.CANCELLED)
        page = as_bob.post(face.format(first.pk), _seen(first, "approve"), follow=True)
        assert page.context["review"] == second
        assert f'href="{face.format(first.pk)}">Refund order for oscar</a>' in page.content.decode()

    def test_stay_on_the_review_for_those_who_want_to(
        self, as_bob: Client, bob: Any, open_review: Any
    ) -> None:
        first, second = _unexpired(open_review()), _unexpired(open_review())
        Review.objects.exclude(pk__in=[first.pk, second.pk]).update(status=Review.Status.CANCELLED)
        preferences.change(user=bob, goes_on=False, now=timezone.now())
        page = as_bob.post(_path(first), _seen(first, "approve"), follow=True)
        assert (page.context["review"], page.context["next"]) == (first, _path(second))

    def test_stay_on_the_review_where_nothing_else_waits(self, as_bob: Client, review: Review) -> None:
        Review.objects.exclude(pk=review.pk).update(status=Review.Status.CANCELLED)
        page = as_bob.post(_path(_unexpired(review)), _seen(review, "approve"), follow=True)
        assert page.context["review"] == review
        assert "Nothing else waits for you" in page.content.decode()

    def test_a_rejection_without_a_reason_is_asked_again(self, as_bob: Client, review: Review) -> None:
        page = as_bob.post(_path(_unexpired(review)), _seen(review, "reject"))
        assert page.status_code == 422
        assert 'role="alert"' in page.content.decode()

    def test_an_edit_that_is_refused_keeps_what_was_typed(self, as_bob: Client, review: Review) -> None:
        typed = {f"arg-{name}": str(value) for name, value in review.arguments.items()}
        page = as_bob.post(_path(review), _seen(review, "edit", **{**typed, "arg-amount": "many"}))
        assert page.status_code == 422
        assert 'value="many"' in page.content.decode()

    def test_a_refused_approval_does_not_blank_the_form_to_edit(self, as_bob: Client, review: Review) -> None:
        page = as_bob.post(_path(review), {**_seen(review, "approve"), "version": "7"})
        assert page.status_code == 409
        assert not page.context["form"].is_bound


class TestActionableBy:
    def test_leaves_out_what_one_asked_for_or_voted_on(
        self, critical: Review, oscar: Any, bob: Any, rita: Any, say: Any
    ) -> None:
        say(critical, bob, assurance=Assurance.STEP_UP)
        assert critical not in Review.objects.actionable_by(oscar)
        assert critical not in Review.objects.actionable_by(bob)
        assert critical in Review.objects.actionable_by(rita)
