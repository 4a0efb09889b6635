"""Count votes. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What one vote says."""

    APPROVE = "approve"
    REJECT = "reject"
    ANSWER = "answer"


class Outcome(StrEnum):
    """Where the votes stand."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    ANSWERED = "answered"


@dataclass(frozen=True, kw_only=True)
class Ballot:
    """One vote on the action with this digest."""

    reviewer_id: int
    verdict: Verdict
    digest: str


def resolve(ballots: Iterable[Ballot], *, required: int, digest: str) -> Outcome:
    """Walk the ballots in order: one rejection or answer closes; `required` distinct approvers approve.

    Only ballots on the current digest count; one person counts once.
    """
    approvers: set[int] = set()
    for ballot in ballots:
        if ballot.digest != digest:
            continue
        match ballot.verdict:
            case Verdict.REJECT:
                return Outcome.REJECTED
            case Verdict.ANSWER:
                return Outcome.ANSWERED
            case Verdict.APPROVE:
                approvers.add(ballot.reviewer_id)
        if len(approvers) >= max(required, 1):
            return Outcome.APPROVED
    return Outcome.OPEN


def approvals(ballots: Iterable[Ballot], *, digest: str) -> int:
    """Return how many people approve the action with this digest."""
    return len({b.reviewer_id for b in ballots if b.digest == digest and b.verdict is Verdict.APPROVE})
