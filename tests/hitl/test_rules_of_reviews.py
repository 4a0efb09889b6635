"""Plans, tiers and thresholds in the admin and over the API: who wrote them, and what is refused."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from governance.audit.models import AuditEvent
from governance.policies.models import RiskThreshold
from hitl.reviews.models import Review, ReviewPlan, ReviewTier

PLANS, TIERS, THRESHOLDS = "/api/v1/hitl/plans", "/api/v1/hitl/tiers", "/api/v1/governance/thresholds"
ADMIN = "/admin/hitl/reviewplan/"
ONE = {"stages": [{"name": "peer", "any_of": [{"approve": 1}]}]}
FORM = {
    "name": "Money", "risk": "high", "tool": "refund_*", "enabled": "on", "order": "parallel", "min_distinct": "1",
    "exclude": ["initiator", "delegator", "agent_owner", "last_editor", "rule_author"], "human_only": "on",
}  # fmt: skip


@pytest.fixture
def as_alice(alice: Any) -> Client:
    """Return Alice's browser."""
    client = Client(headers={"host": "acme.localhost"})
    client.force_login(alice)
    return client


@pytest.fixture
def groups(bob: Any, rita: Any) -> None:
    """Put Bob into payments and Rita into risk."""
    for person, name in ((bob, "payments"), (rita, "risk")):
        person.groups.add(Group.objects.create(name=name))


def send(client: Any, method: str, path: str, **body: Any) -> Any:
    return getattr(client, method)(path, body, format="json")


class TestPlansOverTheApi:
    def test_have_the_author_who_wrote_them_and_words(self, alice: Any, client_of: Any, groups: None) -> None:
        stages = [
            {"name": "peer", "any_of": [{"approve": 1, "where": "'payments' in reviewer.groups"}]},
            {"name": "control", "any_of": [{"approve": 1, "where": "'risk' in reviewer.groups"}]},
        ]
        made = send(client_of(alice), "post", PLANS, name="Money", document={"stages": stages})
        assert (made.status_code, made.json()["author"]) == (201, "alice")
        assert made.json()["words"] == "Stage peer: 1 of 'payments'; and stage control: 1 of 'risk'"
        event = AuditEvent.objects.filter(action="config.changed", subject_kind="reviewplan").latest("id")
        assert event.actor_name == "alice"

    def test_change_hands_with_an_edit(self, alice: Any, person: Any, client_of: Any) -> None:
        plan = ReviewPlan.objects.create(name="One", document=ONE, author=person("vera"))
        assert (
            send(client_of(alice), "patch", f"{PLANS}/{plan.pk}", enabled=False).json()["author"] == "alice"
        )

    @pytest.mark.parametrize(
        ("document", "at"),
        [
            (None, "/document"),
            ([], "/document"),
            ({"stages": []}, "/document/stages"),
            ({**ONE, "more": 1}, "/document/more"),
            (
                {"stages": [{"name": "a", "any_of": [{"approve": 1, "where": "f()"}]}]},
                "/document/stages/0/any_of/0/where",
            ),
            ({"stages": [{"name": "a", "any_of": [{"approve": 9}]}]}, "/document/stages"),
        ],
    )  # fmt: skip
    def test_are_refused_with_each_mistake_named(
        self, alice: Any, client_of: Any, document: Any, at: str
    ) -> None:
        refused = send(client_of(alice), "post", PLANS, name="x", document=document)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid-input")
        assert at in [error["at"] for error in refused.json()["errors"]]
        assert not ReviewPlan.objects.exists()

    def test_that_too_few_could_meet_name_who_would(self, alice: Any, client_of: Any, groups: None) -> None:
        where = "'payments' in reviewer.groups"
        stages = [{"name": "peer", "any_of": [{"approve": 2, "where": where}]}]
        refused = send(client_of(alice), "post", PLANS, name="x", document={"stages": stages}).json()
        (error,) = refused["errors"]
        assert "Stage peer: 2 of 'payments'" in error["message"]
        assert "For peer there would be bob." in error["message"]

    def test_do_not_count_their_author(self, bob: Any, person: Any, client_of: Any) -> None:
        author = person("bob", "hitl.add_reviewplan")
        three = {"stages": [{"name": "all", "any_of": [{"approve": 3}]}]}
        refused = send(client_of(author), "post", PLANS, name="x", document=three).json()
        assert "You do not count" in refused["errors"][0]["message"]
        assert "there would be alice, rita" in refused["errors"][0]["message"]
        counted = {**three, "exclude": ["initiator"]}
        assert send(client_of(author), "post", PLANS, name="x", document=counted).status_code == 422


class TestTiersOverTheApi:
    def test_are_set_and_changed(self, alice: Any, client_of: Any) -> None:
        made = send(client_of(alice), "post", TIERS, risk="medium", veto_window_s=60)
        assert (made.status_code, made.json()["veto_window_s"], made.json()["expires_after_s"]) == (
            201,
            60,
            3600,
        )
        url = f"{TIERS}/{made.json()['id']}"
        assert (
            send(client_of(alice), "patch", url, min_assurance="session").json()["min_assurance"] == "session"
        )
        assert send(client_of(alice), "delete", url).status_code == 204

    @pytest.mark.parametrize(
        "body",
        [
            {"risk": "low"},
            {"risk": "medium", "veto_window_s": 3600},
            {"risk": "medium", "expires_after_s": 300},
            {"risk": "medium", "veto_window_s": 29},
            {"risk": "medium", "expires_after_s": 59, "veto_window_s": 0},
            {"risk": "high", "min_assurance": "shouting"},
        ],
    )
    def test_are_refused_where_they_make_no_sense(
        self, alice: Any, client_of: Any, body: dict[str, Any]
    ) -> None:
        assert send(client_of(alice), "post", TIERS, **body).status_code == 422
        assert not ReviewTier.objects.exists()

    def test_are_one_for_each_risk(self, alice: Any, client_of: Any) -> None:
        ReviewTier.objects.create(risk="high")
        assert send(client_of(alice), "post", TIERS, risk="high").status_code == 422

    def test_keep_their_window_below_their_end_when_one_is_changed(self, alice: Any, client_of: Any) -> None:
        tier = ReviewTier.objects.create(risk="medium", veto_window_s=600)
        refused = send(client_of(alice), "patch", f"{TIERS}/{tier.pk}", expires_after_s=600)
        assert (refused.status_code, refused.json()["errors"][0]["at"]) == (422, "/veto_window_s")


class TestThresholdsOverTheApi:
    def test_have_the_author_who_wrote_them(self, alice: Any, person: Any, client_of: Any) -> None:
        body = {"tool": "refund_*", "argument": "amount", "at_least": "99.5", "risk": "critical"}
        made = send(client_of(alice), "post", THRESHOLDS, **body)
        assert (made.status_code, made.json()["author"], made.json()["at_least"]) == (201, "alice", 99.5)
        RiskThreshold.objects.update(author=person("vera"))
        url = f"{THRESHOLDS}/{made.json()['id']}"
        assert send(client_of(alice), "patch", url, at_least="1").json()["author"] == "alice"

    @pytest.mark.parametrize(
        "change", [{"risk": "low"}, {"at_least": "NaN"}, {"at_least": "much"}, {"tool": ""}]
    )
    def test_are_refused_where_they_make_no_sense(self, alice: Any, client_of: Any, change: Any) -> None:
        body = {"tool": "refund_*", "argument": "amount", "at_least": "1", "risk": "high", **change}
        assert send(client_of(alice), "post", THRESHOLDS, **body).status_code == 422


class TestAdmin:
    def test_takes_stages_as_lines(self, as_alice: Client, alice: Any, groups: None) -> None:
        text = "peer: 1 of payments\r\ncontrol: 2 of nobody or 1 of risk"
        assert as_alice.post(f"{ADMIN}add/", {**FORM, "stages": text}).status_code == 302
        plan = ReviewPlan.objects.get()
        assert plan.author == alice
        assert [stage["name"] for stage in plan.document["stages"]] == ["peer", "control"]
        page = as_alice.get(f"{ADMIN}{plan.pk}/change/").content.decode()
        assert "peer: 1 of payments\ncontrol: 2 of nobody or 1 of risk" in page
        assert "Stage peer: 1 of &#x27;payments&#x27;; and stage control" in page
        assert "of refund_*" in as_alice.get(ADMIN).content.decode()

    def test_takes_json_where_lines_do_not_suffice(self, as_alice: Client) -> None:
        document = '{"stages": [{"name": "a", "any_of": [{"approve": 1, "where": "reviewer.username == \'rita\'"}]}]}'
        assert as_alice.post(f"{ADMIN}add/", {**FORM, "document": document}).status_code == 302
        plan = ReviewPlan.objects.get()
        page = as_alice.get(f"{ADMIN}{plan.pk}/change/")
        assert "reviewer.username ==" in page.context["adminform"].form["document"].value()
        assert page.context["adminform"].form["stages"].value() is None

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ({}, "not both"),
            ({"stages": "peer: 1 of anybody", "document": '{"stages": []}'}, "not both"),
            ({"stages": "peer 1"}, "Line 1 is not understood"),
            ({"stages": "peer: 9 of payments"}, "For peer there would be bob"),
            ({"stages": "peer: 0 of payments"}, "Use a number from 1"),
            ({"document": '{"stages": []}'}, "Give 1 to 6 stages"),
            ({"document": "{"}, "Enter a valid JSON"),
            ({"stages": "peer: 1 of anybody", "exclude": ["last_editor"]}, "initiator is always excluded"),
        ],
    )
    def test_names_what_is_wrong(
        self, as_alice: Client, groups: None, given: dict[str, Any], told: str
    ) -> None:
        page = as_alice.post(f"{ADMIN}add/", {**FORM, **given})
        assert page.status_code == 200
        assert told in page.content.decode()
        assert not ReviewPlan.objects.exists()

    def test_shows_what_is_in_force_for_tiers_without_a_row(self, as_alice: Client) -> None:
        ReviewTier.objects.all().delete()
        ReviewTier.objects.create(risk="medium", expires_after_s=7200, feedback_rounds=1)
        page = as_alice.get("/admin/hitl/reviewtier/")
        html = page.content.decode()
        assert "What is in force now" in html
        shown = {tier["risk"]: (tier["expires_after"], tier["own"]) for tier in page.context["in_force"]}
        assert shown == {
            "low": ("1 h 0 min", False),
            "medium": ("2 h 0 min", True),
            "high": ("1 h 0 min", False),
            "critical": ("1 h 0 min", False),
        }
        assert html.count("<td>the defaults</td>") == 3

    def test_keeps_thresholds_and_tiers(self, as_alice: Client, alice: Any) -> None:
        RiskThreshold.objects.all().delete()  # the demo's
        given = {
            "tool": "refund_*",
            "argument": "amount",
            "at_least": "100",
            "risk": "critical",
            "enabled": "on",
        }
        assert as_alice.post("/admin/governance/riskthreshold/add/", given).status_code == 302
        assert RiskThreshold.objects.get().author == alice
        assert (
            "refund_*: amount from 100 on"
            in as_alice.get("/admin/governance/riskthreshold/").content.decode()
        )
        tier = {
            "risk": "medium",
            "expires_after_s": 60,
            "veto_window_s": 60,
            "min_assurance": "chat",
            "feedback_rounds": 1,
        }
        refused = as_alice.post("/admin/hitl/reviewtier/add/", tier)
        assert "must end before the review expires" in refused.content.decode()
        assert as_alice.post("/admin/hitl/reviewtier/add/", {**tier, "veto_window_s": 30}).status_code == 302

    @pytest.mark.parametrize("path", [ADMIN, "/admin/hitl/reviewtier/", "/admin/governance/riskthreshold/"])
    @pytest.mark.parametrize("who", ["bob", "oscar", "vera", "audrey"])
    def test_is_for_admins(self, person: Any, path: str, who: str) -> None:
        client = Client(headers={"host": "acme.localhost"})
        client.force_login(person(who))
        assert client.get(path).status_code == 403


class TestQueue:
    def test_costs_the_same_queries_however_long_it_is(
        self, open_review: Callable[..., Review], bob: Any, rita: Any, say: Any, client_of: Any,
        django_assert_max_num_queries: Any,
    ) -> None:  # fmt: skip
        def fill(number: int) -> None:
            for at in range(number):
                review = open_review(risk="critical" if at % 2 else "high")
                if at % 5 == 1:
                    say(review, rita)
                if at % 5 == 2:
                    say(review, bob, "reject", message="no")

        url = "/api/v1/hitl/queue?page_size=50"
        client = client_of(type(bob).objects.get(pk=bob.pk))
        fill(5)
        client.get(url)  # what is looked up once for each process
        with django_assert_max_num_queries(15) as few:
            assert len(client_of(type(bob).objects.get(pk=bob.pk)).get(url).json()["results"]) == 5
        fill(20)
        with django_assert_max_num_queries(len(few)):
            assert len(client_of(type(bob).objects.get(pk=bob.pk)).get(url).json()["results"]) == 25
