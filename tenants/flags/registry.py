"""The flags there are. A flag that nobody asks about is removed from here and from the code."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Flag:
    """A part of the product that can be switched, and whether it is on where nobody said anything."""

    name: str
    words: str
    default: bool


FLAGS = {
    flag.name: flag
    for flag in (
        Flag(name="batch_decisions", words="Deciding several reviews of one shape at once", default=True),
    )
}
