from pathlib import Path

import pytest

from agents.llm.scripted.loading import load_directory
from agents.llm.scripted.matching import reply
from agents.llm.scripted.scripts import Script
from agents.llm.scripted.types import Message

DEMO = load_directory(Path(__file__).parents[3] / "agents" / "demo" / "scripts")
FAULTS = load_directory(Path(__file__).parent / "scripts")
TOOLS = {call.name for script in (*DEMO, *FAULTS) for turn in script.turns for call in turn.calls}


class TestExamples:
    @pytest.mark.parametrize("script", [*DEMO, *FAULTS], ids=lambda script: script.name)
    def test_are_played_by_their_own_script_though_all_tools_are_offered(self, script: Script) -> None:
        assert script.example is not None
        messages = [Message(role="user", text=script.example)]
        assert reply(messages=messages, offered=TOOLS, scripts=(*DEMO, *FAULTS)).script == script.name
