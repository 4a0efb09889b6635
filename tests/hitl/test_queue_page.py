"""The queue page: what it lists, for whom, in which order, and what that costs."""

import base64
import json
from collections.abc import Callable
from copy import copy
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from governance.audit.models import AuditEvent
from hitl.desk.filters import Filters
from hitl.desk.listing import listed, may_decide
from hitl.desk.models import SavedView
from hitl.reviews import operations
from hitl.reviews.models import Review
from hitl.reviews.types import Assurance
from tenants.kernel.errors import InvalidInput
from tenants.kernel.models import uuid7
from tests.governance.samples import NOW

QUEUE = "/reviews/"
MAX_QUERIES = 12
Show = Callable[..., Any]


@pytest.fixture
def show(bob: Any) -> Show:
    """Return a function that opens the queue in a person's browser."""

    def get(who: Any = None, **words: str) -> Any:
        client = Client(SERVER_NAME="acme.localhost")
        client.force_login(who or bob)
        return client.get(QUEUE, words)

    return get


def shown(page: Any) -> list[Review]:
    return [row.review for row in page.context["rows"]]


def unexpired(*reviews: Review) -> None:
    """Give reviews an hour from now, to nobody in particular: pages ask the clock."""
    soon = timezone.now() + timedelta(hours=1)
    for review in reviews:
        Review.objects.filter(pk=review.pk).update(expires_at=soon, due_at=soon, assigned_to=None)


def copies(review: Review, count: int) -> list[Review]:
    """Copy a review so many times."""
    made = []
    for _ in range(count):
        one = copy(review)
        one._state = copy(review._state)
        one._state.adding = True
        one.pk, one.step_id, one.run_id = uuid7(), uuid7(), uuid7()
        made.append(one)
    return Review.objects.bulk_create(made)


class TestOrder:
    def test_is_by_priority_and_then_by_what_is_due_first(self, show: Show, open_review: Any) -> None:
        late, soon, pressing = open_review(), open_review(), open_review()
        now = timezone.now()
        for review, priority, minutes in ((late, "high", 50), (soon, "high", 5), (pressing, "critical", 90)):
            changes = {"priority": priority, "due_at": now + timedelta(minutes=minutes)}
            Review.objects.filter(pk=review.pk).update(**changes)
        found = [review for review in shown(show()) if review in (late, soon, pressing)]
        assert found == [pressing, soon, late]

    def test_pages_lead_through_everything_once(self, show: Show, review: Review) -> None:
        copies(review, 119)
        seen: list[Review] = []
        words: dict[str, str] = {"tool": "refund_order"}
        while True:
            page = show(**words)
            seen += shown(page)
            if not page.context["next"]:
                break
            words["after"] = page.context["next"].rpartition("after=")[2]
        everything = set(Review.objects.pending().filter(tool="refund_order"))
        assert len(seen) == len(set(seen)) == len(everything) >= 120

    def test_of_what_was_decided_is_newest_first(
        self, show: Show, open_review: Any, bob: Any, say: Any
    ) -> None:
        first, second = open_review(), open_review()
        say(second, bob, at=NOW + timedelta(minutes=1))
        say(first, bob, at=NOW + timedelta(minutes=2))
        found = [review for review in shown(show(status="decided")) if review in (first, second)]
        assert found == [first, second]


class TestFilters:
    @pytest.mark.parametrize(
        ("words", "found"),
        [
            ({"risk": "high"}, True),
            ({"risk": "medium"}, False),
            ({"tool": "refund_order", "requester": "oscar", "agent": "Support assistant"}, True),
            ({"requester": "bob"}, False),
            ({"kind": "outcome"}, False),
            ({"assigned": "nobody"}, True),
            ({"assigned": "me"}, False),
            ({"due": "overdue"}, False),
            ({"may": "1"}, True),
            ({"q": "refund"}, True),
            ({"q": "refund_ord"}, True),
            ({"q": "support"}, True),
            ({"q": "osc"}, True),
            ({"q": "teapot"}, False),
            ({"status": "approved"}, False),
            ({"status": "all"}, True),
        ],
    )
    def test_narrow_the_list(self, show: Show, review: Review, words: dict[str, str], found: bool) -> None:
        unexpired(review)
        assert (review in shown(show(**words))) is found

    def test_find_an_exact_id(self, show: Show, open_review: Any) -> None:
        review, other = open_review(), open_review()
        for key in (review.pk, review.run_id, review.step_id):
            found = shown(show(q=str(key), status="all"))
            assert review in found
            assert other not in found or other.run_id == review.run_id

    def test_find_what_is_overdue(self, show: Show, review: Review) -> None:
        Review.objects.filter(pk=review.pk).update(due_at=timezone.now() - timedelta(seconds=1))
        page = show(due="overdue")
        assert review in shown(page)
        assert "overdue" in page.content.decode()

    def test_that_do_not_exist_are_named(self, show: Show) -> None:
        page = show(risk="huge", status="gone")
        assert page.status_code == 422
        assert "risk: Use one of: low, medium, high, critical." in page.content.decode()

    def test_refuse_a_page_that_nobody_made(self, show: Show) -> None:
        assert show(after="bm90IGEgcGFnZQ==").status_code == 422
        key = str(uuid7())
        for place in (
            [float("inf"), "2026-01-01T00:00:00+00:00", key],
            [1, "0001-01-01T00:00:00+23:59", key],
            [1, "9999-12-31T23:59:59-23:59", key],
            [1, "2026-01-01T00:00:00+00:00", {}],
        ):
            made_up = base64.urlsafe_b64encode(json.dumps(place).encode()).decode()
            assert show(after=made_up).status_code == 422
        assert show(after=base64.urlsafe_b64encode(b"[" * 3000).decode()).status_code == 422

    def test_suggest_what_waits(self, bob: Any, review: Review) -> None:
        client = Client(SERVER_NAME="acme.localhost")
        client.force_login(bob)
        html = client.get(f"{QUEUE}choices/").content.decode()
        assert all(f'<option value="{word}">' in html for word in ("refund_order", "oscar"))

    def test_search_uses_its_index(self, review: Review, bob: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            found = listed(Filters.parse({"q": "teapot", "status": "all"}), user=bob, now=NOW).order_by()
            assert "hitl_review_search" in found.explain()

    def test_read_an_address_and_write_the_same(self) -> None:
        filters = Filters.parse({"status": "pending", "risk": "high", "q": " refund ", "unknown": "x"})
        assert filters.query() == "?risk=high&q=refund"
        assert filters.query(risk="") == "?q=refund"

    def test_refuse_characters_that_the_database_cannot_store(self) -> None:
        with pytest.raises(InvalidInput):
            Filters.parse({"q": "a\x00b"})


class TestMayDecide:
    """The database's answer is the domain's, for what is common."""

    @pytest.mark.parametrize("name", ["alice", "bob", "rita", "oscar", "vera", "audrey", "charlie"])
    def test_says_what_available_actions_says(
        self, person: Any, open_review: Any, alice: Any, bob: Any, say: Any, name: str
    ) -> None:
        user = person(name)
        plain, own, critical = open_review(), open_review(user=alice), open_review(risk="critical")
        say(critical, bob, assurance=Assurance.STEP_UP)
        for review in (plain, own, critical):
            review.refresh_from_db()
            found = Review.objects.filter(may_decide(user, NOW), pk=review.pk).exists()
            allowed = set(operations.available_actions(review, user).verbs)
            assert found is bool(allowed & {"approve", "reject"}), (name, review)

    def test_leaves_out_who_is_excluded_by_the_plan(self, review: Review, rita: Any, bob: Any) -> None:
        Review.objects.filter(pk=review.pk).update(plan={"excluded": {str(rita.pk): "delegated it"}})
        assert not Review.objects.filter(may_decide(rita, NOW), pk=review.pk).exists()
        assert Review.objects.filter(may_decide(bob, NOW), pk=review.pk).exists()

    def test_ends_with_the_time_to_decide(self, review: Review, bob: Any) -> None:
        assert not Review.objects.filter(may_decide(bob, review.expires_at), pk=review.pk).exists()


class TestAdmin:
    @pytest.mark.parametrize(
        ("words", "found"),
        [
            ({"whose": "may"}, True),
            ({"whose": "nobody"}, True),
            ({"whose": "mine"}, False),
            ({"due": "overdue"}, False),
            ({"priority__exact": "high"}, True),
            ({"q": "refund"}, True),
        ],
    )
    def test_has_the_same_filters(self, bob: Any, review: Review, words: dict[str, str], found: bool) -> None:
        unexpired(review)
        client = Client(SERVER_NAME="acme.localhost")
        client.force_login(bob)
        page = client.get("/admin/hitl/review/", words)
        assert page.status_code == 200
        assert (review in page.context["cl"].result_list) is found

    def test_finds_an_exact_id(self, bob: Any, review: Review) -> None:
        client = Client(SERVER_NAME="acme.localhost")
        client.force_login(bob)
        page = client.get("/admin/hitl/review/", {"q": str(review.pk)})
        assert list(page.context["cl"].result_list) == [review]


class TestCost:
    @pytest.fixture
    def queries(self, bob: Any) -> Callable[..., int]:
        """Return a function that counts the queries of one request of Bob's, who is signed in.

        Entering the tenant's schema is none.
        """
        client = Client(SERVER_NAME="acme.localhost")
        client.force_login(bob)
        client.get(QUEUE)

        def count(**headers: str) -> int:
            with CaptureQueriesContext(connection) as captured:
                client.get(QUEUE, headers=headers)
            return sum(not query["sql"].startswith("SET ") for query in captured.captured_queries)

        return count

    def test_is_the_same_for_thirty_and_for_three_hundred(
        self, queries: Callable[..., int], review: Review
    ) -> None:
        copies(review, 29)
        few = queries()
        copies(review, 270)
        assert queries() == few <= MAX_QUERIES

    def test_of_a_fragment_is_no_more(self, queries: Callable[..., int], review: Review) -> None:
        assert queries(**{"HX-Request": "true"}) <= MAX_QUERIES


class TestSafety:
    def test_text_of_an_agent_is_inert(self, show: Show, open_review: Any) -> None:
        open_review(order_id="A-1001", amount=25.0, reason="<script>x</script>\u202egnp")
        html = show().content.decode()
        assert "<script>x" not in html
        assert "\u202e" not in html

    def test_reading_changes_nothing(self, bob: Any, review: Review) -> None:
        client = Client(SERVER_NAME="acme.localhost")
        client.force_login(bob)
        before = AuditEvent.objects.count()
        client.get(QUEUE, {"q": "refund"})
        client.head(QUEUE)
        assert AuditEvent.objects.count() == before

    def test_charlie_sees_nothing(self, show: Show, charlie: Any) -> None:
        assert show(charlie).status_code == 403

    def test_keeps_the_strict_policy(self, show: Show, review: Review) -> None:
        page = show()
        assert "unsafe" not in page["Content-Security-Policy"]
        assert not [w for w in ("<style", " style=", " onclick=", "<script>") if w in page.content.decode()]


class TestSavedViews:
    def views(self, who: Any) -> str:
        client = Client(SERVER_NAME="acme.localhost")
        client.force_login(who)
        return str(client.get(f"{QUEUE}views/").content.decode())

    def post(self, who: Any, path: str = "views/", **form: str) -> Any:
        client = Client(SERVER_NAME="acme.localhost")
        client.force_login(who)
        return client.post(f"{QUEUE}{path}", form)

    def test_keep_filters_under_a_name(self, bob: Any) -> None:
        answer = self.post(bob, name="My refunds", tool="refund_order", risk="high")
        assert answer["Location"] == "/reviews/?risk=high&tool=refund_order"
        assert "My refunds" in self.views(bob)

    def test_of_another_are_seen_when_shared(self, bob: Any, rita: Any) -> None:
        self.post(bob, name="Mine alone", risk="high")
        self.post(bob, name="For us all", risk="high", shared="1")
        html = self.views(rita)
        assert "For us all" in html
        assert "Mine alone" not in html

    def test_are_replaced_by_name_and_deleted_by_their_owner(self, bob: Any, rita: Any) -> None:
        for risk in ("high", "critical"):
            self.post(bob, name="Risky", risk=risk)
        view = SavedView.objects.get(owner=bob)
        assert view.filters == {"risk": "critical"}
        assert self.post(rita, f"views/{view.pk}/delete/").status_code == 404
        assert self.post(bob, f"views/{view.pk}/delete/").status_code == 302
        assert not SavedView.objects.filter(pk=view.pk).exists()

    def test_are_not_shared_by_vera_and_not_kept_by_charlie(self, person: Any) -> None:
        self.post(person("vera"), name="All of mine", shared="1")
        assert self.post(person("charlie"), name="x").status_code == 403
        assert not SavedView.objects.exists()

    def test_reach_the_audit_log(self, bob: Any) -> None:
        before = AuditEvent.objects.count()
        self.post(bob, name="Kept", risk="high")
        assert AuditEvent.objects.count() > before

    def test_are_refused_a_filter_that_does_not_exist(self, bob: Any) -> None:
        self.post(bob, name="Wrong", risk="huge")
        assert not SavedView.objects.exists()
