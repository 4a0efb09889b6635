"""What a blueprint is: it plans the next action of a run from its history, and runs nothing itself."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field


class AgentConfig(BaseModel):
    """Settings every blueprint has; blueprints add theirs."""

    model_config = ConfigDict(extra="forbid")

    instructions: str = ""
    model: str = ""
    fallback_models: list[str] = Field(default_factory=list, max_length=5)
    """Asked in this order when the model does not answer."""
    max_turns: int = Field(default=20, ge=1, le=100)
    max_output_tokens: int = Field(default=4096, ge=1, le=200_000)
    """Where an answer of the model is cut; budgets reserve for as many."""
    max_cost_micros: int | None = Field(default=None, ge=1)
    """What one run may cost in micro-dollars; nothing further is started that could cost more."""
    fallback_answer: str = ""
    """What the person is told when everything failed; without it the run ends as failed."""
    hand_off_after: int = Field(default=3, ge=0, le=20)
    """Failures in a row after which a person takes over; 0 for never."""


@dataclass(frozen=True, kw_only=True)
class ProposedCall:
    """A tool call that the model proposed. `arguments` is None when they were not a JSON object."""

    id: str
    name: str
    arguments: dict[str, Any] | None
    raw_arguments: str


@dataclass(frozen=True, kw_only=True)
class ModelTurn:
    """A closed model step."""

    text: str
    calls: tuple[ProposedCall, ...]


@dataclass(frozen=True, kw_only=True)
class ToolTurn:
    """A closed tool step: what the model is told of it, as a JSON value."""

    call_id: str
    content: Any


@dataclass(frozen=True, kw_only=True)
class PersonTurn:
    """What a person who took over told the agent."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """An earlier request of the same person in the same session, and the answer to it."""

    query: str
    answer: str


Turn = ModelTurn | ToolTurn | PersonTurn


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """All that a blueprint sees of its run: values, and no way out."""

    query: str
    config: Any
    tools: Sequence[str]
    history: Sequence[Turn] = field(default_factory=tuple)
    memory: Sequence[Exchange] = field(default_factory=tuple)


@dataclass(frozen=True, kw_only=True)
class CallModel:
    """Ask the model with these messages, offering these tools."""

    messages: tuple[dict[str, Any], ...]
    tools: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CallTool:
    """Propose this tool call to the gate."""

    call: ProposedCall


@dataclass(frozen=True, kw_only=True)
class Finish:
    """End the run with this output."""

    output: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class GiveUp:
    """End the run as failed, for this reason."""

    code: str
    message: str


Action = CallModel | CallTool | Finish | GiveUp


class BaseAgent(ABC):
    """Base of every blueprint's behaviour."""

    name: ClassVar[str]
    description: ClassVar[str]
    config_class: ClassVar[type[AgentConfig]] = AgentConfig

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a blueprint without a name or a description when it is defined."""
        super().__init_subclass__(**kwargs)
        for attribute in ("name", "description"):
            if not isinstance(getattr(cls, attribute, None), str):
                raise TypeError(f"Blueprint {cls.__name__} needs a class attribute '{attribute}'.")

    @abstractmethod
    def plan(self, context: RunContext) -> Action:
        """Return the next action. Pure: the same context gives the same action."""
