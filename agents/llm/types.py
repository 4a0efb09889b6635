"""What goes to a model and comes back. No Django."""

from dataclasses import dataclass, field
from typing import Any

Message = dict[str, Any]
"""One chat message in the OpenAI form."""


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """A call the model proposes. `arguments` is None when its text was not a JSON object."""

    id: str
    name: str
    arguments: dict[str, Any] | None
    raw_arguments: str


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Tokens of one call. Cached ones are a part of those that went in."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the model answered."""

    model: str
    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = field(default_factory=Usage)
    finish_reason: str = ""
