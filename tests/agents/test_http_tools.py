"""HTTP tools do what their endpoint says, and arguments change nothing else about the request."""

import json
import logging
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote

import pytest

from agents.catalog.operations import set_tools
from agents.tools import executor, operations
from agents.tools.adapters import function_of
from agents.tools.base import OutcomeUnknown, ToolContext, ToolFailed
from agents.tools.models import Tool, ToolSecret
from agents.tools.operations import HttpTool, NameTaken
from agents.tools.remote import failures
from agents.tools.remote.endpoint import Endpoint
from agents.tools.secrets import redact, save_secret, secrets_for
from governance import gate
from governance.audit.models import AuditEvent
from governance.types import Effect, EffectClass, Risk
from tenants.kernel.context import tenant_context
from tenants.kernel.errors import InvalidInput, StaleTransition
from tests.governance.samples import NOW, proposal
from tests.tenants import sinks
from tests.tenants.sinks import Target, answer, listening

SECRET = "s3cret+value/of=acme"
PARAMETERS = {
    "type": "object",
    "properties": {
        "order_id": {"type": "string"},
        "amount": {"type": "number"},
        "note": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["order_id"],
    "additionalProperties": False,
}
HEADERS = {"Authorization": "Bearer {secret:SHOP_KEY}", "X-Order": "no. {order_id}", "X-Note": "{note}"}


@pytest.fixture
def target(acme: Any, settings: Any) -> Any:
    """Serve the shop's API on an allowed address."""
    settings.OUTBOUND_ALLOWED_CIDRS = ["127.0.0.1/32"]
    save_secret(name="SHOP_KEY", value=SECRET, by="alice", now=NOW)
    with listening() as server:
        yield server


def endpoint(url: str, **more: Any) -> Endpoint:
    given = {"method": "POST", "query": {"tag": "tags"}, "headers": HEADERS, "body": {"sum": "amount"}}
    return Endpoint.from_json({"url": url, **given, **more})


def described(url: str, **more: Any) -> HttpTool:
    return HttpTool(
        name="refund", description="Refund.", parameters=PARAMETERS, endpoint=endpoint(url, **more)
    )


def made(url: str, effect: EffectClass = EffectClass.READ, **more: Any) -> Tool:
    tool = described(url, **more)
    return operations.create_http(tool=tool, risk=Risk.LOW, effect=effect, timeout_s=20)


def call(tool: Tool, **arguments: Any) -> Any:
    context = ToolContext(
        user_id=1, user_name="oscar", run_id="r", idempotency_key="key-1", secrets=secrets_for(tool)
    )
    return function_of(tool)(arguments, context)


def path(target: Target) -> str:
    return f"{target.url}/v1/orders/{{order_id}}/refunds?fixed=1"


class TestRequest:
    def test_puts_each_argument_where_it_belongs(self, target: Target) -> None:
        tool = made(path(target), EffectClass.IDEMPOTENT)
        assert call(tool, order_id="A-1", amount=2.5, tags=["x y", "a&b"]) == {"ok": True}
        (seen,) = target.seen
        assert seen["path"] == "/v1/orders/A-1/refunds?fixed=1&tag=x+y&tag=a%26b"
        assert json.loads(seen["body"]) == {"sum": 2.5}
        assert seen["headers"]["Authorization"] == f"Bearer {SECRET}"
        assert seen["headers"]["X-Order"] == "no. A-1"
        assert seen["headers"]["Idempotency-Key"] == "key-1"
        assert "X-Note" not in seen["headers"]

    def test_of_a_reading_tool_has_no_key(self, target: Target) -> None:
        call(made(path(target)), order_id="A-1")
        assert "Idempotency-Key" not in target.seen[0]["headers"]

    @pytest.mark.parametrize(
        "value",
        ["a/b", "a?b=1", "a#b", "a%2fb", "a&b", "é", "a;b", "@evil.example", ":80", "//evil.example", "{order_id}",
         "{secret:SHOP_KEY}", "a b", "..a", "%2e%2e"],
    )  # fmt: skip
    def test_keeps_an_argument_within_its_segment(self, target: Target, value: str) -> None:
        call(made(path(target), headers={}), order_id=value)
        (seen,) = target.seen
        assert seen["path"] == f"/v1/orders/{quote(value, safe='')}/refunds?fixed=1"
        assert seen["headers"]["Host"] == f"127.0.0.1:{target.port}"

    @pytest.mark.parametrize(
        "value",
        [
            "..",
            ".",
            "",
            "../..",
            "..\\..",
            "a/../b",
            "/..",
            "a\r\nb",
            "a\x00b",
            "\u202e",
            ["x"],
            {"a": 1},
            None,
        ],
        ids=repr,
    )
    def test_is_not_sent_when_an_argument_cannot_be_part_of_a_path(self, target: Target, value: Any) -> None:
        tool = made(path(target), headers={})
        with pytest.raises(ToolFailed) as caught:
            call(tool, order_id=value)
        assert (caught.value.started, caught.value.transient, target.connections) == (False, False, 0)

    @pytest.mark.parametrize(
        "value",
        ["a\r\nX-Evil: 1", "a\nb", "a\rb", "\x00", "é", "\x7f", "x" * 5000, ["a"]],
        ids=["crlf", "lf", "cr", "nul", "accent", "del", "long", "list"],
    )
    def test_is_not_sent_when_an_argument_cannot_be_in_a_header(self, target: Target, value: Any) -> None:
        tool = made(path(target))
        with pytest.raises(ToolFailed) as caught:
            call(tool, order_id="A-1", note=value)
        assert (caught.value.started, target.connections) == (False, 0)

    def test_expands_no_credential_that_an_argument_names(self, target: Target) -> None:
        call(made(path(target)), order_id="A-1", note="{secret:SHOP_KEY}", tags=["{secret:SHOP_KEY}"])
        (seen,) = target.seen
        assert seen["headers"]["X-Note"] == "{secret:SHOP_KEY}"
        assert SECRET not in seen["path"] + seen["body"].decode()

    def test_is_not_sent_when_a_credential_is_missing(self, target: Target) -> None:
        tool = made(path(target))
        ToolSecret.objects.all().delete()
        with pytest.raises(ToolFailed, match="SHOP_KEY is not set") as caught:
            call(tool, order_id="A-1")
        assert (caught.value.started, target.connections) == (False, 0)

    def test_goes_to_no_private_address(self, target: Target, settings: Any) -> None:
        tool = made(path(target))
        settings.OUTBOUND_ALLOWED_CIDRS = []
        with pytest.raises(ToolFailed) as caught:
            call(tool, order_id="A-1")
        assert (caught.value.started, target.connections) == (False, 0)


class TestThroughTheExecutor:
    def test_is_called_once_with_its_claim(self, target: Target, agent: Any, oscar: Any, alice: Any) -> None:
        tool = made(path(target), headers={})
        set_tools(agent=agent, names=["refund"])
        asked = proposal(agent=agent, user=oscar, tool="refund", order_id="A-1")
        assert gate.authorize(asked, now=NOW).effect is Effect.DENY
        tool = operations.confirm(tool=tool, risk=Risk.LOW, effect=EffectClass.IDEMPOTENT, by=alice, now=NOW)
        decision = gate.authorize(proposal(agent=agent, user=oscar, tool="refund", order_id="A-1"), now=NOW)
        claim = executor.claim(decision, idempotency_key="step-7", now=NOW)
        outcome = executor.execute(claim, tool=tool)
        assert (outcome.ok, outcome.value) == (True, {"ok": True})
        assert [seen["headers"]["Idempotency-Key"] for seen in target.seen] == ["step-7"]

    def test_is_not_called_when_its_url_changed_after_the_permit(
        self, target: Target, agent: Any, oscar: Any, alice: Any
    ) -> None:
        tool = made(path(target), headers={})
        set_tools(agent=agent, names=["refund"])
        operations.confirm(tool=tool, risk=Risk.LOW, effect=EffectClass.READ, by=alice, now=NOW)
        decision = gate.authorize(proposal(agent=agent, user=oscar, tool="refund", order_id="A-1"), now=NOW)
        claim = executor.claim(decision, idempotency_key="step-7", now=NOW)
        moved = described(f"{target.url}/elsewhere/{{order_id}}", headers={})
        tool = operations.change_http(row=tool, tool=moved)
        outcome = executor.execute(claim, tool=tool)
        assert (outcome.ok, outcome.started, target.connections) == (False, False, 0)


class TestAnswer:
    @pytest.mark.parametrize(
        ("body", "value"),
        [
            (b'{"a": [1]}', {"a": [1]}),
            (b"words", {"text": "words"}),
            (b"", {"text": ""}),
            (b"{", {"text": "{"}),
            (b"[" * 100_000, None),
            (b'{"n": 1' + b"0" * 5000 + b"}", None),
            (b'"\\u0000"', "\ufffd"),
        ],
        ids=["json", "text", "empty", "malformed", "deep", "large", "nul"],
    )
    def test_is_its_json_or_its_text(self, target: Target, body: bytes, value: Any) -> None:
        target.reply = lambda handler: answer(handler, 200, body)
        got = call(made(path(target)), order_id="A-1")
        assert got == (value if value is not None else {"text": body.decode()})

    @pytest.mark.parametrize(
        ("status", "transient", "started", "wait"),
        [
            (429, True, False, 7.0),
            (503, True, True, 7.0),
            (500, True, True, None),
            (502, True, True, None),
            (400, False, True, None),
            (404, False, True, None),
            (302, False, True, None),
        ],
    )
    @pytest.mark.parametrize("effect", [EffectClass.READ, EffectClass.IDEMPOTENT])
    def test_tells_what_a_status_means(
        self, target: Target, status: int, transient: bool, started: bool, wait: Any, effect: EffectClass
    ) -> None:
        extra = {"Retry_After": "7"} if wait else {"Location": "http://127.0.0.2/"}
        target.reply = lambda handler: answer(handler, status, b"why", **extra)
        with pytest.raises(ToolFailed) as caught:
            call(made(path(target), effect), order_id="A-1")
        error = caught.value
        assert (error.transient, error.started, error.retry_after_s) == (transient, started, wait)
        assert len(target.seen) == 1

    @pytest.mark.parametrize(
        ("status", "raised"),
        [
            *((status, OutcomeUnknown) for status in (500, 502, 503, 504, 301, 302, 303)),
            *((status, ToolFailed) for status in (307, 308, 400, 404, 408, 409, 429)),
        ],
    )
    def test_says_whether_what_must_not_be_repeated_may_have_happened(
        self, target: Target, status: int, raised: type[Exception]
    ) -> None:
        target.reply = lambda handler: answer(handler, status, b"why", Location="http://127.0.0.2/")
        with pytest.raises(raised, match=r"why|redirect"):
            call(made(path(target), EffectClass.NON_IDEMPOTENT), order_id="A-1")
        assert len(target.seen) == 1

    def test_that_fails_shows_no_part_of_a_credential(self, target: Target) -> None:
        said = "x" * 490 + SECRET
        target.reply = lambda handler: answer(handler, 400, said.encode())
        with pytest.raises(ToolFailed) as caught:
            call(made(path(target)), order_id="A-1")
        assert SECRET[:4] not in caught.value.detail

    @pytest.mark.parametrize(
        "reply",
        [sinks.hang_up, sinks.trickle, sinks.trickle_headers, sinks.flood],
        ids=lambda reply: reply.__name__,
    )
    def test_that_does_not_come_leaves_only_what_must_not_be_repeated_unknown(
        self, target: Target, reply: Any
    ) -> None:
        target.reply = reply
        tool = made(path(target), EffectClass.NON_IDEMPOTENT)
        tool.timeout_s = 2
        with pytest.raises(OutcomeUnknown):
            call(tool, order_id="A-1")
        tool.effect = EffectClass.IDEMPOTENT
        with pytest.raises(ToolFailed) as caught:
            call(tool, order_id="A-1")
        assert (caught.value.transient, caught.value.started) == (reply is not sinks.flood, True)

    def test_from_nobody_was_not_started(self, target: Target) -> None:
        tool = made(path(target), EffectClass.NON_IDEMPOTENT)
        target.shutdown()
        target.server_close()
        with pytest.raises(ToolFailed) as caught:
            call(tool, order_id="A-1")
        assert (caught.value.transient, caught.value.started) == (True, False)

    @pytest.mark.parametrize(
        ("header", "wait"),
        [
            ("7", 7.0),
            (format_datetime(NOW.astimezone(UTC) + timedelta(seconds=90), usegmt=True), 90.0),
            (format_datetime(datetime(2000, 1, 1, tzinfo=UTC), usegmt=True), 0.0),
            ("9" * 400, 86400.0),
            ("-1", None),
            ("soon", None),
            ("", None),
            (None, None),
        ],
    )
    def test_says_how_long_to_wait_in_seconds_or_as_a_date(self, header: Any, wait: Any) -> None:
        assert failures.seconds(header, now=NOW) == (None if wait is None else pytest.approx(wait, abs=1))


class TestDefinition:
    @pytest.mark.parametrize(
        ("part", "value"),
        [
            ("url", "https://{order_id}/x"),
            ("url", "https://{order_id}.example.com/x"),
            ("url", "https://example.com:{order_id}/x"),
            ("url", "{order_id}://example.com/x"),
            ("url", "https://example.com/x?a={order_id}"),
            ("url", "https://example.com/x#{order_id}"),
            ("url", "https://example.com/{unknown}"),
            ("url", "https://example.com/{note}"),  # not required
            ("url", "https://example.com/{secret:SHOP_KEY}"),
            ("url", "https://example.com/{order_id"),
            ("url", "https://example.com/../{order_id}"),
            ("url", "https://user:pass@example.com/"),
            ("url", "https://example.com\\@evil.example/"),
            ("url", "file:///etc/passwd"),
            ("url", "http://169.254.169.254/latest/"),
            ("url", "http://0x7f.1/"),
            ("url", 7),
            ("method", "CONNECT"),
            ("method", "get"),
            ("query", {"a": "unknown"}),
            ("query", ["a"]),
            ("body", {"a": "unknown"}),
            ("body", {"a": {"b": "amount"}}),
            ("headers", {"Host": "evil.example"}),
            ("headers", {"X-A": "{unknown}"}),
            ("headers", {"X-A": "{secret:lower}"}),
            ("headers", {"X-A\r\nX-B": "1"}),
            ("headers", {"X-A": "1\r\nX-B: 2"}),
            ("headers", {"X-A": "1", "x-a": "2"}),
            ("headers", {"Transfer-Encoding": "chunked"}),
            ("headers", {"Idempotency-Key": "mine"}),
            ("extra", 1),
        ],
        ids=str,
    )
    def test_that_could_be_bent_is_refused_and_named(self, acme: Any, part: str, value: Any) -> None:
        with pytest.raises(InvalidInput) as caught:
            described(**{"url": "https://example.com/{order_id}", part: value}).check()
        assert caught.value.errors[0]["at"].startswith(f"/{part}")

    def test_with_a_body_is_refused_for_a_get(self, acme: Any) -> None:
        with pytest.raises(InvalidInput):
            described("https://example.com/{order_id}", method="GET").check()

    @pytest.mark.parametrize("name", ["servers", "secrets", "a b", "a__b", "", "x" * 65, "é", "a/b"])
    def test_is_refused_under_a_name_that_models_or_the_api_cannot_use(self, acme: Any, name: str) -> None:
        tool = HttpTool(
            name=name,
            description="x",
            parameters=PARAMETERS,
            endpoint=endpoint("https://example.com/{order_id}"),
        )
        with pytest.raises(InvalidInput):
            tool.check()

    @pytest.mark.parametrize("name", ["refund_order", "refund"])
    def test_takes_no_name_twice(self, target: Target, name: str) -> None:
        made(path(target))
        with pytest.raises(NameTaken):
            operations.create_http(
                tool=HttpTool(
                    name=name, description="x", parameters=PARAMETERS, endpoint=endpoint(path(target))
                ),
                risk=Risk.LOW,
                effect=EffectClass.READ,
            )


class TestQuarantine:
    def test_holds_a_new_tool_until_somebody_confirms_it(self, target: Target, alice: Any) -> None:
        tool = made(path(target))
        assert (tool.enabled, tool.quarantined, tool.ref().enabled) == (False, True, False)
        tool = operations.confirm(tool=tool, risk=Risk.HIGH, effect=EffectClass.IDEMPOTENT, by=alice, now=NOW)
        assert (tool.ref().enabled, tool.risk, tool.effect) == (True, "high", "idempotent")
        assert (tool.confirmed_by, tool.confirmed_at) == ("alice", NOW)
        event = AuditEvent.objects.get(action="tool.confirmed")
        assert (event.actor_name, event.body["risk"]) == ("alice", "high")

    @pytest.mark.parametrize(
        "change",
        [
            {"url": "http://127.0.0.1:9/elsewhere/{order_id}"},
            {"headers": {**HEADERS, "X-Copy": "{secret:SHOP_KEY}"}},
            {"method": "PUT"},
            {"query": {}},
            {"body": {}},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_takes_a_tool_back_whose_request_would_go_elsewhere(
        self, target: Target, alice: Any, change: dict[str, Any]
    ) -> None:
        tool = made(path(target))
        tool = operations.confirm(tool=tool, risk=Risk.LOW, effect=EffectClass.READ, by=alice, now=NOW)
        before = tool.schema_version
        tool = operations.change_http(row=tool, tool=described(**{"url": path(target), **change}))
        assert (tool.ref().enabled, tool.quarantined, tool.schema_version != before) == (False, True, True)
        assert (tool.risk, tool.effect) == ("critical", "non_idempotent")
        event = AuditEvent.objects.filter(action="tool.quarantined").latest("id")
        assert (event.body["before"]["risk"], event.body["before"]["confirmed_by"]) == ("low", "alice")

    def test_is_not_entered_for_nothing(self, target: Target, alice: Any) -> None:
        tool = made(path(target))
        tool = operations.confirm(tool=tool, risk=Risk.LOW, effect=EffectClass.READ, by=alice, now=NOW)
        assert operations.change_http(row=tool, tool=described(path(target))).ref().enabled

    def test_is_not_left_by_confirming_a_definition_that_is_gone(self, target: Target, alice: Any) -> None:
        seen = made(path(target))
        operations.change_http(row=Tool.objects.get(pk=seen.pk), tool=described(f"{target.url}/{{order_id}}"))
        with pytest.raises(StaleTransition):
            operations.confirm(tool=seen, risk=Risk.LOW, effect=EffectClass.READ, by=alice, now=NOW)


class TestSecrets:
    def test_are_redacted_from_answers_in_every_spelling(self, target: Target) -> None:
        forms = [SECRET, quote(SECRET, safe=""), b64encode(SECRET.encode()).decode()]
        echo = json.dumps({"said": forms, SECRET: "key"}).encode()
        target.reply = lambda handler: answer(handler, 200, echo)
        assert call(made(path(target)), order_id="A-1") == {"said": ["[SHOP_KEY]"] * 3, "[SHOP_KEY]": "key"}

    @pytest.mark.parametrize("status", [200, 404, 500, 429])
    def test_reach_neither_errors_nor_logs_nor_the_audit_log(
        self, target: Target, status: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        target.reply = lambda handler: answer(handler, status, f"you sent {SECRET}".encode())
        tool = made(path(target))
        said = ""
        try:
            said = str(call(tool, order_id="A-1"))
        except ToolFailed as error:
            said = f"{error} {error.detail} {error.args} {error.__cause__}"
        audited = json.dumps([event.body for event in AuditEvent.objects.all()], default=str)
        assert "[SHOP_KEY]" in said
        assert SECRET not in said + caplog.text + audited + repr(tool.__dict__)

    def test_of_a_python_tool_reach_neither_its_result_nor_its_crash(self, acme: Any) -> None:
        from agents.tools.adapters import sealed

        context = ToolContext(
            user_id=1, user_name="o", run_id="r", idempotency_key="k", secrets={"SHOP_KEY": SECRET}
        )
        tool = Tool(name="leaky")
        assert sealed(tool, lambda a, c: {"echo": c.secrets["SHOP_KEY"]})({}, context) == {
            "echo": "[SHOP_KEY]"
        }

        def crash(_arguments: Any, context: ToolContext) -> Any:
            try:
                raise ValueError(context.secrets["SHOP_KEY"])
            except ValueError as error:
                raise RuntimeError("wrapped") from error

        with pytest.raises(OutcomeUnknown, match="RuntimeError") as caught:
            sealed(tool, crash)({}, context)
        assert SECRET not in repr(caught.value.__dict__) + str(caught.value)

    def test_leave_other_values_as_they_are(self) -> None:
        value = {"a": [1, None, True, "text"]}
        assert redact(value, {}) == redact(value, {"K": SECRET}) == value

    def test_of_one_row_do_not_open_in_another(self, target: Target) -> None:
        first = ToolSecret.objects.get(name="SHOP_KEY")
        second = save_secret(name="OTHER", value="another-value", by="alice", now=NOW)
        ToolSecret.objects.filter(pk=second.pk).update(ciphertext=first.ciphertext)
        tool = made(path(target), headers={"X-Key": "{secret:OTHER}"})
        with pytest.raises(ToolFailed, match="cannot be read") as caught:
            call(tool, order_id="A-1")
        assert (caught.value.started, target.connections) == (False, 0)

    def test_of_one_tenant_do_not_open_in_another(self, target: Target, globex_tenant: Any) -> None:
        stolen = ToolSecret.objects.filter(name="SHOP_KEY").values().get()
        with tenant_context(globex_tenant):
            assert not ToolSecret.objects.exists()
            save_secret(name="UNRELATED", value="so that there is a key", by="grace", now=NOW)
            ToolSecret.objects.create(**stolen)
            tool = made(path(target))
            with pytest.raises(ToolFailed, match="cannot be read"):
                call(tool, order_id="A-1")

    @pytest.mark.parametrize("value", ["", "short", "x" * 9000, "with\x00nul"])
    def test_are_refused_where_they_could_not_be_used(self, acme: Any, value: str) -> None:
        with pytest.raises(InvalidInput):
            save_secret(name="SHOP_KEY", value=value, by="alice", now=NOW)

    def test_are_replaced_in_place(self, target: Target) -> None:
        before = ToolSecret.objects.get(name="SHOP_KEY")
        save_secret(name="SHOP_KEY", value="another-value", by="rita", now=NOW)
        after = ToolSecret.objects.get(name="SHOP_KEY")
        assert (after.pk, after.updated_by, after.ciphertext != before.ciphertext) == (
            before.pk,
            "rita",
            True,
        )
        call(made(path(target)), order_id="A-1")
        assert target.seen[0]["headers"]["Authorization"] == "Bearer another-value"

    def test_are_written_to_the_change_log_without_their_ciphertext(self, target: Target) -> None:
        events = AuditEvent.objects.filter(action="config.changed", subject_kind="toolsecret")
        assert events.exists()
        for event in events:
            assert "ciphertext" not in event.body["changes"]
