"""A review's plan as reviewers read it: who decides, how far it is, who may not. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hitl.reviews.predicates import in_words
from hitl.reviews.quorum import EDITOR, SEQUENTIAL, Ballot, Plan, Rule, Verdict

ANYBODY = "who may decide reviews"
IN_GROUP = re.compile(r"""(['"])(?P<name>[^'"]+)\1 in reviewer\.groups""")
IS_PERSON = re.compile(r"""reviewer\.username == (['"])(?P<name>[^'"]+)\1""")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One way in which a stage is met, and how many people have approved under it."""

    text: str
    given: int
    needed: int


@dataclass(frozen=True, kw_only=True)
class StageWords:
    """One stage: any of its lines meets it."""

    name: str
    lines: tuple[Line, ...]
    is_met: bool


@dataclass(frozen=True, kw_only=True)
class PlanWords:
    """What the page says of a plan."""

    name: str
    stages: tuple[StageWords, ...]
    given: int
    missing: int
    in_order: bool
    distinct: int
    editor_counts: bool
    approvers: frozenset[int]

    @property
    def is_plain(self) -> bool:
        """Tell whether so many people who may decide reviews are all that it asks for."""
        return len(self.stages) == 1 and [line.text.endswith(ANYBODY) for line in self.stages[0].lines] == [
            True
        ]


def plan_words(plan: Plan, ballots: Iterable[Ballot], *, digest: str) -> PlanWords:
    """Say what the plan asks for, and what is missing after these votes on the action with this digest."""
    standing: dict[int, tuple[str, ...]] = {}
    for ballot in ballots:
        if ballot.digest != digest:
            continue
        match ballot.verdict:
            case Verdict.APPROVE:
                standing[ballot.reviewer_id] = ballot.rules
            case Verdict.WITHDRAW | Verdict.REJECT:
                standing.pop(ballot.reviewer_id, None)
    if EDITOR in plan.exclude and plan.editor is not None:
        standing.pop(plan.editor, None)
    stages = []
    for stage in plan.stages:
        lines = tuple(
            Line(
                text=_line(rule),
                given=sum(rule.id in rules for rules in standing.values()),
                needed=rule.approve,
            )
            for rule in stage.any_of
        )
        is_met = any(line.given >= line.needed for line in lines)
        stages.append(StageWords(name=stage.name, lines=lines, is_met=is_met))
    return PlanWords(
        name=plan.name,
        stages=tuple(stages),
        given=len(standing),
        missing=max(0, plan.fewest - len(standing)),
        in_order=plan.order == SEQUENTIAL,
        distinct=plan.min_distinct,
        editor_counts=EDITOR not in plan.exclude,
        approvers=frozenset(standing),
    )


def _line(rule: Rule) -> str:
    who = "1 person" if rule.approve == 1 else f"{rule.approve} people"
    where = rule.where.strip()
    if not where:
        return f"{who} {ANYBODY}"
    if group := IN_GROUP.fullmatch(where):
        return f"{who} of the group {group['name']}"
    if person := IS_PERSON.fullmatch(where):
        return person["name"]
    return f"{who} for whom {in_words(where)}"
