from pathlib import Path

import pytest

from agents.llm.scripted.loading import load_directory, load_file
from agents.llm.scripted.table import ScriptError

GOOD = """
[[script]]
name = "one"
example = "do one"
tools = ["ping"]
when = [["one"]]
captures = { order = "order" }
[[script.turns]]
tool_calls = [{ name = "ping", arguments = { n = 1, deep = [{ order = "{order}" }] } }]
[[script.turns]]
content = "done {ping.n}"
"""


def write(folder: Path, text: str, name: str = "some.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


class TestLoadFile:
    def test_reads_a_script(self, tmp_path: Path) -> None:
        (script,) = load_file(write(tmp_path, GOOD))
        assert script.name == "one"
        assert script.example == "do one"
        assert script.tools == {"ping"}
        assert len(script.turns) == 2

    @pytest.mark.parametrize(
        ("old", "new", "complaint"),
        [
            ("[[script]]", "[[script", "some.toml: "),
            ("[[script]]", "surprise = 1\n[[script]]", "some.toml.surprise is not a known key"),
            ('name = "one"', "", "some.toml.script[1].name is missing"),
            ('name = "one"', "name = 1", "some.toml.script[1].name must be a string"),
            ('when = [["one"]]', "", "some.toml: script 'one'.when cannot be empty"),
            ('when = [["one"]]', "when = [1]", "script 'one'.when[1] must be a pattern"),
            ('when = [["one"]]', "when = ['(']", "script 'one'.when[1] is no regular expression"),
            ('when = [["one"]]', "when = [['/(/']]", "script 'one'.when[1] is no regular expression"),
            ('when = [["one"]]', "when = ['(?P<ping>x)']", "captures.ping has the name of a tool"),
            (
                'order = "order"',
                'order = "colour"',
                "script 'one'.captures.order must be one of order, money",
            ),
            (
                'order = "order"',
                'request = "order"',
                "captures.request has the name of a tool or of a built-in",
            ),
            ('tools = ["ping"]', "tools = [1]", "script 'one'.tools must be a list of non-empty strings"),
            ('tools = ["ping"]', 'tools = ["pong"]', "turns[1] calls 'ping', which tools does not list"),
            ('content = "done {ping.n}"', 'content = "done {pong.n}"', "turns[2] uses 'pong'"),
            ('content = "done {ping.n}"', 'content = "done {error}"', "turns[2] uses 'error'"),
            ('content = "done {ping.n}"', 'content = "done {n}"', "turns[2] uses 'n'"),
            (
                'content = "done {ping.n}"',
                'content = "{"',
                "script 'one'.turns[2].content: { is no placeholder",
            ),
            ('content = "done {ping.n}"', 'contents = "x"', "script 'one'.turns[2].empty must be true where"),
            ('content = "done {ping.n}"', "empty = true\ncolour = 1", "turns[2].colour is not a known key"),
            ('content = "done {ping.n}"', 'content = "x"\nempty = true', "turns[2].empty must be true where"),
            (
                'content = "done {ping.n}"',
                'content = "x"\nstatus = 500',
                "turns[2].status cannot stand beside",
            ),
            ('content = "done {ping.n}"', "status = 200", "turns[2].status must be an HTTP error"),
            (
                'content = "done {ping.n}"',
                'content = "x"\nretry_after = 1',
                "turns[2].retry_after is for turns",
            ),
            (
                'content = "done {ping.n}"',
                'content = "x"\ndelay_ms = -1',
                "turns[2].delay_ms cannot be negative",
            ),
            (
                'content = "done {ping.n}"',
                'content = "x"\ndelay_ms = true',
                "delay_ms must be a whole number",
            ),
            ('content = "done {ping.n}"', 'content = "x"\nonly_if = "mail"', "turns[2] uses 'mail'"),
            (
                'content = "done {ping.n}"',
                'content = "x"\nafter = "ping"',
                "turns[2].after is for turns with",
            ),
            (
                'content = "done {ping.n}"',
                'content = "x"\nif_error = []',
                "turns[2].if_error cannot be empty",
            ),
            (
                'content = "done {ping.n}"',
                'content = "x"\nif_error = true\nafter = "pong"',
                "turns[2] is after 'pong', which the script never calls",
            ),
            ("arguments = {", "argument = {", "turns[1].tool_calls[1].arguments is needed"),
            ("n = 1", "n = 2026-01-01", "turns[1].tool_calls[1].arguments.n must be a JSON value"),
            ("{order}", "{colour}", "turns[1] uses 'colour'"),
        ],
    )
    def test_refuses_mistakes_and_names_file_script_and_key(
        self, tmp_path: Path, old: str, new: str, complaint: str
    ) -> None:
        assert old in GOOD
        with pytest.raises(ScriptError) as caught:
            load_file(write(tmp_path, GOOD.replace(old, new, 1)))
        assert complaint in str(caught.value)
        assert str(caught.value).startswith("some.toml")


class TestLoadDirectory:
    def test_reads_the_files_in_the_order_of_their_names(self, tmp_path: Path) -> None:
        write(tmp_path, GOOD.replace('"one"', '"two"', 1), "b.toml")
        write(tmp_path, GOOD, "a.toml")
        assert [script.name for script in load_directory(tmp_path)] == ["one", "two"]

    def test_refuses_two_scripts_of_one_name(self, tmp_path: Path) -> None:
        write(tmp_path, GOOD, "a.toml")
        write(tmp_path, GOOD, "b.toml")
        with pytest.raises(ScriptError, match="two scripts are named 'one'"):
            load_directory(tmp_path)

    def test_refuses_a_folder_without_scripts(self, tmp_path: Path) -> None:
        with pytest.raises(ScriptError, match="holds no scripts"):
            load_directory(tmp_path / "nowhere")
