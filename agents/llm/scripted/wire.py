"""Read and write the JSON shapes of OpenAI's chat completions: requests, answers, stream chunks, errors.

Token counts are an estimate and always the same for the same text: about 4 characters per token, rounded up.
Ids come from the hash of the request, without `stream` and `stream_options`; `created` is one fixed moment.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from agents.llm.scripted.types import Json, Message, Reply, ToolCall

MODEL = "scripted"
CREATED = 1_767_225_600
"""2026-01-01T00:00:00Z in Unix seconds: equal requests get equal bytes."""
_CHARACTERS_PER_TOKEN = 4
_ARGUMENT_FRAGMENT = 12
_ROLES = ("system", "developer", "user", "assistant", "tool")

JsonObject = dict[str, Json]


class RequestError(Exception):
    """Say why a request is refused: an HTTP status, a message, a code of OpenAI's kind, headers to send."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.headers = dict(headers or {})


@dataclass(frozen=True, kw_only=True)
class ChatRequest:
    """Hold a checked request; `offered` names the tools that may be called, `digest` is 64 hex digits."""

    model: str
    messages: tuple[Message, ...]
    offered: frozenset[str]
    stream: bool
    include_usage: bool
    digest: str
    prompt_tokens: int


def parse_request(body: bytes) -> ChatRequest:
    """Read the body of a chat completion request. Raises RequestError."""
    try:
        data = json.loads(body)
        digest = _digest(data)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"We could not parse the JSON body of your request: {error}") from error
    if not isinstance(data, dict):
        raise RequestError("The body of your request must be a JSON object.")
    if "messages" not in data:
        raise RequestError("Missing required parameter: 'messages'.", code="missing_required_parameter")
    if data.get("n") not in (None, 1):
        raise RequestError("The scripted model gives one choice: 'n' must be 1.", code="invalid_value")
    messages = tuple(_message(item, i) for i, item in enumerate(_objects(data["messages"], "messages")))
    if not messages:
        raise RequestError("Invalid 'messages': empty array.", code="empty_array")
    _check_tool_messages(messages)
    tools = _objects(data.get("tools") or [], "tools")
    options = data.get("stream_options")
    return ChatRequest(
        model=data["model"] if isinstance(data.get("model"), str) else MODEL,
        messages=messages,
        offered=frozenset() if data.get("tool_choice") == "none" else frozenset(_tool_name(t) for t in tools),
        stream=data.get("stream") is True,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        digest=digest,
        prompt_tokens=_tokens(*(text for message in messages for text in _texts(message)), json.dumps(tools)),
    )


def completion(request: ChatRequest, reply: Reply) -> JsonObject:
    """Return the answer as one chat completion."""
    message: JsonObject = {"role": "assistant", "content": reply.content, "refusal": None}
    if reply.calls:
        message["tool_calls"] = [_call(request, i, call) for i, call in enumerate(reply.calls)]
    choice: JsonObject = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": _finish_reason(reply),
    }
    return _head(request, "chat.completion") | {"choices": [choice], "usage": usage(request, reply)}


def chunks(request: ChatRequest, reply: Reply) -> Iterator[JsonObject]:
    """Yield the answer as stream chunks; their deltas add up to the message of `completion`."""
    head = _head(request, "chat.completion.chunk") | ({"usage": None} if request.include_usage else {})
    for delta, finish_reason in _deltas(request, reply):
        choice: JsonObject = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        yield head | {"choices": [choice]}
    if request.include_usage:
        yield head | {"choices": [], "usage": usage(request, reply)}


def usage(request: ChatRequest, reply: Reply) -> JsonObject:
    """Return the estimated token counts."""
    texts = [reply.content or "", *(text for call in reply.calls for text in (call.name, call.arguments))]
    completion_tokens = _tokens(*texts)
    return {
        "prompt_tokens": request.prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": request.prompt_tokens + completion_tokens,
    }


def error_body(message: str, *, status: int, code: str | None) -> JsonObject:
    """Return an error in OpenAI's shape."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        kind = "requests"
    else:
        kind = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def models() -> JsonObject:
    """Return the list of models."""
    model: JsonObject = {"id": MODEL, "object": "model", "created": CREATED, "owned_by": "countersign"}
    return {"object": "list", "data": [model]}


def _deltas(request: ChatRequest, reply: Reply) -> Iterator[tuple[JsonObject, str | None]]:
    yield {"role": "assistant", "content": None if reply.content is None else "", "refusal": None}, None
    for piece in re.findall(r"\S+\s*|\s+", reply.content or ""):
        yield {"content": piece}, None
    for i, call in enumerate(reply.calls):
        opened = _call(request, i, ToolCall(name=call.name, arguments=""))
        yield {"tool_calls": [{"index": i, **opened}]}, None
        for start in range(0, len(call.arguments), _ARGUMENT_FRAGMENT):
            fragment = call.arguments[start : start + _ARGUMENT_FRAGMENT]
            yield {"tool_calls": [{"index": i, "function": {"arguments": fragment}}]}, None
    yield {}, _finish_reason(reply)


def _digest(data: object) -> str:
    if isinstance(data, dict):
        data = {key: value for key, value in data.items() if key not in ("stream", "stream_options")}
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _head(request: ChatRequest, kind: str) -> JsonObject:
    return {
        "id": f"chatcmpl-{request.digest[:29]}",
        "object": kind,
        "created": CREATED,
        "model": request.model,
        "system_fingerprint": "fp_scripted",
    }


def _call(request: ChatRequest, index: int, call: ToolCall) -> JsonObject:
    name = hashlib.sha256(f"{request.digest}:{index}".encode()).hexdigest()[:24]
    function: JsonObject = {"name": call.name, "arguments": call.arguments}
    return {"id": f"call_{name}", "type": "function", "function": function}


def _finish_reason(reply: Reply) -> str:
    return "tool_calls" if reply.calls else "stop"


def _tokens(*texts: str) -> int:
    return -(-sum(map(len, texts)) // _CHARACTERS_PER_TOKEN)


def _texts(message: Message) -> Iterator[str]:
    yield message.text
    for call in message.calls:
        yield call.name
        yield call.arguments


def _objects(value: object, where: str) -> Sequence[JsonObject]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise RequestError(f"Invalid type for '{where}': expected an array of objects.", code="invalid_type")
    return value


def _message(item: JsonObject, index: int) -> Message:
    where = f"messages[{index}]"
    role = item.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise RequestError(f"Invalid value for '{where}.role': {role!r}.", code="invalid_value")
    calls = _objects(item.get("tool_calls") or [], f"{where}.tool_calls")
    return Message(
        role=role,
        text=_content(item.get("content"), where),
        calls=tuple(_parsed_call(call, where) for call in calls) if role == "assistant" else (),
        call_id=str(item.get("tool_call_id") or "") if role == "tool" else "",
    )


def _content(content: Json, where: str) -> str:
    match content:
        case None:
            return ""
        case str():
            return content
        case list():
            parts = _objects(content, f"{where}.content")
            return "\n".join(str(part["text"]) for part in parts if "text" in part)
    raise RequestError(f"Invalid type for '{where}.content'.", code="invalid_type")


def _parsed_call(call: JsonObject, where: str) -> ToolCall:
    match call:
        case {"id": str(call_id), "function": {"name": str(name), "arguments": str(arguments)}}:
            return ToolCall(id=call_id, name=name, arguments=arguments)
    raise RequestError(f"Invalid '{where}.tool_calls': id, name or arguments missing.", code="invalid_value")


def _tool_name(tool: JsonObject) -> str:
    match tool:
        case {"function": {"name": str(name)}}:
            return name
    raise RequestError("Invalid 'tools': a tool without function.name.", code="missing_required_parameter")


def _check_tool_messages(messages: Sequence[Message]) -> None:
    """Refuse, as OpenAI does, tool messages that answer no call, and calls that no tool message answers."""
    waiting: set[str] = set()
    for i, message in enumerate((*messages, Message(role="end"))):
        if message.role == "tool":
            if message.call_id not in waiting:
                problem = f"messages[{i}]: 'tool' messages must answer one of the preceding 'tool_calls'."
                raise RequestError(f"Invalid parameter: {problem}")
            waiting.discard(message.call_id)
        elif waiting:
            missing = ", ".join(sorted(waiting))
            raise RequestError(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                f"'tool_call_id'. The following tool_call_ids did not have response messages: {missing}"
            )
        waiting |= {call.id for call in message.calls}
