"""Hold the values that pass between the wire and the scripts."""

from dataclasses import dataclass, field
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """Name one call of a tool; `arguments` is the raw text, which should be but need not be JSON."""

    name: str
    arguments: str
    id: str = ""


@dataclass(frozen=True, kw_only=True)
class Message:
    """Hold one message of a conversation; `call_id` is set on tool results only."""

    role: str
    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    call_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Say how the transport misbehaves: an HTTP status, a wait in ms and s, a connection cut half way."""

    status: int | None = None
    retry_after_s: int | None = None
    delay_ms: int = 0
    cut: bool = False


@dataclass(frozen=True, kw_only=True)
class Reply:
    """Hold what the model says: text, tool calls, both or neither; `script` names where it came from."""

    content: str | None = None
    calls: tuple[ToolCall, ...] = ()
    fault: Fault = field(default_factory=Fault)
    script: str | None = None
