"""Weigh what was found: a logistic model over marks, disguises and common words. Pure.

The weights are derived by `python -m benchmarks.evals.train_injection` and stand, readable, in weights.json: a
mark is worth its weight, a word its weight divided by the root of the number of different words.
"""

import json
import math
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from governance.guardrails.injection import disguises, marks

WINDOW, STRIDE = 4000, 3600
"""Characters that are weighed together: an order in a long text is as grave as in a short one."""
WEIGHTS = Path(__file__).with_name("weights.json")
WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|'){1,23}|[?!]")
MIN_ORDERS = 20
DECISIVE = {
    "override-instructions": 0.8,
    "hidden-override-instructions": 0.95,
    "hidden-override": 0.85,
    "hidden-reveal-prompt": 0.85,
    "in-tag-characters": 0.8,
    "in-variation-selectors": 0.7,
}
"""Marks that no ordinary text has: whatever else stands beside them, the score is at least this."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one stretch of text has: marks with their places, and words."""

    marks: dict[str, tuple[int, int]]
    words: frozenset[str]

    def features(self) -> dict[str, float]:
        """Return each feature with its value."""
        part = 1 / math.sqrt(max(len(self.words), 4))
        return {**dict.fromkeys(self.marks, 1.0), **{f"w:{word}": part for word in self.words}}


def look(text: str) -> Seen:
    """Return what a stretch of text has."""
    places: dict[str, tuple[int, int]] = {}
    for name, start, end in marks.found(text):
        places.setdefault(name, (start, end))
    for name, start, end in marks.structure(text):
        places.setdefault(name, (start, end))
    for disguise, inner, start, end in disguises.hidden(text):
        places.setdefault(f"in-{disguise}", (start, end))
        for name, _, _ in marks.found(inner):
            places.setdefault(f"hidden-{name}", (start, end))
            places.setdefault("hidden-order", (start, end))
    if len(text) < MIN_ORDERS * 4:
        places.setdefault("short", (0, len(text)))
    words = frozenset(WORD.findall(text.lower()))
    return Seen(marks=places, words=words)


def windows(text: str) -> list[tuple[int, str]]:
    """Return the stretches that are weighed, each with its beginning."""
    if len(text) <= WINDOW:
        return [(0, text)]
    return [(at, text[at : at + WINDOW]) for at in range(0, max(1, len(text) - WINDOW + STRIDE), STRIDE)]


@cache
def weights() -> dict[str, float]:
    """Return the weights by feature; `bias` is what a text without any has."""
    return dict(json.loads(WEIGHTS.read_text()))


def score(seen: Seen) -> float:
    """Return how probably the stretch holds instructions to a model, from 0 to 1."""
    known = weights()
    total = known.get("bias", 0.0)
    total += sum(known.get(name, 0.0) * value for name, value in seen.features().items())
    least = max((DECISIVE.get(name, 0.0) for name in seen.marks), default=0.0)
    return max(least, 1 / (1 + math.exp(-max(-30.0, min(30.0, total)))))


def strongest(seen: Seen) -> tuple[str, tuple[int, int] | None]:
    """Return the mark that weighs most, and where it stands; `words` where none does."""
    known = weights()
    heavy = max(seen.marks, key=lambda name: (DECISIVE.get(name, 0.0), known.get(name, 0.0)), default="")
    if not heavy or (heavy not in DECISIVE and known.get(heavy, 0.0) <= 0) or heavy == "short":
        return "words", None
    return heavy, seen.marks[heavy]
