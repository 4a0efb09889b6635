"""Who is told of what, and by which way: rows that are written and taken back, before anything is sent."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from governance.access.models import User
from hitl.notifications import contacts, listeners, operations
from hitl.notifications.models import Notification
from hitl.notifications.types import Importance, Status
from hitl.reviews import attention
from hitl.reviews.models import Review
from tenants.kernel.context import require_schema
from tenants.kernel.errors import InvalidInput
from tenants.timers.models import Timer
from tests.governance.samples import NOW
from tests.hitl.outbox import contact, endpoint, rows, rule, statuses


@pytest.fixture(autouse=True)
def nobody_has_mail(acme: Any) -> None:
    """Leave people with the inbox alone unless a test says otherwise."""
    User.objects.update(email="")


def tell(*people: Any, review: Review | None = None, dedup: str = "one", **more: Any) -> int:
    given = {"kind": "escalation", "importance": "default", "subject": "Look", "text": "", "now": NOW, **more}
    return operations.notify(recipients=people, review=review, dedup=dedup, **given)


def unassigned(review: Review) -> None:
    """Tell of the review as if routing had left it to everybody."""
    Notification.objects.filter(review_id=review.pk).delete()
    Review.objects.filter(pk=review.pk).update(assigned_to=None)
    listeners.on_opened(review)


class TestRecipients:
    def test_of_a_new_review_are_those_who_may_decide_it(
        self, review: Review, bob: Any, rita: Any, alice: Any
    ) -> None:
        unassigned(review)
        told = {row.recipient.username for row in rows(review_id=review.pk)}
        assert {"bob", "rita"} <= told
        assert "oscar" not in told  # he asked for it
        assert "vera" not in told

    def test_are_never_people_who_are_excluded(self, review: Review, oscar: Any, bob: Any) -> None:
        assert tell(oscar, bob, review=review) == 1
        assert not rows(recipient=oscar, asks=True)

    def test_are_never_inactive(self, bob: Any) -> None:
        User.objects.filter(pk=bob.pk).update(is_active=False)
        assert tell(User.objects.get(pk=bob.pk)) == 0

    def test_are_never_agents(self, agent: Any) -> None:
        assert tell(agent.principal) == 0

    def test_are_told_once_for_each_reason(self, bob: Any) -> None:
        assert (tell(bob), tell(bob), tell(bob, bob), tell(bob, dedup="another")) == (1, 0, 0, 1)

    def test_is_only_the_assignee_where_there_is_one(self, review: Review, bob: Any, rita: Any) -> None:
        Notification.objects.all().delete()
        Review.objects.filter(pk=review.pk).update(assigned_to=rita)
        listeners.on_opened(review)
        assert [row.recipient for row in rows(review_id=review.pk)] == [rita]

    def test_include_a_later_assignee_who_was_not_told(self, review: Review, rita: Any) -> None:
        Notification.objects.filter(recipient=rita).delete()
        Review.objects.filter(pk=review.pk).update(
            assigned_to=rita, expires_at=timezone.now() + timedelta(hours=1)
        )
        attention.raise_priority(review_id=review.pk, priority="critical", by=None, now=NOW)
        assert len(rows(recipient=rita, review_id=review.pk)) == 1


class TestRules:
    def test_lead_each_person_their_own_way(self, bob: Any, rita: Any) -> None:
        mail = contact(bob, "email", "bob@example.com")
        rule(bob, None, wait_s=300)
        rule(bob, mail)
        assert tell(bob, rita) == 3
        first, second = rows(recipient=bob)
        assert (first.channel, first.status, first.sent_at) == ("in_app", Status.SENT, NOW)
        assert (second.channel, second.address) == ("email", "bob@example.com")
        assert (second.status, second.next_at) == (Status.PENDING, NOW + timedelta(minutes=5))

    def test_are_others_for_what_is_important(self, bob: Any) -> None:
        rule(bob, None)
        rule(bob, contact(bob, "email", "bob@example.com"), importance="important")
        tell(bob, importance="important")
        assert [row.channel for row in rows(recipient=bob)] == ["email"]

    def test_that_are_missing_mean_inbox_and_mail_and_the_row_says_so(self, bob: Any) -> None:
        bob.email = "bob@work.example"
        bob.save()
        tell(bob)
        found = {row.channel: row for row in rows(recipient=bob)}
        assert set(found) == {"in_app", "email"}
        assert found["email"].address == "bob@work.example"
        assert "No rule" in found["email"].note

    def test_that_lead_nowhere_fall_back_too(self, bob: Any) -> None:
        mail = contact(bob, "email", "bob@example.com")
        rule(bob, mail)
        type(mail).objects.update(disabled_at=NOW)
        tell(bob)
        [row] = rows(recipient=bob)
        assert row.channel == "in_app"
        assert "leads anywhere" in row.note

    def test_of_others_cannot_be_used(self, bob: Any, rita: Any) -> None:
        ritas = contact(rita, "email", "rita@example.com")
        with pytest.raises(InvalidInput):
            contacts.save_rules(
                user=bob, importance=Importance.DEFAULT, now=NOW,
                rules=[contacts.Rule(contact_id=ritas.pk, wait_s=0)],
            )  # fmt: skip


class TestEndpoints:
    def test_get_what_they_want(self, alice: Any, open_review: Any) -> None:
        everything = endpoint("email", alice, "All", to="all@example.com")
        important = endpoint("email", alice, "Important", to="important@example.com")
        decided = endpoint("email", alice, "Decided", to="decided@example.com")
        type(everything).objects.filter(pk=important.pk).update(importance="important")
        type(everything).objects.filter(pk=decided.pk).update(kinds=["review_decided"])
        high = open_review()
        critical = open_review(risk="critical")
        assert len(rows(endpoint=everything)) == 2
        assert [row.review_id for row in rows(endpoint=important)] == [critical.pk]
        assert not rows(endpoint=decided)
        assert high.pk != critical.pk

    def test_are_the_admins_inbox_where_there_are_none(self, alice: Any, bob: Any, review: Review) -> None:
        made = operations.notify_tenant(
            review=review, kind="escalation", subject="Nobody answers", text="", dedup="last", now=NOW
        )
        told = rows(kind="escalation")
        assert made == len(told) == 1
        assert (told[0].recipient, told[0].channel) == (alice, "in_app")

    def test_come_before_the_admins_inbox(self, alice: Any, review: Review) -> None:
        team = endpoint("email", alice, to="team@example.com")
        operations.notify_tenant(
            review=review, kind="escalation", subject="Nobody answers", text="", dedup="last", now=NOW
        )
        assert [row.endpoint for row in rows(kind="escalation")] == [team]


class TestContent:
    def test_names_the_call_and_never_its_arguments(self, open_review: Any, alice: Any) -> None:
        team = endpoint("email", alice, to="team@example.com")
        open_review(order_id="A-1001", amount=25.0, reason="card 4111 1111 1111 1111")
        [row] = rows(endpoint=team)
        assert "Refund order" in row.subject
        assert row.payload["tool"] == "refund_order"
        assert "4111" not in f"{row.subject}{row.text}{row.payload}"

    def test_leads_to_the_page(self, review: Review) -> None:
        assert rows(review_id=review.pk)[0].path == f"/reviews/{review.pk}/"


class TestDecisions:
    def test_take_back_what_was_not_sent(self, review: Review, bob: Any, rita: Any, say: Any) -> None:
        rule(bob, None, wait_s=600)
        rule(bob, contact(bob, "email", "bob@example.com"))
        tell(bob, review=review, dedup="again")
        say(review, rita)
        assert statuses(recipient=bob, channel="email") == [Status.CANCELLED]

    def test_clear_the_inboxes_of_those_who_were_asked(
        self, review: Review, bob: Any, rita: Any, say: Any
    ) -> None:
        unassigned(review)
        assert Notification.objects.inbox_of(rita.pk).unread().count() == 1
        say(review, bob)
        assert Notification.objects.inbox_of(rita.pk).unread().count() == 0

    def test_are_told_to_who_asked(self, review: Review, bob: Any, oscar: Any, say: Any) -> None:
        say(review, bob, "reject", message="No receipt")
        [row] = rows(recipient=oscar)
        assert (row.kind, row.channel, row.asks) == ("review_decided", "in_app", False)
        assert row.subject.startswith("Rejected: ")

    def test_do_not_silence_those_who_must_still_vote(
        self, critical: Review, bob: Any, rita: Any, person: Any, say: Any
    ) -> None:
        for who in (bob, rita):
            rule(who, contact(who, "email", f"{who.username}@example.com"))
            tell(who, review=critical, dedup="later", now=NOW)
        say(critical, bob, assurance="step_up")
        assert critical.status == Review.Status.PENDING
        assert set(statuses(recipient=bob, channel="email")) == {Status.CANCELLED}
        assert set(statuses(recipient=rita, channel="email")) == {Status.PENDING}

    def test_are_not_needed_for_a_review_that_was_decided_as_it_opened(self, review: Review) -> None:
        Notification.objects.all().delete()
        Review.objects.filter(pk=review.pk).update(status="approved")
        listeners.on_opened(review)
        assert rows() == []


class TestQuestions:
    def test_reach_the_requester_and_answers_who_asked(
        self, review: Review, bob: Any, oscar: Any, say: Any
    ) -> None:
        say(review, bob, "request_info", message="Which receipt?")
        [question] = rows(kind="review_question")
        assert question.recipient == oscar
        attention.reply(review_id=review.pk, author=oscar, text="The one of May", now=NOW)
        [answer] = rows(kind="review_answer")
        assert answer.recipient == bob
        assert "receipt" not in question.subject + question.text


class TestPresentation:
    def test_is_when_the_first_message_is_there(self, review: Review) -> None:
        review.refresh_from_db()
        assert review.presented_at == NOW


class TestTimers:
    def test_ring_for_what_the_doorbell_missed(self, bob: Any) -> None:
        rule(bob, contact(bob, "email", "bob@example.com"))
        tell(bob)
        [row] = rows(recipient=bob)
        timer = Timer.objects.get(schema=require_schema(), kind="notification", object_id=row.pk)
        assert timer.due_at == NOW + operations.RING_AFTER
        assert operations.on_timer(row.pk, 0, NOW) == NOW + operations.RING_AGAIN

    def test_wait_for_a_later_step(self, bob: Any) -> None:
        rule(bob, None, wait_s=300)
        rule(bob, contact(bob, "email", "bob@example.com"))
        tell(bob)
        [row] = rows(recipient=bob, channel="email")
        assert operations.on_timer(row.pk, 0, NOW) == row.next_at

    def test_end_with_the_message(self, bob: Any) -> None:
        tell(bob)
        [row] = rows(recipient=bob)
        assert operations.on_timer(row.pk, 0, NOW) is None
