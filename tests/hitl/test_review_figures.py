"""Figures of how people decide: right against votes that are known, and for whom."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hitl.desk.analytics import Figures, figures
from hitl.reviews import operations
from hitl.reviews.models import Review
from tenants.kernel import charts
from tenants.kernel.errors import InvalidInput
from tests.governance.samples import NOW

PAGE, API = "/reviews/analytics/", "/api/v1/hitl/analytics"
Decided = Callable[..., Review]


@pytest.fixture(autouse=True)
def nothing_before(acme: Any) -> None:
    """Forget when the demo's reviews were decided, so that only the test's count."""
    Review.objects.update(decided_at=None)


@pytest.fixture
def decided(open_review: Any, say: Any, bob: Any) -> Decided:
    """Return a function that lets somebody open a review, read it and decide it, seconds after it was opened."""

    def make(
        verb: str = "approve", *, who: Any = None, after_s: float = 60, read_s: float = 30, **said: Any
    ) -> Review:
        review: Review = open_review()
        seen = NOW + timedelta(seconds=after_s - read_s)
        operations.mark_viewed(review=review, viewer=who or bob, now=seen)
        say(review, who or bob, verb, at=NOW + timedelta(seconds=after_s), **said)
        review.refresh_from_db()
        return review

    return make


@pytest.fixture
def found(alice: Any) -> Callable[..., Figures]:
    """Return a function that computes the figures, an hour later, as an administrator sees them."""

    def compute(viewer: Any = None, *, days: int = 30, tool: str = "") -> Figures:
        return figures(days=days, tool=tool, viewer=viewer or alice, now=NOW + timedelta(hours=1))

    return compute


class TestTimes:
    def test_are_the_median_and_the_95th_percentile(self, decided: Decided, found: Any) -> None:
        for after in (60, 120, 180):
            decided(after_s=after, read_s=10)
        assert found().from_created.p50_s == 120
        assert found().from_created.p95_s == pytest.approx(174)
        assert found().from_viewed.p50_s == 10

    def test_leave_out_what_nobody_decided(self, review: Review, decided: Decided, found: Any) -> None:
        decided(after_s=60)
        operations.expire(review=review, now=NOW + timedelta(minutes=50))
        assert found().from_created.p95_s == 60
        assert found().outcomes["expired"] == 1

    def test_are_unknown_where_nothing_was_decided(self, found: Any) -> None:
        assert found().from_created.p50_s is None
        assert found().closed == 0


class TestOutcomes:
    def test_tell_changes_guidance_and_rejections_apart(
        self, decided: Decided, found: Any, bob: Any, rita: Any, say: Any
    ) -> None:
        decided()
        decided("reject", message="no")
        decided("feedback", message="use the cheaper one")
        edited = decided("edit", arguments={"order_id": "A-1001", "amount": 20.0, "reason": "arrived broken"})
        say(edited, rita, at=NOW + timedelta(seconds=90), version=edited.version, digest=edited.digest)
        known = {name: n for name, n in found().outcomes.items() if n}
        assert known == {"approved": 1, "rejected": 1, "feedback": 1, "edited": 1}

    def test_are_counted_by_day_with_the_quiet_days(self, decided: Decided, found: Any) -> None:
        decided()
        assert sum(found(days=7).per_day.values()) == 1
        assert len(found(days=7).per_day) == 8

    def test_are_of_one_tool_if_asked(self, decided: Decided, found: Any) -> None:
        decided()
        assert found(tool="refund_order").closed == 1
        assert found(tool="send_email").closed == 0

    def test_end_with_the_period(self, decided: Decided, found: Any) -> None:
        review = decided()
        Review.objects.filter(pk=review.pk).update(decided_at=NOW - timedelta(days=8))
        assert (found(days=7).closed, found(days=30).closed) == (0, 1)


class TestLateness:
    def test_counts_what_was_decided_after_it_was_due(self, decided: Decided, found: Any) -> None:
        review = decided(after_s=60)
        Review.objects.filter(pk=review.pk).update(due_at=NOW + timedelta(seconds=59))
        assert found().breaches == found().tools[0].breaches == 1

    def test_counts_what_waits_by_priority(self, review: Review, found: Any) -> None:
        Review.objects.pending().exclude(pk=review.pk).update(status=Review.Status.CANCELLED)
        Review.objects.filter(pk=review.pk).update(priority="critical", due_at=NOW)
        depth = found().depth
        assert [one.priority for one in depth] == ["critical", "high", "medium", "low"]
        assert (depth[0].pending, depth[0].overdue, depth[0].oldest) == (1, 1, review.created_at)
        assert found().oldest == review.created_at


class TestReviewers:
    def test_who_hardly_reads_is_flagged(self, decided: Decided, found: Any, rita: Any) -> None:
        for _ in range(10):
            decided(read_s=1)
        decided(who=rita, read_s=1)
        bob, other = found().reviewers
        assert (bob.username, bob.votes, bob.fast, bob.flagged) == ("bob", 10, 10, True)
        assert (other.username, other.fast, other.flagged) == ("rita", 1, False)
        assert found().fast_share == 1.0

    def test_carry_what_is_assigned_to_them(self, review: Review, found: Any, rita: Any) -> None:
        Review.objects.filter(pk=review.pk).update(assigned_to=rita)
        assert [(one.username, one.assigned) for one in found().reviewers] == [("rita", 1)]

    def test_see_their_own_figures_alone(self, decided: Decided, found: Any, rita: Any, person: Any) -> None:
        decided()
        decided(who=rita)
        assert {one.username for one in found().reviewers} == {"bob", "rita"}
        assert {one.username for one in found(person("audrey")).reviewers} == {"bob", "rita"}
        assert [one.username for one in found(rita).reviewers] == ["rita"]
        assert found(person("vera")).reviewers == []

    def test_find_no_others_by_how_fast_they_were(self, decided: Decided, rita: Any, alice: Any) -> None:
        review = decided(read_s=1)
        words = {"status": "decided", "fast": "1", "reviewer": "bob"}
        lists = {}
        for who in (rita, alice):
            client = Client(SERVER_NAME="acme.localhost")
            client.force_login(who)
            lists[who] = [row.review for row in client.get("/reviews/", words).context["rows"]]
        assert lists == {rita: [], alice: [review]}


class TestFaces:
    def get(self, who: Any, path: str = PAGE, **words: str) -> Any:
        client = Client(SERVER_NAME="acme.localhost")
        client.force_login(who)
        return client.get(path, words)

    def test_the_page_shows_them_with_tables(self, decided: Decided, alice: Any) -> None:
        review = decided()
        Review.objects.filter(pk=review.pk).update(decided_at=timezone.now())
        page = self.get(alice)
        html = page.content.decode()
        assert page.status_code == 200
        assert "unsafe" not in page["Content-Security-Policy"]
        assert not [word for word in ("<style", " style=", "<script>") if word in html]
        assert html.count("<svg") == html.count("</svg>") >= 3

    def test_every_link_leads_to_a_list(self, decided: Decided, alice: Any) -> None:
        import re

        review = decided()
        Review.objects.filter(pk=review.pk).update(decided_at=timezone.now())
        html = self.get(alice).content.decode().replace("&amp;", "&")
        links = set(re.findall(r'href="(/reviews/\?[^"]*)"', html))
        assert len(links) > 15
        client = Client(SERVER_NAME="acme.localhost")
        client.force_login(alice)
        assert {client.get(link).status_code for link in links} == {200}

    def test_the_number_and_its_list_agree(self, decided: Decided, alice: Any) -> None:
        for verb, said in (("approve", {}), ("reject", {"message": "no"}), ("reject", {"message": "no"})):
            review = decided(verb, **said)
            Review.objects.filter(pk=review.pk).update(decided_at=timezone.now())
        shares = self.get(alice).context["shares"]
        for share in shares:
            rows = self.get(alice, f"/reviews/{share['link']}").context["rows"]
            assert len(rows) == share["n"], share["name"]

    def test_another_period_is_refused(self, alice: Any, client_of: Any) -> None:
        assert self.get(alice, days="31").status_code == 422
        assert client_of(alice).get(f"{API}?days=31").status_code == 422

    def test_the_api_tells_the_same(self, decided: Decided, alice: Any, rita: Any, client_of: Any) -> None:
        review = decided()
        Review.objects.filter(pk=review.pk).update(decided_at=timezone.now())
        body = client_of(alice).get(f"{API}?days=7").json()
        assert (body["closed"], body["outcomes"]["approved"]) == (1, 1)
        assert body["reviewers"][0]["username"] == "bob"
        assert client_of(rita).get(API).json()["reviewers"] == []

    def test_take_few_queries(self, decided: Decided, alice: Any) -> None:
        for _ in range(5):
            decided()
        with CaptureQueriesContext(connection) as queries:
            figures(days=30, tool="", viewer=alice, now=NOW)
        assert len(queries) <= 7

    def test_charlie_sees_nothing(self, charlie: Any) -> None:
        assert self.get(charlie).status_code == 403


class TestBars:
    def test_are_as_high_as_what_they_stand_for(self) -> None:
        low, none, high = charts.columns([("a", 5), ("b", 0), ("c", 10)]).bars
        assert (low.height, none.height, high.height) == (60, 0, 120)
        assert low.y + low.height == high.y + high.height == 120

    def test_of_next_to_nothing_are_still_seen(self) -> None:
        assert charts.columns([("a", 1), ("b", 1000)]).bars[0].height == 2

    def test_of_nothing_are_none(self) -> None:
        assert charts.columns([]).bars == []
        assert charts.share(0, 0) == {"percent": "0%", "length": 0.0}


def test_a_period_is_one_of_three() -> None:
    from hitl.desk.analytics_page import period

    assert [period(given) for given in ("", "7", "90")] == [30, 7, 90]
    with pytest.raises(InvalidInput):
        period("seven")
