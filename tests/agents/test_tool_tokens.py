"""A tool acts downstream with a token for that service alone, which names the person, the agent and the run."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agents.catalog.operations import set_tools
from agents.runs.models import Run, Step
from agents.tools import executor, operations, tokens
from agents.tools.base import ToolContext, ToolFailed, tool
from agents.tools.models import Tool, ToolSecret, ToolServer
from agents.tools.operations import HttpTool
from agents.tools.registry import REGISTRY
from agents.tools.remote.endpoint import Endpoint
from agents.tools.secrets import save_secret
from agents.tools.sync import sync
from governance import gate
from governance.audit.models import AuditEvent
from governance.identity import keys
from governance.identity.models import IssuedToken
from governance.types import EffectClass, Outcome, Risk
from tenants.kernel.errors import InvalidInput, StaleTransition
from tenants.kernel.models import uuid7
from tenants.tenancy.urls import base_url
from tests.agents.fake_model import FakeModel
from tests.agents.mcp_servers import Scripted, scripted
from tests.agents.workbench import proposes, tool_step
from tests.governance import tokens as samples
from tests.governance.samples import NOW, proposal
from tests.governance.tokens import ORDERS, Downstream

OURS = {"read_order", "shop__echo", "ask_orders"}
PARAMETERS = {"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]}


@pytest.fixture
def db(committed: str, model: FakeModel) -> None:
    """Use the module's own database: tools run on connections of their own."""


@pytest.fixture(autouse=True)
def fresh(acme: Any, agent: Any) -> None:
    """Begin each test without the tools, servers, credentials and tokens of the one before."""
    names = agent.tools.values_list("name", flat=True)
    set_tools(agent=agent, names=[name for name in names if name not in OURS])
    for rows in (Tool.objects.exclude(source="python"), ToolServer.objects.all(), ToolSecret.objects.all()):
        rows.delete()
    IssuedToken.objects.all().delete()


@pytest.fixture
def events(fresh: None) -> Callable[[], list[AuditEvent]]:
    """Return a function that gives what was recorded in this test."""
    begin = uuid7()
    return lambda: list(AuditEvent.objects.filter(pk__gt=begin).order_by("id"))


@pytest.fixture
def service(fresh: None, settings: Any) -> Iterator[Downstream]:
    """Serve the orders service, which lets in who has a token for it."""
    settings.OUTBOUND_ALLOWED_CIDRS = ["127.0.0.1/32"]
    keys.ensure(now=samples.now())
    published = {"keys": keys.published(now=samples.now())}
    with samples.downstream(lambda: published, issuer=base_url()) as server:
        yield server


def described(
    service: Downstream, *, audience: str = ORDERS, scope: str = "orders:read", **more: Any
) -> HttpTool:
    endpoint = Endpoint.from_json({"method": "GET", "url": f"{service.url}/orders/{{order_id}}", **more})
    return HttpTool(
        name="read_order",
        description="Read an order.",
        parameters=PARAMETERS,
        endpoint=endpoint,
        audience=audience,
        scope=scope,
    )


@pytest.fixture
def lend(agent: Any, alice: Any) -> Callable[..., Tool]:
    """Return a function that puts an HTTP tool into use and lets the agent have it."""

    def give(described: HttpTool, effect: EffectClass = EffectClass.READ) -> Tool:
        row = operations.create_http(tool=described, risk=Risk.LOW, effect=effect)
        row = operations.confirm(tool=row, risk=Risk.LOW, effect=effect, by=alice, now=NOW)
        set_tools(agent=agent, names=[*agent.tools.values_list("name", flat=True), row.name])
        return row

    return give


def claimed(*, agent: Any, user: Any, tool: Tool, **arguments: Any) -> executor.Claim:
    asked = proposal(agent=agent, user=user, tool=tool.name, **(arguments or {"order_id": "A-1"}))
    decision = gate.authorize(asked, now=NOW)
    return executor.claim(decision, idempotency_key="step-7", now=NOW)


def call(*, agent: Any, user: Any, tool: Tool, **arguments: Any) -> Outcome:
    return executor.execute(claimed(agent=agent, user=user, tool=tool, **arguments), tool=tool)


class TestHttpTool:
    def test_acts_with_a_token_for_its_audience(
        self, service: Downstream, lend: Any, agent: Any, oscar: Any
    ) -> None:
        outcome = call(agent=agent, user=oscar, tool=lend(described(service)))
        assert outcome.ok, outcome.error
        (claims,) = service.accepted
        assert (claims["sub"], claims["preferred_username"]) == (f"user:{oscar.pk}", "oscar")
        assert claims["act"] == {"sub": f"agent:{agent.pk}"}
        assert (claims["aud"], claims["scope"], claims["tenant"]) == (ORDERS, "orders:read", "acme")
        assert (claims["agent_version"], claims["policy_version"].count("/")) == (agent.version, 1)
        assert claims["exp"] - claims["iat"] <= 300
        assert IssuedToken.objects.get().run == claims["run"]

    def test_keeps_the_token_out_of_results_and_the_log(
        self, service: Downstream, lend: Any, agent: Any, oscar: Any, events: Any
    ) -> None:
        good = lend(described(service))
        outcome = call(agent=agent, user=oscar, tool=good)
        service.needs = "orders:admin"
        refused = call(agent=agent, user=oscar, tool=good)
        assert (outcome.ok, refused.ok) == (True, False)
        written = json.dumps([outcome.value, refused.error])
        written += json.dumps([event.body for event in events()])
        for bearer in service.bearers:
            assert bearer not in written
            assert bearer.rpartition(".")[2] not in written
        assert len(set(service.bearers)) == 2  # each call has its own
        actions = [event.action for event in events() if event.action.startswith("token.")]
        assert actions == ["token.requested", "token.issued"] * 2

    def test_of_another_audience_is_refused_downstream(
        self, service: Downstream, lend: Any, agent: Any, oscar: Any
    ) -> None:
        outcome = call(
            agent=agent, user=oscar, tool=lend(described(service, audience="https://elsewhere.example"))
        )
        assert (outcome.ok, service.accepted) == (False, [])
        assert "InvalidAudienceError" in service.refused[0]

    def test_gets_no_token_for_our_own_api(
        self, service: Downstream, lend: Any, agent: Any, alice: Any
    ) -> None:
        """Whoever describes a tool would otherwise be sent what its caller may here, without their consent."""
        ours = described(service, audience=base_url(), scope="governance.change_user agents.change_agent")
        outcome = call(agent=agent, user=alice, tool=lend(ours))
        assert (outcome.ok, service.bearers) == (False, [])
        assert "with consent" in str(outcome.error)
        assert not IssuedToken.objects.exists()

    def test_without_an_audience_sends_no_token(
        self, service: Downstream, lend: Any, agent: Any, oscar: Any
    ) -> None:
        call(agent=agent, user=oscar, tool=lend(described(service, audience="", scope="")))
        assert (service.bearers, IssuedToken.objects.count()) == ([""], 0)

    def test_of_an_agent_for_itself_names_nobody_else(
        self, service: Downstream, lend: Any, agent: Any, oscar: Any
    ) -> None:
        from dataclasses import replace

        from governance.types import UserRef

        row = lend(described(service))
        asked = proposal(agent=agent, user=oscar, tool=row.name, order_id="A-1")
        itself = UserRef(id=agent.principal_id, name=agent.name)
        decision = gate.authorize(replace(asked, user=itself), now=NOW)
        executor.execute(executor.claim(decision, idempotency_key="step-7", now=NOW), tool=row)
        issued = IssuedToken.objects.get()
        assert (issued.subject, issued.actor, issued.username) == (f"agent:{agent.pk}", "", "")
        assert service.refused == ["ValueError: nobody is named as acting"]

    def test_gets_no_token_without_a_claimed_permit(
        self, service: Downstream, lend: Any, agent: Any, oscar: Any
    ) -> None:
        row = lend(described(service))
        decision = gate.authorize(proposal(agent=agent, user=oscar, tool=row.name, order_id="A-1"), now=NOW)
        with pytest.raises(ToolFailed) as caught:
            tokens.for_call(decision, audience=ORDERS, scope="")
        assert (caught.value.started, IssuedToken.objects.count()) == (False, 0)

    def test_is_quarantined_when_its_audience_changes(
        self, service: Downstream, lend: Any, agent: Any, oscar: Any, alice: Any
    ) -> None:
        row = lend(described(service))
        claim = claimed(agent=agent, user=oscar, tool=row)
        changed = operations.change(tool=row, changes={"audience": "https://evil.example"}, by=alice, now=NOW)
        assert (changed.quarantined, changed.audience) == (True, "https://evil.example")
        assert changed.before_quarantine["audience"] == ORDERS
        assert not executor.execute(claim, tool=changed).ok
        assert service.bearers == []
        with pytest.raises(StaleTransition):
            operations.change(
                tool=changed,
                changes={"schema_version": row.schema_version, "enabled": True},
                by=alice,
                now=NOW,
            )

    @pytest.mark.parametrize(
        "given",
        [
            {"audience": "not one resource"},
            {"audience": f"{ORDERS}#x"},
            {"scope": 'a"b'},
            {"audience": "", "scope": "orders:read"},
            {"headers": {"authorization": "Bearer x"}},
        ],
        ids=str,
    )
    def test_is_refused_whose_token_could_not_be_sent(
        self, service: Downstream, given: dict[str, Any]
    ) -> None:
        with pytest.raises(InvalidInput) as caught:
            described(service, **given).check()
        assert caught.value.errors[0]["at"] == "/audience"

    def test_whose_audience_is_nothing_keeps_the_version_it_had(self, service: Downstream) -> None:
        from tenants.kernel.jsonvalues import sha256_hex

        plain = described(service, audience="", scope="")
        before = {
            "name": plain.name,
            "description": plain.description,
            "parameters": plain.parameters,
            "output_schema": None,
            "endpoint": plain.endpoint.to_json(),
        }
        assert plain.fields["schema_version"] == sha256_hex(before)


class TestMcpServer:
    @pytest.fixture
    def server(self, fresh: None, settings: Any) -> Iterator[Scripted]:
        settings.OUTBOUND_ALLOWED_CIDRS = ["127.0.0.1/32"]
        with scripted() as server:
            yield server

    def row(self, server: Scripted, **more: Any) -> ToolServer:
        row = ToolServer(name="shop", url=server.url, audience=ORDERS, scope="orders:read", **more)
        return operations.sync_server(server=operations.save_server(server=row), now=NOW)

    def test_gets_a_token_for_its_audience_with_each_call(
        self, server: Scripted, agent: Any, oscar: Any, alice: Any
    ) -> None:
        self.row(server)
        listing = IssuedToken.objects.get()
        assert (listing.subject, listing.actor) == ("service:countersign", "")
        row = Tool.objects.get(name="shop__echo")
        row = operations.confirm(tool=row, risk=Risk.LOW, effect=EffectClass.READ, by=alice, now=NOW)
        set_tools(agent=agent, names=[row.name])
        assert call(agent=agent, user=oscar, tool=row, text="hi").ok
        bearer = server.called[0]["headers"]["Authorization"].removeprefix("Bearer ")
        import jwt

        claims = jwt.decode(bearer, options={"verify_signature": False})
        assert (claims["aud"], claims["sub"]) == (ORDERS, f"user:{oscar.pk}")
        assert claims["act"] == {"sub": f"agent:{agent.pk}"}

    def test_takes_a_credential_or_tokens_but_not_both(self, server: Scripted, alice: Any) -> None:
        from django.core.exceptions import ValidationError

        secret = save_secret(name="SHOP_KEY", value="long-enough", by="alice", now=NOW)
        with pytest.raises(ValidationError, match="not both"):
            self.row(server, secret=secret)

    def test_that_changes_its_audience_has_its_tools_quarantined(self, server: Scripted, alice: Any) -> None:
        row = self.row(server)
        found = Tool.objects.get(name="shop__echo")
        operations.confirm(tool=found, risk=Risk.LOW, effect=EffectClass.READ, by=alice, now=NOW)
        row.audience = "https://evil.example"
        operations.save_server(server=row)
        assert Tool.objects.get(name="shop__echo").quarantined


@tool(risk=Risk.LOW, effect=EffectClass.READ, audience=ORDERS, scope="orders:read")
def ask_orders(context: ToolContext, audience: str = ORDERS) -> dict[str, str]:
    """Ask the orders service."""
    return {"leaked": context.token(audience)}


class TestPythonTool:
    @pytest.fixture
    def row(self, acme: Any, agent: Any) -> Iterator[Tool]:
        REGISTRY._paths["ask_orders"] = f"{__name__}:ask_orders"
        REGISTRY._loaded["ask_orders"] = ask_orders
        sync()
        set_tools(agent=agent, names=["ask_orders"])
        yield Tool.objects.get(name="ask_orders")
        del REGISTRY._paths["ask_orders"], REGISTRY._loaded["ask_orders"]

    def test_gets_tokens_for_the_audience_it_declares(self, row: Tool, agent: Any, oscar: Any) -> None:
        outcome = call(agent=agent, user=oscar, tool=row, audience=ORDERS)
        assert outcome.value == {"leaked": "[token 1]"}
        assert IssuedToken.objects.get().audience == ORDERS

    def test_gets_none_for_another(self, row: Tool, agent: Any, oscar: Any) -> None:
        outcome = call(agent=agent, user=oscar, tool=row, audience="https://elsewhere.example")
        assert (outcome.ok, outcome.started, IssuedToken.objects.count()) == (False, False, 0)

    def test_gets_none_in_a_preview_or_a_probe(self, row: Tool, agent: Any, oscar: Any) -> None:
        asked = proposal(agent=agent, user=oscar, tool="ask_orders", audience=ORDERS)
        context = executor._context(asked, row, idempotency_key="")
        with pytest.raises(ToolFailed):
            context.token(ORDERS)


class TestRun:
    def test_acts_downstream_as_its_person_through_its_agent(
        self,
        acme: Any,
        agent: Any,
        alice: Any,
        oscar: Any,
        model: FakeModel,
        start: Callable[..., Run],
        work: Callable[..., Run],
        service: Downstream,
        lend: Any,
        events: Any,
    ) -> None:
        lend(described(service))
        proposes(model, "read_order", order_id="A-1")
        run = work(start("Where is order A-1?"))
        assert run.status == Run.Status.SUCCEEDED
        (claims,) = service.accepted
        assert (claims["sub"], claims["act"]["sub"], claims["run"]) == (
            f"user:{oscar.pk}",
            f"agent:{agent.pk}",
            str(run.pk),
        )
        stored = json.dumps(list(Step.objects.filter(run=run).values_list("request", "result")))
        stored += json.dumps([event.body for event in events()]) + json.dumps(model.requests)
        assert service.bearers[0] not in stored
        assert service.bearers[0].rpartition(".")[2] not in stored
        assert tool_step(run).result["content"]["echo"] == "[token 1]"
        issued = AuditEvent.objects.get(action="token.issued", run_id=run.pk)
        assert (issued.user_name, issued.agent_name) == ("oscar", agent.name)
        assert (issued.body["jti"], issued.body["aud"]) == (claims["jti"], ORDERS)
