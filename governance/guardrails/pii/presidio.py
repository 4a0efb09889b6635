"""Microsoft Presidio beside our own recognisers, where somebody installed it (`pip install countersign[presidio]`)."""

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from governance.guardrails.pii.recogniser import CHECK
from governance.guardrails.types import Finding

MAX_CHARACTERS = 20_000
"""Of a longer text Presidio sees this much: its language model takes seconds for more."""


@cache
def _engine() -> Any:
    """Return Presidio's analyzer, or None where it is not installed."""
    if find_spec("presidio_analyzer") is None:
        return None
    return import_module("presidio_analyzer").AnalyzerEngine()


def find(text: str, labels: frozenset[str]) -> Iterator[Finding]:
    """Yield what Presidio finds of these labels; nothing without it."""
    engine = _engine()
    if engine is None:
        return
    for result in engine.analyze(text=text[:MAX_CHARACTERS], language="en"):
        label = {"LOCATION": "GPE"}.get(result.entity_type, result.entity_type)
        if label in labels:
            yield Finding(
                check=CHECK,
                rule="presidio",
                start=result.start,
                end=result.end,
                score=result.score,
                label=label,
            )
