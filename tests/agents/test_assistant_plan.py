"""The assistant's plan, as a table: what it does next after each history."""

import json
from itertools import pairwise
from typing import Any

import pytest

from agents.blueprints.assistant import INSTRUCTIONS, AssistantAgent, messages
from agents.blueprints.base import (
    AgentConfig,
    BaseAgent,
    CallModel,
    CallTool,
    Finish,
    GiveUp,
    ModelTurn,
    ProposedCall,
    RunContext,
    ToolTurn,
    Turn,
)
from agents.blueprints.registry import describe, validate_config
from tenants.kernel.errors import InvalidInput
from tenants.kernel.registry import UnknownMember


def call(identifier: str, arguments: dict[str, Any] | None = None, raw: str = "{}") -> ProposedCall:
    return ProposedCall(id=identifier, name="lookup_order", arguments=arguments, raw_arguments=raw)


def asked(*calls: ProposedCall, text: str = "") -> ModelTurn:
    return ModelTurn(text=text, calls=calls)


def answered(identifier: str) -> ToolTurn:
    return ToolTurn(call_id=identifier, content={"ok": True})


def context(*history: Turn, **config: Any) -> RunContext:
    return RunContext(
        query="Where is A-1?", config=AgentConfig(**config), tools=("lookup_order",), history=history
    )


ONE, TWO = call("1", {}), call("2", {})


class TestPlan:
    @pytest.mark.parametrize(
        ("history", "kind"),
        [
            ((), CallModel),
            ((asked(text="It is on its way."),), Finish),
            ((asked(ONE),), CallTool),
            ((asked(ONE, text="I look."),), CallTool),
            ((asked(ONE), answered("1")), CallModel),
            ((asked(ONE, TWO), answered("1")), CallTool),
            ((asked(ONE, TWO), answered("1"), answered("2")), CallModel),
            ((asked(ONE), answered("1"), asked(text="Done.")), Finish),
            ((asked(),), GiveUp),
            ((asked(text=" \n"),), GiveUp),
        ],
    )
    def test_next(self, history: tuple[Turn, ...], kind: type) -> None:
        assert isinstance(AssistantAgent().plan(context(*history)), kind)

    def test_answers_with_the_last_text(self) -> None:
        history = (asked(ONE, text="first"), answered("1"), asked(text="last"))
        assert AssistantAgent().plan(context(*history)) == Finish(output={"answer": "last"})

    def test_runs_calls_in_the_order_proposed(self) -> None:
        assert AssistantAgent().plan(context(asked(TWO, ONE))) == CallTool(call=TWO)

    def test_runs_a_call_again_whose_id_an_earlier_turn_used(self) -> None:
        history = (asked(ONE), answered("1"), asked(ONE))
        assert AssistantAgent().plan(context(*history)) == CallTool(call=ONE)

    def test_proposes_a_call_whose_arguments_could_not_be_read(self) -> None:
        broken = call("1", None, raw="{")
        assert AssistantAgent().plan(context(asked(broken))) == CallTool(call=broken)

    def test_gives_up_after_the_turns_it_has(self) -> None:
        history = (asked(ONE), answered("1"))
        assert isinstance(AssistantAgent().plan(context(*history, max_turns=2)), CallModel)
        given_up = AssistantAgent().plan(context(*history, max_turns=1))
        assert isinstance(given_up, GiveUp)
        assert given_up.code == "too-many-turns"

    def test_offers_the_tools_of_the_run(self) -> None:
        action = AssistantAgent().plan(context())
        assert isinstance(action, CallModel)
        assert action.tools == ("lookup_order",)

    def test_is_pure(self) -> None:
        given = context(asked(ONE, TWO), answered("1"))
        assert AssistantAgent().plan(given) == AssistantAgent().plan(given)


class TestMessages:
    def test_begin_with_instructions_and_the_request(self) -> None:
        assert messages(context(instructions="You work for Acme.")) == [
            {"role": "system", "content": f"{INSTRUCTIONS}\n\nYou work for Acme."},
            {"role": "user", "content": "Where is A-1?"},
        ]

    def test_pair_each_result_with_its_call(self) -> None:
        said = messages(context(asked(call("1", {"a": 1}, '{"a": 1}'), text="I look."), answered("1")))[2:]
        assert said[0]["content"] == "I look."
        assert said[0]["tool_calls"][0]["function"] == {"name": "lookup_order", "arguments": '{"a": 1}'}
        assert said[1] == {"role": "tool", "tool_call_id": "1", "content": '{"ok": true}'}

    def test_send_an_empty_object_for_arguments_that_could_not_be_read(self) -> None:
        said = messages(context(asked(call("1", None, "{broken"))))
        assert json.loads(said[2]["tool_calls"][0]["function"]["arguments"]) == {}

    def test_only_ever_grow(self) -> None:
        history = (asked(ONE), answered("1"), asked(TWO), answered("2"), asked(text="Done."))
        conversations = [messages(context(*history[:n])) for n in range(len(history) + 1)]
        for shorter, longer in pairwise(conversations):
            assert longer[: len(shorter)] == shorter


class TestBlueprints:
    def test_are_described_with_their_default_configuration(self) -> None:
        (described,) = [entry for entry in describe() if entry["name"] == "assistant"]
        assert described["default_config"] == {
            "instructions": "",
            "model": "",
            "fallback_models": [],
            "max_turns": 20,
            "max_cost_micros": None,
            "max_output_tokens": 4096,
            "fallback_answer": "",
            "hand_off_after": 3,
        }

    def test_refuse_settings_they_do_not_know(self) -> None:
        with pytest.raises(InvalidInput) as raised:
            validate_config("assistant", {"temperature": 1, "max_turns": "many"})
        assert {error["at"] for error in raised.value.errors} == {"/config/temperature", "/config/max_turns"}

    def test_that_do_not_exist_are_named(self) -> None:
        with pytest.raises(UnknownMember, match="Known: assistant"):
            validate_config("poet", {})

    def test_need_a_name_and_a_description(self) -> None:
        with pytest.raises(TypeError, match="'description'"):
            type("Nameless", (BaseAgent,), {"name": "nameless", "plan": lambda self, context: None})
