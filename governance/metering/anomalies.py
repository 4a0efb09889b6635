"""Whether today cost far more than the two weeks before. Pure.

A day stands out above median + 5 MAD of the 14 days before, where MAD is the median absolute deviation scaled by
1.4826 to stand for one standard deviation of a normal spread (Rousseeuw and Croux 1993). A spread below a twentieth
of the median counts as that: among days that were all alike, a few cents more are no anomaly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low

DAYS = 14
FEWEST_DAYS = 5
"""Days with a cost that are needed before anything is usual."""
FACTOR = 5


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Today's cost and what it was compared with, in micro-dollars."""

    today: int
    median: int
    mad: int
    limit: int
    days: int
    is_anomaly: bool


def judge(*, today: int, before: Sequence[int]) -> Judgement:
    """Compare today's cost with that of each day before; days without a call are 0."""
    middle = median_low(before) if before else 0
    mad = median_low([abs(value - middle) for value in before]) if before else 0
    spread = max(mad * 14_826 // 10_000, middle // 20)
    limit = middle + FACTOR * spread
    days = sum(value > 0 for value in before)
    return Judgement(
        today=today,
        median=middle,
        mad=mad,
        limit=limit,
        days=days,
        is_anomaly=days >= FEWEST_DAYS and today > limit,
    )
