"""The availability page and the admin of queues, reviewers, schedules and substitutions."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from governance.audit.models import AuditEvent
from hitl.reviews.models import Review
from hitl.routing.models import (
    ReviewerProfile,
    ReviewQueue,
    Rotation,
    Schedule,
    ScheduleOverride,
    Substitution,
)

MINE = "/me/availability/"
Browser = Callable[[Any], Client]


@pytest.fixture
def browser(acme: Any) -> Browser:
    """Return a function that gives somebody's browser."""

    def make(user: Any) -> Client:
        client = Client(headers={"host": "acme.localhost"})
        client.force_login(user)
        return client

    return make


class TestAvailabilityPage:
    def test_is_for_reviewers(self, browser: Browser, person: Any, bob: Any) -> None:
        for who in ("oscar", "vera", "charlie"):
            assert browser(person(who)).get(MINE).status_code == 403
            assert browser(person(who)).post(MINE, {"available": "no"}).status_code == 403
        assert browser(bob).get(MINE).status_code == 200
        anonymous = Client(headers={"host": "acme.localhost"}).get(MINE)
        assert (anonymous.status_code, anonymous["Location"]) == (302, f"/login/?next={MINE}")

    def test_is_linked_for_those_who_have_one(self, browser: Browser, person: Any, bob: Any) -> None:
        assert MINE in browser(bob).get("/reviews/").content.decode()
        assert MINE not in browser(person("vera")).get("/reviews/").content.decode()

    def test_sets_an_absence_in_the_readers_time_zone(self, browser: Browser, bob: Any) -> None:
        ReviewerProfile.objects.create(user=bob, timezone="America/New_York")
        answer = browser(bob).post(MINE, {"available": "no", "until": "2099-07-01T09:00"})
        assert (answer.status_code, answer["Location"]) == (302, MINE)
        profile = ReviewerProfile.objects.get(user=bob)
        assert profile.away_until is not None
        assert f"{profile.away_until:%H:%M %Z}" == "13:00 UTC"
        page = browser(bob).get(MINE).content.decode()
        assert 'value="2099-07-01T09:00"' in page
        assert "America/New_York" in page

    def test_ends_an_absence(self, browser: Browser, bob: Any) -> None:
        ReviewerProfile.objects.create(user=bob, available=False)
        browser(bob).post(MINE, {"available": "yes", "until": "2099-07-01T09:00"})
        profile = ReviewerProfile.objects.get(user=bob)
        assert (profile.available, profile.away_until) == (True, None)

    @pytest.mark.parametrize("wrong", [{}, {"available": "maybe"}, {"available": "no", "until": "soon"}])
    def test_refuses_what_it_does_not_offer(self, browser: Browser, bob: Any, wrong: dict[str, str]) -> None:
        answer = browser(bob).post(MINE, wrong)
        assert answer.status_code == 422
        assert "field-error" in answer.content.decode()

    def test_refuses_an_end_in_the_past(self, browser: Browser, bob: Any) -> None:
        answer = browser(bob).post(MINE, {"available": "no", "until": "2020-07-01T09:00"})
        assert answer.status_code == 422
        assert "choose a time to come" in answer.content.decode()

    def test_says_what_having_a_review_means_and_lists_it(
        self, browser: Browser, open_review: Callable[..., Review], bob: Any
    ) -> None:
        review = open_review()
        Review.objects.filter(pk=review.pk).update(assigned_to=bob)
        page = browser(bob).get(MINE).content.decode()
        assert f"/reviews/{review.pk}/" in page
        assert "does not keep others who may decide it from doing so" in page

    def test_changes_nothing_when_it_is_read(self, browser: Browser, bob: Any) -> None:
        client = browser(bob)
        events = AuditEvent.objects.count()
        for method in ("get", "head", "options"):
            getattr(client, method)(f"{MINE}?available=no")
        assert (ReviewerProfile.objects.count(), AuditEvent.objects.count()) == (0, events)

    def test_has_the_strict_policy(self, browser: Browser, bob: Any) -> None:
        policy = browser(bob).get(MINE)["Content-Security-Policy"]
        assert "unsafe" not in policy


class TestScheduleAdmin:
    FORM = {
        "name": "Nights",
        "timezone": "Europe/Berlin",
        "rotations-TOTAL_FORMS": "1",
        "rotations-INITIAL_FORMS": "0",
        "rotations-0-layer": "1",
        "rotations-0-participants": "rita, bob",
        "rotations-0-starts_at_0": "2026-01-01",
        "rotations-0-starts_at_1": "00:00:00",
        "rotations-0-length": "1",
        "rotations-0-unit": "weeks",
        "rotations-0-handoff": "09:00",
        "rotations-0-windows": "Mon Tue Wed Thu Fri 18:00-08:00",
        "overrides-TOTAL_FORMS": "0",
        "overrides-INITIAL_FORMS": "0",
    }

    def test_takes_names_and_hours_as_people_write_them(
        self, browser: Browser, alice: Any, bob: Any, rita: Any
    ) -> None:
        answer = browser(alice).post("/admin/hitl/schedule/add/", self.FORM)
        assert answer.status_code == 302, answer.context["adminform"].form.errors
        rotation = Rotation.objects.get(schedule__name="Nights")
        assert rotation.participants == [rita.pk, bob.pk]
        assert rotation.windows == [{"days": [0, 1, 2, 3, 4], "from": "18:00", "to": "08:00"}]
        page = browser(alice).get(f"/admin/hitl/schedule/{rotation.schedule_id}/change/").content.decode()
        assert "rita, bob" in page
        assert "Mon Tue Wed Thu Fri 18:00-08:00" in page

    @pytest.mark.parametrize(
        "wrong",
        [
            {"timezone": "Mars/Olympus"},
            {"rotations-0-participants": "rita, nobody"},
            {"rotations-0-windows": "Someday"},
            {"rotations-0-length": "0"},
        ],
    )
    def test_refuses_what_it_cannot_count(self, browser: Browser, alice: Any, wrong: dict[str, str]) -> None:
        answer = browser(alice).post("/admin/hitl/schedule/add/", {**self.FORM, **wrong})
        assert answer.status_code == 200
        assert not Schedule.objects.filter(name="Nights").exists()

    def test_shows_the_next_14_days_and_the_gaps(self, browser: Browser, alice: Any, bob: Any) -> None:
        schedule = Schedule.objects.create(name="Mondays")
        Rotation.objects.create(
            schedule=schedule,
            participants=[bob.pk],
            starts_at=timezone.now() - timedelta(days=30),
            windows=[{"days": [0], "from": "00:00", "to": "00:00"}],
        )
        page = browser(alice).get(f"/admin/hitl/schedule/{schedule.pk}/change/").content.decode()
        assert "Nobody is on call for" in page
        assert page.count("<td>nobody</td>") >= 2
        assert page.count("<td>bob</td>") >= 2
        assert "Mondays" in browser(alice).get("/admin/hitl/schedule/").content.decode()

    def test_keeps_who_made_an_override(self, browser: Browser, alice: Any, bob: Any) -> None:
        schedule = Schedule.objects.create(name="Nights")
        form = {
            "schedule": schedule.pk,
            "user": bob.pk,
            "starts_at_0": "2026-01-01",
            "starts_at_1": "00:00:00",
            "ends_at_0": "2026-01-02",
            "ends_at_1": "00:00:00",
        }
        browser(alice).post("/admin/hitl/scheduleoverride/add/", form)
        assert ScheduleOverride.objects.get().by == alice
        wrong = browser(alice).post("/admin/hitl/scheduleoverride/add/", {**form, "ends_at_0": "2025-01-01"})
        assert "It must end after it starts." in wrong.content.decode()


class TestQueueAdmin:
    def test_takes_ticks_and_words(self, browser: Browser, alice: Any) -> None:
        form = {
            "name": "Tax",
            "enabled": "on",
            "position": "5",
            "risks": ["high", "critical"],
            "skills": "tax, law, tax",
            "strategy": "round_robin",
            "claim_minutes": "20",
        }
        answer = browser(alice).post("/admin/hitl/reviewqueue/add/", form)
        assert answer.status_code == 302, answer.context["adminform"].form.errors
        queue = ReviewQueue.objects.get(name="Tax")
        assert (queue.risks, queue.kinds, queue.skills) == (["high", "critical"], [], ["tax", "law"])
        page = browser(alice).get(f"/admin/hitl/reviewqueue/{queue.pk}/change/").content.decode()
        assert 'value="tax, law"' in page
        assert "Tax" in browser(alice).get("/admin/hitl/reviewqueue/").content.decode()


class TestSubstitutionAdmin:
    def form(self, person: Any, substitute: Any) -> dict[str, Any]:
        return {
            "person": person.pk,
            "substitute": substitute.pk,
            "starts_at_0": "2026-01-01",
            "starts_at_1": "00:00:00",
            "ends_at_0": "2099-01-01",
            "ends_at_1": "00:00:00",
            "reason": "holidays",
        }

    def test_keeps_who_defined_it(self, browser: Browser, alice: Any, bob: Any, rita: Any) -> None:
        browser(alice).post("/admin/hitl/substitution/add/", self.form(bob, rita))
        made = Substitution.objects.get()
        assert (made.person, made.substitute, made.created_by) == (bob, rita, alice)
        later = {"ends_at_0": "2026-12-31", "ends_at_1": "00:00:00", "reason": "back early"}
        browser(alice).post(f"/admin/hitl/substitution/{made.pk}/change/", later)
        made.refresh_from_db()
        assert (made.reason, f"{made.ends_at:%Y}", made.person) == ("back early", "2026", bob)

    def test_says_why_somebody_cannot_stand_in(
        self, browser: Browser, alice: Any, bob: Any, person: Any
    ) -> None:
        answer = browser(alice).post(
            "/admin/hitl/substitution/add/", self.form(bob, person("vera")), follow=True
        )
        assert "vera may not decide reviews" in answer.content.decode()
        assert not Substitution.objects.exists()

    def test_is_not_for_reviewers(self, browser: Browser, bob: Any, rita: Any) -> None:
        answer = browser(bob).post("/admin/hitl/substitution/add/", self.form(bob, rita))
        assert answer.status_code == 403
        assert not Substitution.objects.exists()


class TestProfileAdmin:
    def test_sets_skills_and_limits_and_not_availability(
        self, browser: Browser, alice: Any, bob: Any
    ) -> None:
        form = {
            "user": bob.pk,
            "skills": "tax",
            "max_open": "3",
            "timezone": "Europe/Berlin",
            "available": "",
        }
        browser(alice).post("/admin/hitl/reviewerprofile/add/", form)
        profile = ReviewerProfile.objects.get(user=bob)
        assert (profile.skills, profile.max_open, profile.available) == (["tax"], 3, True)
        assert "available" in browser(alice).get("/admin/hitl/reviewerprofile/").content.decode()
