"""Standing grants in the dashboard, the admin and the API: who may, and what each face says."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from hitl.grants import operations
from hitl.grants.models import StandingGrant
from hitl.grants.types import GrantRequest
from hitl.reviews.models import Review
from hitl.reviews.types import Assurance

API = "/api/v1/hitl/grants"
Browser = Callable[..., Client]


@pytest.fixture
def browser(person: Any) -> Browser:
    """Return a function that gives a person's browser."""

    def make(who: str) -> Client:
        client = Client(SERVER_NAME="acme.localhost")
        client.force_login(person(who))
        return client

    return make


@pytest.fixture
def grant(review: Review, bob: Any) -> StandingGrant:
    """Return a grant that Bob gave just now, with text that hides in its reason."""
    limits = [{"path": "amount", "op": "le", "value": 50}]
    asked = GrantRequest(
        scope="args_pattern", conditions=limits, reason="<b>x\u202e", assurance=Assurance.SESSION
    )
    return operations.give(review_id=review.pk, giver=bob, request=asked, now=timezone.now())


@pytest.fixture(autouse=True)
def _unexpired(request: pytest.FixtureRequest) -> Iterator[None]:
    """Give the review an hour from now: pages ask the clock."""
    if "review" in request.fixturenames:
        review = request.getfixturevalue("review")
        Review.objects.filter(pk=review.pk).update(expires_at=timezone.now() + timedelta(hours=1))
        review.refresh_from_db()
    yield


def filled(review: Review, **changes: str) -> dict[str, str]:
    """Return the form as a browser would post it untouched, with these fields changed."""
    from hitl.grants.forms import GrantForm

    form = GrantForm(review)
    fields = {bound.html_name: bound.value() for bound in form}
    posted = {name: "" if value is None else str(value) for name, value in fields.items()}
    return {**posted, "reason": "broken in transit", **changes}


def key(review: Review, name: str) -> str:
    """Return how the form names an argument's fields."""
    from hitl.grants.forms import GrantForm

    fields = next(argument for argument in GrantForm(review).arguments() if argument.name == name)
    return str(fields.how.html_name.removesuffix("_how"))


class TestList:
    def test_says_what_each_covers(self, browser: Browser, grant: StandingGrant) -> None:
        page = browser("bob").get("/grants/")
        html = page.content.decode()
        assert "amount at most 50" in html
        assert "10 of 10 uses left" in html
        assert "unsafe" not in page["Content-Security-Policy"]
        assert not [word for word in ("<style", " style=", " onclick=", "<script>") if word in html]

    def test_marks_what_hides_and_escapes_what_acts(self, browser: Browser, grant: StandingGrant) -> None:
        html = browser("bob").get("/grants/").content.decode()
        assert ("\u202e" in html, "<b>x" in html) == (False, False)
        assert "&lt;b&gt;x" in html

    @pytest.mark.parametrize("who", ["bob", "vera", "audrey", "oscar", "alice"])
    def test_is_for_readers(self, browser: Browser, who: str) -> None:
        assert browser(who).get("/grants/").status_code == 200

    def test_is_not_for_charlie(self, browser: Browser) -> None:
        assert browser("charlie").get("/grants/").status_code == 403

    @pytest.mark.parametrize(
        ("who", "offered"), [("bob", True), ("oscar", True), ("rita", False), ("vera", False)]
    )
    def test_offers_to_revoke_to_those_who_may(
        self, browser: Browser, grant: StandingGrant, who: str, offered: bool
    ) -> None:
        html = browser(who).get("/grants/").content.decode()
        assert (f"/grants/{grant.pk}/revoke/" in html) == offered

    def test_keeps_those_that_ended(self, browser: Browser, grant: StandingGrant, bob: Any) -> None:
        operations.revoke(grant_id=grant.pk, by=bob, now=timezone.now())
        context = browser("bob").get("/grants/").context
        assert (len(context["standing"]), len(context["ended"])) == (0, 1)

    def test_takes_as_many_queries_for_many(
        self, browser: Browser, grant: StandingGrant, django_assert_max_num_queries: Any
    ) -> None:
        StandingGrant.objects.bulk_create(
            StandingGrant(
                **{
                    field.attname: getattr(grant, field.attname)
                    for field in StandingGrant._meta.fields
                    if field.name != "id"
                }
            )
            for _ in range(20)
        )
        client = browser("bob")
        with django_assert_max_num_queries(15):
            client.get("/grants/")


class TestForm:
    def test_is_filled_from_the_review(self, browser: Browser, review: Review) -> None:
        page = browser("bob").get(f"/grants/new/?review={review.pk}")
        html = page.content.decode()
        assert page.status_code == 200
        shown = {argument.name for argument in page.context["form"].arguments() if argument.given}
        assert shown == set(review.arguments)
        assert "unsafe" not in page["Content-Security-Policy"]
        assert not [word for word in ("<style", " style=", " onclick=", "<script>") if word in html]

    def test_gives_exactly_what_was_seen_when_left_alone(self, browser: Browser, review: Review) -> None:
        response = browser("bob").post(f"/grants/new/?review={review.pk}", filled(review))
        grant = StandingGrant.objects.get()
        assert response.status_code == 302
        assert (grant.scope, grant.arguments) == ("exact_args", review.arguments)
        assert (grant.uses, grant.requester_id, grant.assurance) == (1, review.requester_id, "session")
        assert grant.expires_at - grant.created_at == timedelta(hours=1)

    def test_gives_limits_in_plain_words(self, browser: Browser, review: Review) -> None:
        amount, order, reason = (key(review, name) for name in ("amount", "order_id", "reason"))
        posted = filled(
            review,
            scope="args_pattern",
            requester="anyone",
            uses="3",
            hours="0.5",
            **{
                f"{amount}_how": "between", f"{amount}_low": "", f"{amount}_high": "50",
                f"{order}_how": "begins", f"{order}_text": "A-",
                f"{reason}_how": "one_of", f"{reason}_text": "broken\r\nlost\r\n",
            },
        )  # fmt: skip
        assert browser("bob").post(f"/grants/new/?review={review.pk}", posted).status_code == 302
        grant = StandingGrant.objects.get()
        assert sorted(grant.conditions, key=lambda each: str(each["path"])) == [
            {"path": "amount", "op": "le", "value": 50},
            {"path": "order_id", "op": "prefix", "value": "A-"},
            {"path": "reason", "op": "in", "value": ["broken", "lost"]},
        ]
        assert (grant.uses, grant.requester) == (3, None)

    def test_gives_limits_exact_until_they_are_loosened(self, browser: Browser, review: Review) -> None:
        browser("bob").post(f"/grants/new/?review={review.pk}", filled(review, scope="args_pattern"))
        told = {each["path"]: (each["op"], each["value"]) for each in StandingGrant.objects.get().conditions}
        assert {name: told[name] for name in review.arguments} == {
            name: ("eq", value) for name, value in review.arguments.items()
        }

    def test_gives_nothing_for_a_call_that_was_edited_meanwhile(
        self, browser: Browser, review: Review
    ) -> None:
        posted = filled(review)
        Review.objects.filter(pk=review.pk).update(digest="0" * 64)
        assert browser("bob").post(f"/grants/new/?review={review.pk}", posted).status_code == 409
        assert not StandingGrant.objects.exists()

    @pytest.mark.parametrize(
        "changes",
        [
            {"uses": "101"}, {"uses": "0"}, {"uses": ""}, {"hours": "8.01"}, {"hours": "0"}, {"hours": "nan"},
            {"hours": "inf"}, {"reason": ""}, {"scope": "everything"}, {"scope": ""}, {"requester": "nobody"},
        ],
    )  # fmt: skip
    def test_refuses_what_is_beyond_its_limits(
        self, browser: Browser, review: Review, changes: dict[str, str]
    ) -> None:
        page = browser("bob").post(f"/grants/new/?review={review.pk}", filled(review, **changes))
        assert page.status_code == 422
        assert not StandingGrant.objects.exists()

    @pytest.mark.parametrize(
        ("name", "changes"),
        [
            ("amount", {"how": "between", "low": "", "high": ""}),
            ("amount", {"how": "between", "low": "much", "high": ""}),
            ("amount", {"how": "begins"}),
            ("amount", {"how": ""}),
            ("order_id", {"how": "begins", "text": ""}),
            ("order_id", {"how": "one_of", "text": "\r\n"}),
        ],
    )
    def test_refuses_limits_that_limit_nothing(
        self, browser: Browser, review: Review, name: str, changes: dict[str, str]
    ) -> None:
        fields = {f"{key(review, name)}_{part}": value for part, value in changes.items()}
        posted = filled(review, scope="args_pattern", **fields)
        assert browser("bob").post(f"/grants/new/?review={review.pk}", posted).status_code == 422
        assert not StandingGrant.objects.exists()

    def test_refuses_a_pattern_of_anything(self, browser: Browser, review: Review) -> None:
        from hitl.grants.forms import GrantForm

        anything = {argument.how.html_name: "anything" for argument in GrantForm(review).arguments()}
        posted = filled(review, scope="args_pattern", **anything)
        page = browser("bob").post(f"/grants/new/?review={review.pk}", posted)
        assert (page.status_code, StandingGrant.objects.count()) == (422, 0)

    @pytest.mark.parametrize("who", ["alice", "oscar", "vera", "charlie"])
    def test_is_for_those_who_could_decide_the_call(self, browser: Browser, review: Review, who: str) -> None:
        client = browser(who)
        assert client.get(f"/grants/new/?review={review.pk}").status_code == 403
        assert client.post(f"/grants/new/?review={review.pk}", filled(review)).status_code == 403
        assert not StandingGrant.objects.exists()

    @pytest.mark.parametrize("pk", ["", "x", "01890000-0000-7000-8000-000000000009"])
    def test_of_a_review_that_is_not_there_is_not_found(self, browser: Browser, pk: str) -> None:
        assert browser("bob").get(f"/grants/new/?review={pk}").status_code == 404

    def test_shows_argument_names_inert(self, browser: Browser, review: Review) -> None:
        Review.objects.filter(pk=review.pk).update(arguments={**review.arguments, "<i>\u202e": "<img src=x>"})
        html = browser("bob").get(f"/grants/new/?review={review.pk}").content.decode()
        assert not [word for word in ("<i>", "\u202e", "<img src=x>") if word in html]


class TestButtons:
    def test_revoke_and_resume(self, browser: Browser, grant: StandingGrant) -> None:
        StandingGrant.objects.filter(pk=grant.pk).update(paused_at=timezone.now(), paused_why="it failed")
        bob = browser("bob")
        assert "Paused" in bob.get("/grants/").content.decode()
        assert bob.post(f"/grants/{grant.pk}/resume/").status_code == 302
        assert bob.post(f"/grants/{grant.pk}/revoke/").status_code == 302
        grant.refresh_from_db()
        assert (grant.paused_at, grant.revoked_by.username) == (None, "bob")
        assert bob.post(f"/grants/{grant.pk}/revoke/").status_code == 409

    @pytest.mark.parametrize("verb", ["revoke", "resume"])
    def test_change_nothing_on_get(self, browser: Browser, grant: StandingGrant, verb: str) -> None:
        client = browser("bob")
        assert client.get(f"/grants/{grant.pk}/{verb}/").status_code == 405
        assert client.head(f"/grants/{grant.pk}/{verb}/").status_code == 405

    def test_are_refused_to_others(self, browser: Browser, grant: StandingGrant) -> None:
        assert browser("rita").post(f"/grants/{grant.pk}/revoke/").status_code == 403
        assert browser("oscar").post(f"/grants/{grant.pk}/resume/").status_code == 403


class TestAdmin:
    PAGE = "/admin/hitl/standinggrant/{}/change/"

    def test_shows_and_revokes(self, browser: Browser, grant: StandingGrant) -> None:
        alice = browser("alice")
        assert "amount at most 50" in alice.get("/admin/hitl/standinggrant/").content.decode()
        page = alice.get(self.PAGE.format(grant.pk)).content.decode()
        assert "Revoke this grant" in page
        alice.post(f"/admin/hitl/standinggrant/{grant.pk}/revoke/")
        grant.refresh_from_db()
        assert grant.revoked_by.username == "alice"
        assert "Revoke this grant" not in alice.get(self.PAGE.format(grant.pk)).content.decode()

    def test_stands_in_the_sidebar_of_those_who_may_read(self, browser: Browser) -> None:
        for who in ("alice", "bob"):
            assert "/admin/hitl/standinggrant/" in browser(who).get("/admin/").content.decode()

    def test_edits_nothing(self, browser: Browser, grant: StandingGrant) -> None:
        alice = browser("alice")
        assert alice.get("/admin/hitl/standinggrant/add/").status_code == 403
        assert alice.post(self.PAGE.format(grant.pk), {"uses": "99"}).status_code == 403
        assert alice.post(f"/admin/hitl/standinggrant/{grant.pk}/delete/").status_code == 403


class TestApi:
    @pytest.fixture
    def body(self, review: Review) -> dict[str, Any]:
        """Return what a person sends to give a grant."""
        limits = [{"path": "amount", "op": "le", "value": 50}]
        return {"review": str(review.pk), "scope": "args_pattern", "conditions": limits, "reason": "broken"}

    def test_gives_lists_and_revokes(self, client_of: Any, bob: Any, body: dict[str, Any]) -> None:
        client = client_of(bob)
        made = client.post(API, {**body, "uses": 3, "hours": 2}, format="json")
        assert (made.status_code, made.json()["covers"], made.json()["uses_left"]) == (
            201,
            "amount at most 50",
            3,
        )
        assert made.json()["assurance"] == "token"
        assert [each["id"] for each in client.get(f"{API}?standing=true").json()["results"]] == [
            made.json()["id"]
        ]
        revoked = client.post(f"{API}/{made.json()['id']}/revoke")
        assert (revoked.status_code, revoked.json()["state"]) == (200, "revoked")
        assert client.post(f"{API}/{made.json()['id']}/revoke").status_code == 409
        assert client.get(f"{API}?standing=true").json()["results"] == []

    def test_gives_once_for_one_key(self, client_of: Any, bob: Any, body: dict[str, Any]) -> None:
        answers = [
            client_of(bob).post(API, body, format="json", headers={"Idempotency-Key": "k"}) for _ in range(2)
        ]
        assert answers[0].json() == answers[1].json()
        assert StandingGrant.objects.count() == 1

    @pytest.mark.parametrize(
        ("changes", "status"),
        [
            ({"conditions": {}}, 422),
            ({"conditions": None}, 422),
            ({"conditions": []}, 422),
            ({"conditions": [{"path": "amount", "op": "??", "value": 1}]}, 422),
            ({"scope": "everything"}, 422),
            ({"uses": 101}, 422),
            ({"uses": "many"}, 422),
            ({"hours": 8.5}, 422),
            ({"hours": -1}, 422),
            ({"hours": 1e300}, 422),
            ({"hours": "nan"}, 422),
            ({"reason": ""}, 422),
            ({"requester": "nobody"}, 422),
            ({"review": "01890000-0000-7000-8000-000000000009"}, 404),
            ({"review": None}, 422),
        ],
    )
    def test_names_what_to_change(
        self, client_of: Any, bob: Any, body: dict[str, Any], changes: dict[str, Any], status: int
    ) -> None:
        response = client_of(bob).post(API, {**body, **changes}, format="json")
        assert response.status_code == status, response.json()
        assert status == 404 or response.json()["errors"], response.json()
        assert not StandingGrant.objects.exists()

    def test_knows_nothing_of_other_tenants(
        self, client_of: Any, grant: StandingGrant, globex_tenant: Any
    ) -> None:
        from governance.access.models import User
        from tenants.kernel.context import tenant_context

        with tenant_context(globex_tenant):
            grace = User.objects.create(username="grace", is_superuser=True, is_staff=True)
            client = client_of(grace, host="globex.localhost")
            assert client.get(f"{API}/{grant.pk}").status_code == 404
            assert client.post(f"{API}/{grant.pk}/revoke").status_code == 404
