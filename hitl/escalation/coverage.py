"""Find the hours in which nobody would be called, before a review finds them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

DAYS = 14
STEP = timedelta(minutes=30)


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A time in which nobody would be called about a review opened then."""

    start: datetime
    end: datetime


def gaps(
    reaches: Callable[[datetime], bool], *, start: datetime, days: int = DAYS, step: timedelta = STEP
) -> list[Gap]:
    """Return when nobody would be called in so many days from `start`, to the half hour."""
    found: list[Gap] = []
    end = start + timedelta(days=days)
    at = start
    while at < end:
        if not reaches(at):
            if found and found[-1].end == at:
                found[-1] = Gap(start=found[-1].start, end=at + step)
            else:
                found.append(Gap(start=at, end=at + step))
        at += step
    return found


def in_words(found: Sequence[Gap], *, start: datetime, days: int = DAYS) -> list[str]:
    """Return the gaps in words; one that comes every week is told once. Times are UTC."""
    if any(gap.start == start and gap.end >= start + timedelta(days=days) for gap in found):
        return ["nobody at any time"]
    return list(dict.fromkeys(_words(gap) for gap in found))


def _words(gap: Gap) -> str:
    if gap.end - gap.start >= timedelta(days=7):
        return f"nobody from {gap.start:%A %d %B %H:%M} to {gap.end:%A %d %B %H:%M}"
    last = gap.end - timedelta(microseconds=1)
    if gap.start.date() != last.date():
        return f"nobody from {gap.start:%A %H:%M} to {gap.end:%A %H:%M}"
    closes = "24:00" if gap.end.date() != gap.start.date() else f"{gap.end:%H:%M}"
    return f"nobody on {gap.start:%A %H:%M}-{closes}"
