"""One step of an escalation at a time: steps, position, facts and the time in, what to do out."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from hitl.escalation.types import Facts, GoTo, IfQueue, IfRisk, IfWindow, Position, Step, Turn, Wait
from hitl.escalation.windows import next_opening

START_DELAY = timedelta(seconds=10)
"""So that what is decided at once, by a rule or a quick reviewer, makes no noise."""
BETWEEN_STEPS = timedelta(seconds=5)
MAX_LOOPS = 5


def advance(steps: Sequence[Step], position: Position, facts: Facts, now: datetime) -> Turn:
    """Return what the step at `position` leads to; past the last step, the end."""
    if position.index >= len(steps):
        return Turn(event="finished", position=position, next_at=None)
    turn = _turn(steps[position.index], position, facts, now)
    if turn.position.index >= len(steps):
        return Turn(event=turn.event, position=turn.position, next_at=None, action=turn.action)
    return turn


def _turn(step: Step, here: Position, facts: Facts, now: datetime) -> Turn:
    after = Position(index=here.index + 1, loops=here.loops)
    match step:
        case Wait():
            return Turn(event="waiting", position=after, next_at=max(now, _wait_end(step, facts, now)))
        case IfWindow():
            opening = next_opening(step, now)
            if opening > now:  # asked again then: the tick may be late
                return Turn(event="outside_window", position=here, next_at=opening)
            return Turn(event="inside_window", position=after, next_at=now)
        case IfRisk():
            return _branch(facts.risk in step.risks, step.else_go_to, here, now)
        case IfQueue():
            return _branch(facts.waiting > step.more_than, step.else_go_to, here, now)
        case GoTo():
            if here.loops >= MAX_LOOPS:
                return Turn(event="loop_limit", position=after, next_at=now)
            return Turn(
                event="went_to", position=_at(step.to_step, here.loops + 1), next_at=now + BETWEEN_STEPS
            )
    return Turn(event="acted", position=after, next_at=now + BETWEEN_STEPS, action=step)


def _wait_end(step: Wait, facts: Facts, now: datetime) -> datetime:
    if step.minutes is not None:
        return now + timedelta(minutes=step.minutes)
    return part_of_sla(facts.created_at, facts.due_at, step.until_sla_percent or 0)


def part_of_sla(created_at: datetime, due_at: datetime, percent: int) -> datetime:
    """Return when so many percent of the time to decide have passed."""
    return created_at + (due_at - created_at) * percent / 100


def _branch(holds: bool, else_go_to: int | None, here: Position, now: datetime) -> Turn:
    if holds:
        return Turn(event="condition_true", position=_next(here, 1), next_at=now)
    if else_go_to is None:
        return Turn(event="condition_false", position=_next(here, 2), next_at=now)
    if else_go_to <= here.index + 1 and here.loops >= MAX_LOOPS:
        return Turn(event="loop_limit", position=_next(here, 1), next_at=now)
    back = 1 if else_go_to <= here.index + 1 else 0
    return Turn(event="condition_false", position=_at(else_go_to, here.loops + back), next_at=now)


def _next(here: Position, by: int) -> Position:
    return Position(index=here.index + by, loops=here.loops)


def _at(number: int, loops: int) -> Position:
    """Return the position of a step by its number; people count from one."""
    return Position(index=number - 1, loops=loops)
