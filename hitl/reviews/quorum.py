"""Count votes against a plan of stages. Pure.

A plan's stages must all be met, each by one of its rules. Thresholds are counted for each rule; a person
counts once, and for one stage only unless the plan allows overlap.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import product
from math import prod
from typing import Any, Self

from hitl.reviews import predicates
from hitl.reviews.predicates import Reviewer
from hitl.reviews.types import BallotKind
from tenants.kernel.errors import InvalidInput
from tenants.kernel.jsonvalues import JsonObject

PARALLEL, SEQUENTIAL = "parallel", "sequential"
INITIATOR, DELEGATOR, OWNER, EDITOR, AUTHOR = (
    "initiator",
    "delegator",
    "agent_owner",
    "last_editor",
    "rule_author",
)
EXCLUSIONS = (INITIATOR, DELEGATOR, OWNER, EDITOR, AUTHOR)
MAX_STAGES, MAX_RULES, MAX_APPROVALS = 6, 6, 10
MAX_WAYS = 216
"""In how many ways a plan may be met, one rule of each stage taken together: each is tried for each vote."""
MEMBERS = {"stages", "order", "exclude", "min_distinct", "human_only", "allow_overlap"}


class Verdict(StrEnum):
    """What one vote says. An edit whose author may not approve it says nothing yet."""

    APPROVE = "approve"
    REJECT = "reject"
    ANSWER = "answer"
    WITHDRAW = "withdraw"
    NOTHING = "nothing"


class Outcome(StrEnum):
    """Where the votes stand."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    ANSWERED = "answered"


@dataclass(frozen=True, kw_only=True)
class Ballot:
    """One vote on the action with this digest, and the rules it counts for."""

    reviewer_id: int
    verdict: Verdict
    digest: str
    rules: tuple[str, ...] = ()
    kind: BallotKind = BallotKind.PERSON


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How many of whom approve, or reject. `reject=0` leaves it without a say against."""

    id: str
    approve: int
    reject: int
    where: str


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One of the conditions of a plan; any of its rules meets it."""

    name: str
    any_of: tuple[Rule, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Whose votes decide, as it was fixed when the review was opened."""

    stages: tuple[Stage, ...]
    order: str = PARALLEL
    exclude: tuple[str, ...] = EXCLUSIONS
    min_distinct: int = 1
    human_only: bool = False
    """Whether each vote must be given on this very call, so that a standing grant does not count."""
    allow_overlap: bool = False
    excluded: Mapping[int, str] = field(default_factory=dict)
    """Who may not decide, with the reason as it is told to them."""
    editor: int | None = None
    """Who last edited what it is about."""
    name: str = ""
    feedback_left: int = 0

    @classmethod
    def simple(cls, required: int, **values: Any) -> Self:
        """Return the plan of one stage: so many people, one rejection closes."""
        rule = Rule(id="approval/1", approve=max(required, 1), reject=1, where="")
        stages = (Stage(name="approval", any_of=(rule,)),)
        return cls(stages=stages, min_distinct=max(required, 1), **values)

    @classmethod
    def from_json(cls, value: JsonObject) -> Self:
        """Return the plan of a document that `problems` found nothing wrong with."""
        stages = []
        for stage in value["stages"]:
            rules = tuple(
                Rule(
                    id=f"{stage['name']}/{number}",
                    approve=rule["approve"],
                    reject=rule.get("reject", 1),
                    where=rule.get("where", ""),
                )
                for number, rule in enumerate(stage["any_of"], start=1)
            )
            stages.append(Stage(name=stage["name"], any_of=rules))
        return cls(
            stages=tuple(stages),
            order=value.get("order", PARALLEL),
            exclude=tuple(value.get("exclude", EXCLUSIONS)),
            min_distinct=value.get("min_distinct", 1),
            human_only=value.get("human_only", True),
            allow_overlap=value.get("allow_overlap", False),
            excluded={int(pk): why for pk, why in value.get("excluded", {}).items()},
            editor=value.get("editor"),
            name=value.get("name", ""),
            feedback_left=value.get("feedback_left", 0),
        )

    def to_json(self) -> JsonObject:
        """Return a document from which `from_json` restores an equal plan."""
        return {
            "name": self.name,
            "stages": [
                {
                    "name": stage.name,
                    "any_of": [
                        {"approve": rule.approve, "reject": rule.reject, "where": rule.where}
                        for rule in stage.any_of
                    ],
                }
                for stage in self.stages
            ],
            "order": self.order,
            "exclude": list(self.exclude),
            "min_distinct": self.min_distinct,
            "human_only": self.human_only,
            "allow_overlap": self.allow_overlap,
            "excluded": {str(pk): why for pk, why in self.excluded.items()},
            "editor": self.editor,
            "feedback_left": self.feedback_left,
        }

    @property
    def fewest(self) -> int:
        """Return with how few people the plan can be met."""
        stages = [min(rule.approve for rule in stage.any_of) for stage in self.stages]
        return max(self.min_distinct, max(stages) if self.allow_overlap else sum(stages))

    def counting_rules(
        self, reviewer: Reviewer, ballots: Iterable[Ballot], *, digest: str
    ) -> tuple[str, ...]:
        """Return the rules for which the reviewer's vote would count now; frozen into the vote."""
        stages = self.stages
        if self.order == SEQUENTIAL:
            standing = _approvers(self, ballots, digest=digest)
            met = 0
            while met < len(stages) and _met(self, stages[: met + 1], standing):
                met += 1
            stages = stages[: met + 1]
        return tuple(
            rule.id for stage in stages for rule in stage.any_of if predicates.matches(rule.where, reviewer)
        )


def problems(document: Any) -> list[dict[str, str]]:
    """Return what is wrong with a plan's document as `[{"at": "/path", "message": …}]`."""
    found: list[dict[str, str]] = []

    def say(at: str, message: str) -> None:
        found.append({"at": at, "message": message})

    if not isinstance(document, dict):
        return [{"at": "/", "message": "A plan is a JSON object with stages."}]
    for name in sorted(set(document) - MEMBERS):
        say(f"/{name}", f"Unknown; a plan has {', '.join(sorted(MEMBERS))}.")
    stages = document.get("stages")
    if not isinstance(stages, list) or not 1 <= len(stages) <= MAX_STAGES:
        say("/stages", f"Give 1 to {MAX_STAGES} stages.")
        stages = []
    names = [stage.get("name") if isinstance(stage, dict) else None for stage in stages]
    for number, stage in enumerate(stages):
        _stage_problems(stage, f"/stages/{number}", names, say)
    if prod(len(stage["any_of"]) for stage in stages if _has_rules(stage)) > MAX_WAYS:
        say("/stages", f"There are more than {MAX_WAYS} ways to meet it; use fewer rules or stages.")
    if document.get("order", PARALLEL) not in (PARALLEL, SEQUENTIAL):
        say("/order", "Use parallel or sequential.")
    exclude = document.get("exclude", [])
    if not isinstance(exclude, list) or set(map(str, exclude)) - set(EXCLUSIONS):
        say("/exclude", f"List some of {', '.join(EXCLUSIONS)}.")
    elif "exclude" in document and INITIATOR not in exclude:
        say("/exclude", "The initiator is always excluded; list it.")
    distinct = document.get("min_distinct", 1)
    if not _is_count(distinct, least=1):
        say("/min_distinct", f"Use a number from 1 to {MAX_APPROVALS}.")
    for name in ("human_only", "allow_overlap"):
        if not isinstance(document.get(name, True), bool):
            say(f"/{name}", "Use true or false.")
    return found


def _has_rules(stage: Any) -> bool:
    return isinstance(stage, dict) and isinstance(stage.get("any_of"), list) and bool(stage["any_of"])


def _stage_problems(stage: Any, at: str, names: Sequence[Any], say: Any) -> None:
    if not isinstance(stage, dict) or set(stage) != {"name", "any_of"}:
        say(at, "A stage has a name and any_of, its rules.")
        return
    name, rules = stage["name"], stage["any_of"]
    if not isinstance(name, str) or not name or "/" in name or names.count(name) > 1:
        say(f"{at}/name", "Give each stage a name of its own, without a slash.")
    if not isinstance(rules, list) or not 1 <= len(rules) <= MAX_RULES:
        say(f"{at}/any_of", f"Give 1 to {MAX_RULES} rules.")
        return
    for number, rule in enumerate(rules):
        here = f"{at}/any_of/{number}"
        if not isinstance(rule, dict) or not set(rule) <= {"approve", "reject", "where"}:
            say(here, "A rule has approve, reject and where.")
            continue
        if not _is_count(rule.get("approve"), least=1):
            say(f"{here}/approve", f"Use a number from 1 to {MAX_APPROVALS}.")
        if not _is_count(rule.get("reject", 1), least=0):
            say(f"{here}/reject", f"Use a number from 0 (no say against) to {MAX_APPROVALS}.")
        where = rule.get("where", "")
        try:
            predicates.parse(where if isinstance(where, str) else "?")
        except InvalidInput as error:
            say(f"{here}/where", error.detail)
    if all(isinstance(rule, dict) and rule.get("reject") == 0 for rule in rules):
        say(f"{at}/any_of", "Nobody could reject in this stage: let reject be 1 in some rule.")


def _is_count(value: Any, *, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= MAX_APPROVALS


def resolve(plan: Plan, ballots: Iterable[Ballot], *, digest: str) -> Outcome:
    """Walk the ballots in the order they were given; the first outcome stands.

    Only ballots on the current digest count. A rejection counts against each rule the person votes under.
    """
    seen: list[Ballot] = []
    for ballot in ballots:
        if ballot.digest != digest:
            continue
        seen.append(ballot)
        match ballot.verdict:
            case Verdict.ANSWER:
                return Outcome.ANSWERED
            case Verdict.REJECT if _is_rejected(plan, seen):
                return Outcome.REJECTED
            case Verdict.APPROVE if is_met(plan, _approvers(plan, seen, digest=digest)):
                return Outcome.APPROVED
    return Outcome.OPEN


def _is_rejected(plan: Plan, ballots: Sequence[Ballot]) -> bool:
    for stage in plan.stages:
        for rule in stage.any_of:
            against = {b.reviewer_id for b in ballots if b.verdict is Verdict.REJECT and rule.id in b.rules}
            if rule.reject and len(against) >= rule.reject:
                return True
    return False


def _approvers(plan: Plan, ballots: Iterable[Ballot], *, digest: str) -> dict[int, frozenset[str]]:
    """Return who approves now, with the rules that their vote counts for."""
    standing: dict[int, frozenset[str]] = {}
    for ballot in ballots:
        if ballot.digest != digest or (plan.human_only and ballot.kind is not BallotKind.PERSON):
            continue
        if ballot.verdict is Verdict.APPROVE:
            standing[ballot.reviewer_id] = frozenset(ballot.rules)
        elif ballot.verdict in {Verdict.WITHDRAW, Verdict.REJECT}:
            standing.pop(ballot.reviewer_id, None)
    if EDITOR in plan.exclude and plan.editor is not None:
        standing.pop(plan.editor, None)
    return standing


def is_met(plan: Plan, approvers: Mapping[int, frozenset[str]]) -> bool:
    """Tell whether these people meet the plan. Who edited the action never does so alone."""
    if len(approvers) < plan.min_distinct or set(approvers) <= {plan.editor}:
        return False
    return _met(plan, plan.stages, approvers)


def _met(plan: Plan, stages: Sequence[Stage], approvers: Mapping[int, frozenset[str]]) -> bool:
    for rules in product(*(stage.any_of for stage in stages)):
        if plan.allow_overlap:
            if all(sum(rule.id in counts for counts in approvers.values()) >= rule.approve for rule in rules):
                return True
        elif _assignable([rule.id for rule in rules for _ in range(rule.approve)], approvers):
            return True
    return False


def _assignable(seats: Sequence[str], people: Mapping[int, frozenset[str]]) -> bool:
    """Tell whether every seat finds a person of its own (a matching, by augmenting paths)."""
    if len(seats) > len(people):
        return False
    sits: dict[int, int] = {}

    def place(seat: int, tried: set[int]) -> bool:
        for person, rules in people.items():
            if seats[seat] not in rules or person in tried:
                continue
            tried.add(person)
            if person not in sits or place(sits[person], tried):
                sits[person] = seat
                return True
        return False

    return all(place(seat, set()) for seat in range(len(seats)))


def approvers(plan: Plan, ballots: Iterable[Ballot], *, digest: str) -> frozenset[int]:
    """Return who approves the action with this digest, and has not withdrawn it."""
    return frozenset(_approvers(plan, ballots, digest=digest))


def approvals(plan: Plan, ballots: Iterable[Ballot], *, digest: str) -> int:
    """Return how many people approve the action with this digest."""
    return len(approvers(plan, ballots, digest=digest))


def is_reachable(
    plan: Plan, reviewers: Iterable[Reviewer], ballots: Iterable[Ballot], *, digest: str
) -> bool:
    """Tell whether the plan can still be met if everybody who may still approve does."""
    cast = [ballot for ballot in ballots if ballot.digest == digest]
    against = {ballot.reviewer_id for ballot in cast if ballot.verdict is Verdict.REJECT}
    standing = _approvers(plan, cast, digest=digest)
    for reviewer in reviewers:
        if reviewer.id in plan.excluded or reviewer.id in against:
            continue
        if EDITOR in plan.exclude and reviewer.id == plan.editor:
            continue
        rules = {
            rule.id
            for stage in plan.stages
            for rule in stage.any_of
            if predicates.matches(rule.where, reviewer)
        }
        standing.setdefault(reviewer.id, frozenset(rules))
    return is_met(plan, standing)
