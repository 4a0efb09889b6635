"""Declare a tool: a typed Python function with a risk tier and an effect class."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter, create_model
from typing_extensions import is_typeddict

from governance.types import EffectClass, Risk
from tenants.kernel.errors import DomainError
from tenants.kernel.jsonvalues import JsonObject, sha256_hex

F = TypeVar("F", bound=Callable[..., Any])
MAX_TIMEOUT_S = 600
MAX_ATTEMPTS = 10


class ToolFailed(DomainError):
    """A tool could not do what it was asked; the message is for the agent and the reader of the log.

    `transient=True` says that the same call may succeed later, `retry_after_s` when. `started=False`
    says that the call never reached what it was to act on, so that repeating it is safe whatever its
    effect; a tool that cannot tell leaves it True.
    """

    code = "tool-failed"
    status = 502

    def __init__(
        self,
        detail: str = "",
        *,
        transient: bool = False,
        started: bool = True,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.transient, self.started, self.retry_after_s = transient, started, retry_after_s


class OutcomeUnknown(DomainError):
    """A call was sent and nothing tells whether it took effect: a time-out, or a connection cut."""

    code = "outcome-unknown"
    status = 502


class Happened(StrEnum):
    """What a probe found out about a call."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class ToolContext:
    """What a tool may know of its call. `idempotency_key` is the same each time a call is repeated."""

    user_id: int
    user_name: str
    run_id: str
    idempotency_key: str
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    audience: str = ""
    """The service that the tool may get tokens for; empty for a tool that needs none."""
    mint: Callable[[], str] | None = field(default=None, repr=False, compare=False)
    minted: list[str] = field(default_factory=list, repr=False, compare=False)

    def token(self, audience: str) -> str:
        """Return a new token with which the call acts for its person at `audience`, for 300 s at most.

        It names the person, the agent and the run; never keep it. Raises ToolFailed, not started, for an
        audience that the tool does not declare, and outside an execution: a preview or a probe gets none.
        """
        if not audience or audience != self.audience:
            raise ToolFailed("The tool does not declare this audience, so it gets no token.", started=False)
        if self.mint is None:
            raise ToolFailed("Only a permitted call gets a token.", started=False)
        self.minted.append(self.mint())
        return self.minted[-1]

    @property
    def hidden(self) -> Mapping[str, str]:
        """Return what must not be told: credentials, and tokens with their signatures alone."""
        tokens = {f"token {n}": token for n, token in enumerate(self.minted, 1)}
        signatures = {f"signature {n}": token.rpartition(".")[2] for n, token in enumerate(self.minted, 1)}
        return {**self.secrets, **tokens, **signatures}


@dataclass(frozen=True, kw_only=True)
class Trust:
    """What is known of a tool's results and calls; of a tool that nobody knows, the worst."""

    output_trusted: bool = False
    consequential: bool = True
    built_in: bool = False
    directories: tuple[str, ...] = ()
    """Fields of its results that an admin trusts; "*" for all."""
    result_format: str = "text"
    """What the text of its results is."""
    members: frozenset[str] = frozenset()
    """Names of members that it has declared for its results."""


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
    timeout_s: int
    max_attempts: int
    fallback: str
    output_schema: JsonObject | None
    secrets: tuple[str, ...]
    probe: Callable[..., Happened] | None
    preview: Callable[..., Any] | None
    reversible: bool
    output_trusted: bool
    asks_person: bool
    asks_model: bool
    audience: str
    scope: str

    @property
    def schema_version(self) -> str:
        """Return a digest of what reviewers and models were told about the tool."""
        return schema_version(self.name, self.description, self.parameters)


def schema_version(name: str, description: str, parameters: JsonObject) -> str:
    """Return the SHA-256, in hex, of a tool's definition."""
    return sha256_hex({"name": name, "description": description, "parameters": parameters})


def tool(
    *,
    risk: Risk,
    effect: EffectClass,
    timeout_s: int = 60,
    max_attempts: int = 3,
    fallback: str = "",
    secrets: Sequence[str] = (),
    probe: Callable[..., Happened] | None = None,
    preview: Callable[..., Any] | None = None,
    reversible: bool = False,
    output_trusted: bool = False,
    asks_person: bool = False,
    asks_model: bool = False,
    audience: str = "",
    scope: str = "",
) -> Callable[[F], F]:
    """Turn a typed function into a tool: name, description and JSON Schemas come from the function.

    A parameter `context: ToolContext` is filled in by the executor and hidden from the model. `secrets`
    names the tenant's credentials the tool needs; it finds them in `context.secrets`. `fallback` is the
    tool proposed with the same arguments when this one cannot be used. `probe` and `preview` take the
    tool's own arguments, and `context` if they ask for it: `probe` says after a crash whether the call
    took effect, `preview` returns for the reviewer what the call would do, and changes nothing.
    `reversible` says that what a call did can be undone: only then may a medium-risk call run when nobody
    objects. `output_trusted` says that nobody outside can write into its results: others make the run
    untrusted that reads them. A tool that `asks_person` is never executed: once it is permitted, its arguments
    `question`, `details` and `options` are put to a person, whose answer is its result. One that `asks_model`
    is never executed either: its `question` about the result `handle` is put to a model without tools.
    `audience` is the service that `context.token(audience)` gives tokens for, `scope` what they permit there.
    A tool that returns a pydantic model or a TypedDict has an output schema, and what it returns is checked.
    Raises TypeError when the function has no docstring or a parameter has no annotation, or asks a person
    without a `question`; ValueError for limits out of range (1 to 600 s, 1 to 10 tries) and for a tool that
    is to stand in for itself.
    """

    def declare(function: F) -> F:
        if not 1 <= timeout_s <= MAX_TIMEOUT_S or not 1 <= max_attempts <= MAX_ATTEMPTS:
            raise ValueError(f"Tool {function.__name__}: its time-out or its tries are out of range.")
        if fallback == function.__name__:
            raise ValueError(f"Tool {function.__name__} cannot stand in for itself.")
        signature = _signature(function)
        if asks_person and "question" not in signature["parameters"].get("required", ()):
            raise TypeError(f"Tool {function.__name__} asks a person, so it needs a 'question'.")
        function.spec = ToolSpec(  # type: ignore[attr-defined]
            **signature,
            risk=risk,
            effect=effect,
            timeout_s=timeout_s,
            max_attempts=max_attempts,
            fallback=fallback,
            secrets=tuple(secrets),
            probe=probe,
            preview=preview,
            reversible=reversible,
            output_trusted=output_trusted,
            asks_person=asks_person,
            asks_model=asks_model,
            audience=audience,
            scope=scope,
        )
        return function

    return declare


def _signature(function: Callable[..., Any]) -> dict[str, Any]:
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
    return {
        "name": name,
        "description": description,
        "parameters": _plain(TypeAdapter(model).json_schema()),
        "function": function,
        "wants_context": "context" in hints,
        "output_schema": _output_schema(hints.get("return")),
    }


def _output_schema(returned: Any) -> JsonObject | None:
    """Return the schema of a declared shape; a plain `dict` declares none."""
    if is_typeddict(returned) or (inspect.isclass(returned) and issubclass(returned, BaseModel)):
        schema: JsonObject = _plain(TypeAdapter(returned).json_schema(mode="serialization"))
        return schema
    return None


def _plain(schema: Any, *, names: bool = False) -> Any:
    """Drop pydantic's generated titles: they are noise to the model and the reviewer."""
    if isinstance(schema, dict):
        return {k: _plain(v, names=k == "properties") for k, v in schema.items() if names or k != "title"}
    return [_plain(item) for item in schema] if isinstance(schema, list) else schema
