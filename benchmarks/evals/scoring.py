"""Count hits and misses."""

from dataclasses import dataclass
from typing import Any


@dataclass
class Tally:
    """Right and wrong findings of one kind."""

    hit: int = 0
    missed: int = 0
    wrong: int = 0

    def add(self, *, expected: bool, found: bool) -> None:
        """Count one case that should, or should not, be found."""
        self.hit += expected and found
        self.missed += expected and not found
        self.wrong += found and not expected

    def figures(self) -> dict[str, Any]:
        """Return recall and precision; a ratio without cases is absent."""
        figures: dict[str, Any] = {}
        if self.hit + self.missed:
            figures["recall"] = round(self.hit / (self.hit + self.missed), 4)
        if self.hit + self.wrong:
            figures["precision"] = round(self.hit / (self.hit + self.wrong), 4)
        return figures
