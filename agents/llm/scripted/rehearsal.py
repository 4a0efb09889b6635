"""Play a request through the scripts with plain functions as tools, for tests and for authors of scripts."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.llm.scripted.matching import reply
from agents.llm.scripted.scripts import MAX_REPEAT, Script
from agents.llm.scripted.types import Message, ToolCall

Tools = Mapping[str, Callable[[dict[str, Any]], object]]


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """Hold the calls as (tool, arguments), the last answer, and the script that gave it (None: no script)."""

    script: str | None
    calls: tuple[tuple[str, dict[str, Any]], ...]
    answer: str

    @property
    def tools(self) -> list[str]:
        """Return the names of the called tools in order."""
        return [name for name, _ in self.calls]


def rehearse(request: str, *, tools: Tools, scripts: Sequence[Script]) -> Rehearsal:
    """Run the calls of a request until the answer. Raises RuntimeError for a script that never answers."""
    messages = [Message(role="user", text=request)]
    calls: list[tuple[str, dict[str, Any]]] = []
    for turn in range(2 * MAX_REPEAT):
        said = reply(messages=messages, offered=tools.keys(), scripts=scripts)
        if not said.calls:
            return Rehearsal(script=said.script, calls=tuple(calls), answer=said.content or "")
        made = [
            ToolCall(id=f"{turn}.{i}", name=c.name, arguments=c.arguments) for i, c in enumerate(said.calls)
        ]
        messages.append(Message(role="assistant", text=said.content or "", calls=tuple(made)))
        for call in made:
            arguments = json.loads(call.arguments)
            calls.append((call.name, arguments))
            result = json.dumps(tools[call.name](arguments))
            messages.append(Message(role="tool", text=result, call_id=call.id))
    raise RuntimeError(f"no answer to {request!r} after {len(calls)} calls")
