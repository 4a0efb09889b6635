"""Give reviews to people: route, claim, release, assign, and hand back who goes away.

Having a review says who works on it. It gives no right to decide it, and takes none from the others.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from governance.access.models import User
from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.types import SYSTEM, Actor, Subject
from hitl.reviews.eligibility import eligible, why_excluded
from hitl.reviews.models import Review
from hitl.reviews.quorum import Verdict
from hitl.reviews.record import AlreadyDecided, actor_of, changed, locked, note
from hitl.reviews.verbs import available_actions, how_it_ended
from hitl.routing import matching
from hitl.routing.assignment import Candidate, choose, claim_ends
from hitl.routing.models import QueuePointer, ReviewerProfile, ReviewQueue, Substitution
from hitl.routing.types import Strategy
from tenants.kernel.errors import InvalidInput, PermissionMissing, StaleTransition
from tenants.timers.operations import set_timer

ASSIGN = "hitl.assign_review"
CLAIM_TIMER = "review.claim"
CLAIM_MINUTES = 30
"""How long a claim lasts at most where no queue says it."""
SOON = timedelta(seconds=1)


class AlreadyClaimed(StaleTransition):
    """Somebody else works on the review."""

    code = "already-claimed"
    title = "Somebody else has claimed this review"


class NotAssigned(StaleTransition):
    """The review is not the one's who wants to give it back."""

    code = "not-assigned"
    title = "You do not have this review"


def on_review_opened(review: Review, **_kwargs: Any) -> None:
    """Route a review that was opened."""
    route(review=review, now=review.created_at)


def on_review_changed(review: Review, **_kwargs: Any) -> None:
    """Give a review on when who has it has voted and others must vote too, or has edited it and may not approve it."""
    if review.status != Review.Status.PENDING or review.assigned_to_id is None:
        return
    last = review.votes.order_by("-id").first()
    if last is None:
        return
    voted = _votes(review).get(review.assigned_to_id)
    if voted is None and why_excluded(review, review.assigned_to, now=last.at):
        voted = last.at
    if voted is not None:
        _hand_back(review, action="review.passed_on", actor=SYSTEM, now=voted)


@transaction.atomic
def route(*, review: Review, now: datetime) -> None:
    """Put a review into the first queue that matches, and assign it if the queue has a strategy.

    Does nothing if it is no longer pending. If nobody suits, it stays unassigned and the log says so.
    """
    queues = ReviewQueue.objects.filter(enabled=True).select_related("group")
    facts = matching.Facts(risk=review.risk, kind=review.kind, tool=review.tool, agent=review.agent_name)
    queue = matching.first(queues, facts)
    if queue is None:
        return
    review.refresh_from_db(fields=["status"], from_queryset=Review.objects.select_for_update())
    if review.status != Review.Status.PENDING:
        return
    review.queue = queue
    review.save(update_fields=["queue"])
    _give(review, now=now)
    changed(review)


@transaction.atomic
def claim(*, review_id: UUID | str, user: Any, now: datetime) -> Review:
    """Say that `user` works on a review: until the queue's minutes or half of the time left are over.

    It takes over what is only assigned to somebody else, and prolongs one's own claim. Raises NotFound,
    AlreadyDecided, AlreadyClaimed and PermissionMissing (who may not decide it does not claim it).
    """
    review = _pending(review_id, now)
    if why_not := _why_not(review, user, now):
        raise PermissionMissing(why_not)
    holder = review.assigned_to
    if holder is not None and holder.pk != user.pk and _is_claimed(review, now):
        raise AlreadyClaimed(
            f"{holder.username} works on it until {review.claimed_until:%H:%M} UTC. You may still decide it.",
            by=holder.username,
            until=review.claimed_until.isoformat() if review.claimed_until else None,
        )
    review.assigned_to = user
    review.claimed_until = claim_ends(
        now=now,
        minutes=review.queue.claim_minutes if review.queue else CLAIM_MINUTES,
        due_at=review.due_at,
        expires_at=review.expires_at,
    )
    review.save(update_fields=["assigned_to", "claimed_until"])
    set_timer(kind=CLAIM_TIMER, object_id=review.pk, due_at=review.claimed_until)
    note(review, "review.claimed", actor=actor_of(user), at=now, until=review.claimed_until.isoformat())
    changed(review)
    return review


@transaction.atomic
def release(*, review_id: UUID | str, user: Any, now: datetime) -> Review:
    """Give a review back to its queue, which may assign it to somebody else.

    Raises NotFound, AlreadyDecided and NotAssigned.
    """
    review = _pending(review_id, now)
    if review.assigned_to_id != user.pk:
        raise NotAssigned
    _hand_back(review, action="review.released", actor=actor_of(user), now=now)
    return review


@transaction.atomic
def assign(*, review_id: UUID | str, to: Any, by: Any, now: datetime) -> Review:
    """Give a review to somebody who may decide it; a claim of another ends.

    Raises NotFound, AlreadyDecided, InvalidInput (`to` may not decide it) and PermissionMissing: nobody
    chooses who decides what they asked for.
    """
    review = _pending(review_id, now)
    if not by.has_perm(ASSIGN):
        raise PermissionMissing("You may not assign reviews to others.")
    if by.pk == review.requester_id:
        raise PermissionMissing("You asked for this, so somebody else must choose who decides it.")
    if _why_not(review, to, now):
        raise InvalidInput(f"{to.username} may not decide this review; choose somebody who may.")
    review.assigned_to, review.claimed_until = to, None
    review.save(update_fields=["assigned_to", "claimed_until"])
    note(review, "review.assigned", actor=actor_of(by), at=now, to=to.username)
    changed(review)
    return review


@transaction.atomic
def set_availability(*, user: Any, available: bool, until: datetime | None, now: datetime) -> ReviewerProfile:
    """Say whether `user` takes reviews, and until when not. Who goes away hands back what they have not claimed.

    Raises InvalidInput for an end in the past, or for one without an absence.
    """
    if until is not None and (available or until <= now):
        raise InvalidInput("Say until when only if you are away, and choose a time to come.")
    ReviewerProfile.objects.get_or_create(user=user)
    profile = ReviewerProfile.objects.select_for_update().get(user=user)
    profile.available, profile.away_until = available, until
    profile.save(update_fields=["available", "away_until"])
    body = {"available": available, "until": until.isoformat() if until else None}
    subject = Subject(kind="user", id=str(user.pk))
    audit.record(
        Entry(at=now, action="reviewer.availability", actor=actor_of(user), subject=subject, body=body)
    )
    if not available:
        held = Review.objects.pending().filter(assigned_to=user).select_related("queue")
        reviews = list(held.select_for_update(of=("self",)).order_by("pk"))
        for review in sorted(reviews, key=lambda review: str(review.queue_id)):  # so do others: no deadlock
            if not _is_claimed(review, now):
                _hand_back(review, action="review.handed_back", actor=actor_of(user), now=now)
    return profile


def on_claim_timer(object_id: UUID, _generation: int, now: datetime) -> datetime | None:
    """End a claim whose time is over; a timer that comes early, late or twice does no harm."""
    review = (
        Review.objects.filter(pk=object_id, claimed_until__isnull=False)
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("queue", "assigned_to")
        .first()
    )
    if review is None:
        is_busy = Review.objects.pending().filter(pk=object_id, claimed_until__isnull=False).exists()
        return now + SOON if is_busy else None
    if review.status != Review.Status.PENDING:
        return None
    if _is_claimed(review, now):
        return review.claimed_until
    _hand_back(review, action="review.claim_expired", actor=SYSTEM, now=now)
    return None


def _pending(review_id: UUID | str, now: datetime) -> Review:
    """Lock a review that can still be decided; raise NotFound or AlreadyDecided."""
    review = locked(review_id)
    if review.status != Review.Status.PENDING:
        raise AlreadyDecided(how_it_ended(review), review_status=review.status)
    if review.expires_at <= now:
        raise AlreadyDecided("This review has expired.", review_status="expired")
    return review


def _why_not(review: Review, user: Any, now: datetime) -> str:
    """Return why the user may not decide the review now, empty if they may."""
    if user.pk in _able(review, now):
        return ""
    why_not = why_excluded(review, user, now=now) or available_actions(review, user).why_not
    return why_not or "No rule of its plan counts this person's vote."


def _able(review: Review, now: datetime) -> dict[int, User]:
    """Return who may decide the review and has not voted on it as it stands."""
    voted = _votes(review)
    return {person.pk: person for person in eligible(review, now=now) if person.pk not in voted}


def _votes(review: Review) -> dict[int, datetime]:
    """Return whose word on the review as it stands has not been taken back, and when they gave it."""
    last: dict[int, datetime] = {}
    for vote in review.votes.filter(digest=review.digest).exclude(verdict=Verdict.NOTHING).order_by("id"):
        if vote.verdict == Verdict.WITHDRAW:
            last.pop(vote.reviewer_id, None)
        else:
            last[vote.reviewer_id] = vote.at
    return last


def _is_claimed(review: Review, now: datetime) -> bool:
    return review.claimed_until is not None and review.claimed_until > now


def _hand_back(review: Review, *, action: str, actor: Actor, now: datetime) -> None:
    """Take a locked review from who has it; its queue may give it to somebody else."""
    holder = review.assigned_to
    review.assigned_to, review.claimed_until = None, None
    review.save(update_fields=["assigned_to", "claimed_until"])
    note(review, action, actor=actor, at=now, holder=holder.username if holder else "")
    _give(review, now=now, but=holder)
    changed(review)


def _give(review: Review, *, now: datetime, but: Any = None) -> None:
    """Assign a locked review as its queue says, to anybody `but` one."""
    queue = review.queue
    if queue is None or queue.strategy == Strategy.NONE:
        return
    pointer = _pointer(queue)
    people = {pk: person for pk, person in _able(review, now).items() if but is None or pk != but.pk}
    chosen = choose(
        _candidates(queue, people, now),
        strategy=Strategy(queue.strategy),
        skills=frozenset(queue.skills),
        last=pointer.last_id,
    )
    if chosen is None:
        reason = "Nobody who may decide it is available and suits the queue."
        note(review, "review.unassigned", actor=SYSTEM, at=now, queue=queue.name, reason=reason)
        return
    pointer.last_id = chosen
    pointer.save(update_fields=["last"])
    review.assigned_to = people[chosen]
    review.save(update_fields=["assigned_to"])
    to = people[chosen].username
    note(review, "review.assigned", actor=SYSTEM, at=now, to=to, queue=queue.name, strategy=queue.strategy)


def _pointer(queue: ReviewQueue) -> QueuePointer:
    """Return the queue's pointer, locked: whoever gives the next review counts this one."""
    rows = QueuePointer.objects.select_for_update()
    pointer = rows.filter(queue=queue).first()
    if pointer is None:
        QueuePointer.objects.get_or_create(queue=queue)
        pointer = rows.get(queue=queue)
    return pointer


def _candidates(queue: ReviewQueue, people: dict[int, User], now: datetime) -> list[Candidate]:
    """Return who of the people can get a review of the queue; a substitute comes in for who is away.

    While a substitution is in force, the person counts as away. A substitute needs no skill of their own,
    and nobody stands in for a substitute.
    """
    profiles = {profile.user_id: profile for profile in ReviewerProfile.objects.filter(user__in=people)}
    substitutions = Substitution.objects.at(now).filter(person__in=people)
    substituted = {substitution.person_id for substitution in substitutions}
    away = substituted | {pk for pk, profile in profiles.items() if not profile.is_available(now)}
    members = _members(queue, people)
    skills = {pk: frozenset(profiles[pk].skills if pk in profiles else ()) for pk in members}
    for substitution in substitutions:
        if substitution.person_id in members and substitution.substitute_id in people:
            lent = skills[substitution.person_id] | skills.get(substitution.substitute_id, frozenset())
            skills = {**skills, substitution.substitute_id: lent}
    loads = Counter(
        Review.objects.pending().filter(assigned_to__in=people).values_list("assigned_to", flat=True)
    )
    return [
        Candidate(
            user_id=pk,
            open=loads[pk],
            max_open=profiles[pk].max_open if pk in profiles else None,
            skills=held,
            available=pk not in away,
        )
        for pk, held in skills.items()
    ]


def _members(queue: ReviewQueue, people: Iterable[int]) -> set[int]:
    if queue.group is None:
        return set(people)
    return set(queue.group.user_set.filter(pk__in=people).values_list("pk", flat=True))
