"""Whatever a model answers, the run stays consistent and nothing runs that nobody may run."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agents.runs.models import Run, Step
from agents.tools.models import Tool
from governance.audit.models import AuditEvent
from tests.agents import probes
from tests.agents.fake_model import FakeModel, calls, text
from tests.agents.probes import Probe

Start = Callable[..., Run]
Work = Callable[..., Run]


@pytest.fixture
def db(committed: str, model: FakeModel) -> None:
    """Use the module's own database and the fake model."""


@pytest.fixture
def probe(agent: Any) -> Iterator[type[Probe]]:
    """Give the agent the probes."""
    with probes.installed(agent) as installed:
        yield installed


@pytest.fixture
def ask(model: FakeModel, start: Start, work: Work) -> Callable[..., Run]:
    """Return a function that runs an agent whose model gives these answers."""

    def run(*answers: Any) -> Run:
        model.script(*answers)
        return work(start("go"))

    return run


def errors(run: Run) -> list[str]:
    return [step.result["content"]["error"]["code"] for step in run.steps.filter(kind="tool")]


class TestCalls:
    def test_of_tools_the_agent_was_not_given_are_refused(self, ask: Callable[..., Run]) -> None:
        assert Tool.objects.filter(name="record_bonus", enabled=True).exists()
        run = ask(calls(("record_bonus", {"employee_id": "E-1", "amount": 1, "reason": "x"})), text("ok"))
        assert (run.status, errors(run)) == (Run.Status.SUCCEEDED, ["unknown-tool"])

    @pytest.mark.parametrize("name", ["", "x" * 500, "lookup_order\x00", "../lookup_order", "LOOKUP_ORDER"])
    def test_of_names_that_are_no_tool_are_refused(self, ask: Callable[..., Run], name: str) -> None:
        run = ask(calls((name, {"order_id": "A-1001"})), text("ok"))
        assert (run.status, errors(run)) == (Run.Status.SUCCEEDED, ["unknown-tool"])

    def test_of_a_disabled_tool_are_neither_offered_nor_run(
        self, probe: type[Probe], model: FakeModel, ask: Callable[..., Run]
    ) -> None:
        Tool.objects.filter(name="strike").update(enabled=False)
        try:
            run = ask(calls(("strike", {})), text("ok"))
        finally:
            Tool.objects.filter(name="strike").update(enabled=True)
        offered = {tool["function"]["name"] for tool in model.requests[0]["tools"]}
        assert "strike" not in offered
        assert "peek" in offered
        assert (errors(run), probe.entered) == (["denied"], [])

    @pytest.mark.parametrize(
        "arguments",
        ["", "null", "[]", '"x"', "{", '{"a": NaN}', '{"order_id": 1e999}', '{"order_id": "\\u0000"}'],
    )
    def test_with_odd_arguments_never_break_the_run(self, ask: Callable[..., Run], arguments: str) -> None:
        run = ask(calls(("lookup_order", arguments)), text("ok"))
        assert (run.status, run.output) == (Run.Status.SUCCEEDED, {"answer": "ok"})
        assert not run.steps.filter(status__in=Step.OPEN).exists()

    @pytest.mark.parametrize("depth", [50, 150, 400, 900, 5000])
    def test_with_deeply_nested_arguments_never_break_the_run(
        self, ask: Callable[..., Run], depth: int
    ) -> None:
        nested = '{"order_id":' + "[" * depth + "]" * depth + "}"
        run = ask(calls(("lookup_order", nested)), text("ok"))
        assert run.status == Run.Status.SUCCEEDED
        assert errors(run)[0] in {"denied", "invalid-json"}

    def test_that_share_an_id_are_each_run_once(self, probe: type[Probe], ask: Callable[..., Run]) -> None:
        run = ask(calls(("strike", {}), ("strike", {}), ids=("same", "same")), text("ok"))
        assert (run.status, len(probe.entered)) == (Run.Status.SUCCEEDED, 2)

    def test_with_a_very_long_id_are_run_once(self, probe: type[Probe], ask: Callable[..., Run]) -> None:
        run = ask(calls(("strike", {}), ids=("i" * 1000,)), text("ok"))
        assert (run.status, len(probe.entered)) == (Run.Status.SUCCEEDED, 1)

    def test_with_the_same_id_in_two_turns_are_both_run(
        self, probe: type[Probe], ask: Callable[..., Run]
    ) -> None:
        run = ask(calls(("strike", {}), ids=("a",)), calls(("strike", {}), ids=("a",)), text("ok"))
        assert (run.status, len(probe.entered)) == (Run.Status.SUCCEEDED, 2)


class TestLimits:
    def test_end_a_run_that_never_stops_asking(
        self, model: FakeModel, start: Start, work: Work, agent: Any
    ) -> None:
        model.script(calls(("lookup_order", {"order_id": "A-1001"})))
        run = start("go")
        run.snapshot["config"] = {"max_turns": 3}
        run.save()
        run = work(run)
        assert (run.status, run.error["code"]) == (Run.Status.FAILED, "too-many-turns")
        assert (len(model.requests), run.steps.count()) == (3, 6)

    def test_end_a_run_after_its_steps(
        self, probe: type[Probe], ask: Callable[..., Run], settings: Any
    ) -> None:
        settings.RUN_MAX_STEPS = 4
        run = ask(calls(*[("strike", {})] * 10), text("ok"))
        assert (run.status, run.error["code"]) == (Run.Status.FAILED, "too-many-steps")
        assert (run.steps.count(), len(probe.entered)) == (4, 3)


class TestAnswers:
    @pytest.mark.parametrize("answer", ["", "  \n"])
    def test_of_nothing_end_the_run(self, ask: Callable[..., Run], answer: str) -> None:
        run = ask(text(answer))
        assert (run.status, run.error["code"], run.output) == (Run.Status.FAILED, "empty-answer", None)

    def test_with_characters_that_cannot_be_stored_are_kept_without_them(
        self, ask: Callable[..., Run]
    ) -> None:
        run = ask(text("a\x00b\ud800"))
        assert run.output["answer"].startswith("a\ufffdb")

    @pytest.mark.parametrize("status", [400, 401, 404])
    def test_that_are_errors_end_the_run(
        self, model: FakeModel, start: Start, work: Work, status: int
    ) -> None:
        model.status = status
        run = work(start("go"))
        assert (run.status, run.error["code"]) == (Run.Status.FAILED, "model-unavailable")
        assert str(status) in run.error["message"]
        assert AuditEvent.objects.filter(run_id=run.pk, action="run.failed").exists()
        assert not run.steps.filter(status__in=Step.OPEN).exists()


class TestConversation:
    def test_tells_the_model_of_each_refusal_by_its_call(
        self, model: FakeModel, ask: Callable[..., Run]
    ) -> None:
        ask(calls(("nothing", {}), ("lookup_order", {"order_id": "A-1001"}), ids=("a", "b")), text("ok"))
        told = {m["tool_call_id"]: m["content"] for m in model.requests[1]["messages"] if m["role"] == "tool"}
        assert "unknown-tool" in told["a"]
        assert "Espresso machine" in told["b"]

    def test_offers_the_tools_of_the_run_with_their_schemas(
        self, model: FakeModel, ask: Callable[..., Run]
    ) -> None:
        run = ask(text("ok"))
        offered = {tool["function"]["name"]: tool["function"] for tool in model.requests[0]["tools"]}
        assert sorted(offered) == run.snapshot["tools"]
        assert offered["refund_order"]["parameters"]["required"] == ["order_id", "amount", "reason"]
