"""Choose who gets a review. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from hitl.routing.types import Strategy


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Somebody who may decide the review. `max_open` is how many reviews they take at once, None for any."""

    user_id: int
    open: int = 0
    max_open: int | None = None
    skills: frozenset[str] = frozenset()
    available: bool = True


def suits(candidate: Candidate, *, skills: frozenset[str]) -> bool:
    """Tell whether a candidate is there, has room and has every skill asked for."""
    has_room = candidate.max_open is None or candidate.open < candidate.max_open
    return candidate.available and has_room and skills <= candidate.skills


def choose(
    candidates: Iterable[Candidate], *, strategy: Strategy, skills: frozenset[str], last: int | None
) -> int | None:
    """Return who gets the review, or None for nobody.

    `last` is who got the one before. Round robin takes the next in the order of ids; least loaded takes
    who has the fewest open reviews, and among equals the next in that order.
    """
    fit = [candidate for candidate in candidates if suits(candidate, skills=skills)]
    if not fit or strategy is Strategy.NONE:
        return None
    previous = -1 if last is None else last

    def turn(candidate: Candidate) -> tuple[bool, int]:
        return candidate.user_id <= previous, candidate.user_id

    if strategy is Strategy.ROUND_ROBIN:
        return min(fit, key=turn).user_id
    return min(fit, key=lambda candidate: (candidate.open, turn(candidate))).user_id


def claim_ends(*, now: datetime, minutes: int, due_at: datetime | None, expires_at: datetime) -> datetime:
    """Return when a claim ends: after `minutes`, but no later than half of the time left.

    That is the time to the service level, or to the expiry once the service level is breached.
    """
    deadline = due_at if due_at is not None and due_at > now else expires_at
    return min(now + timedelta(minutes=minutes), now + (deadline - now) / 2)
