"""What a run knows is read back from its closed steps."""

from typing import Any

import pytest

from agents.blueprints.base import ModelTurn, ProposedCall, ToolTurn
from agents.runs.engine import EXCERPT, excerpt, history, story
from agents.runs.models import Step

CALL = {
    "id": "c1",
    "name": "lookup_order",
    "arguments": {"order_id": "A-1"},
    "raw_arguments": '{"order_id":"A-1"}',
}


def step(kind: Step.Kind, status: Step.Status, result: Any = None, **more: Any) -> Step:
    return Step(
        kind=kind, status=status, result=result, name="lookup_order", number=1, **{"request": {}, **more}
    )


def model(status: Step.Status = Step.Status.SUCCEEDED, **result: Any) -> Step:
    return step(Step.Kind.MODEL, status, {"text": "", "calls": [], **result})


def called(status: Step.Status, content: Any = "found") -> Step:
    return step(Step.Kind.TOOL, status, {"content": content}, call_id="c1")


class TestHistory:
    def test_of_no_steps_is_empty(self) -> None:
        assert history([]) == ()

    def test_gives_model_turns_with_their_calls(self) -> None:
        assert history([model(text="I look.", calls=[CALL])]) == (
            ModelTurn(text="I look.", calls=(ProposedCall(**CALL),)),  # type: ignore[arg-type]
        )

    def test_gives_calls_whose_arguments_could_not_be_read(self) -> None:
        (turn,) = history([model(calls=[{**CALL, "arguments": None, "raw_arguments": "{"}])])
        assert isinstance(turn, ModelTurn)
        assert (turn.calls[0].arguments, turn.calls[0].raw_arguments) == (None, "{")

    @pytest.mark.parametrize("status", sorted(set(Step.Status) - Step.OPEN))
    def test_gives_every_closed_tool_step_whatever_became_of_it(self, status: Step.Status) -> None:
        assert history([called(status, {"error": "x"})]) == (ToolTurn(call_id="c1", content={"error": "x"}),)

    @pytest.mark.parametrize("status", sorted(Step.OPEN))
    def test_leaves_open_steps_out_even_with_a_result(self, status: Step.Status) -> None:
        assert history([called(status), step(Step.Kind.TOOL, status)]) == ()

    def test_keeps_the_order(self) -> None:
        turns = history([model(text="a"), called(Step.Status.SUCCEEDED), model(text="b")])
        assert [type(turn).__name__ for turn in turns] == ["ModelTurn", "ToolTurn", "ModelTurn"]


class TestStory:
    def test_tells_what_was_proposed_and_what_came_of_it(self) -> None:
        steps = [
            model(text="I look.", calls=[CALL]),
            step(
                Step.Kind.TOOL,
                Step.Status.REJECTED,
                {"content": {"error": "no"}},
                request={"arguments": {"a": 1}},
            ),
        ]
        told = story(steps)
        assert (told[0]["text"], told[0]["calls"]) == ("I look.", ["lookup_order"])
        assert (told[1]["status"], told[1]["arguments"], told[1]["content"]) == (
            "rejected",
            {"a": 1},
            {"error": "no"},
        )

    def test_tells_of_open_steps_too(self) -> None:
        assert [entry["status"] for entry in story([step(Step.Kind.MODEL, Step.Status.PLANNED)])] == [
            "planned"
        ]

    def test_says_how_much_it_cut(self) -> None:
        assert excerpt("x" * EXCERPT) == "x" * EXCERPT
        assert excerpt("x" * (EXCERPT + 7)) == "x" * EXCERPT + " […7 more characters]"
