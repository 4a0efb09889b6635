"""A general tool-calling agent driven by the model."""

import json
from typing import Any

from agents.blueprints.base import (
    Action,
    AgentConfig,
    BaseAgent,
    CallModel,
    CallTool,
    Finish,
    GiveUp,
    ModelTurn,
    PersonTurn,
    ProposedCall,
    RunContext,
    ToolTurn,
)

INSTRUCTIONS = (
    "You are a careful assistant. Use the tools to do what the user asks; do not invent facts. "
    "Some calls wait for a person's approval. When a call is refused or rejected, say so plainly and why."
)


class AssistantAgent(BaseAgent):
    """Ask the model, run the calls it proposes one by one, and answer with its last text."""

    name = "assistant"
    description = "General tool-calling agent: the model decides which permitted tools to use."
    config_class = AgentConfig

    def plan(self, context: RunContext) -> Action:
        """Return the next unanswered call of the last model turn, else the next model turn or the end."""
        turns = context.history
        last = next((turn for turn in reversed(turns) if isinstance(turn, ModelTurn)), None)
        if last is None:
            return self._ask(context)
        answered = {
            turn.call_id for turn in turns[_after_last_model(context) :] if isinstance(turn, ToolTurn)
        }
        for call in last.calls:
            if call.id not in answered:
                return CallTool(call=call)
        if last.calls:
            return self._ask(context)
        if not last.text.strip():
            return GiveUp(
                code="empty-answer", message="The model answered with neither text nor a tool call."
            )
        return Finish(output={"answer": last.text})

    def _ask(self, context: RunContext) -> Action:
        turns = sum(isinstance(turn, ModelTurn) for turn in context.history)
        if turns >= context.config.max_turns:
            return GiveUp(code="too-many-turns", message=f"The run used all of its {turns} model turns.")
        return CallModel(messages=tuple(messages(context)), tools=tuple(context.tools))


def _after_last_model(context: RunContext) -> int:
    return max(n for n, turn in enumerate(context.history) if isinstance(turn, ModelTurn)) + 1


def messages(context: RunContext) -> list[dict[str, Any]]:
    """Return the conversation in the OpenAI form; earlier messages never change, so prefixes stay cached."""
    system = f"{INSTRUCTIONS}\n\n{context.config.instructions}".strip()
    conversation: list[dict[str, Any]] = [{"role": "system", "content": system}]
    for exchange in context.memory:
        conversation.append({"role": "user", "content": exchange.query})
        conversation.append({"role": "assistant", "content": exchange.answer})
    conversation.append({"role": "user", "content": context.query})
    guidance: list[dict[str, Any]] = []  # kept until every call has its result: nothing may stand between
    for turn in context.history:
        match turn:
            case ModelTurn():
                conversation += guidance
                guidance = []
                conversation.append(_assistant_message(turn))
            case ToolTurn():
                content = json.dumps(turn.content, ensure_ascii=False, sort_keys=True)
                conversation.append({"role": "tool", "tool_call_id": turn.call_id, "content": content})
            case PersonTurn():
                said = f"A person looked at what went wrong and says: {turn.text}"
                guidance.append({"role": "user", "content": said})
    return conversation + guidance


def _assistant_message(turn: ModelTurn) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": turn.text or None}
    if turn.calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": _arguments(call)},
            }
            for call in turn.calls
        ]
    return message


def _arguments(call: ProposedCall) -> str:
    """Return the arguments as the model wrote them, or `{}` where endpoints would refuse the history."""
    return call.raw_arguments if call.arguments is not None else "{}"
