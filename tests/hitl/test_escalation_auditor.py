"""The auditor finds escalations that are late or missing; coverage finds hours without anybody, ahead of time."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from governance.audit.models import AuditEvent
from hitl.escalation import operations, tasks
from hitl.escalation.auditor import audit_escalations
from hitl.escalation.models import EscalationHeartbeat, EscalationPolicy, EscalationState
from hitl.escalation.preview import check_coverage, dry_run
from hitl.notifications import operations as notifications
from hitl.reviews.models import Review
from hitl.routing import duty as routing
from tenants.kernel.context import platform_context
from tenants.timers.models import Timer
from tenants.timers.tick import tick
from tests.governance.samples import NOW
from tests.hitl.escalation_policies import WAIT, save

Open = Callable[..., Review]
LATE = NOW + timedelta(minutes=3)
SCHEDULE = {"step": "notify", "schedule": "00000000-0000-7000-8000-000000000001"}
BOB = {"step": "notify", "users": ["bob"]}


@pytest.fixture(autouse=True)
def told(acme: Any, bob: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Take down what the tenant's own channels are told."""
    found: list[str] = []

    def notify_tenant(*, kind: str, **_given: Any) -> int:
        found.append(kind)
        return 1

    monkeypatch.setattr(notifications, "notify_tenant", notify_tenant)
    monkeypatch.setattr(notifications, "notify", lambda **given: len(list(given["recipients"])))
    return found


def heartbeat() -> EscalationHeartbeat:
    return EscalationHeartbeat.objects.get()


class TestAuditor:
    def test_beats_while_every_escalation_is_on_time(self, review: Review) -> None:
        assert audit_escalations(now=NOW).count == 0
        assert (heartbeat().at, heartbeat().checked_at) == (NOW, NOW)

    def test_finds_one_that_lost_its_timer_and_sets_it_again(self, review: Review, told: list[str]) -> None:
        audit_escalations(now=NOW)
        Timer.objects.filter(kind=operations.KIND).delete()
        findings = audit_escalations(now=LATE)
        assert (findings.late, findings.repaired) == ((str(review.pk),), (str(review.pk),))
        assert (heartbeat().at, heartbeat().late) == (NOW, 1), "the heartbeat is withheld"
        assert AuditEvent.objects.filter(action="escalation.stalled").count() == 1
        assert told == ["escalation"]
        tick(now=LATE)
        assert audit_escalations(now=LATE).count == 0
        assert heartbeat().at == LATE

    def test_repairs_once(self, review: Review, told: list[str]) -> None:
        for minute in (3, 4, 5):
            Timer.objects.filter(kind=operations.KIND).delete()
            audit_escalations(now=NOW + timedelta(minutes=minute))
        assert not Timer.objects.filter(kind=operations.KIND).exists()
        assert told == ["escalation"]
        assert heartbeat().at is None

    def test_starts_the_escalation_of_a_review_that_has_none(self, review: Review) -> None:
        EscalationState.objects.filter(review=review)._raw_delete("default")
        findings = audit_escalations(now=LATE)
        assert findings.missing == findings.repaired == (str(review.pk),)
        assert EscalationState.objects.filter(review=review).exists()

    def test_lets_those_be_that_are_held_or_paused(self, review: Review) -> None:
        states = EscalationState.objects.filter(review=review)
        states.update(held_until=LATE)
        assert audit_escalations(now=LATE).count == 0
        states.get().transition("paused", next_at=None)
        assert audit_escalations(now=LATE + timedelta(hours=1)).count == 0

    def test_looks_at_every_tenant(self, globex_tenant: Any) -> None:
        with platform_context():
            tasks.watch_escalations.run()
            tasks.check_all_coverage.run()
        assert heartbeat().at is not None

    def test_is_read_by_who_watches_the_metrics(self, client_of: Any, alice: Any, review: Review) -> None:
        name = "countersign_escalation_heartbeat_timestamp_seconds"
        assert f"{name} 0.0" in client_of(alice).get("/metrics").content.decode()
        audit_escalations(now=NOW)
        assert f"{name} 1.7724438e+09" in client_of(alice).get("/metrics").content.decode()


class TestCoverage:
    def test_of_a_policy_that_always_reaches_somebody_has_no_gap(self, told: list[str]) -> None:
        policy = save([BOB])
        assert check_coverage(policy=policy, now=NOW) == []
        assert told == []

    def test_names_the_hours_without_anybody_on_call(
        self, bob: Any, told: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def on_call(_schedule: Any, at: datetime) -> list[Any]:
            return [] if at.weekday() == 5 and 2 <= at.hour < 8 else [bob]

        monkeypatch.setattr(routing, "on_call", on_call)
        policy = save([SCHEDULE])
        (gap,) = check_coverage(policy=policy, now=NOW)
        # A review opened at 07:30 waits for nobody: the step is taken ten seconds later.
        assert gap == "nobody on Saturday 02:00-08:00"
        assert told == ["coverage"]
        assert AuditEvent.objects.get(action="escalation.uncovered").body["gaps"] == [gap]

    def test_tells_the_same_gap_once(self, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(routing, "on_call", lambda _schedule, _at: [])
        policy = save([SCHEDULE])
        for _ in range(2):
            assert check_coverage(policy=policy, now=NOW) == ["nobody at any time"]
        assert told == ["coverage"]

    def test_counts_who_is_called_before_the_review_expires(
        self, bob: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(routing, "on_call", lambda _schedule, at: [bob] if at.hour != 3 else [])
        policy = save([SCHEDULE, WAIT, {"step": "wait", "minutes": 50}, SCHEDULE])
        assert check_coverage(policy=policy, now=datetime(2026, 3, 2, tzinfo=UTC)) == [
            f"nobody on {day} 03:00-03:30"
            for day in ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
        ]


class TestDryRun:
    def test_of_a_review_leaves_out_who_must_not_decide_it(self, open_review: Open) -> None:
        policy = save([{"step": "notify", "users": ["oscar", "bob"]}, {"step": "final", "action": "expire"}])
        review = open_review()
        calls = dry_run(policy=policy, now=LATE, review=review)
        assert [(call.at, call.who) for call in calls] == [
            (NOW + timedelta(seconds=10), ("bob",)),
            (NOW + timedelta(seconds=15), None),
        ]

    def test_changes_nothing(self, open_review: Open, told: list[str]) -> None:
        policy = save(
            [{"step": "notify_round_robin", "users": ["bob"]}, {"step": "final", "action": "expire"}]
        )
        review = open_review()
        before = AuditEvent.objects.count()
        dry_run(policy=policy, now=LATE, review=review)
        review.refresh_from_db()
        assert (review.status, told, AuditEvent.objects.count()) == ("pending", [], before)

    def test_over_http_names_who_would_be_called(self, client_of: Any, alice: Any) -> None:
        policy = save([BOB])
        url = f"/api/v1/hitl/escalation-policies/{policy.pk}/dry-run"
        (call,) = (
            client_of(alice)
            .post(url, {"risk": "critical", "at": "2026-03-07T02:00:00Z"}, format="json")
            .json()
        )
        assert (call["at"], call["who"], call["ends"]) == ("2026-03-07T02:00:10Z", ["bob"], True)

    def test_of_a_review_that_does_not_exist_says_so(self, client_of: Any, alice: Any) -> None:
        policy = save([BOB])
        url = f"/api/v1/hitl/escalation-policies/{policy.pk}/dry-run"
        response = client_of(alice).post(
            url, {"review": "00000000-0000-7000-8000-000000000009"}, format="json"
        )
        assert (response.status_code, response.json()["errors"][0]["at"]) == (422, "/review")


class TestApi:
    def test_adds_and_changes_a_policy(self, client_of: Any, alice: Any) -> None:
        client = client_of(alice)
        url = "/api/v1/hitl/escalation-policies"
        made = client.post(url, {"name": "Nights", "steps": [BOB], "risks": ["high"]}, format="json").json()
        assert (made["version"], made["in_words"]) == (1, ["Notify bob."])
        changed = client.patch(f"{url}/{made['id']}", {"steps": [BOB, WAIT]}, format="json").json()
        assert (changed["version"], changed["risks"]) == (2, ["high"])

    def test_names_the_step_that_cannot_be_used(self, client_of: Any, alice: Any) -> None:
        body = {"name": "Nights", "steps": [BOB, {"step": "final", "action": "approve"}]}
        response = client_of(alice).post("/api/v1/hitl/escalation-policies", body, format="json")
        assert (response.status_code, response.json()["errors"][0]["at"]) == (422, "/steps/1/action")

    def test_sets_a_service_level(self, client_of: Any, alice: Any, open_review: Open) -> None:
        body = {"priority": "high", "respond_within_s": 120}
        client = client_of(alice)
        made = client.post("/api/v1/hitl/service-levels", body, format="json")
        assert made.status_code == 201
        assert open_review().due_at == NOW + timedelta(seconds=120)
        again = client.post("/api/v1/hitl/service-levels", {**body, "risk": ""}, format="json")
        assert again.status_code == 422


class TestAdmin:
    @pytest.fixture
    def page(self, acme: Any, alice: Any) -> Client:
        """Return a browser in which Alice is signed in."""
        client = Client(headers={"host": "acme.localhost"})
        client.force_login(alice)
        return client

    def form(self, steps: str) -> dict[str, Any]:
        return {"name": "Nights", "enabled": "on", "risks": ["high"], "tool": "", "steps": steps}

    def test_saves_a_policy(self, page: Client) -> None:
        url = "/admin/hitl/escalationpolicy/add/"
        assert page.get(url).status_code == 200
        page.post(url, self.form('[{"step": "notify", "users": ["bob"]}]'))
        policy = EscalationPolicy.objects.get(name="Nights")
        assert policy.current.author is not None
        shown = page.get(f"/admin/hitl/escalationpolicy/{policy.pk}/change/").content.decode()
        assert "Notify bob." in shown

    def test_names_what_is_wrong_with_a_step(self, page: Client) -> None:
        steps = '[{"step": "notify", "users": ["bob"]}, {"step": "wait"}]'
        shown = page.post("/admin/hitl/escalationpolicy/add/", self.form(steps)).content.decode()
        assert "Step 2, minutes: give either minutes or until_sla_percent." in shown

    def test_shows_a_dry_run(self, page: Client, review: Review) -> None:
        policy = save([BOB])
        url = f"/admin/hitl/escalationpolicy/{policy.pk}/dry-run/"
        assert "<td>bob</td>" in page.get(url).content.decode()
        assert "<td>bob</td>" in page.get(url, {"review": str(review.pk)}).content.decode()
        assert "There is no such review." in page.get(url, {"review": "<script>"}).content.decode()

    def test_checks_coverage_at_the_press_of_a_button(
        self, page: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(routing, "on_call", lambda _schedule, _at: [])
        policy = save([SCHEDULE])
        url = f"/admin/hitl/escalationpolicy/{policy.pk}/look-ahead/"
        assert page.get(url).status_code == 405
        assert "nobody at any time" in page.post(url, follow=True).content.decode()

    def test_steers_an_escalation(self, page: Client, review: Review) -> None:
        state = EscalationState.objects.get(review=review)
        base = f"/admin/hitl/escalationstate/{state.pk}"
        assert page.get(f"{base}/change/").status_code == 200
        for press, status in [
            ("pause", "paused"),
            ("resume", "running"),
            ("force", "running"),
            ("repin", "running"),
        ]:
            page.post(f"{base}/{press}/")
            state.refresh_from_db()
            assert state.status == status
        assert state.generation == 4
        events = page.get("/admin/hitl/escalationevent/").content.decode()
        assert "repinned" in events

    @pytest.mark.parametrize("model", ["servicelevel", "escalationpolicyversion", "escalationheartbeat"])
    def test_lists_the_rest(self, page: Client, model: str, review: Review) -> None:
        save([BOB])
        audit_escalations(now=NOW)
        assert page.get(f"/admin/hitl/{model}/").status_code == 200

    def test_changes_no_version(self, page: Client) -> None:
        version = save([BOB]).current
        url = f"/admin/hitl/escalationpolicyversion/{version.pk}/change/"
        assert page.get(url).status_code == 200
        assert page.post(url, {"number": 9}).status_code == 403
