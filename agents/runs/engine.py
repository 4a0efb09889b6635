"""Rebuild what a run knows from its stored steps. Pure: reads rows, writes nothing."""

from collections.abc import Iterable, Sequence
from typing import Any

from agents.blueprints.base import (
    BaseAgent,
    Exchange,
    ModelTurn,
    PersonTurn,
    ProposedCall,
    RunContext,
    ToolTurn,
    Turn,
)
from agents.runs import handles
from agents.runs.models import Run, Step

EXCERPT = 4000


ENGINE_VERSION = 1
"""Which rules turn stored steps into the next plan. Raise it when tests/agents/histories no longer replay."""
READABLE_VERSIONS = frozenset({1})


def history(steps: Iterable[Step]) -> tuple[Turn, ...]:
    """Return the closed steps as turns; outputs are read back, never recomputed.

    A model that did not answer leaves no turn. A call whose fallback was proposed in its place leaves
    none either: the fallback's result answers it.
    """
    turns: list[Turn] = []
    for step in steps:
        if step.result is None or step.status in Step.OPEN:
            continue
        match step.kind:
            case Step.Kind.MODEL if step.status == Step.Status.SUCCEEDED:
                turns.append(_model_turn(step.result))
            case Step.Kind.TOOL if "fallback" not in step.result:
                turns.append(ToolTurn(call_id=step.call_id, content=_content(step)))
            case Step.Kind.PERSON if step.result.get("message"):
                turns.append(PersonTurn(text=step.result["message"]))
    return tuple(turns)


def _content(step: Step) -> Any:
    result = step.result or {}
    content = handles.view(step, result.get("schema")) if result.get("withheld") else result["content"]
    if "instead_of" not in step.request:
        return content
    notice = f"{step.request['instead_of']} could not be used; {step.name} was used instead."
    return {"notice": notice, "result": content}


def failures_in_a_row(steps: Sequence[Step]) -> int:
    """Return how many calls failed since the last one that did not, or since a person looked."""
    count = 0
    for step in reversed(steps):
        if step.kind == Step.Kind.PERSON:
            break
        if step.kind != Step.Kind.TOOL or step.is_open:
            continue
        if step.status != Step.Status.FAILED:
            break
        count += 1
    return count


def context(*, run: Run, steps: Sequence[Step], blueprint: type[BaseAgent]) -> RunContext:
    """Return what the blueprint may see."""
    snapshot = run.snapshot
    return RunContext(
        query=run.query,
        config=blueprint.config_class(**snapshot["config"]),
        tools=tuple(snapshot["tools"]),
        history=history(steps),
        memory=tuple(Exchange(**exchange) for exchange in snapshot.get("memory", ())),
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
            "attempts": step.attempts,
        }
        result = step.result or {}
        match step.kind:
            case Step.Kind.MODEL:
                entry["text"] = excerpt(result.get("text", ""))
                entry["calls"] = [call["name"] for call in result.get("calls", ())]
                entry |= {"error": result["error"]} if "error" in result else {}
            case Step.Kind.TOOL:
                entry["arguments"] = step.request.get("arguments")
                entry["content"] = result.get("content")
                entry |= {"asked": True} if step.request.get("asked") else {}
            case Step.Kind.PERSON:
                entry["why"] = step.request.get("why", "")
                entry["content"] = result or None
        told.append(entry)
    return told


def evidence(run: Run, steps: Iterable[Step]) -> dict[str, Any]:
    """Return what a person is shown of the run so far."""
    return {
        "requester": run.requester.username,
        "query": run.query,
        "agent": run.snapshot["agent"],
        "steps": story(steps),
        "usage": {"input_tokens": run.input_tokens, "output_tokens": run.output_tokens},
    }


def excerpt(text: str) -> str:
    """Return the text, or its beginning with a mark."""
    return text if len(text) <= EXCERPT else f"{text[:EXCERPT]} […{len(text) - EXCERPT} more characters]"


def failure(code: str, message: str) -> dict[str, Any]:
    """Return what a model is told of a call that did not do what it asked."""
    return {"error": {"code": str(code), "message": message}}


def as_told(step: Step, failure: dict[str, Any]) -> dict[str, Any]:
    """Add what the agent must know when an earlier attempt of the call had an unknown outcome."""
    if not step.request.get("was_unknown"):
        return failure
    return {**failure, "note": "An earlier attempt of this call may have taken effect; do not repeat it."}


def after_edit(step: Step, executed: dict[str, Any], result: Any) -> dict[str, Any]:
    """Return what the agent is told of a call that a reviewer changed; never what was withheld from it."""
    notice = "A reviewer changed this call. It has run with executed_arguments; do not repeat it."
    if step.request.get("handles"):
        return {"notice": "A reviewer changed this call and it has run; do not repeat it.", "result": result}
    return {"notice": notice, "executed_arguments": executed, "result": result}


def since_last_answer(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the messages the model had not seen before: what was added after its last answer."""
    answers = [n for n, message in enumerate(messages) if message["role"] == "assistant"]
    return list(messages[answers[-1] + 1 :] if answers else messages)
