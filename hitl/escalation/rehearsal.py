"""Who would be called when: the steps of a policy played through in advance, without doing any of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from hitl.escalation.stepping import START_DELAY, advance
from hitl.escalation.steps import in_words
from hitl.escalation.types import Action, Facts, Position, Step

MOST_TURNS = 500
Who = Callable[[Action, int, datetime], Sequence[str] | None]
"""Names of those whom an action would reach then, given its index; None for one that is not about people."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One step of a rehearsal; `who` is None where the step tells nobody by its nature."""

    at: datetime
    step: int
    words: str
    who: tuple[str, ...] | None
    ends: bool = False


def rehearse(
    steps: Sequence[Step], *, facts: Facts, start: datetime, until: datetime, who: Who
) -> list[Call]:
    """Return what would happen from `start` until the end, or until the review expires."""
    words = in_words(steps)
    position, at, calls = Position(index=0), start + START_DELAY, []
    for _ in range(MOST_TURNS):
        if at >= until:
            break
        turn = advance(steps, position, facts, at)
        if turn.action is not None:
            names = who(turn.action, position.index, at)
            calls.append(
                Call(
                    at=at,
                    step=position.index + 1,
                    words=words[position.index],
                    who=None if names is None else tuple(names),
                    ends=turn.next_at is None,
                )
            )
        if turn.next_at is None:
            break
        position, at = turn.position, turn.next_at
    return calls
