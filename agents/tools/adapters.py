"""One way to call a tool, wherever it comes from. Only the executor uses it."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from agents.tools import operations
from agents.tools.base import OutcomeUnknown, ToolContext, ToolFailed
from agents.tools.models import Tool
from agents.tools.registry import spec_of
from agents.tools.remote import failures, http, mcp
from agents.tools.secrets import names_for, redact
from governance.types import EffectClass
from tenants.kernel import outbound
from tenants.kernel.errors import DomainError
from tenants.kernel.jsonvalues import JsonObject, storable
from tenants.kernel.registry import UnknownMember

Call = Callable[[JsonObject, ToolContext], Any]


def function_of(tool: Tool) -> Call:
    """Return a function of arguments and context that calls the tool.

    What it returns is storable JSON, and neither that nor what it raises holds a credential of the
    context. Raises ToolFailed, not started, for a Python tool that is gone or has changed; the function
    raises ToolFailed and OutcomeUnknown, and whatever a Python tool raises.
    """
    match tool.source:
        case Tool.Source.HTTP:
            return sealed(tool, lambda arguments, context: http.call(tool, arguments, context))
        case Tool.Source.MCP:
            return sealed(tool, lambda arguments, context: _call_mcp(tool, arguments, context))
    return sealed(tool, _python(tool))


def _python(tool: Tool) -> Call:
    try:
        spec = spec_of(tool.name)
    except UnknownMember as error:
        raise ToolFailed(error.detail, started=False) from error
    if spec.schema_version != tool.schema_version:
        raise ToolFailed(f"{tool.name} has changed since this call was proposed.", started=False)

    def call(arguments: JsonObject, context: ToolContext) -> Any:
        given = {**arguments, "context": context} if spec.wants_context else arguments
        try:
            return spec.function(**given)
        except outbound.OutboundError as error:
            raise failures.of_transport(error, effect=EffectClass(tool.effect)) from error

    return call


def _call_mcp(tool: Tool, arguments: JsonObject, context: ToolContext) -> Any:
    try:
        return mcp.call(tool, arguments, context)
    except mcp.DefinitionChanged:
        operations.quarantine(tool=tool, why="Its server declares it differently from what was confirmed.")
        raise


def sealed(tool: Tool, call: Call) -> Call:
    """Return the call with its credentials and tokens kept out of its results, its errors and their causes."""

    def kept(arguments: JsonObject, context: ToolContext) -> Any:
        if missing := set(names_for(tool)) - set(context.secrets):
            raise ToolFailed(f"The credential {min(missing)} is not set.", started=False)
        try:
            value = call(arguments, context)
        except (ToolFailed, OutcomeUnknown) as error:
            raise _redacted(error, context) from None
        except Exception as error:
            if redact(_told(error), context.hidden) == _told(error):
                raise
            raise OutcomeUnknown(f"{tool.name} failed: {type(error).__name__}") from None
        value = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
        return redact(storable(value), context.hidden)

    return kept


def _redacted(error: DomainError, context: ToolContext) -> DomainError:
    hidden = context.hidden
    error.detail = redact(error.detail, hidden)
    error.errors, error.data = redact(error.errors, hidden), redact(error.data, hidden)
    error.args = (error.detail,)
    return error


def _told(error: BaseException) -> str:
    """Return what a log would show of the error and of those that led to it."""
    told, seen = [], set[int]()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        told.append(f"{cause!r} {cause}")
        cause = cause.__cause__ or cause.__context__
    return " ".join(told)
