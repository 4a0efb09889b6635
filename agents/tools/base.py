"""Declare a tool: a typed Python function with a risk tier and an effect class."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, get_type_hints

from pydantic import ConfigDict, TypeAdapter, create_model

from governance.types import EffectClass, Risk
from tenants.kernel.errors import DomainError
from tenants.kernel.jsonvalues import JsonObject, sha256_hex

F = TypeVar("F", bound=Callable[..., Any])


class ToolFailed(DomainError):
    """A tool could not do what it was asked; the message is for the agent and the reader of the log."""

    code = "tool-failed"
    status = 502


@dataclass(frozen=True, kw_only=True)
class ToolContext:
    """What a tool may know of its call. `idempotency_key` is the same each time a call is repeated."""

    user_id: int
    user_name: str
    run_id: str
    idempotency_key: str


@dataclass(frozen=True, kw_only=True)
class ToolSpec:
    """A tool as its author declared it."""

    name: str
    description: str
    parameters: JsonObject
    risk: Risk
    effect: EffectClass
    function: Callable[..., Any]
    wants_context: bool

    @property
    def schema_version(self) -> str:
        """Return a digest of what reviewers and models were told about the tool."""
        return schema_version(self.name, self.description, self.parameters)


def schema_version(name: str, description: str, parameters: JsonObject) -> str:
    """Return the SHA-256, in hex, of a tool's definition."""
    return sha256_hex({"name": name, "description": description, "parameters": parameters})


def tool(*, risk: Risk, effect: EffectClass) -> Callable[[F], F]:
    """Turn a typed function into a tool: name, description and JSON Schema come from the function.

    A parameter `context: ToolContext` is filled in by the executor and hidden from the model. Raises
    TypeError when the function has no docstring or a parameter has no annotation.
    """

    def declare(function: F) -> F:
        function.spec = _spec(function, risk, effect)  # type: ignore[attr-defined]
        return function

    return declare


def _spec(function: Callable[..., Any], risk: Risk, effect: EffectClass) -> ToolSpec:
    name = function.__name__
    description = inspect.getdoc(function)
    if not description:
        raise TypeError(f"Tool {name} needs a docstring: the model and the reviewer read it.")
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == "context":
            continue
        if parameter.name not in hints:
            raise TypeError(f"Tool {name}: parameter '{parameter.name}' needs a type annotation.")
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (hints[parameter.name], default)
    model = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
    return ToolSpec(
        name=name,
        description=description,
        parameters=_plain(TypeAdapter(model).json_schema()),
        risk=risk,
        effect=effect,
        function=function,
        wants_context="context" in hints,
    )


def _plain(schema: Any, *, names: bool = False) -> Any:
    """Drop pydantic's generated titles: they are noise to the model and the reviewer."""
    if isinstance(schema, dict):
        return {k: _plain(v, names=k == "properties") for k, v in schema.items() if names or k != "title"}
    return [_plain(item) for item in schema] if isinstance(schema, list) else schema
