"""Bars, as numbers for an SVG. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 640, 120
GAP = 0.2
LEAST = 2.0
"""What is not zero is seen."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar in the units of the picture, with what it stands for."""

    x: float
    y: float
    width: float
    height: float
    label: str
    value: int


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Upright bars of equal width, the largest as high as the picture."""

    bars: Sequence[Bar]
    largest: int
    width: int = WIDTH
    height: int = HEIGHT


def columns(values: Sequence[tuple[str, int]]) -> Columns:
    """Return a column for each label and value, in the order given."""
    largest = max((value for _, value in values), default=0)
    pitch = WIDTH / max(len(values), 1)
    bars = []
    for number, (label, value) in enumerate(values):
        height = max(HEIGHT * value / largest, LEAST) if value else 0.0
        bars.append(
            Bar(
                x=round(number * pitch + pitch * GAP / 2, 2),
                y=round(HEIGHT - height, 2),
                width=round(pitch * (1 - GAP), 2),
                height=round(height, 2),
                label=label,
                value=value,
            )
        )
    return Columns(bars=bars, largest=largest)


def share(value: int, whole: int) -> dict[str, Any]:
    """Return what part of a whole a value is: `percent` as text, and the `length` of a bar of 100."""
    part = value / whole if whole else 0.0
    return {"percent": f"{part:.0%}", "length": round(100 * part, 2)}
