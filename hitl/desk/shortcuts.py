"""Single-key shortcuts: which there are, and which keys a reviewer may choose instead. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Shortcut:
    """Something that a key does, and the key unless a reviewer chose another."""

    action: str
    key: str
    does: str


SHORTCUTS = (
    Shortcut(action="next", key="j", does="Next review"),
    Shortcut(action="previous", key="k", does="Previous review"),
    Shortcut(action="open", key="o", does="Open: the review from the queue, the run from the review"),
    Shortcut(action="approve", key="a", does="Approve; press it again for high and critical risk"),
    Shortcut(action="edit", key="e", does="Edit the arguments"),
    Shortcut(action="feedback", key="f", does="Send back: write the guidance"),
    Shortcut(action="reject", key="r", does="Reject, or answer: write the text"),
    Shortcut(action="ask", key="c", does="Ask back: write the question"),
    Shortcut(action="go_on", key="n", does="Go on to the next review that you may decide"),
    Shortcut(action="pick", key="x", does="Choose a review of the queue, to decide several together"),
    Shortcut(action="search", key="/", does="Search the queue"),
    Shortcut(action="help", key="?", does="Show the keys"),
)
USUAL = {shortcut.action: shortcut.key for shortcut in SHORTCUTS}


def keys(chosen: Mapping[str, str]) -> dict[str, str]:
    """Return the key of each action: the one chosen, or the usual one."""
    return {action: chosen.get(action, key) for action, key in USUAL.items()}


def problems(chosen: Mapping[str, str]) -> dict[str, str]:
    """Return what is wrong with the chosen keys, by action."""
    found: dict[str, str] = {}
    every = keys(chosen)
    for action, key in every.items():
        if len(key) != 1 or not key.isprintable() or key.isspace():
            found[action] = "Use one visible character."
        elif list(every.values()).count(key) > 1:
            others = [s.does for s in SHORTCUTS if every[s.action] == key and s.action != action]
            found[action] = f"This key is taken: {others[0]}."
    return found
