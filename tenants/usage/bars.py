"""Bars, as numbers for an SVG. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 640, 96
GAP = 0.2
LEAST = 2.0
"""What is not zero is seen."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar in the units of the picture, written as SVG wants them, with what it stands for."""

    x: str
    y: str
    width: str
    height: str
    label: str
    value: int


def bars(values: Sequence[tuple[str, int]]) -> list[Bar]:
    """Return a bar for each label and value, in the order given, the largest as high as the picture."""
    largest = max((value for _, value in values), default=0)
    pitch = WIDTH / max(len(values), 1)
    found = []
    for number, (label, value) in enumerate(values):
        height = max(HEIGHT * value / largest, LEAST) if value else 0.0
        found.append(
            Bar(
                x=f"{number * pitch + pitch * GAP / 2:.2f}",
                y=f"{HEIGHT - height:.2f}",
                width=f"{pitch * (1 - GAP):.2f}",
                height=f"{height:.2f}",
                label=label,
                value=value,
            )
        )
    return found
