"""Budgets, usage and anomalies as people and programs see them."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from governance.access.models import User
from governance.metering import reports, rules
from governance.metering.models import Budget, BudgetWindow, Price, Reservation, UsageRecord
from governance.metering.tiers import TOKENS
from governance.metering.types import MILLION
from hitl.notifications.models import Notification
from tenants.kernel.models import uuid7
from tenants.signals import limits_changed
from tests.governance.test_budgets import budget, reserve, settle

BUDGETS = "/api/v1/governance/budgets"
USAGE = "/api/v1/governance/usage"
DAY = {"name": "A day", "scope": "tenant", "window": "day", "limit": 50 * MILLION}


def used(
    micros: int | None, *, days_ago: int = 0, agent: str = "Support assistant", **more: Any
) -> UsageRecord:
    """Put a call on record."""
    values = {
        "at": timezone.now() - timedelta(days=days_ago),
        "kind": "model",
        "name": "gpt-4.1-mini",
        "agent_id": agent,
        "agent_name": agent,
        "user_id": 4,
        "user_name": "oscar",
        "run_id": uuid7(),
        "step_id": uuid7(),
        "key": str(uuid7()),
        "input_tokens": 100,
        "cached_tokens": 40,
        "output_tokens": 10,
        "cost_micros": micros,
        **more,
    }
    return UsageRecord.objects.create(**values)


@pytest.fixture
def browser(acme: Any) -> Any:
    """Return a function that gives a browser in which somebody is signed in at Acme."""

    def open_as(user: User) -> Client:
        client = Client(headers={"host": "acme.localhost"})
        client.force_login(user)
        return client

    return open_as


class TestBudgetsOverHttp:
    def test_are_added_changed_and_show_their_windows(self, client_of: Any, alice: Any) -> None:
        api = client_of(alice)
        made = api.post(BUDGETS, DAY, format="json")
        assert (made.status_code, made.json()["unit"], made.json()["source"]) == (201, "micros", "manual")
        reserve(at=timezone.now())
        [window] = api.get(f"{BUDGETS}/{made.json()['id']}").json()["windows"]
        assert (window["spent"], window["reserved"]) == (0, MILLION)
        changed = api.patch(f"{BUDGETS}/{made.json()['id']}", {"limit": MILLION}, format="json")
        assert (changed.status_code, changed.json()["limit"]) == (200, MILLION)
        assert rules.standing().budgets[0].limit == MILLION

    @pytest.mark.parametrize(
        ("change", "at"),
        [
            ({"scope": "run"}, "/window"),
            ({"scope": "platform"}, "/scope"),
            ({"subject": "4"}, "/subject"),
            ({"limit": -1}, "/limit"),
            ({"limit": 10**30}, "/limit"),
            ({"window": "year"}, "/window"),
            ({"unit": "euros"}, "/unit"),
        ],
    )
    def test_that_make_no_sense_are_refused_by_name(
        self, client_of: Any, alice: Any, change: dict[str, Any], at: str
    ) -> None:
        answer = client_of(alice).post(BUDGETS, {**DAY, **change}, format="json")
        assert answer.status_code == 422
        assert at in {error["at"] for error in answer.json()["errors"]}

    def test_of_the_tier_are_fixed_here(self, client_of: Any, browser: Any, alice: Any) -> None:
        limits_changed.send(sender=None, schema="acme", limits=SimpleNamespace(tokens_per_month=1000))
        own = Budget.objects.get(name=TOKENS)
        assert (own.source, own.scope, own.window, own.unit, own.limit) == (
            "tier", "tenant", "month", "tokens", 1000,
        )  # fmt: skip
        answer = client_of(alice).patch(f"{BUDGETS}/{own.pk}", {"limit": 10**9}, format="json")
        assert (answer.status_code, answer.json()["code"]) == (403, "permission-denied")
        page = browser(alice).get(f"/admin/governance/budget/{own.pk}/change/")
        assert b'name="limit"' not in page.content
        limits_changed.send(sender=None, schema="acme", limits=SimpleNamespace(tokens_per_month=2000))
        limits_changed.send(sender=None, schema="acme", limits=SimpleNamespace(tokens_per_month=2000))
        own.refresh_from_db()
        assert (own.limit, Budget.objects.count()) == (2000, 1)
        limits_changed.send(sender=None, schema="acme", limits=SimpleNamespace(tokens_per_month=None))
        assert rules.standing().budgets == ()


class TestUsageOverHttp:
    def test_is_grouped(self, client_of: Any, oscar: Any) -> None:
        used(500)
        used(700, agent="Other", days_ago=1)
        used(None, name="local")
        api = client_of(oscar)
        agents = api.get(USAGE).json()["results"]
        assert [(line["name"], line["calls"], line["cost_micros"], line["unpriced"]) for line in agents] == [
            ("Other", 1, 700, 0),
            ("Support assistant", 2, 500, 1),
        ]
        models = api.get(USAGE, {"group_by": "model"}).json()["results"]
        assert [(line["key"], line["input_tokens"], line["cached_tokens"]) for line in models] == [
            ("model:gpt-4.1-mini", 200, 80),
            ("model:local", 100, 40),
        ]
        days = api.get(USAGE, {"group_by": "day"}).json()["results"]
        assert [line["cost_micros"] for line in days] == [700, 500]
        assert [line["name"] for line in api.get(USAGE, {"group_by": "user"}).json()["results"]] == ["oscar"]

    def test_counts_a_correction_as_no_call(self, client_of: Any, oscar: Any) -> None:
        used(1000, estimated=True)
        used(-400, correction=True, input_tokens=-10)
        [line] = client_of(oscar).get(USAGE).json()["results"]
        assert (line["calls"], line["cost_micros"], line["estimated"]) == (1, 600, 1)

    @pytest.mark.parametrize(
        "query", [{"group_by": "mood"}, {"from": "yesterday"}, {"from": "2020-01-01T00:00:00Z"}]
    )
    def test_of_no_sense_is_refused(self, client_of: Any, oscar: Any, query: dict[str, str]) -> None:
        assert client_of(oscar).get(USAGE, query).status_code == 422

    def test_comes_for_spreadsheets_without_formulas(self, client_of: Any, oscar: Any) -> None:
        used(500, agent="=HYPERLINK(1)")
        answer = client_of(oscar).get(f"{USAGE}.csv")
        assert answer["Content-Type"].startswith("text/csv")
        header, line = answer.content.decode().splitlines()
        assert header.startswith("key,name,calls,input_tokens")
        assert line.startswith("'=HYPERLINK(1),'=HYPERLINK(1),1,100,40,10,500")


class TestPages:
    def test_of_costs_show_who_stands_out(self, browser: Any, oscar: Any, charlie: Any) -> None:
        for days_ago in range(1, 11):
            used(MILLION, days_ago=days_ago)
        used(9 * MILLION)
        used(1, agent="<script>alert(1)</script>")
        page = browser(oscar).get("/usage/").content.decode()
        assert "$19.00" in page
        assert "stands out" in page
        assert "<script>alert(1)" not in page
        assert browser(charlie).get("/usage/").status_code == 403
        assert browser(oscar).get("/usage/?days=5").status_code == 422

    def test_of_budgets_show_spent_reserved_and_left(self, browser: Any, oscar: Any, charlie: Any) -> None:
        now = timezone.now()
        budget(10 * MILLION, name="Ten")
        budget(5 * MILLION, scope="user", name="Each person")
        budget(3 * MILLION, scope="run", window="run", name="Each run")
        settle(reserve(at=now), at=now)
        reserve(at=now)
        page = browser(oscar).get("/usage/budgets/").content.decode()
        for words in (
            "Ten",
            "$1.00",
            "$8.00",
            "$10.00",
            "Each person",
            "user oscar" if oscar.pk == 4 else "user",
        ):
            assert words in page
        assert "Each run" in page
        assert browser(charlie).get("/usage/budgets/").status_code == 403

    @pytest.mark.parametrize("model", ["budget", "price", "ratelimit", "reservation", "usagerecord"])
    def test_of_the_admin_open(self, browser: Any, alice: Any, model: str) -> None:
        now = timezone.now()
        budget(10 * MILLION, name="Ten")
        settle(reserve(at=now), at=now)
        assert browser(alice).get(f"/admin/governance/{model}/").status_code == 200

    def test_of_a_lost_call_offer_to_reconcile_it(self, browser: Any, alice: Any, oscar: Any) -> None:
        from governance.metering.operations import settle_lost

        of = budget(10 * MILLION, name="Ten")
        now = timezone.now()
        held = reserve(at=now)
        assert held is not None
        settle_lost(now=now + timedelta(minutes=5))
        page = f"/admin/governance/reservation/{held.id}/"
        assert b"It was not billed" not in browser(oscar).get(f"{page}change/").content
        assert browser(oscar).post(f"{page}was-not-billed/").status_code == 403
        assert b"It was not billed" in browser(alice).get(f"{page}change/").content
        assert browser(alice).post(f"{page}was-not-billed/").status_code == 302
        assert Reservation.objects.get(pk=held.id).status == Reservation.Status.RECONCILED
        assert BudgetWindow.objects.get(budget=of).spent == 0

    def test_of_a_price_add_rows_and_change_none(self, browser: Any, alice: Any) -> None:
        row = Price.objects.first()
        assert row is not None
        client = browser(alice)
        assert b'name="micros"' not in client.get(f"/admin/governance/price/{row.pk}/change/").content
        given = {
            "pattern": row.pattern, "kind": row.kind, "micros": 7, "valid_from_0": "2026-11-01",
            "valid_from_1": "00:00", "source": "an agreement",
        }  # fmt: skip
        assert client.post("/admin/governance/price/add/", given).status_code == 302
        assert Price.objects.filter(micros=7).count() == 1


class TestAWarning:
    def test_reaches_the_admins(self, alice: Any) -> None:
        budget(2 * MILLION, name="Two")
        settle(reserve())
        settle(reserve())
        told = Notification.objects.filter(kind="budget").order_by("created_at", "id")
        assert {row.subject for row in told} == {"Budget “Two”: 50 % spent", "Budget “Two”: 100 % spent"}
        assert alice.pk in {row.recipient_id for row in told}


def test_the_days_of_a_period_are_all_there(acme: Any) -> None:
    now = timezone.now()
    used(3, days_ago=2)
    costs = reports.by_day(since=now - timedelta(days=6), until=now)
    assert (len(costs), sum(costs.values())) == (7, 3)


class TestOtherPeople:
    @pytest.fixture
    def spent(self, acme: Any, person: Any) -> dict[str, Any]:
        """Let Oscar and Vera cost something, within a budget for each person and one of Oscar's alone."""
        oscar, vera = person("oscar"), person("vera")
        now = timezone.now()
        each = Budget.objects.create(name="Each", scope="user", window="day", limit=MILLION)
        Budget.objects.create(name="Only his", scope="user", subject=str(oscar.pk), window="day", limit=1)
        for user in (oscar, vera):
            used(1000 + user.pk, user_id=user.pk, user_name=user.username)
            BudgetWindow.objects.create(
                budget=each,
                subject=str(user.pk),
                started_at=now - timedelta(hours=1),
                ends_at=now + timedelta(hours=1),
                spent=1000 + user.pk,
            )
        return {"oscar": oscar, "vera": vera, "each": each}

    def test_are_not_told_of_to_a_viewer(self, spent: Any, client_of: Any, browser: Any) -> None:
        client, vera = client_of(spent["vera"]), spent["vera"]
        listed = client.get(BUDGETS).json()["results"]
        assert "Only his" not in [one["name"] for one in listed]
        shown = next(one for one in listed if one["name"] == "Each")
        assert [window["subject"] for window in shown["windows"]] == [str(vera.pk)]
        by_user = client.get(f"{USAGE}?group_by=user").json()["results"]
        assert [line["name"] for line in by_user] == ["vera"]
        assert "oscar" not in client.get(f"{USAGE}.csv?group_by=user").content.decode()
        for page in ("/usage/", "/usage/budgets/"):
            text = browser(vera).get(page).content.decode()
            assert "oscar" not in text
            assert "Only his" not in text

    def test_are_told_of_to_who_operates(self, spent: Any, client_of: Any) -> None:
        client = client_of(spent["oscar"])
        by_user = client.get(f"{USAGE}?group_by=user").json()["results"]
        assert {"oscar", "vera"} <= {line["name"] for line in by_user}
        shown = client.get(f"{BUDGETS}/{spent['each'].pk}").json()
        assert len(shown["windows"]) == 2
