"""Decide many calls of one shape together: each is a vote of its own on what was seen of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.types import Actor, Risk, Subject
from hitl.desk import evidence, stepup
from hitl.reviews import operations
from hitl.reviews.models import Review
from hitl.reviews.types import Assurance, Channel, DecisionVerb, Response
from tenants.kernel.errors import DomainError, InvalidInput, PermissionMissing

MAX_ITEMS = 100
VERBS = (DecisionVerb.APPROVE, DecisionVerb.REJECT)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One review as the reviewer saw it."""

    review_id: UUID
    version: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of one of them: its status now, or the code and the words of the refusal."""

    review_id: UUID
    decided: bool
    status: str
    code: str = ""
    detail: str = ""


def fit() -> Q:
    """Return the condition that a review may be decided together with others."""
    return Q(kind=Review.Kind.TOOL_CALL) & ~Q(risk=Risk.CRITICAL) & ~Q(min_assurance__in=stepup.NEEDED)


def _unfit(review: Review) -> str:
    """Return why a review must be decided on its own page; empty if it need not be."""
    if review.kind != Review.Kind.TOOL_CALL:
        return "Only tool calls are decided together."
    if review.risk == Risk.CRITICAL:
        return "A critical call is decided on its own page."
    if stepup.is_needed(review.min_assurance):
        return "It asks again who you are: decide it on its own page."
    if evidence.is_long(review):
        return "Its arguments are very long: decide it on its own page."
    return ""


def decide(
    *,
    reviewer: Any,
    verb: DecisionVerb,
    message: str,
    seen: Sequence[Seen],
    channel: Channel,
    assurance: Assurance,
    now: datetime,
) -> list[Result]:
    """Give one vote for each of up to 100 reviews of one shape; return what became of each, as given.

    A refused one leaves the others as they are. Raises InvalidInput for another word, no reason to
    reject, none, too many, the same twice or several shapes, and PermissionMissing; nothing is decided
    then.
    """
    if not reviewer.has_perm(operations.DECIDE):
        raise PermissionMissing("You may read reviews but not decide them.")
    reviews = _of_one_shape(verb, message, seen)
    _record(reviewer, verb, reviews, channel, now)
    results = {}
    for item in sorted(seen, key=lambda one: one.review_id):  # always in this order: no two batches deadlock
        said = Response(
            verb=verb,
            channel=channel,
            message=message,
            assurance=assurance,
            version=item.version,
            digest=item.digest,
        )
        results[item.review_id] = _vote(reviews.get(item.review_id), item.review_id, reviewer, said, now)
    return [results[item.review_id] for item in seen]


def _of_one_shape(verb: DecisionVerb, message: str, seen: Sequence[Seen]) -> dict[UUID, Review]:
    if verb not in VERBS:
        raise InvalidInput("Together, calls are approved or rejected; for anything else open each.")
    if verb is DecisionVerb.REJECT and not message.strip():
        raise InvalidInput(
            "Say why you reject.", errors=[{"at": "/message", "message": "A text is required."}]
        )
    ids = [item.review_id for item in seen]
    if not 1 <= len(ids) <= MAX_ITEMS or len(set(ids)) < len(ids):
        raise InvalidInput(
            f"Choose 1 to {MAX_ITEMS} reviews, each once.",
            errors=[{"at": "/items", "message": f"{len(ids)} were given."}],
        )
    reviews = Review.objects.in_bulk(ids)
    shapes = {review.shape for review in reviews.values() if review.kind == Review.Kind.TOOL_CALL}
    if len(shapes) > 1 or "" in shapes:
        message = "Decide calls of one agent, one tool and the same arguments together."
        raise InvalidInput(message, errors=[{"at": "/items", "message": f"They have {len(shapes)} shapes."}])
    return reviews


def _vote(review: Review | None, review_id: UUID, reviewer: Any, said: Response, now: datetime) -> Result:
    if review is None:
        return Result(
            review_id=review_id, decided=False, status="", code="not-found", detail="There is no such review."
        )
    if why := _unfit(review):
        return Result(
            review_id=review_id, decided=False, status=review.status, code="not-in-a-batch", detail=why
        )
    try:
        decided = operations.respond(review_id=review_id, reviewer=reviewer, response=said, now=now)
    except DomainError as error:
        status = str(error.data.get("review_status", review.status))
        return Result(review_id=review_id, decided=False, status=status, code=error.code, detail=error.detail)
    return Result(review_id=review_id, decided=True, status=decided.status)


@transaction.atomic
def _record(
    reviewer: Any, verb: DecisionVerb, reviews: dict[UUID, Review], channel: Channel, now: datetime
) -> None:
    """Record, before any vote, which reviews one person decides in one go."""
    first = next(iter(reviews.values()), None)
    audit.record(
        Entry(
            at=now,
            action="review.batch",
            actor=Actor(kind=reviewer.kind, id=str(reviewer.pk), name=reviewer.username),
            agent_id=str(first.agent_id) if first else "",
            agent_name=first.agent_name if first else "",
            subject=Subject(kind="shape", id=first.shape if first else ""),
            body={"decision": verb, "channel": channel, "reviews": [str(key) for key in reviews]},
        )
    )
