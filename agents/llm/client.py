"""Ask a model through any OpenAI-compatible endpoint."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2
import openai
from django.conf import settings

from agents.llm.types import Message, Reply, ToolCall, Usage
from tenants.kernel.errors import DomainError
from tenants.kernel.jsonvalues import storable

P = TypeVar("P")
OPENAI_HOST = "api.openai.com"
MAX_TOKENS = 2**31 - 1
MAX_ID = 100
"""Characters of a call's id that are kept: a result is stored with its id and must match its call."""


class ModelUnavailable(DomainError):
    """The model did not answer.

    `transient` tells whether trying again may help, `retry_after_s` when at the earliest,
    `asked=False` that the endpoint was not asked at all, and `may_be_billed` that it may have done the work.
    """

    code = "model-unavailable"
    status = 502
    title = "The model did not answer"

    def __init__(
        self,
        detail: str,
        *,
        transient: bool,
        retry_after_s: float | None = None,
        asked: bool = True,
        may_be_billed: bool = False,
    ) -> None:
        super().__init__(detail)
        self.transient, self.retry_after_s, self.asked = transient, retry_after_s, asked
        self.may_be_billed = may_be_billed


@cache
def _client(base_url: str, api_key: str, timeout_s: float) -> openai.OpenAI:
    return openai.OpenAI(base_url=base_url, api_key=api_key or "unset", timeout=timeout_s, max_retries=0)


def complete(
    *, model: str, messages: Sequence[Message], tools: Sequence[dict[str, Any]], max_output_tokens: int
) -> Reply:
    """Return the model's reply to the conversation; raise ModelUnavailable when there is none.

    `tools` are in the OpenAI form, and the answer is cut after `max_output_tokens`. One request a call:
    whoever asks tries again, without holding a worker meanwhile.
    """
    client = _client(settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY, settings.MODEL_TIMEOUT_S)
    body: dict[str, Any] = {
        "model": model,
        "messages": list(messages),
        _cap(settings.OPENAI_BASE_URL): max_output_tokens,
    }
    if tools:
        body["tools"] = list(tools)
    try:
        # The typed method walks every message on every call, and building its models costs more than
        # the rest of the call; the body is in its form already and the answer is read defensively.
        answer = client.post("/chat/completions", body=body, cast_to=object)
    except openai.APIStatusError as error:
        raise ModelUnavailable(
            f"The model endpoint answered {error.status_code}: {_message(error)}",
            transient=isinstance(error, openai.RateLimitError | openai.InternalServerError),
            retry_after_s=_retry_after_s(error),
        ) from error
    except openai.APIError as error:
        raise ModelUnavailable(
            f"The model endpoint at {settings.OPENAI_BASE_URL} did not answer: {_message(error)}",
            transient=True,
            may_be_billed=not isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout),
        ) from error
    return _reply(answer)


def _cap(base_url: str) -> str:
    """Return the parameter that caps the answer: OpenAI's newer models know one, most other endpoints the other."""
    return "max_completion_tokens" if urlsplit(base_url).hostname == OPENAI_HOST else "max_tokens"


def _retry_after_s(error: openai.APIStatusError) -> float | None:
    """Return the seconds of a Retry-After header; dates are rare there and are not read."""
    try:
        return float(error.response.headers.get("retry-after", ""))
    except ValueError:
        return None


def _message(error: openai.APIError) -> str:
    return str(storable(error.message))[:300]


def _reply(answer: Any) -> Reply:
    """Return the reply in an endpoint's JSON; whatever is missing or of another type is taken as absent."""
    choices = _part(answer, "choices", list)
    if not choices:
        raise ModelUnavailable("The model endpoint answered without a choice.", transient=False)
    message = _part(choices[0], "message", dict)
    calls = [call for call in _part(message, "tool_calls", list) if _part(call, "type", str) == "function"]
    usage = _part(answer, "usage", dict)
    return Reply(
        model=_part(answer, "model", str),
        text=storable(_part(message, "content", str)),
        tool_calls=_distinct([_tool_call(call, n) for n, call in enumerate(calls)]),
        usage=Usage(
            input_tokens=_tokens(_part(usage, "prompt_tokens", int)),
            cached_tokens=_tokens(_part(_part(usage, "prompt_tokens_details", dict), "cached_tokens", int)),
            output_tokens=_tokens(_part(usage, "completion_tokens", int)),
        ),
        finish_reason=_part(choices[0], "finish_reason", str),
    )


def _part(whole: Any, name: str, kind: type[P]) -> P:
    """Return a member of a JSON object if it has the type, else that type's empty value."""
    value = whole.get(name) if isinstance(whole, dict) else None
    return value if isinstance(value, kind) else kind()


def _tokens(count: int) -> int:
    """Return a number of tokens that can be: what an endpoint says below or above is cut off there."""
    return min(max(0, count), MAX_TOKENS)


def _tool_call(call: Any, position: int) -> ToolCall:
    function = _part(call, "function", dict)
    raw = storable(_part(function, "arguments", str) or "{}")
    try:
        arguments = json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        arguments = None
    return ToolCall(
        id=str(storable(_part(call, "id", str) or f"call_{position}"))[:MAX_ID],
        name=str(storable(_part(function, "name", str))),
        arguments=storable(arguments) if isinstance(arguments, dict) else None,
        raw_arguments=raw,
    )


def _distinct(calls: list[ToolCall]) -> tuple[ToolCall, ...]:
    """Give calls that share an id one each: results are matched to calls by id."""
    seen: set[str] = set()
    distinct = []
    for position, call in enumerate(calls):
        identifier = call.id if call.id not in seen else f"{call.id}.{position}"
        seen.add(identifier)
        distinct.append(replace(call, id=identifier))
    return tuple(distinct)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
