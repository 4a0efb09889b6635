"""Talk to MCP servers over streamable HTTP, through the official client and the guarded way out.

One connection serves one listing or one call: it is negotiated, used and closed, in the calling
thread. No sampling, elicitation or roots are offered, so a server can ask for nothing back.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio
import httpx2
import mcp_types as types
from django.utils import timezone
from mcp.client.client import Client
from mcp.client.session import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from pydantic import TypeAdapter, ValidationError

from agents.tools.base import OutcomeUnknown, ToolContext, ToolFailed
from agents.tools.models import Tool
from agents.tools.remote import failures
from agents.tools.secrets import redact
from governance.types import EffectClass
from tenants.kernel import outbound
from tenants.kernel.errors import DomainError
from tenants.kernel.jsonvalues import JsonObject, storable

T = TypeVar("T")
PIN = ("name", "title", "description", "inputSchema", "outputSchema", "annotations")
MAX_PAGES = 20
MAX_TOOLS = 200
LISTING_TIMEOUT_S = 30
MAX_LISTING_BYTES = 2 * 1024 * 1024
MAX_SAID = 500
KEY = "Idempotency-Key"
_LOST = frozenset({types.CONNECTION_CLOSED, types.REQUEST_TIMEOUT})
# The client says so, too, of an answer of another kind than it understands.
_UNREADABLE = frozenset({types.PARSE_ERROR, types.INVALID_REQUEST})
_CALLED: TypeAdapter[types.CallToolResult | types.InputRequiredResult] = TypeAdapter(
    types.CallToolResult | types.InputRequiredResult
)


class DefinitionChanged(ToolFailed):
    """The server no longer offers the tool as it was confirmed; it was not called."""

    code = "tool-definition-changed"


@dataclass(kw_only=True)
class _Wire:
    """What went over the wire, beyond what the client tells: was the call sent, and what came back."""

    idempotency_key: str = ""
    sending: outbound.Sending = field(default_factory=outbound.Sending)
    status: int = 0
    retry_after: str | None = None

    async def on_request(self, request: httpx2.Request) -> None:
        """Give the call itself, and nothing else, its key; note when it leaves."""
        self.status = 0
        if _method(request) == "tools/call":
            request.extensions = {**request.extensions, "trace": self.sending.watch}
            if self.idempotency_key:
                request.headers[KEY] = self.idempotency_key

    async def on_response(self, response: httpx2.Response) -> None:
        """Note the status: the client turns each error status into the same error."""
        if response.request.method == "POST" and _method(response.request) != "":
            self.status, self.retry_after = response.status_code, response.headers.get("retry-after")


def _method(request: httpx2.Request) -> str:
    """Return the JSON-RPC method of a request, empty for an answer to the server or a body-less one."""
    try:
        return str(json.loads(request.content or b"{}").get("method", ""))
    except (ValueError, AttributeError, httpx2.RequestNotRead):
        return ""


def definitions(*, url: str, secret: str | None) -> list[JsonObject]:
    """Return what the server declares of each of its tools, in the server's order.

    Raises ToolFailed if it cannot be asked, or lists more than 200 tools or 20 pages.
    """

    async def work(session: ClientSession) -> list[JsonObject]:
        return [pinned(tool) for tool in await _listed(session)]

    wire = _Wire()
    try:
        return _run(
            work, url=url, secret=secret, wire=wire, timeout_s=LISTING_TIMEOUT_S, max_bytes=MAX_LISTING_BYTES
        )
    except Exception as error:  # the edge to a client that raises groups of anything
        raise _before_the_call(error, wire, {"credential": secret} if secret else {}) from error


def call(tool: Tool, arguments: JsonObject, context: ToolContext) -> Any:
    """Call the tool if the server still declares it as it was confirmed; return its result.

    That is the structured content, or `{"text": …}`. Raises DefinitionChanged, ToolFailed, or
    OutcomeUnknown where a non-idempotent call was sent and not answered.
    """
    assert tool.server is not None  # noqa: S101  # every tool of this source has one
    effect = EffectClass(tool.effect)
    key = "" if effect is EffectClass.READ else context.idempotency_key
    wire = _Wire(idempotency_key=key)
    name = str(tool.definition["name"])

    async def work(session: ClientSession) -> types.CallToolResult | types.InputRequiredResult:
        listed = [pinned(declared) for declared in await _listed(session) if declared.name == name]
        if listed != [tool.definition]:
            raise DefinitionChanged(
                f"{tool.name} is no longer what was confirmed: its server declares it differently.",
                started=False,
            )
        params = types.CallToolRequestParams(
            name=name, arguments=arguments, _meta={KEY: key} if key else None
        )
        # Not session.call_tool: after the effect it may list again, and fail a call that succeeded.
        return await session.send_request(types.CallToolRequest(params=params), _CALLED)

    secret = context.secrets[tool.server.secret.name] if tool.server.secret else None
    if tool.audience:
        secret = context.token(tool.audience)
    try:
        result = _run(
            work, url=tool.server.url, secret=secret, wire=wire, timeout_s=failures.patience_s(tool.timeout_s),
            max_bytes=MAX_LISTING_BYTES,
        )  # fmt: skip
    except Exception as error:  # the edge to a client that raises groups of anything
        if wire.sending.begun:
            raise _of_the_call(error, wire, effect, context.hidden) from error
        raise _before_the_call(error, wire, context.hidden) from error
    return _value(result, context.hidden)


def pinned(tool: types.Tool) -> JsonObject:
    """Return the part of a declaration that a confirmation is for, storable."""
    declared = tool.model_dump(by_alias=True, mode="json", exclude_unset=True)
    return {name: storable(declared[name]) for name in PIN if declared.get(name) is not None}


async def _listed(session: ClientSession) -> list[types.Tool]:
    tools: list[types.Tool] = []
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        params = types.PaginatedRequestParams(cursor=cursor) if cursor else None
        page = await session.list_tools(params=params)
        tools += page.tools
        if len(tools) > MAX_TOOLS:
            raise ToolFailed(f"The server lists more than {MAX_TOOLS} tools.", started=False)
        cursor = page.next_cursor
        if not cursor:
            return tools
    raise ToolFailed(f"The server lists its tools on more than {MAX_PAGES} pages.", started=False)


def _run(
    work: Callable[[ClientSession], Awaitable[T]],
    *,
    url: str,
    secret: str | None,
    wire: _Wire,
    timeout_s: float,
    max_bytes: int,
) -> T:
    """Connect, work and close; `timeout_s` limits all of it. What was done stands, however closing ends."""
    done: list[T] = []

    async def session() -> None:
        headers: Mapping[str, str] = {"Authorization": f"Bearer {secret}"} if secret else {}
        http = outbound.client(timeout_s=timeout_s, headers=headers, max_bytes=max_bytes)
        http.event_hooks = {"request": [wire.on_request], "response": [wire.on_response]}
        with anyio.fail_after(timeout_s):
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(http)
                transport = streamable_http_client(url, http_client=http)
                client = await stack.enter_async_context(
                    Client(transport, cache=None, read_timeout_seconds=timeout_s, client_info=_NAME)
                )
                done.append(await work(client.session))

    try:
        outbound.run(session())
    except Exception:  # closing failed, or the work did: only the second matters
        if not done:
            raise
    return done[0]


_NAME = types.Implementation(name="countersign", version="1")


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in _leaves(part)]
    return [error]


def _chosen(error: BaseException) -> BaseException:
    """Return the error that says most of those that were raised together."""
    leaves = _leaves(error)
    for kind in (DomainError, httpx2.HTTPError, TimeoutError, ValidationError, MCPError):
        for leaf in leaves:
            if isinstance(leaf, kind):
                return leaf
    return leaves[0]


def _said(text: str, secrets: Mapping[str, str]) -> str:
    """Return the beginning of what a server said. Cut last: half a credential would not be found."""
    return str(redact(text, secrets))[:MAX_SAID]


def _before_the_call(error: BaseException, wire: _Wire, secrets: Mapping[str, str]) -> DomainError:
    """Return what failed while nothing had been called: repeating it is safe."""
    cause = _chosen(error)
    if isinstance(cause, ToolFailed):
        return cause
    refused = failures.of_status(wire.status, "", retry_after=wire.retry_after, now=timezone.now())
    if refused is not None:
        refused.started = False
        return refused
    match cause:
        case outbound.OutboundError() | httpx2.HTTPError() | httpx2.InvalidURL() | TimeoutError():
            error_out = outbound.translated(cause, sent=False)
            transient = not isinstance(error_out, outbound.OutboundRefused | outbound.ResponseRefused)
            return ToolFailed(error_out.detail, transient=transient, started=False)
        case MCPError():
            return ToolFailed(
                f"The server answered: {_said(cause.message, secrets)}",
                transient=cause.code in _LOST,
                started=False,
            )
    return ToolFailed(f"The server does not speak MCP as expected: {type(cause).__name__}.", started=False)


def _of_the_call(
    error: BaseException, wire: _Wire, effect: EffectClass, secrets: Mapping[str, str]
) -> DomainError:
    """Return what failed after the call had begun to leave."""
    cause = _chosen(error)
    said = _said(cause.message, secrets) if isinstance(cause, MCPError) else ""
    refused = failures.of_answer(
        wire.status, said, effect=effect, retry_after=wire.retry_after, now=timezone.now()
    )
    if refused is not None:
        return refused
    match cause:
        case ToolFailed():
            return cause
        case outbound.OutboundError() | httpx2.HTTPError() | TimeoutError():
            return failures.of_transport(outbound.translated(cause, sent=True), effect=effect)
        case MCPError() if cause.code in _LOST:
            return failures.of_transport(outbound.Interrupted(said), effect=effect)
        case MCPError() if cause.code == types.INTERNAL_ERROR and effect is EffectClass.NON_IDEMPOTENT:
            return OutcomeUnknown(f"The server failed: {said}")
        case MCPError() if cause.code not in _UNREADABLE:
            return ToolFailed(f"The server answered: {said}")
    # An answer came and cannot be read: whether the call took effect is not known.
    if effect is EffectClass.NON_IDEMPOTENT:
        return OutcomeUnknown("The server's answer cannot be read.")
    return ToolFailed("The server's answer cannot be read.")


def _value(result: types.CallToolResult | types.InputRequiredResult, secrets: Mapping[str, str]) -> Any:
    if not isinstance(result, types.CallToolResult):
        raise ToolFailed("The server asks for more input, which agents do not give.")
    text = "\n".join(
        block.text if isinstance(block, types.TextContent) else f"[{block.type}]" for block in result.content
    )
    if result.is_error:
        raise ToolFailed(_said(text, secrets) or "The tool failed without saying why.")
    return {"text": text} if result.structured_content is None else result.structured_content
