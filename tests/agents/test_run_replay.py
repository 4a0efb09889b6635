"""Stored histories replay: today's code plans, after each of their steps, exactly the next one."""

import json
from pathlib import Path
from typing import Any

import pytest

from agents.blueprints import registry as blueprints
from agents.blueprints.assistant import AssistantAgent
from agents.blueprints.base import Action, BaseAgent, CallModel, CallTool, Finish, GiveUp, RunContext
from agents.runs import engine
from agents.runs.models import Run, Step
from tenants.kernel.jsonvalues import sha256_hex

HISTORIES = sorted((Path(__file__).parent / "histories").glob("*.json"))
CHANGED = "stored runs would go on differently: bump ENGINE_VERSION and keep the old reader"
NOT_PLANNED = {"handed-off", "outcome-unknown", "model-unavailable"}
"""Ends that the engine gives a run, not its plan."""


def load(file: Path) -> dict[str, Any]:
    history: dict[str, Any] = json.loads(file.read_text())
    return history


def plan(history: dict[str, Any], steps: list[Step], blueprint: type[BaseAgent]) -> Action:
    """Return what today's code does after these steps."""
    run = Run(snapshot=history["snapshot"], input=history["input"])
    return blueprint().plan(engine.context(run=run, steps=steps, blueprint=blueprint))


def said(action: Action) -> dict[str, Any]:
    """Return a planned action as it would be stored."""
    match action:
        case CallModel():
            digest = sha256_hex(list(action.messages))
            return {"kind": "model", "digest": digest, "tools": list(action.tools)}
        case CallTool():
            call = action.call
            arguments = call.arguments if call.arguments is not None else {"raw": call.raw_arguments}
            return {"kind": "tool", "name": call.name, "call_id": call.id, "arguments": arguments}
        case Finish():
            return {"kind": "finish", "output": action.output}
        case GiveUp():
            return {"kind": "give up", "code": action.code}


def stored(step: Step) -> dict[str, Any]:
    """Return what the plan must have been for this step to be stored."""
    request = step.request
    if step.kind == Step.Kind.MODEL:
        return {"kind": "model", "digest": request["digest"], "tools": request["tools"]}
    name = request.get("instead_of", step.name)
    return {"kind": "tool", "name": name, "call_id": step.call_id, "arguments": request["arguments"]}


def end(history: dict[str, Any]) -> dict[str, Any] | None:
    """Return what the last plan must have been; None where the run did not end by its plan."""
    error, output = history["end"]["error"], history["end"]["output"]
    if output is not None and output.get("fallback"):
        error = output["reason"]
    if error is not None:
        return None if error["code"] in NOT_PLANNED else {"kind": "give up", "code": error["code"]}
    return None if "answered_by" in output else {"kind": "finish", "output": output}


def replay(history: dict[str, Any], blueprint: type[BaseAgent]) -> None:
    """Fail at the first step that would be another."""
    steps = [Step(**values) for values in history["steps"]]
    for count, step in enumerate(steps):
        if step.kind == Step.Kind.PERSON or step.name in _chain(steps[:count], step):
            continue
        planned = said(plan(history, steps[:count], blueprint))
        assert planned == stored(step), f"step {step.number}: {CHANGED}"
    wanted = end(history)
    if wanted is not None:
        assert said(plan(history, steps, blueprint)) == wanted, f"end: {CHANGED}"


def _chain(before: list[Step], step: Step) -> set[str]:
    """Return the name of a fallback of a fallback: it stands in for a call that no model made."""
    last = before[-1] if before else None
    is_second = last is not None and "instead_of" in last.request and "fallback" in (last.result or {})
    return {step.name} if is_second else set()


class TestCorpus:
    def test_holds_fifty_histories(self) -> None:
        assert len(HISTORIES) >= 50

    def test_is_written_by_versions_that_this_code_reads(self) -> None:
        assert {load(file)["engine_version"] for file in HISTORIES} <= engine.READABLE_VERSIONS

    def test_holds_every_kind_of_step_and_every_way_in_which_one_closes(self) -> None:
        steps = [step for file in HISTORIES for step in load(file)["steps"]]
        assert {step["kind"] for step in steps} == set(Step.Kind)
        assert {step["status"] for step in steps} >= set(Step.Status) - Step.OPEN


class TestReplay:
    @pytest.mark.parametrize("file", HISTORIES, ids=lambda file: file.stem)
    def test_of_a_stored_history_gives_its_steps_and_its_end(self, file: Path) -> None:
        history = load(file)
        replay(history, blueprints.REGISTRY.get(history["snapshot"]["blueprint"]))

    def test_notices_a_plan_that_has_changed_and_says_what_to_do(self) -> None:
        class Polite(AssistantAgent):
            """Say please."""

            name = "polite"
            description = "Says please."

            def plan(self, context: RunContext) -> Action:
                action = super().plan(context)
                if isinstance(action, CallModel):
                    please = {"role": "user", "content": "Please."}
                    return CallModel(messages=(*action.messages, please), tools=action.tools)
                return action

        with pytest.raises(AssertionError, match="bump ENGINE_VERSION and keep the old reader"):
            replay(load(HISTORIES[0]), Polite)

    def test_notices_an_end_that_has_changed(self) -> None:
        class Curt(AssistantAgent):
            """Answer with nothing."""

            name = "curt"
            description = "Answers with nothing."

            def plan(self, context: RunContext) -> Action:
                action = super().plan(context)
                return Finish(output={}) if isinstance(action, Finish) else action

        with pytest.raises(AssertionError, match=r"end: .*bump ENGINE_VERSION"):
            replay(load(next(file for file in HISTORIES if file.stem == "answer")), Curt)
