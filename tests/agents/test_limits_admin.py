"""Kill switches, circuits and caps in the admin: what people see, press and are refused."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin import site
from django.contrib.messages import get_messages
from django.db import connection
from django.http import HttpRequest
from django.test import Client
from django.test.utils import CaptureQueriesContext

from agents.halts import operations, platform
from agents.halts.models import Halt
from agents.resilience.models import Circuit, ConcurrencyCap
from agents.runs import turns
from governance.access.models import User
from governance.audit.models import AuditEvent
from tenants.kernel.context import platform_context, tenant_context
from tenants.tenancy.models import PlatformHalt
from tests.governance.samples import NOW

HALTS = "/admin/agents/halt/"
CIRCUITS = "/admin/agents/circuit/"
CAPS = "/admin/agents/concurrencycap/"
PLATFORM = "/admin/tenants/platformhalt/"
HIDDEN = "stop\u202eeverything <b>now</b>"
Browse = Callable[..., Client]


@pytest.fixture
def browse(acme: Any) -> Browse:
    """Return a function that signs a person in at a host."""

    def make(user: Any, host: str = "acme.localhost") -> Client:
        client = Client(headers={"host": host})
        client.force_login(user)
        return client

    return make


@pytest.fixture
def as_root(acme: Any) -> Client:
    """Return a browser of one of the platform's operators, on the platform's host."""
    client = Client(headers={"host": "localhost"})
    with platform_context():
        client.force_login(User.objects.create(username="paula", is_superuser=True, is_staff=True))
    return client


@pytest.fixture
def as_grace(acme: Any, globex_tenant: Any) -> Client:
    """Return a browser in which Grace, superuser of Globex, is signed in there."""
    client = Client(headers={"host": "globex.localhost"})
    with tenant_context(globex_tenant):
        client.force_login(User.objects.create(username="grace", is_superuser=True, is_staff=True))
    return client


@pytest.fixture
def halt(agent: Any, oscar: Any) -> Halt:
    """Return a kill switch of Acme's agent that Oscar tripped."""
    return operations.trip(agent=agent, reason=HIDDEN, by=oscar, now=NOW)


def said(response: Any) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


def page(halt: Any, *, at: str = HALTS, name: str = "change") -> str:
    return f"{at}{halt.pk}/{name}/"


class TestTripping:
    @pytest.mark.parametrize("who", ["alice", "oscar"])
    def test_stops_everything_or_one_agent(self, browse: Browse, person: Any, agent: Any, who: str) -> None:
        client = browse(person(who))
        for given in ({"agent": ""}, {"agent": agent.pk}):
            assert client.post(f"{HALTS}add/", {**given, "reason": "It loops"}).status_code == 302
        assert {(halt.agent, halt.by.username, halt.reason) for halt in Halt.objects.all()} == {
            (None, who, "It loops"),
            (agent, who, "It loops"),
        }
        assert AuditEvent.objects.filter(action="halt.tripped", actor_name=who).count() == 2

    def test_says_who_did_the_same_before(self, browse: Browse, halt: Halt, alice: Any) -> None:
        response = browse(alice).post(f"{HALTS}add/", {"agent": halt.agent_id, "reason": "Me too"})
        assert response.status_code == 200
        assert "tripped by oscar" in response.content.decode()
        assert Halt.objects.count() == 1

    def test_needs_a_reason(self, browse: Browse, oscar: Any) -> None:
        assert browse(oscar).post(f"{HALTS}add/", {"agent": "", "reason": " "}).status_code == 200
        assert not Halt.objects.exists()

    @pytest.mark.parametrize("who", ["vera", "bob", "audrey"])
    def test_is_refused_to_who_may_not(self, browse: Browse, person: Any, who: str) -> None:
        client = browse(person(who))
        assert client.get(f"{HALTS}add/").status_code == 403
        assert client.post(f"{HALTS}add/", {"agent": "", "reason": "no"}).status_code == 403
        assert not Halt.objects.exists()


class TestLifting:
    def test_is_a_button_on_the_page_of_what_stands(self, browse: Browse, halt: Halt, alice: Any) -> None:
        client = browse(alice)
        assert "Lift this kill switch" in client.get(page(halt)).content.decode()
        response = client.post(page(halt, name="lift"))
        assert (response.status_code, response["Location"]) == (302, page(halt))
        assert Halt.objects.get(pk=halt.pk).lifted_by == alice
        assert "Lift this kill switch" not in client.get(page(halt)).content.decode()

    def test_needs_a_post_with_a_token(self, halt: Halt, alice: Any) -> None:
        client = Client(headers={"host": "acme.localhost"}, enforce_csrf_checks=True)
        client.force_login(alice)
        assert client.get(page(halt, name="lift")).status_code == 405
        assert client.post(page(halt, name="lift")).status_code == 403
        assert Halt.objects.standing().count() == 1

    def test_a_second_time_says_so(self, browse: Browse, halt: Halt, alice: Any) -> None:
        client = browse(alice)
        client.post(page(halt, name="lift"))
        assert "has been lifted" in said(client.post(page(halt, name="lift")))

    def test_of_several_at_once(self, browse: Browse, halt: Halt, alice: Any, oscar: Any) -> None:
        other = operations.trip(agent=None, reason="all", by=alice, now=NOW)
        given = {"action": "lift_selected", "_selected_action": [halt.pk, other.pk]}
        assert browse(oscar).post(HALTS, given).status_code == 302
        assert not Halt.objects.standing().exists()

    @pytest.mark.parametrize("who", ["vera", "bob", "audrey"])
    def test_is_refused_to_who_may_not(self, browse: Browse, halt: Halt, person: Any, who: str) -> None:
        client = browse(person(who))
        assert "Lift this kill switch" not in client.get(page(halt)).content.decode()
        assert client.post(page(halt, name="lift")).status_code == 403
        client.post(HALTS, {"action": "lift_selected", "_selected_action": [halt.pk]})
        assert Halt.objects.standing().count() == 1


class TestRecord:
    def test_of_a_kill_switch_is_not_changed_or_deleted(self, browse: Browse, halt: Halt, alice: Any) -> None:
        client = browse(alice)
        assert client.post(page(halt), {"agent": "", "reason": "other"}).status_code == 403
        assert client.post(page(halt, name="delete"), {"post": "yes"}).status_code == 403
        client.post(HALTS, {"action": "delete_selected", "_selected_action": [halt.pk], "post": "yes"})
        assert Halt.objects.get(pk=halt.pk).reason == HIDDEN

    def test_shows_the_reason_without_letting_it_act(self, browse: Browse, halt: Halt, alice: Any) -> None:
        client = browse(alice)
        for path in (HALTS, page(halt)):
            shown = client.get(path).content.decode()
            assert "U+202E" in shown
            assert "<b>now</b>" not in shown

    def test_has_those_that_stand_first(self, browse: Browse, halt: Halt, alice: Any, agent: Any) -> None:
        lifted = operations.trip(agent=None, reason="lifted one", by=alice, now=NOW)
        operations.lift(halt=lifted, by=alice, now=NOW)
        listed = browse(alice).get(HALTS).content.decode()
        assert listed.index(agent.name) < listed.index("lifted one")
        for state, shown in (("standing", False), ("lifted", True)):
            assert ("lifted one" in browse(alice).get(f"{HALTS}?state={state}").content.decode()) is shown


class TestPlatform:
    def test_trips_and_lifts_on_its_own_site(self, as_root: Client) -> None:
        for schema in ("", "acme"):
            assert (
                as_root.post(f"{PLATFORM}add/", {"schema": schema, "reason": "incident"}).status_code == 302
            )
        again = as_root.post(f"{PLATFORM}add/", {"schema": "acme", "reason": "incident"})
        assert "tripped by paula" in again.content.decode()
        with platform_context():
            halt = PlatformHalt.objects.get(schema="acme")
        assert as_root.get(PLATFORM).status_code == 200
        assert "Lift this kill switch" in as_root.get(page(halt, at=PLATFORM)).content.decode()
        assert as_root.post(page(halt, at=PLATFORM, name="lift"))["Location"] == page(halt, at=PLATFORM)
        with platform_context():
            assert [h.schema for h in PlatformHalt.objects.filter(lifted_at=None)] == [""]
            assert AuditEvent.objects.filter(action__startswith="halt.", actor_name="paula").count() == 3

    def test_offers_only_tenants(self, as_root: Client) -> None:
        offered = as_root.get(f"{PLATFORM}add/").content.decode()
        assert 'value="acme"' in offered
        assert 'value="public"' not in offered

    def test_is_out_of_a_tenants_reach(self, browse: Browse, as_root: Client, alice: Any) -> None:
        as_root.post(f"{PLATFORM}add/", {"schema": "acme", "reason": "incident"})
        with platform_context():
            halt = PlatformHalt.objects.get()
        client = browse(alice)
        for path in (
            PLATFORM,
            f"{PLATFORM}add/",
            page(halt, at=PLATFORM),
            page(halt, at=PLATFORM, name="lift"),
        ):
            assert client.get(path).status_code == 404
            assert client.post(path).status_code == 404
        client = Client(headers={"host": "localhost"})
        client.force_login(alice)
        assert client.get(PLATFORM).status_code == 302
        with platform_context():
            assert PlatformHalt.objects.filter(lifted_at=None).exists()


class TestOtherTenants:
    def test_see_and_lift_nothing(self, halt: Halt, as_grace: Client) -> None:
        assert "U+202E" not in as_grace.get(HALTS).content.decode()
        assert as_grace.post(page(halt, name="lift")).status_code == 404
        as_grace.post(HALTS, {"action": "lift_selected", "_selected_action": [halt.pk]})
        assert Halt.objects.standing().count() == 1


class TestCircuits:
    @pytest.fixture
    def circuit(self, acme: Any) -> Circuit:
        """Return an open circuit."""
        return Circuit.objects.create(
            kind="tool", name="refund_order", state="open", failures=5, opened_at=NOW
        )

    def test_are_reset_by_a_button(self, browse: Browse, circuit: Circuit, oscar: Any) -> None:
        client = browse(oscar)
        assert "Reset this circuit" in client.get(page(circuit, at=CIRCUITS)).content.decode()
        assert client.post(page(circuit, at=CIRCUITS, name="reset")).status_code == 302
        circuit.refresh_from_db()
        assert (circuit.state, circuit.failures, circuit.opened_at) == ("closed", 0, None)
        assert "Reset this circuit" in client.get(page(circuit, at=CIRCUITS)).content.decode()
        assert AuditEvent.objects.get(action="circuit.reset").actor_name == "oscar"

    @pytest.mark.parametrize("who", ["vera", "bob"])
    def test_are_not_reset_by_who_may_not(
        self, browse: Browse, circuit: Circuit, person: Any, who: str
    ) -> None:
        client = browse(person(who))
        assert "Reset this circuit" not in client.get(page(circuit, at=CIRCUITS)).content.decode()
        assert client.post(page(circuit, at=CIRCUITS, name="reset")).status_code == 403
        assert client.post(page(circuit, at=CIRCUITS), {"fail_after": 9}).status_code == 403
        circuit.refresh_from_db()
        assert (circuit.state, circuit.fail_after) == ("open", 5)

    def test_have_thresholds_to_edit_and_a_state_to_read(
        self, browse: Browse, circuit: Circuit, oscar: Any
    ) -> None:
        given = {"fail_after": 9, "retry_after_s": 30, "close_after": 1, "state": "closed", "name": "other"}
        assert browse(oscar).post(page(circuit, at=CIRCUITS), given).status_code == 302
        circuit.refresh_from_db()
        assert (circuit.fail_after, circuit.retry_after_s, circuit.close_after) == (9, 30, 1)
        assert (circuit.state, circuit.name, circuit.failures) == ("open", "refund_order", 5)

    def test_keep_what_a_worker_wrote_while_they_were_edited(self, circuit: Circuit) -> None:
        Circuit.objects.filter(pk=circuit.pk).update(state="closed", failures=1)
        circuit.fail_after = 7
        site.get_model_admin(Circuit).save_model(HttpRequest(), circuit, form=None, change=True)
        circuit.refresh_from_db()
        assert (circuit.fail_after, circuit.state, circuit.failures) == (7, "closed", 1)

    def test_have_no_threshold_under_one(self, browse: Browse, circuit: Circuit, oscar: Any) -> None:
        given = {"fail_after": 0, "retry_after_s": 30, "close_after": 1}
        refused = browse(oscar).post(page(circuit, at=CIRCUITS), given)
        assert "At least 1." in refused.content.decode()
        circuit.refresh_from_db()
        assert circuit.fail_after == 5

    def test_are_not_added(self, browse: Browse, circuit: Circuit, alice: Any) -> None:
        client = browse(alice)
        assert client.get(f"{CIRCUITS}add/").status_code == 403
        assert f"{CIRCUITS}add/" not in client.get(CIRCUITS).content.decode()
        assert "_addanother" not in client.get(page(circuit, at=CIRCUITS)).content.decode()

    def test_are_not_deleted(self, browse: Browse, circuit: Circuit, alice: Any) -> None:
        assert (
            browse(alice).post(page(circuit, at=CIRCUITS, name="delete"), {"post": "yes"}).status_code == 403
        )


class TestCaps:
    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"kind": "tool", "name": "nothing", "limit": 3}, "There is no tool"),
            ({"kind": "tool", "name": "", "limit": 3}, "There is no tool"),
            ({"kind": "tenant", "name": "acme", "limit": 3}, "Leave it empty"),
            ({"kind": "provider", "name": "openai", "limit": 3}, "Known: default."),
            ({"kind": "tenant", "name": "", "limit": 0}, "trip a kill switch"),
        ],
    )
    def test_of_nothing_are_refused(
        self, browse: Browse, alice: Any, given: dict[str, Any], message: str
    ) -> None:
        response = browse(alice).post(f"{CAPS}add/", given)
        assert message in response.content.decode()
        assert not ConcurrencyCap.objects.exists()

    def test_may_be_of_the_provider_that_runs_ask(self, browse: Browse, alice: Any) -> None:
        browse(alice).post(f"{CAPS}add/", {"kind": "provider", "name": turns.PROVIDER, "limit": 3})
        assert ConcurrencyCap.objects.get().name == turns.PROVIDER

    def test_are_made_changed_and_deleted_by_admins(self, browse: Browse, alice: Any) -> None:
        client = browse(alice)
        client.post(f"{CAPS}add/", {"kind": "tool", "name": "refund_order", "limit": 3})
        cap = ConcurrencyCap.objects.get()
        client.post(page(cap, at=CAPS), {"kind": "tool", "name": "refund_order", "limit": 5})
        assert ConcurrencyCap.objects.get().limit == 5
        assert AuditEvent.objects.filter(action="config.changed", subject_id=str(cap.pk)).count() == 2
        client.post(page(cap, at=CAPS, name="delete"), {"post": "yes"})
        assert not ConcurrencyCap.objects.exists()

    def test_are_read_by_operators(self, browse: Browse, oscar: Any) -> None:
        assert browse(oscar).get(CAPS).status_code == 200
        assert browse(oscar).get(f"{CAPS}add/").status_code == 403


class TestBanner:
    SAID = "All agents are stopped:"

    def test_is_there_while_everything_is_stopped(self, browse: Browse, alice: Any) -> None:
        client = browse(alice)
        halt = operations.trip(agent=None, reason=HIDDEN, by=alice, now=NOW)
        for path in ("/", "/reviews/", "/admin/", "/parts/halts/"):
            shown = client.get(path).content.decode()
            assert self.SAID in shown, path
            assert "(by alice)" in shown
            assert "U+202E" in shown
            assert "<b>now</b>" not in shown
        operations.lift(halt=halt, by=alice, now=NOW)
        for path in ("/", "/admin/", "/parts/halts/"):
            assert self.SAID not in client.get(path).content.decode(), path

    def test_is_not_there_for_one_agent(self, browse: Browse, halt: Halt, alice: Any) -> None:
        assert self.SAID not in browse(alice).get("/").content.decode()

    @pytest.mark.parametrize(("schema", "stops"), [("", True), ("acme", True), ("globex", False)])
    def test_is_there_when_the_platform_stopped_it(
        self, browse: Browse, alice: Any, as_root: Client, schema: str, stops: bool
    ) -> None:
        with platform_context():
            paula = User.objects.get(username="paula")
            platform.trip(schema=schema, reason="incident", by=paula, now=NOW)
        shown = browse(alice).get("/").content.decode()
        assert (self.SAID in shown) is stops
        assert ("(by paula). The platform did this" in shown) is stops
        assert HALTS not in shown

    def test_leads_those_with_the_right_to_the_kill_switches(
        self, browse: Browse, alice: Any, person: Any
    ) -> None:
        operations.trip(agent=None, reason="ours", by=alice, now=NOW)
        assert f'<a href="{HALTS}">' in browse(alice).get("/").content.decode()
        vera = person("vera")
        User.objects.filter(pk=vera.pk).update(is_staff=False)
        shown = browse(vera).get("/").content.decode()
        assert self.SAID in shown
        assert HALTS not in shown

    def test_is_not_there_for_other_tenants_or_strangers(
        self, browse: Browse, alice: Any, charlie: Any, as_grace: Client
    ) -> None:
        operations.trip(agent=None, reason="ours", by=alice, now=NOW)
        assert self.SAID not in as_grace.get("/").content.decode()
        assert self.SAID not in browse(charlie).get("/").content.decode()
        assert self.SAID not in Client(headers={"host": "acme.localhost"}).get("/login/").content.decode()

    def test_costs_one_query(self, browse: Browse, alice: Any) -> None:
        client = browse(alice)
        client.get("/")
        with CaptureQueriesContext(connection) as queries:
            client.get("/")
        assert len([query for query in queries if "agents_halt" in query["sql"]]) == 1
