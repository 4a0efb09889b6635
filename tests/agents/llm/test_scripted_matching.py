import json
from collections.abc import Sequence

import pytest

from agents.llm.scripted.loading import load_file
from agents.llm.scripted.matching import reply
from agents.llm.scripted.scripts import Script
from agents.llm.scripted.types import Json, Message, Reply, ToolCall

SCRIPTS = """
[[script]]
name = "look"
example = "look at A-1001"
tools = ["look"]
when = [["look"], 'at\\s']
unless = [["away"]]
captures = { order = "order", loud = { words = ["loudly"] } }
[[script.clarify]]
missing = "order"
say = "Look at what?"
[[script.turns]]
content = "Looking at {order}."
tool_calls = [{ name = "look", arguments = { order = "{order}" } }]
[[script.turns]]
only_if = "loud"
tool_calls = [{ name = "shout", arguments = { text = "{look.seen}", times = "{look.times|'2':integer}" } }]
[[script.turns]]
content = "Saw {look.seen}. {edits}"
[[script.turns]]
if_error = ["rejected"]
after = "look"
content = "A person said no: {error}"
[[script.turns]]
if_error = true
after = "shout"
content = "Saw {look.seen}, but {refusal}."

[[script]]
name = "count"
example = "count to 3"
tools = ["ping"]
when = ['count to (?P<steps>\\d+)']
[[script.turns]]
repeat = "{steps}"
tool_calls = [{ name = "ping", arguments = { n = "{n:integer}" } }]

[[script]]
name = "hello"
example = "hello"
when = [["hello"]]
[[script.turns]]
content = "Hello."
"""
TOOLS = ("look", "shout", "ping")


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Script, ...]:
    path = tmp_path_factory.mktemp("scripts") / "some.toml"
    path.write_text(SCRIPTS, encoding="utf-8")
    return load_file(path)


def user(text: str) -> Message:
    return Message(role="user", text=text)


def called(name: str, result: Json, *, call_id: str = "c1") -> list[Message]:
    """Return the two messages of a call that has its result."""
    call = ToolCall(id=call_id, name=name, arguments="{}")
    text = result if isinstance(result, str) else json.dumps(result)
    return [Message(role="assistant", calls=(call,)), Message(role="tool", text=text, call_id=call_id)]


def answer(scripts: Sequence[Script], *messages: Message, offered: Sequence[str] = TOOLS) -> Reply:
    return reply(messages=messages, offered=offered, scripts=scripts)


class TestWhichScript:
    def test_plays_when_everything_asked_for_is_found(self, scripts: tuple[Script, ...]) -> None:
        assert answer(scripts, user("Look at A-1001")).script == "look"

    @pytest.mark.parametrize("text", ["look", "at A-1001", "look away at A-1001", "do not look at A-1001"])
    def test_does_not_play_otherwise(self, scripts: tuple[Script, ...], text: str) -> None:
        assert answer(scripts, user(text)).script is None

    def test_needs_its_tools(self, scripts: tuple[Script, ...]) -> None:
        assert answer(scripts, user("look at A-1001"), offered=["ping"]).script is None

    def test_needs_the_tools_of_the_turns_that_this_request_plays(self, scripts: tuple[Script, ...]) -> None:
        assert answer(scripts, user("look at A-1001"), offered=["look"]).script == "look"
        assert answer(scripts, user("look loudly at A-1001"), offered=["look"]).script is None

    def test_reads_the_last_user_message_only(self, scripts: tuple[Script, ...]) -> None:
        talk = [user("look at A-1001"), *called("look", {"seen": "dust"}), user("hello")]
        assert answer(scripts, *talk) == Reply(content="Hello.", script="hello")

    def test_says_what_it_is_when_no_script_applies(self, scripts: tuple[Script, ...]) -> None:
        said = answer(scripts, user("write a poem"), offered=["look"])
        assert said.content == (
            "I am the scripted stand-in model that ships with Countersign, not a real language model, and no "
            'script covers this request. Try for example: "look at A-1001" "hello". To use a real model, set '
            "OPENAI_API_KEY (and OPENAI_BASE_URL) and restart."
        )

    def test_answers_a_conversation_without_a_user(self, scripts: tuple[Script, ...]) -> None:
        assert answer(scripts, Message(role="system", text="look at A-1001")).script is None


class TestWhichTurn:
    def test_the_first_calls_with_its_thought(self, scripts: tuple[Script, ...]) -> None:
        said = answer(scripts, user("look at a-1001"))
        assert said.content == "Looking at A-1001."
        assert [(call.name, json.loads(call.arguments)) for call in said.calls] == [
            ("look", {"order": "A-1001"})
        ]

    def test_the_next_follows_the_calls_since_the_request(self, scripts: tuple[Script, ...]) -> None:
        earlier = [user("look at A-1002"), *called("look", {"seen": "rust"})]
        said = answer(scripts, *earlier, user("look at A-1001"), *called("look", {"seen": "dust"}))
        assert (said.content, said.calls) == ("Saw dust.", ())

    def test_a_conditional_turn_is_played_when_asked_for(self, scripts: tuple[Script, ...]) -> None:
        said = answer(scripts, user("look loudly at A-1001"), *called("look", {"seen": "dust"}))
        assert json.loads(said.calls[0].arguments) == {"text": "dust", "times": 2}

    def test_the_last_answer_is_repeated_after_the_end(self, scripts: tuple[Script, ...]) -> None:
        talk = [user("look at A-1001"), *called("look", {"seen": "dust"}), *called("look", {"seen": "ash"})]
        assert answer(scripts, *talk).content == "Saw ash."

    def test_a_missing_value_is_asked_for(self, scripts: tuple[Script, ...]) -> None:
        assert answer(scripts, user("look at it")).content == "Look at what?"

    def test_an_ambiguous_value_is_asked_for(self, scripts: tuple[Script, ...]) -> None:
        said = answer(scripts, user("look at A-1001 and A-1002"))
        assert (
            said.content
            == "I found more than one order in your request: A-1001, A-1002. Please name only one."
        )

    def test_a_result_without_the_value_stops_the_script(self, scripts: tuple[Script, ...]) -> None:
        said = answer(scripts, user("look at A-1001"), *called("look", {"sight": "dust"}))
        assert said.content == (
            "I cannot go on: look.seen is in neither the request nor a tool's result (script 'look')."
        )


class TestToolResults:
    def test_of_an_edited_call_are_read_out_of_their_wrapper(self, scripts: tuple[Script, ...]) -> None:
        edited: Json = {
            "notice": "Do not repeat it.",
            "executed_arguments": {"order": "A-1009"},
            "result": {"seen": "gold"},
        }
        said = answer(scripts, user("look at A-1001"), *called("look", edited))
        assert said.content == 'Saw gold. A reviewer changed the call of look: order = "A-1009".'

    def test_that_are_rejected_get_the_answer_written_for_it(self, scripts: tuple[Script, ...]) -> None:
        rejected: Json = {"error": {"code": "rejected", "message": "Too soon"}}
        said = answer(scripts, user("look at A-1001"), *called("look", rejected))
        assert (said.content, said.calls) == ("A person said no: Too soon", ())

    @pytest.mark.parametrize(
        ("result", "reason"),
        [
            ({"error": {"code": "denied", "message": "No"}}, 'it was denied: "No"'),
            (
                {"error": {"code": "expired", "message": "No"}},
                'it was refused or failed (expired): "No"',
            ),
            ({"error": {"code": "invalid_arguments", "message": "No"}}, 'its arguments were refused: "No"'),
            ({"error": {"code": "invalid-json", "message": "No"}}, 'its arguments were refused: "No"'),
            ({"error": {"code": "tool-failed", "message": "No"}}, 'look reported an error: "No"'),
            ({"error": {"code": "tool_failed", "message": "No"}}, 'look reported an error: "No"'),
            ({"error": {"code": "denied"}}, 'it was denied: "denied"'),
            ({"error": "No"}, 'look reported an error: "No"'),
            ({"executed_arguments": {}, "result": {"error": "No"}}, 'look reported an error: "No"'),
        ],
    )
    def test_that_are_errors_are_told_with_their_reason(
        self, scripts: tuple[Script, ...], result: Json, reason: str
    ) -> None:
        said = answer(scripts, user("look at A-1001"), *called("look", result))
        assert said.content == f"I stopped, because look was not carried out: {reason}."
        assert said.calls == ()

    def test_that_fail_late_do_not_hide_what_was_done(self, scripts: tuple[Script, ...]) -> None:
        failed: Json = {"error": {"code": "rejected", "message": "Quiet"}}
        talk = [*called("look", {"seen": "dust"}), *called("shout", failed, call_id="c2")]
        said = answer(scripts, user("look loudly at A-1001"), *talk)
        assert said.content == 'Saw dust, but a reviewer rejected it: "Quiet".'

    def test_without_an_error_are_no_failure(self, scripts: tuple[Script, ...]) -> None:
        said = answer(scripts, user("look at A-1001"), *called("look", {"seen": "dust", "error": None}))
        assert said.content == "Saw dust."

    def test_that_are_no_json_hold_no_values(self, scripts: tuple[Script, ...]) -> None:
        said = answer(scripts, user("look at A-1001"), *called("look", "dust"))
        assert said.content is not None
        assert said.content.startswith("I cannot go on")


class TestRepeat:
    def test_counts_from_one(self, scripts: tuple[Script, ...]) -> None:
        talk = [user("count to 3")]
        for n in (1, 2, 3):
            (call,) = answer(scripts, *talk).calls
            assert json.loads(call.arguments) == {"n": n}
            talk += called("ping", {"n": n})
        assert answer(scripts, *talk).content == "I cannot go on: the script has no further turn."

    @pytest.mark.parametrize("steps", ["51", "99999999999"])
    def test_has_a_limit(self, scripts: tuple[Script, ...], steps: str) -> None:
        said = answer(scripts, user(f"count to {steps}"))
        assert (
            said.content
            == f"I cannot go on: a turn is repeated 50 times at most, and {steps} were asked for."
        )
