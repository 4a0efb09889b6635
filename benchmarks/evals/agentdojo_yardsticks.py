"""Simple gates on the same runs, to show that the harness agrees with what others measured."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from governance.flow import records, values
from governance.flow.words import listed

if TYPE_CHECKING:
    from benchmarks.evals.agentdojo import Call, Case

SINKS = listed(
    "recipient participant email url user channel id hotel company restaurant file_id password filename"
)


def figures(cases: "Sequence[Case]") -> dict[str, Any]:
    """Return what each yardstick lets through and how often it asks, in %."""
    from benchmarks.evals.agentdojo import asks_where_to, benign, hijacked

    gates = {
        "allow_all": lambda _case, _before, _call: False,
        "ask_all": lambda _case, _before, _call: True,
        "after_any_read": lambda _case, before, _call: bool(before),
        "literal_words": _not_literal,
        "flow_without_texts": asks_where_to,
    }
    found = {}
    for name, gate in gates.items():
        result = {**hijacked(cases, gate), **benign(cases, gate)}
        kept = ("unapproved_pct", "benign_consequential_asked_pct", "benign_tasks_asked_pct")
        found[name] = {figure: result[figure] for figure in kept}
    return found


def _not_literal(case: "Case", _before: "Sequence[Call]", call: "Call") -> bool:
    """Ask unless there is a recipient, URL or id and each stands in the user's words as whole tokens."""
    said, known = f" {_flat(case.prompt)} ", False
    for pointer, value in values.leaves(call.arguments):
        name = next((part for part in reversed(pointer.split("/")) if not part.isdigit()), "")
        known = known or bool(records.parts(name) & SINKS)
        if records.parts(name) & SINKS and f" {_flat(str(value))} " not in said:
            return True
    return not known


def _flat(text: str) -> str:
    """Return the words of a text, an address or a URL being one, without the full stops after them."""
    return " ".join(word.rstrip(".") for word in re.findall(r"[\w.@/-]+", text.casefold()))
