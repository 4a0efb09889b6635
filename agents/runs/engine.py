"""Rebuild what a run knows from its stored steps. Pure: reads rows, writes nothing."""

from collections.abc import Iterable, Sequence
from typing import Any

from agents.blueprints.base import BaseAgent, ModelTurn, ProposedCall, RunContext, ToolTurn, Turn
from agents.runs.models import Step

EXCERPT = 4000


def history(steps: Iterable[Step]) -> tuple[Turn, ...]:
    """Return the closed steps as turns; outputs are read back, never recomputed."""
    turns: list[Turn] = []
    for step in steps:
        if step.result is None or step.status in Step.OPEN:
            continue
        if step.kind == Step.Kind.MODEL:
            turns.append(_model_turn(step.result))
        else:
            turns.append(ToolTurn(call_id=step.call_id, content=step.result["content"]))
    return tuple(turns)


def context(
    *, snapshot: dict[str, Any], query: str, steps: Sequence[Step], blueprint: type[BaseAgent]
) -> RunContext:
    """Return what the blueprint may see."""
    return RunContext(
        query=query,
        config=blueprint.config_class(**snapshot["config"]),
        tools=tuple(snapshot["tools"]),
        history=history(steps),
    )


def _model_turn(result: dict[str, Any]) -> ModelTurn:
    calls = tuple(
        ProposedCall(
            id=call["id"], name=call["name"], arguments=call["arguments"], raw_arguments=call["raw_arguments"]
        )
        for call in result.get("calls", ())
    )
    return ModelTurn(text=result.get("text", ""), calls=calls)


def story(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """Return the run so far for people: one entry a step, long results cut with a mark that says so."""
    told = []
    for step in steps:
        entry: dict[str, Any] = {
            "number": step.number,
            "kind": step.kind,
            "name": step.name,
            "status": step.status,
        }
        result = step.result or {}
        if step.kind == Step.Kind.MODEL:
            entry["text"] = excerpt(result.get("text", ""))
            entry["calls"] = [call["name"] for call in result.get("calls", ())]
        else:
            entry["arguments"] = step.request.get("arguments")
            entry["content"] = result.get("content")
        told.append(entry)
    return told


def excerpt(text: str) -> str:
    """Return the text, or its beginning with a mark."""
    return text if len(text) <= EXCERPT else f"{text[:EXCERPT]} […{len(text) - EXCERPT} more characters]"


def failure(code: str, message: str) -> dict[str, Any]:
    """Return what a model is told of a call that did not do what it asked."""
    return {"error": {"code": str(code), "message": message}}


def since_last_answer(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the messages the model had not seen before: what was added after its last answer."""
    answers = [n for n, message in enumerate(messages) if message["role"] == "assistant"]
    return list(messages[answers[-1] + 1 :] if answers else messages)
