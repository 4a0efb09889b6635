"""Claims, assignment, availability, queues, schedules and substitutions over HTTP."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from governance.audit.models import AuditEvent
from hitl.reviews.models import Review
from hitl.routing.models import ReviewQueue, Rotation, Schedule, ScheduleOverride, Substitution

API = "/api/v1/hitl"


@pytest.fixture
def client_of(client_of: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that makes an API client that sends JSON."""

    def make(user: Any) -> Any:
        client = client_of(user)
        client.default_format = "json"
        return client

    return make


@pytest.fixture
def review(open_review: Callable[..., Review]) -> Review:
    """Return a review that is still open and with nobody."""
    ReviewQueue.objects.all().delete()
    made = open_review()
    Review.objects.filter(pk=made.pk).update(expires_at=timezone.now() + timedelta(hours=4))
    return made


@pytest.fixture
def schedule(acme: Any, bob: Any, rita: Any) -> Schedule:
    """Return a schedule on which Bob and Rita take turns of a day."""
    made = Schedule.objects.create(name="Nights", timezone="Europe/Berlin")
    Rotation.objects.create(
        schedule=made,
        participants=[bob.pk, rita.pk],
        starts_at=timezone.now() - timedelta(days=30),
        unit="days",
        handoff="09:00",
    )
    return made


class TestClaim:
    def test_says_who_works_on_it_until_when(
        self, review: Review, client_of: Any, bob: Any, rita: Any
    ) -> None:
        body = client_of(bob).post(f"{API}/queue/{review.pk}/claim").json()
        assert (body["assigned_to"], body["status"], body["queue"]) == ("bob", "pending", None)
        assert body["claimed_until"] is not None
        again = client_of(rita).post(f"{API}/queue/{review.pk}/claim")
        assert (again.status_code, again.json()["code"], again.json()["by"]) == (
            409,
            "already-claimed",
            "bob",
        )
        assert client_of(bob).post(f"{API}/queue/{review.pk}/release").json()["assigned_to"] is None
        refused = client_of(bob).post(f"{API}/queue/{review.pk}/release")
        assert (refused.status_code, refused.json()["code"]) == (409, "not-assigned")

    def test_leaves_the_decision_to_others_too(
        self, review: Review, client_of: Any, bob: Any, rita: Any
    ) -> None:
        client_of(bob).post(f"{API}/queue/{review.pk}/claim")
        decided = client_of(rita).post(f"{API}/queue/{review.pk}/respond", {"decision": "approve"})
        assert (decided.status_code, decided.json()["status"]) == (200, "approved")

    def test_repeated_with_its_key_is_claimed_once(self, review: Review, client_of: Any, bob: Any) -> None:
        headers = {"Idempotency-Key": "claim it"}
        answers = [client_of(bob).post(f"{API}/queue/{review.pk}/claim", headers=headers) for _ in range(2)]
        assert answers[0].json() == answers[1].json()
        assert AuditEvent.objects.filter(action="review.claimed", subject_id=str(review.pk)).count() == 1

    def test_of_what_one_asked_for_is_refused(self, review: Review, client_of: Any, alice: Any) -> None:
        refused = client_of(alice).post(f"{API}/queue/{review.pk}/claim")
        assert (refused.status_code, refused.json()["code"]) == (403, "permission-denied")


class TestAssign:
    def test_gives_it_to_somebody(self, review: Review, client_of: Any, alice: Any) -> None:
        answer = client_of(alice).post(f"{API}/queue/{review.pk}/assign", {"username": "rita"})
        assert (answer.status_code, answer.json()["assigned_to"]) == (200, "rita")

    @pytest.mark.parametrize("username", ["oscar", "vera", "nobody", ""])
    def test_to_who_may_not_decide_is_refused(
        self, review: Review, client_of: Any, alice: Any, username: str
    ) -> None:
        answer = client_of(alice).post(f"{API}/queue/{review.pk}/assign", {"username": username})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")


class TestAvailability:
    def test_is_ones_own(self, client_of: Any, acme: Any, bob: Any, rita: Any) -> None:
        assert client_of(bob).get(f"{API}/availability").json() == {"available": True, "until": None}
        until = (timezone.now() + timedelta(days=3)).isoformat()
        body = client_of(bob).put(f"{API}/availability", {"available": False, "until": until}).json()
        assert (body["available"], body["until"] is not None) == (False, True)
        assert client_of(bob).get(f"{API}/availability").json() == body
        assert client_of(rita).get(f"{API}/availability").json()["available"] is True

    def test_with_an_end_in_the_past_is_refused(self, client_of: Any, acme: Any, bob: Any) -> None:
        body = {"available": False, "until": "2020-01-01T00:00:00Z"}
        assert client_of(bob).put(f"{API}/availability", body).status_code == 422


class TestSchedules:
    def test_say_who_is_on_call_since_when_and_until_when(
        self, schedule: Schedule, client_of: Any, person: Any, bob: Any
    ) -> None:
        body = client_of(person("vera")).get(f"{API}/schedules/{schedule.pk}/on-call").json()
        assert body["on_call"] in {"bob", "rita"}
        assert body["since"] <= body["at"] < body["until"]
        assert body["stand_ins"] == []

    def test_know_overrides_and_stand_ins(
        self, schedule: Schedule, client_of: Any, person: Any, alice: Any, bob: Any, rita: Any
    ) -> None:
        begin, end = timezone.now() - timedelta(hours=1), timezone.now() + timedelta(hours=1)
        ScheduleOverride.objects.create(schedule=schedule, user=rita, starts_at=begin, ends_at=end, by=alice)
        Substitution.objects.create(
            person=rita, substitute=bob, starts_at=begin, ends_at=end, reason="x", created_by=alice
        )
        body = client_of(bob).get(f"{API}/schedules/{schedule.pk}/on-call").json()
        assert (body["on_call"], body["stand_ins"]) == ("rita", ["bob"])

    @pytest.mark.parametrize(
        "at", ["tomorrow", "2026-03-02T09:30:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", ""]
    )
    def test_refuse_an_instant_they_cannot_read(
        self, schedule: Schedule, client_of: Any, bob: Any, at: str
    ) -> None:
        answer = client_of(bob).get(f"{API}/schedules/{schedule.pk}/on-call", {"at": at})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")

    def test_without_anybody_say_nobody(self, acme: Any, client_of: Any, bob: Any) -> None:
        empty = Schedule.objects.create(name="Empty")
        assert client_of(bob).get(f"{API}/schedules/{empty.pk}/on-call").json()["on_call"] is None


class TestQueues:
    def test_are_made_listed_and_changed(self, acme: Any, client_of: Any, alice: Any) -> None:
        client = client_of(alice)
        given = {
            "name": "Tax",
            "risks": ["high", "critical"],
            "tool": "refund_*",
            "group": "reviewer",
            "skills": ["tax"],
            "strategy": "round_robin",
        }
        made = client.post(f"{API}/queues", given)
        assert made.status_code == 201
        assert given.items() <= made.json().items()
        path = f"{API}/queues/{made.json()['id']}"
        assert client.patch(path, {"enabled": False, "group": None}).json()["enabled"] is False
        assert client.get(path).json()["group"] is None
        names = [queue["name"] for queue in client.get(f"{API}/queues").json()["results"]]
        assert {"Tax", "Payments"} <= set(names)
        assert AuditEvent.objects.filter(action__startswith="config", body__icontains="Tax").exists()

    @pytest.mark.parametrize(
        "wrong",
        [
            {"risks": ["extreme"]},
            {"kinds": ["x"]},
            {"strategy": "whoever"},
            {"group": "nobody"},
            {"claim_minutes": 0},
            {"skills": "tax"},
            {"name": "Payments"},
        ],
    )
    def test_with_words_that_are_none_are_refused(
        self, acme: Any, client_of: Any, alice: Any, wrong: dict[str, Any]
    ) -> None:
        answer = client_of(alice).post(f"{API}/queues", {"name": "Tax", **wrong})
        assert (answer.status_code, answer.json()["errors"][0]["at"].split("/")[1]) == (422, *wrong)


class TestSubstitutions:
    GIVEN = {
        "person": "bob",
        "substitute": "rita",
        "starts_at": "2026-01-01T00:00:00Z",
        "ends_at": "2100-01-01T00:00:00Z",
        "reason": "holidays",
    }

    def test_are_defined_and_listed(self, acme: Any, client_of: Any, alice: Any) -> None:
        made = client_of(alice).post(f"{API}/substitutions", self.GIVEN)
        assert (made.status_code, made.json()["created_by"]) == (201, "alice")
        (listed,) = client_of(alice).get(f"{API}/substitutions").json()["results"]
        assert listed == made.json()

    @pytest.mark.parametrize(
        "wrong",
        [
            {"substitute": "bob"},
            {"substitute": "vera"},
            {"substitute": "nobody"},
            {"ends_at": "2025-01-01T00:00:00Z"},
        ],
    )
    def test_that_make_no_sense_are_refused(
        self, acme: Any, client_of: Any, alice: Any, wrong: dict[str, str]
    ) -> None:
        answer = client_of(alice).post(f"{API}/substitutions", {**self.GIVEN, **wrong})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")
        assert not Substitution.objects.exists()

    def test_of_oneself_need_the_permission_too(self, acme: Any, client_of: Any, bob: Any, rita: Any) -> None:
        for who in (bob, rita):
            assert client_of(who).post(f"{API}/substitutions", self.GIVEN).status_code == 403
