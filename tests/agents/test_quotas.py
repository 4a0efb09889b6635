"""Each quota at its edge: what is allowed goes through, one more is refused, however many ask at once."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from agents.catalog.models import Agent
from agents.catalog.operations import create_agent
from agents.runs import operations as runs
from agents.runs.models import Run
from agents.tools import operations as tools
from agents.tools.models import ToolServer
from governance.access.models import User
from hitl.notifications import endpoints
from hitl.notifications.models import Endpoint
from tenants.kernel.context import platform_context, schema_tenant, tenant_context
from tenants.signals import limits_changed
from tenants.tenancy.models import Tenant
from tenants.tiers import operations as tiers
from tenants.tiers.models import Tier
from tenants.tiers.quotas import QuotaExceeded, ensure_feature, requires_feature, seconds_to_midnight
from tenants.tiers.types import Limits
from tests.governance.clones import own_database
from tests.governance.samples import NOW

Allow = Callable[..., None]


@pytest.fixture(scope="module")
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """Give the module a database of its own: several connections write to it."""
    with own_database(django_db_blocker) as name:
        yield name


@pytest.fixture
def db(committed: str) -> None:
    """Use it."""


@pytest.fixture
def allow(acme: Any) -> Iterator[Allow]:
    """Return a function that gives Acme limits of its own, under the tier STARTER."""

    def set_limits(**overrides: Any) -> None:
        with platform_context():
            Tenant.objects.filter(schema_name="acme").update(tier="STARTER", overrides=overrides)

    yield set_limits
    with platform_context():
        Tenant.objects.filter(schema_name="acme").update(tier="ENTERPRISE", overrides={})


def together(action: Callable[[int], Any], number: int = 20) -> list[Any]:
    """Do something so often at once, each on a connection of its own; return what came of each."""

    def one(n: int) -> Any:
        try:
            with tenant_context(schema_tenant("acme")):
                return action(n)
        except QuotaExceeded as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(one, range(number)))


def start(agent: Any, user: Any) -> Run:
    return runs.start(agent=agent, user=user, input={"query": "go"}, trace_id="0" * 32, now=timezone.now())


class TestRunsPerDay:
    def test_admit_exactly_what_is_allowed_of_many_at_once(
        self, allow: Allow, agent: Any, oscar: Any
    ) -> None:
        before = Run.objects.count()
        allow(runs_per_day=before + 7)
        came = together(lambda _: start(agent, oscar))
        refused = [one for one in came if isinstance(one, QuotaExceeded)]
        assert (len(refused), Run.objects.count()) == (13, before + 7)

    def test_refuse_with_the_limit_its_use_and_the_way_up(
        self, allow: Allow, agent: Any, oscar: Any, client_of: Any
    ) -> None:
        number = Run.objects.count()
        allow(runs_per_day=number)
        answer = client_of(oscar).post(
            f"/api/v1/agents/{agent.pk}/execute", {"input": {"query": "go"}}, format="json"
        )
        body = answer.json()
        assert (answer.status_code, body["code"]) == (429, "quota-exceeded")
        assert (body["limit"], body["allowed"], body["used"]) == ("runs_per_day", number, number)
        assert (body["tier"], body["lifted_by"]) == ("STARTER", ["PROFESSIONAL", "ENTERPRISE"])
        assert "operator of the platform" in body["who"]
        assert 0 < int(answer["Retry-After"]) <= 86_400

    def test_begin_anew_with_the_day(self, allow: Allow, agent: Any, oscar: Any) -> None:
        allow(runs_per_day=1)
        tomorrow = timezone.now() + timedelta(days=1)
        about: dict[str, Any] = {"input": {"query": "go"}, "trace_id": "0" * 32}
        assert runs.start(agent=agent, user=oscar, now=tomorrow, **about).pk
        assert seconds_to_midnight(NOW.replace(hour=23, minute=59, second=30, microsecond=0)) == 30

    def test_of_another_tenant_are_its_own(
        self, allow: Allow, globex_tenant: Any, agent: Any, oscar: Any
    ) -> None:
        allow(runs_per_day=0)
        with tenant_context(globex_tenant):
            assert start(Agent.objects.get(), User.objects.get(username="oscar")).pk
        with pytest.raises(QuotaExceeded):
            start(agent, oscar)

    def test_are_lifted_at_once_with_the_tier(self, allow: Allow, agent: Any, oscar: Any) -> None:
        allow(runs_per_day=0)
        with pytest.raises(QuotaExceeded):
            start(agent, oscar)
        with platform_context():
            tiers.change(tenant=Tenant.objects.get(schema_name="acme"), tier="ENTERPRISE", overrides={})
        assert start(agent, oscar).pk


class TestAgentsAndPeople:
    def test_agents_admit_exactly_what_is_allowed_of_many_at_once(self, allow: Allow, alice: Any) -> None:
        before = Agent.objects.count()
        allow(agents=before + 2)
        came = together(lambda n: create_agent(name=f"Many {n}", blueprint="assistant", owner=alice), 8)
        assert sum(isinstance(one, QuotaExceeded) for one in came) == 6
        assert Agent.objects.count() == before + 2
        assert next(one for one in came if isinstance(one, QuotaExceeded)).status == 403

    def test_people_admit_exactly_what_is_allowed_of_many_at_once(self, allow: Allow) -> None:
        before = User.objects.filter(kind="person", is_active=True).count()
        allow(people=before + 3)
        came = together(lambda n: User.objects.create(username=f"person{n}"), 8)
        assert sum(isinstance(one, QuotaExceeded) for one in came) == 5
        assert User.objects.filter(kind="person", is_active=True).count() == before + 3

    def test_people_who_left_make_room_and_need_room_to_come_back(self, allow: Allow) -> None:
        gone = User.objects.create(username="gone", is_active=False)
        allow(people=User.objects.filter(kind="person", is_active=True).count())
        gone.first_name = "Gone"
        gone.save()
        gone.is_active = True
        with pytest.raises(QuotaExceeded):
            gone.save()

    def test_who_is_there_already_can_be_changed_above_a_lowered_limit(
        self, allow: Allow, oscar: Any
    ) -> None:
        allow(people=0)
        oscar.last_name = "Otter"
        oscar.save()
        assert User.objects.get(username="oscar").last_name == "Otter"

    def test_are_refused_in_the_admin_with_words(self, allow: Allow, alice: Any) -> None:
        from django.test import Client

        allow(people=1)
        client = Client(headers={"host": "acme.localhost"})
        client.force_login(alice)
        form = {
            "username": "late",
            "password1": "red-stapler-1999",
            "password2": "red-stapler-1999",
            "usable_password": "true",
        }
        answer = client.post("/admin/governance/user/add/", form, follow=True)
        assert "The tier STARTER allows 1 active people" in answer.content.decode()
        assert not User.objects.filter(username="late").exists()


class TestFeatures:
    def test_that_a_tier_leaves_out_are_refused_where_they_are_made(
        self, allow: Allow, alice: Any, settings: Any
    ) -> None:
        settings.OUTBOUND_ALLOWED_CIDRS = ["127.0.0.1/32"]
        allow(features=[])
        with pytest.raises(QuotaExceeded) as refused:
            tools.save_server(server=ToolServer(name="shop", url="http://127.0.0.1:9/mcp"))
        assert refused.value.data["lifted_by"] == ["PROFESSIONAL", "ENTERPRISE"]
        with pytest.raises(QuotaExceeded):
            endpoints.save_endpoint(
                endpoint=Endpoint(name="Team", channel="email"),
                config={"to": "team@example.com"},
                by=alice,
                now=NOW,
            )
        allow(features=["mcp_servers"])
        assert tools.save_server(server=ToolServer(name="shop", url="http://127.0.0.1:9/mcp")).pk

    def test_are_refused_over_http_as_a_problem(self, allow: Allow, alice: Any, client_of: Any) -> None:
        allow(features=[])
        body = {"name": "other", "url": "https://mcp.example.com/mcp"}
        answer = client_of(alice).post("/api/v1/tools/servers", body, format="json")
        assert (answer.status_code, answer.json()["limit"]) == (403, "feature:mcp_servers")

    def test_guard_an_operation(self, allow: Allow) -> None:
        guarded = requires_feature("standing_grants")(lambda: "given")
        allow(features=["*"])
        assert guarded() == "given"
        allow(features=[])
        with pytest.raises(QuotaExceeded):
            guarded()

    def test_that_do_not_exist_are_a_mistake_of_the_code(self, allow: Allow) -> None:
        with pytest.raises(KeyError):
            requires_feature("gold")
        with pytest.raises(KeyError):
            ensure_feature("gold")


class TestRequestsPerMinute:
    @pytest.fixture(autouse=True)
    def empty(self, acme: Any) -> None:
        """Forget what earlier requests used."""
        import redis
        from django.conf import settings

        redis.Redis.from_url(settings.CELERY_BROKER_URL).delete("cs:rate:acme:api")

    def test_are_counted_told_and_refused_beyond_the_limit(
        self, allow: Allow, oscar: Any, client_of: Any
    ) -> None:
        allow(requests_per_minute=3)
        answers = [client_of(oscar).get("/api/v1/agents") for _ in range(4)]
        assert [one.status_code for one in answers] == [200, 200, 200, 429]
        assert answers[0]["RateLimit-Policy"] == '"api";q=3;w=60'
        assert [one["RateLimit"].split(";")[1] for one in answers] == ["r=2", "r=1", "r=0", "r=0"]
        assert 1 <= int(answers[3]["Retry-After"]) <= 20
        assert answers[3].json()["limit"] == "requests_per_minute"
        allow(requests_per_minute=None)
        unlimited = client_of(oscar).get("/api/v1/agents")
        assert (unlimited.status_code, "RateLimit" in unlimited) == (200, False)

    def test_of_strangers_use_nothing_up(self, allow: Allow, oscar: Any, client_of: Any) -> None:
        allow(requests_per_minute=1)
        for _ in range(5):
            assert client_of().get("/api/v1/agents").status_code == 401
        assert client_of(oscar).get("/api/v1/agents").status_code == 200

    def test_of_another_tenant_are_its_own(self, allow: Allow, oscar: Any, client_of: Any) -> None:
        allow(requests_per_minute=1)
        assert [client_of(oscar).get("/api/v1/agents").status_code for _ in range(2)] == [200, 429]
        with tenant_context(schema_tenant("globex")):
            grace = User.objects.get(username="oscar")
        client = APIClient(headers={"host": "globex.localhost"})
        client.force_authenticate(grace)
        assert client.get("/api/v1/agents").status_code == 200

    def test_pass_while_redis_is_away(self, allow: Allow, oscar: Any, client_of: Any, settings: Any) -> None:
        from tenants.kernel import rates

        allow(requests_per_minute=1)
        settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
        rates._script.cache_clear()
        try:
            assert [client_of(oscar).get("/api/v1/agents").status_code for _ in range(2)] == [200, 200]
        finally:
            rates._script.cache_clear()


class TestChangedLimits:
    @pytest.fixture
    def heard(self) -> Iterator[list[tuple[str, Limits]]]:
        """Return what the apps above are told."""
        told: list[tuple[str, Limits]] = []

        def listen(schema: str, limits: Limits, **_kwargs: Any) -> None:
            told.append((schema, limits))

        limits_changed.connect(listen)
        yield told
        limits_changed.disconnect(listen)

    def test_are_told_when_a_tenant_or_its_tier_changes(
        self, allow: Allow, heard: list[tuple[str, Limits]]
    ) -> None:
        with platform_context():
            tenant = Tenant.objects.get(schema_name="acme")
            tiers.change(tenant=tenant, tier="PROFESSIONAL", overrides={"tokens_per_month": 5})
            assert [(s, one.tier, one.tokens_per_month) for s, one in heard] == [("acme", "PROFESSIONAL", 5)]
            heard.clear()
            tiers.change(tenant=tenant, tier="PROFESSIONAL")
            assert heard == []
            tier = Tier.objects.get(pk="PROFESSIONAL")
            tier.people = 251
            tier.save()
            assert [(s, one.people) for s, one in heard] == [("acme", 251)]
            tier.people = 250
            tier.save()
