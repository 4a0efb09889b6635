"""The review page: who decides, first looks, passwords, long arguments, talk, and what was decided before."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from governance.audit.models import AuditEvent
from governance.types import Risk
from hitl.desk.plan_words import plan_words
from hitl.reviews import operations
from hitl.reviews.models import Review, ReviewView
from hitl.reviews.quorum import Ballot, Plan, Verdict
from hitl.reviews.types import Assurance
from tests.governance.samples import proposal

Open = Callable[..., Review]
Browser = Callable[[str], Client]
MOST_QUERIES = 20


@pytest.fixture
def browser(person: Any) -> Browser:
    """Return a function that gives somebody's browser, signed in with a password of theirs."""

    def make(who: str) -> Client:
        client, user = Client(SERVER_NAME="acme.localhost"), person(who)
        user.set_password(f"{who}'s word")
        user.save()
        client.force_login(user)
        cache.delete(f"stepup:{user.pk}")
        return client

    return make


def pending(review: Review, **changes: Any) -> Review:
    """Give the review an hour from now: pages ask the clock."""
    Review.objects.filter(pk=review.pk).update(expires_at=timezone.now() + timedelta(hours=1), **changes)
    review.refresh_from_db()
    return review


def path(review: Review, more: str = "") -> str:
    return f"/reviews/{review.pk}/{more}"


def seen(review: Review, decision: str, **more: str) -> dict[str, str]:
    return {"decision": decision, "version": str(review.version), "digest": review.digest, **more}


def html(client: Client, review: Review, query: str = "") -> str:
    return client.get(path(review, query)).content.decode()


class TestFirstLook:
    def test_is_kept_when_the_page_says_so(self, browser: Browser, review: Review, bob: Any) -> None:
        assert browser("bob").post(path(pending(review), "viewed/")).status_code == 204
        review.refresh_from_db()
        assert review.first_viewed_at is not None
        assert ReviewView.objects.filter(review=review, viewer=bob).count() == 1

    def test_is_not_kept_by_fetching_the_page(self, browser: Browser, review: Review) -> None:
        client = browser("bob")
        for method in (client.get, client.head):
            assert method(path(pending(review))).status_code == 200
        assert client.get(path(review, "viewed/")).status_code == 405
        assert not ReviewView.objects.filter(review=review).exists()

    def test_of_strangers_is_not_kept(self, browser: Browser, review: Review) -> None:
        assert browser("charlie").post(path(pending(review), "viewed/")).status_code == 403
        anonymous = Client(SERVER_NAME="acme.localhost")
        assert anonymous.post(path(review, "viewed/")).status_code == 302
        assert not ReviewView.objects.filter(review=review).exists()


class TestPassword:
    def test_is_asked_for_again_under_critical_risk_alone(self, browser: Browser, open_review: Open) -> None:
        high, critical = pending(open_review()), pending(open_review(risk="critical"))
        assert 'name="password"' in html(browser("bob"), critical)
        assert 'name="password"' not in html(browser("bob"), high)

    def test_that_is_right_gives_the_highest_assurance(self, browser: Browser, critical: Review) -> None:
        browser("bob").post(path(pending(critical)), seen(critical, "approve", password="bob's word"))
        assert critical.votes.get().assurance == Assurance.STEP_UP

    @pytest.mark.parametrize("password", ["", "rita's word", "demo"])
    def test_that_is_wrong_records_nothing(self, browser: Browser, critical: Review, password: str) -> None:
        page = browser("bob").post(path(pending(critical)), seen(critical, "approve", password=password))
        assert page.status_code == 403
        assert "That is not your password. Nothing was done." in page.content.decode()
        assert not critical.votes.exists()

    def test_is_looked_at_five_times_in_15_minutes(self, browser: Browser, critical: Review) -> None:
        client = browser("bob")
        pending(critical)
        wrong = [client.post(path(critical), seen(critical, "approve", password="x")) for _ in range(5)]
        assert {page.status_code for page in wrong} == {403}
        page = client.post(path(critical), seen(critical, "approve", password="bob's word"))
        assert page.status_code == 429
        assert not critical.votes.exists()

    def test_is_not_asked_for_to_say_no(self, browser: Browser, critical: Review) -> None:
        browser("bob").post(path(pending(critical)), seen(critical, "reject", message="no"))
        critical.refresh_from_db()
        assert critical.status == "rejected"


class TestSecondFactor:
    @pytest.fixture
    def secret(self, bob: Any) -> str:
        """Give Bob an authenticator app; return its secret."""
        secret = str(generate_totp_secret())
        TOTP.activate(bob, secret)
        return secret

    @staticmethod
    def code(secret: str) -> str:
        return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))

    def test_takes_the_place_of_the_password(self, browser: Browser, critical: Review, secret: str) -> None:
        client = browser("bob")
        page = html(client, pending(critical))
        assert 'name="code"' in page
        assert 'name="password"' not in page
        refused = client.post(path(critical), seen(critical, "approve", password="bob's word"))
        assert refused.status_code == 403
        assert not critical.votes.exists()
        client.post(path(critical), seen(critical, "approve", code=self.code(secret)))
        assert critical.votes.get().assurance == Assurance.STEP_UP

    def test_gives_the_session_a_new_key_and_is_on_record(
        self, browser: Browser, critical: Review, secret: str
    ) -> None:
        client = browser("bob")
        before = client.session.session_key
        client.post(path(pending(critical)), seen(critical, "approve", code=self.code(secret)))
        assert client.session.session_key != before
        steps = AuditEvent.objects.filter(action="auth.step_up").values_list("outcome", "body__with")
        assert list(steps) == [("ok", "code")]

    def test_of_a_code_is_not_enough_where_a_passkey_is_asked_for(
        self, browser: Browser, critical: Review, secret: str
    ) -> None:
        pending(critical, min_assurance=Assurance.PASSKEY)
        page = browser("bob").post(path(critical), seen(critical, "approve", code=self.code(secret)))
        assert page.status_code == 403
        assert not critical.votes.exists()


class TestLongArguments:
    @pytest.fixture
    def long(self, open_review: Open) -> Review:
        """Return a review with a megabyte of text, whose end matters."""
        review = pending(open_review())
        text = "word " * 200_000 + "THE END"
        Review.objects.filter(pk=review.pk).update(arguments={**review.arguments, "reason": text})
        return pending(review)

    def test_are_not_decided_before_all_was_shown(self, browser: Browser, long: Review) -> None:
        page = html(browser("bob"), long)
        assert "THE END" not in page
        assert 'href="?all=1"' in page
        assert 'aria-describedby="not-whole"' in page
        assert 'id="edit"' not in page
        answer = browser("bob").post(path(long), seen(long, "approve"))
        assert answer.status_code == 422
        assert not long.votes.exists()

    def test_are_shown_whole_when_asked_for(self, browser: Browser, long: Review) -> None:
        page = html(browser("bob"), long, "?all=1")
        assert page.count("THE END") >= 2  # for people and as JSON
        assert 'name="all" value="1"' in page
        answer = browser("bob").post(path(long), seen(long, "approve", all="1"))
        assert answer.status_code == 302

    def test_can_be_rejected_as_they_are(self, browser: Browser, long: Review) -> None:
        assert browser("bob").post(path(long), seen(long, "reject", message="too long")).status_code == 302

    def test_of_usual_length_are_complete(self, browser: Browser, open_review: Open) -> None:
        reason = "\n".join(f"line {number}" for number in range(60))
        page = html(browser("bob"), pending(open_review(order_id="A-1001", amount=25.0, reason=reason)))
        assert all(f"line {number}" in page for number in range(60))
        assert "as they will be sent" in page


class TestEvidence:
    def test_says_where_values_appear(self, browser: Browser, review: Review) -> None:
        evidence = {
            "query": "refund 25.00",
            "steps": [{"number": 2, "kind": "tool", "name": "lookup_order", "content": {"id": "A-1001"}}],
        }
        page = html(browser("bob"), pending(review, evidence=evidence))
        assert "appears in the request" in page
        assert "appears in the result of step 2, <code>lookup_order</code>" in page
        assert "the agent&#x27;s own" in page or "the agent's own" in page

    def test_warns_of_letters_that_pass_for_others(self, browser: Browser, open_review: Open) -> None:
        page = html(browser("bob"), pending(open_review(order_id="\u0410-1001", amount=25.0, reason="x")))
        assert 'id="look-alikes"' in page
        assert "CYRILLIC CAPITAL LETTER A, not A" in page

    def test_shows_what_was_decided_before_same_shape_first(
        self, browser: Browser, open_review: Open, bob: Any, say: Any
    ) -> None:
        said = say(
            open_review(order_id="A-1002", amount=1.0, reason="same"), bob, "reject", message="no photo"
        )
        other = say(open_review(), bob, "approve")
        Review.objects.filter(pk=other.pk).update(shape="another", effect_outcome="ok")
        page = browser("bob").get(path(pending(open_review())))
        shown = [row["pk"] for row in page.context["similar"]]
        assert shown.index(said.pk) < shown.index(other.pk)
        assert "no photo" in page.content.decode()
        assert page.context["similar_shares"].count("1") >= 2

    def test_names_each_edit_with_its_author(
        self, browser: Browser, review: Review, rita: Any, say: Any
    ) -> None:
        say(pending(review), rita, "edit", arguments={**review.arguments, "amount": 20.0}, at=timezone.now())
        page = html(browser("bob"), review)
        assert "<code>/amount</code> set: " in page
        assert "Approve as edited" in page
        assert "a reviewer's: it appears in nothing" in page

    def test_names_who_answers_for_what_nobody_objects_to(
        self, browser: Browser, review: Review, alice: Any
    ) -> None:
        until = timezone.now() + timedelta(minutes=4)
        page = html(browser("bob"), pending(review, veto_until=until, owner=alice))
        assert "unless somebody objects" in page
        assert "alice owns the agent and answers for it" in page

    def test_asks_the_database_at_most_20_times(
        self, browser: Browser, open_review: Open, bob: Any, say: Any
    ) -> None:
        for _ in range(3):
            say(open_review(), bob, "approve")
        client, review = browser("bob"), pending(open_review())
        html(client, review)
        with CaptureQueriesContext(
            connection,
        ) as asked:
            html(client, review)
        queries = [query["sql"] for query in asked if not query["sql"].startswith("SET ")]
        assert len(queries) <= MOST_QUERIES, "\n".join(queries)


class TestWords:
    def test_sends_back_with_guidance(self, browser: Browser, review: Review) -> None:
        browser("bob").post(path(pending(review)), seen(review, "feedback", message="half of it"))
        review.refresh_from_db()
        assert (review.status, review.votes.get().decision) == ("rejected", "feedback")

    def test_asks_back_stays_and_is_answered_by_the_requester(self, browser: Browser, review: Review) -> None:
        page = browser("bob").post(
            path(pending(review)), seen(review, "request_info", message="Is there a photo?"), follow=True
        )
        assert page.context["review"] == review
        assert "Is there a photo?" in page.content.decode()
        assert "Send the answer" in html(browser("oscar"), review)
        browser("oscar").post(path(review, "reply/"), {"message": "In ticket 4711."})
        assert "In ticket 4711." in html(browser("bob"), review)

    def test_takes_a_vote_back(self, browser: Browser, critical: Review) -> None:
        client = browser("bob")
        client.post(path(pending(critical)), seen(critical, "approve", password="bob's word"))
        assert "Take your vote back" in html(client, critical)
        client.post(path(critical), seen(critical, "withdraw"))
        assert client.get(path(critical)).context["plan"].given == 0

    def test_takes_an_unused_approval_back(self, browser: Browser, review: Review) -> None:
        client = browser("bob")
        client.post(path(pending(review)), seen(review, "approve"))
        assert "Take the approval back" in html(client, review)
        client.post(path(review, "revoke/"), {"message": "wrong order"})
        review.refresh_from_db()
        assert review.status == "revoked"
        assert "so it was not run" in html(client, review)

    def test_keeps_the_earliest_start_that_the_approver_wants(self, browser: Browser, review: Review) -> None:
        start = (timezone.now() + timedelta(hours=2)).replace(second=0, microsecond=0)
        given = seen(review, "approve", not_before=f"{start:%Y-%m-%dT%H:%M}")
        browser("bob").post(path(pending(review)), given)
        review.refresh_from_db()
        assert review.not_before == start

    def test_refuses_a_start_that_is_no_time(self, browser: Browser, review: Review) -> None:
        given = seen(review, "approve", not_before="tomorrow")
        assert browser("bob").post(path(pending(review)), given).status_code == 422

    def test_claims_and_releases(self, browser: Browser, review: Review, bob: Any) -> None:
        client = browser("bob")
        assert "Claim</button>" in html(client, pending(review))
        page = client.post(path(review, "claim/"), {"channel": "admin"}, follow=True)
        assert page.redirect_chain == [(f"/admin/hitl/review/{review.pk}/change/", 302)]
        review.refresh_from_db()
        assert review.assigned_to == bob
        page = client.post(path(review, "release/"), follow=True)
        assert "You gave it back." in page.content.decode()

    def test_of_those_who_may_not_decide_are_refused(self, browser: Browser, review: Review) -> None:
        for verb in ("claim", "release", "revoke"):
            assert browser("vera").post(path(pending(review), f"{verb}/")).status_code == 403
        assert browser("oscar").post(path(review, "reply/"), {"message": " "}).status_code == 422
        assert browser("vera").post(path(review, "reply/"), {"message": "hi"}).status_code == 403

    def test_says_who_may_not_and_why(self, browser: Browser, review: Review) -> None:
        page = html(browser("bob"), pending(review))
        assert "oscar (asked for it)" in page
        assert "alice (owns the agent)" in page
        assert "You own the agent" in html(browser("alice"), review)


class TestQuestionsAndEscalations:
    def test_a_question_offers_its_answers(self, browser: Browser, agent: Any, oscar: Any) -> None:
        now = timezone.now()
        review = operations.ask(
            request=proposal(agent=agent, user=oscar),
            subject="Which address?",
            details="There are two.",
            options=["Hafenstrasse 12", "Bergweg 3"],
            evidence={"query": "send it", "steps": []},
            expires_at=now + timedelta(hours=1),
            now=now,
        )
        page = html(browser("bob"), review)
        assert "Support assistant asks" in page
        assert 'name="message" value="Bergweg 3"' in page
        browser("bob").post(path(review), seen(review, "respond", message="Bergweg 3"))
        review.refresh_from_db()
        assert review.status == "answered"
        assert "The agent has the answer." in html(browser("bob"), review)

    def test_an_escalation_is_about_no_run(self, browser: Browser, oscar: Any) -> None:
        now = timezone.now()
        review = operations.escalate(
            by=oscar,
            run=None,
            agent=None,
            subject="Refunds look odd",
            details="Three in an hour.",
            priority=Risk.HIGH,
            expires_at=now + timedelta(hours=1),
            now=now,
        )
        for face in (path(review), f"/admin/hitl/review/{review.pk}/change/", "/reviews/"):
            page = browser("bob").get(face)
            assert page.status_code == 200
            assert "oscar asks for help" in page.content.decode()
        browser("bob").post(path(review), seen(review, "respond", message="Looked; all fine."))
        assert "Looked; all fine." in html(browser("bob"), review)


class TestPlanWords:
    def plan(self, *rules: dict[str, Any], **more: Any) -> Plan:
        return Plan.from_json({"stages": [{"name": "peer", "any_of": list(rules)}], **more})

    @pytest.mark.parametrize(
        ("rule", "text"),
        [
            ({"approve": 1}, "1 person who may decide reviews"),
            ({"approve": 2, "where": "'risk' in reviewer.groups"}, "2 people of the group risk"),
            ({"approve": 1, "where": "reviewer.username == 'rita'"}, "rita"),
            (
                {"approve": 1, "where": "not ('x' in reviewer.groups)"},
                "1 person for whom not ('x' in their groups)",
            ),
        ],
    )
    def test_say_whom_a_rule_asks(self, rule: dict[str, Any], text: str) -> None:
        (stage,) = plan_words(self.plan(rule), [], digest="d").stages
        assert [line.text for line in stage.lines] == [text]

    def test_count_standing_approvals_of_the_action_as_it_is(self) -> None:
        def vote(who: int, verdict: Verdict, digest: str = "d") -> Ballot:
            return Ballot(reviewer_id=who, verdict=verdict, digest=digest, rules=("peer/1",))

        votes = [
            vote(1, Verdict.APPROVE),
            vote(2, Verdict.APPROVE, "older"),
            vote(3, Verdict.APPROVE),
            vote(3, Verdict.WITHDRAW),
        ]
        words = plan_words(self.plan({"approve": 2}, min_distinct=2), votes, digest="d")
        assert (words.given, words.missing, words.is_plain) == (1, 1, True)
        assert [(line.given, line.needed) for line in words.stages[0].lines] == [(1, 2)]
