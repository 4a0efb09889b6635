"""Words of routing. No Django."""

from enum import StrEnum


class Strategy(StrEnum):
    """How a queue gives its reviews to people."""

    NONE = "none"
    ROUND_ROBIN = "round_robin"
    LEAST_LOADED = "least_loaded"


class Unit(StrEnum):
    """What the length of a shift is counted in.

    Days and weeks end at the same time of day all year. Hours are hours that pass, so that their hand-off
    moves with the clocks.
    """

    HOURS = "hours"
    DAYS = "days"
    WEEKS = "weeks"
