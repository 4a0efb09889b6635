"""Find the queue of a review. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol, TypeVar


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a queue can ask of a review."""

    risk: str
    kind: str
    tool: str
    agent: str


class Matcher(Protocol):
    """A queue: an empty word or list asks for nothing."""

    risks: list[str]
    kinds: list[str]
    tool: str
    agent: str


Queue = TypeVar("Queue", bound=Matcher)


def first(queues: Iterable[Queue], facts: Facts) -> Queue | None:
    """Return the first queue that the review belongs to, or None."""
    return next((queue for queue in queues if matches(queue, facts)), None)


def matches(queue: Matcher, facts: Facts) -> bool:
    """Tell whether a review belongs to the queue: everything that it asks for must hold."""
    return (
        (not queue.risks or facts.risk in queue.risks)
        and (not queue.kinds or facts.kind in queue.kinds)
        and (not queue.tool or fnmatchcase(facts.tool, queue.tool))
        and (not queue.agent or fnmatchcase(facts.agent, queue.agent))
    )
