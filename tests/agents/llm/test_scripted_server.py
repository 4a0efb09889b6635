"""Talk to the server with the OpenAI client, as the platform does."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI

from agents.llm.scripted.server import running

HERE = Path(__file__).parent
DEMO = HERE.parents[2] / "agents" / "demo" / "scripts"
REFUND = "Please refund 25.00 for order A-1001, it arrived broken"


def tool(name: str) -> Any:
    return {
        "type": "function",
        "function": {"name": name, "parameters": {"type": "object", "properties": {}}},
    }


TOOLS = [tool("lookup_order"), tool("refund_order"), tool("send_email")]


@pytest.fixture(scope="module")
def client() -> Iterator[OpenAI]:
    with running(DEMO) as url, OpenAI(base_url=url, api_key="none", max_retries=0, timeout=10) as client:
        yield client


@pytest.fixture(scope="module")
def faulty() -> Iterator[OpenAI]:
    with (
        running(HERE / "scripts") as url,
        OpenAI(base_url=url, api_key="none", max_retries=0, timeout=10) as client,
    ):
        yield client


def ask(client: OpenAI, text: str, **more: Any) -> Any:
    messages = [{"role": "user", "content": text}]
    return client.chat.completions.create(**{"model": "any", "messages": messages, "tools": TOOLS, **more})


class TestChat:
    def test_answers_in_text(self, client: OpenAI) -> None:
        answer = ask(client, "hello", tools=openai.omit)
        assert answer.object == "chat.completion"
        assert answer.model == "any"
        assert answer.choices[0].finish_reason == "stop"
        assert answer.choices[0].message.role == "assistant"
        assert answer.choices[0].message.content.startswith("I am the scripted stand-in model")
        assert answer.choices[0].message.tool_calls is None

    def test_calls_tools_and_goes_on_with_their_results(self, client: OpenAI) -> None:
        messages: list[Any] = [{"role": "system", "content": "Help."}, {"role": "user", "content": REFUND}]
        first = ask(client, "", messages=messages).choices[0]
        assert first.finish_reason == "tool_calls"
        assert first.message.content == "I look up order A-1001 first."
        (call,) = first.message.tool_calls
        assert (call.type, call.function.name) == ("function", "lookup_order")
        assert json.loads(call.function.arguments) == {"order_id": "A-1001"}
        result = {"role": "tool", "tool_call_id": call.id, "content": json.dumps({"total": 89.9})}
        messages += [first.message.model_dump(exclude_none=True), result]
        (second,) = ask(client, "", messages=messages).choices[0].message.tool_calls
        assert second.id != call.id
        assert json.loads(second.function.arguments)["amount"] == 25

    def test_reads_content_in_parts(self, client: OpenAI) -> None:
        parts = [{"type": "text", "text": "Where is"}, {"type": "text", "text": "order A-1002?"}]
        answer = ask(client, "", messages=[{"role": "user", "content": parts}])
        assert json.loads(answer.choices[0].message.tool_calls[0].function.arguments) == {
            "order_id": "A-1002"
        }

    def test_calls_nothing_when_the_tool_choice_is_none(self, client: OpenAI) -> None:
        assert ask(client, REFUND, tool_choice="none").choices[0].message.tool_calls is None

    def test_gives_equal_requests_equal_answers(self, client: OpenAI) -> None:
        assert ask(client, REFUND) == ask(client, REFUND)
        assert ask(client, REFUND).id != ask(client, REFUND + "!").id

    def test_estimates_tokens_by_characters(self, client: OpenAI) -> None:
        answer = ask(client, "x" * 400, tools=openai.omit)
        assert 100 <= answer.usage.prompt_tokens <= 101
        assert answer.usage.completion_tokens == -(-len(answer.choices[0].message.content) // 4)
        assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens

    def test_keeps_a_connection_over_many_calls(self, client: OpenAI) -> None:
        assert {ask(client, REFUND).id for _ in range(50)} == {ask(client, REFUND).id}

    def test_lists_its_model(self, client: OpenAI) -> None:
        assert [model.id for model in client.models.list()] == ["scripted"]


class TestStream:
    @pytest.mark.parametrize("text", [REFUND, "hello"])
    def test_adds_up_to_the_answer_in_one_piece(self, client: OpenAI, text: str) -> None:
        whole = ask(client, text)
        content, reasons, ids = "", [], set()
        calls: dict[int, dict[str, Any]] = {}
        for chunk in ask(client, text, stream=True):
            ids.add(chunk.id)
            (choice,) = chunk.choices
            content += choice.delta.content or ""
            reasons.append(choice.finish_reason)
            for delta in choice.delta.tool_calls or []:
                call = calls.setdefault(
                    delta.index, {"id": delta.id, "name": delta.function.name, "pieces": []}
                )
                call["pieces"].append(delta.function.arguments)
        message = whole.choices[0].message
        assert content == (message.content or "")
        assert [(call["id"], call["name"], "".join(call["pieces"])) for call in calls.values()] == [
            (call.id, call.function.name, call.function.arguments) for call in message.tool_calls or []
        ]
        assert all(len(call["pieces"]) > 2 for call in calls.values())
        assert ids == {whole.id}
        assert reasons[-1] == whole.choices[0].finish_reason
        assert not any(reasons[:-1])

    def test_is_understood_by_the_accumulating_helper(self, client: OpenAI) -> None:
        messages: Any = [{"role": "user", "content": REFUND}]
        with client.chat.completions.stream(model="any", messages=messages, tools=TOOLS) as stream:
            final = stream.get_final_completion()
        assert final.choices[0].message.tool_calls is not None
        assert json.loads(final.choices[0].message.tool_calls[0].function.arguments) == {"order_id": "A-1001"}

    def test_ends_with_the_usage_when_asked_for(self, client: OpenAI) -> None:
        chunks = list(ask(client, REFUND, stream=True, stream_options={"include_usage": True}))
        assert [bool(chunk.usage) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
        assert chunks[-1].choices == []
        assert chunks[-1].usage == ask(client, REFUND).usage

    def test_leaves_the_connection_usable(self, client: OpenAI) -> None:
        for _ in range(3):
            assert list(ask(client, REFUND, stream=True))
            assert ask(client, REFUND).choices


class TestFaults:
    def test_arguments_may_be_no_json(self, faulty: OpenAI) -> None:
        (call,) = ask(faulty, "fault: invalid json").choices[0].message.tool_calls
        with pytest.raises(ValueError, match="Unterminated"):
            json.loads(call.function.arguments)

    def test_a_tool_may_not_exist(self, faulty: OpenAI) -> None:
        (call,) = ask(faulty, "fault: unknown tool").choices[0].message.tool_calls
        assert call.function.name == "lookup_planet"

    def test_arguments_may_not_fit_the_tool(self, faulty: OpenAI) -> None:
        (call,) = ask(faulty, "fault: wrong arguments").choices[0].message.tool_calls
        assert json.loads(call.function.arguments) == {"order": 1001, "colour": ["blue"]}

    def test_a_second_call_may_be_bad(self, faulty: OpenAI) -> None:
        calls = ask(faulty, "fault: second call").choices[0].message.tool_calls
        assert len({call.id for call in calls}) == 2
        assert calls[1].function.arguments == "{not json"

    @pytest.mark.parametrize("stream", [False, True])
    def test_a_message_may_be_empty(self, faulty: OpenAI, stream: bool) -> None:
        if stream:
            chunks = list(ask(faulty, "fault: empty", stream=True))
            assert not any(chunk.choices[0].delta.content for chunk in chunks)
            return
        message = ask(faulty, "fault: empty").choices[0].message
        assert (message.content, message.tool_calls) == (None, None)

    @pytest.mark.parametrize("stream", [False, True])
    def test_a_rate_limit_says_when_to_come_back(self, faulty: OpenAI, stream: bool) -> None:
        with pytest.raises(openai.RateLimitError) as caught:
            ask(faulty, "fault: rate limit", stream=stream)
        assert caught.value.code == "rate_limit_exceeded"
        assert caught.value.response.headers["retry-after"] == "1"

    def test_the_server_may_fail(self, faulty: OpenAI) -> None:
        with pytest.raises(openai.InternalServerError) as caught:
            ask(faulty, "fault: server error")
        assert caught.value.type == "server_error"
        assert ask(faulty, "fault: empty")

    def test_an_answer_may_be_slow(self, faulty: OpenAI) -> None:
        with pytest.raises(openai.APITimeoutError):
            ask(faulty, "fault: slow", timeout=0.1)
        start = time.monotonic()
        assert ask(faulty, "fault: slow").choices[0].message.content == "better late than never"
        assert time.monotonic() - start >= 0.4

    @pytest.mark.parametrize("text", ["fault: cut", "fault: call cut"])
    def test_a_connection_may_break_in_the_middle(self, faulty: OpenAI, text: str) -> None:
        with pytest.raises(openai.APIConnectionError):
            ask(faulty, text)

    @pytest.mark.parametrize("text", ["fault: cut", "fault: call cut"])
    def test_a_stream_may_break_in_the_middle(self, faulty: OpenAI, text: str) -> None:
        chunks: list[Any] = []
        with pytest.raises(openai.APIConnectionError):
            chunks.extend(ask(faulty, text, stream=True))
