"""Whatever an endpoint answers becomes a reply that can be stored, or one clear error."""

from typing import Any

import pytest

from agents.llm.client import ModelUnavailable, _reply
from agents.llm.types import Reply
from agents.runs.models import Step
from tenants.kernel.jsonvalues import canonical


def function(
    arguments: Any = "{}", *, name: str = "lookup_order", identifier: Any = "c1", kind: str = "function"
) -> Any:
    return {"id": identifier, "type": kind, "function": {"name": name, "arguments": arguments}}


def answer(*calls: Any, **message: Any) -> Any:
    said = {"content": None, "tool_calls": list(calls) or None, **message}
    return {
        "model": "m",
        "choices": [{"message": said, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4},
    }


def arguments_of(raw: Any) -> dict[str, Any] | None:
    return _reply(answer(function(raw))).tool_calls[0].arguments


class TestReply:
    def test_gives_text_calls_and_usage(self) -> None:
        reply = _reply(answer(function('{"order_id": "A-1"}'), content="I look."))
        assert (reply.text, reply.model, reply.finish_reason) == ("I look.", "m", "stop")
        assert (reply.usage.input_tokens, reply.usage.output_tokens) == (3, 4)
        assert reply.tool_calls[0].arguments == {"order_id": "A-1"}

    @pytest.mark.parametrize(
        "odd",
        [None, {}, {"choices": None}, {"choices": []}, {"choices": "x"}, "<html>", 7, []],
    )
    def test_of_nothing_is_an_error(self, odd: Any) -> None:
        with pytest.raises(ModelUnavailable) as raised:
            _reply(odd)
        assert not raised.value.transient

    def test_without_usage_counts_nothing(self) -> None:
        bare = answer(content="Hello.")
        bare["usage"] = bare["model"] = None
        assert _reply(bare) == Reply(model="", text="Hello.", finish_reason="stop")

    def test_without_text_or_calls_is_empty(self) -> None:
        reply = _reply(answer())
        assert (reply.text, reply.tool_calls) == ("", ())

    def test_leaves_out_calls_of_other_kinds(self) -> None:
        assert _reply(answer(function(kind="custom"))).tool_calls == ()


class TestArguments:
    @pytest.mark.parametrize(
        "raw",
        [
            "{",
            "[1]",
            "1",
            "null",
            '"text"',
            "true",
            '{"a": NaN}',
            '{"a": Infinity}',
            '{"a": -Infinity}',
            "{'a': 1}",
        ],
    )
    def test_that_are_no_json_object_are_none_and_kept_as_written(self, raw: str) -> None:
        (call,) = _reply(answer(function(raw))).tool_calls
        assert (call.arguments, call.raw_arguments) == (None, raw)

    @pytest.mark.parametrize("raw", [None, ""])
    def test_that_are_missing_are_an_empty_object(self, raw: Any) -> None:
        assert arguments_of(raw) == {}

    @pytest.mark.parametrize(
        "raw",
        [
            '{"a": 1e999}',
            '{"a": 12345678901234567890}',
            '{"a": 1e22}',
            r'{"a": "\u0000"}',
            r'{"a": "\ud800"}',
        ],
    )
    def test_can_be_stored_and_hashed(self, raw: str) -> None:
        assert canonical(arguments_of(raw))

    @pytest.mark.parametrize("depth", [10, 200, 450, 900, 100_000])
    def test_nested_without_end_never_break_the_run(self, depth: int) -> None:
        raw = '{"a":' + "[" * depth + "]" * depth + "}"
        (call,) = _reply(answer(function(raw))).tool_calls
        assert call.arguments is None or canonical(call.arguments)

    def test_keep_their_types(self) -> None:
        raw = '{"i": 25, "f": 25.0, "t": "25", "b": true, "n": null, "l": [1]}'
        assert arguments_of(raw) == {"i": 25, "f": 25.0, "t": "25", "b": True, "n": None, "l": [1]}


class TestIdentifiers:
    def test_that_are_missing_are_made_up(self) -> None:
        calls = _reply(answer(function(identifier=None), function(identifier=""))).tool_calls
        assert [call.id for call in calls] == ["call_0", "call_1"]

    @pytest.mark.parametrize(
        "identifiers",
        [
            ["a", "a"],
            ["a", "a", "a"],
            ["a", "b", "a"],
            ["a", "a", "a.1"],
            ["a.1", "a", "a"],
            ["call_1", None],
        ],
    )
    def test_are_distinct(self, identifiers: list[Any]) -> None:
        calls = _reply(answer(*(function(identifier=i) for i in identifiers))).tool_calls
        assert len({call.id for call in calls}) == len(identifiers)

    def test_stay_distinct_and_short_enough_to_be_stored(self) -> None:
        calls = _reply(
            answer(function(identifier="x" * 500), function(identifier="x" * 500 + "y"))
        ).tool_calls
        assert len({call.id for call in calls}) == 2
        assert max(len(call.id) for call in calls) <= (Step._meta.get_field("call_id").max_length or 0)

    def test_and_names_and_text_can_be_stored(self) -> None:
        reply = _reply(answer(function(name="a\x00", identifier="\ud800"), content="\x00"))
        assert "\x00" not in reply.text + reply.tool_calls[0].name
        assert canonical([reply.text, reply.tool_calls[0].name, reply.tool_calls[0].id])
