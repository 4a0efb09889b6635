"""Reviews and the votes on them."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models

from governance.types import PolicyRequest, Risk
from hitl.reviews import quorum
from hitl.reviews.types import DecisionVerb
from tenants.kernel.models import Identified, StatusModel


class ReviewQuerySet(models.QuerySet["Review"]):
    """Questions about reviews."""

    def pending(self) -> "ReviewQuerySet":
        """Return those that still wait for people."""
        return self.filter(status=Review.Status.PENDING)

    def due_to_expire(self, now: datetime) -> "ReviewQuerySet":
        """Return the pending ones whose time is over."""
        return self.pending().filter(expires_at__lte=now)

    def actionable_by(self, user: Any) -> "ReviewQuerySet":
        """Return the pending ones left for this reviewer; `available_actions` has the last word."""
        return self.pending().exclude(requester=user).exclude(votes__reviewer=user)

    def queue_order(self) -> "ReviewQuerySet":
        """Return the most pressing first: by risk, then by age."""
        rank = models.Case(
            *(models.When(risk=risk, then=n) for n, risk in enumerate(reversed(Risk))),
            default=len(Risk),
        )
        return self.order_by(rank, "id")


class Review(StatusModel):
    """What waits for people: an action, the outcome of one, or a run that failed.

    An approval binds to `digest` and is consumed once.
    """

    class Kind(models.TextChoices):
        TOOL_CALL = "tool_call", "Tool call"
        OUTCOME = "outcome", "Unknown outcome"
        HANDOFF = "handoff", "Hand-off"

    class Status(models.TextChoices):
        PENDING = "pending"
        APPROVED = "approved"
        REJECTED = "rejected"
        ANSWERED = "answered"
        EXPIRED = "expired"
        CANCELLED = "cancelled"

    TRANSITIONS = {
        Status.PENDING: frozenset(
            {Status.APPROVED, Status.REJECTED, Status.ANSWERED, Status.EXPIRED, Status.CANCELLED}
        ),
        Status.APPROVED: frozenset({Status.CANCELLED}),
    }

    status = models.CharField(max_length=12, choices=Status.choices, default=Status.PENDING)
    kind = models.CharField(max_length=20, choices=Kind.choices, default=Kind.TOOL_CALL)
    risk = models.CharField(max_length=10)
    priority = models.CharField(max_length=10)
    run_id = models.UUIDField(db_index=True)
    step_id = models.UUIDField()
    agent_id = models.UUIDField()
    agent_name = models.CharField(max_length=120)
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    tool = models.CharField(max_length=120, blank=True, help_text="Empty for a hand-off.")
    arguments = models.JSONField()
    arguments_proposed = models.JSONField()
    digest = models.CharField(max_length=64)
    request = models.JSONField(help_text="The policy request that the gate judged.")
    reason = models.TextField()
    rule = models.CharField(max_length=60)
    required = models.PositiveSmallIntegerField()
    evidence = models.JSONField(help_text="What the reviewer is shown of the run, as it was then.")
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    execute_by = models.DateTimeField(null=True)
    consumed_at = models.DateTimeField(null=True)
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    objects = ReviewQuerySet.as_manager()

    class Meta:
        permissions = [("decide_review", "Can decide reviews")]
        indexes = [models.Index(fields=["status", "expires_at"])]
        constraints = [
            models.UniqueConstraint(
                fields=["step_id"], condition=models.Q(status="pending"), name="one_pending_review_per_step"
            )
        ]

    def __str__(self) -> str:
        return f"{self.tool or self.reason} for {self.evidence.get('requester', 'somebody')}"

    @property
    def policy_request(self) -> PolicyRequest:
        """Return the request as the gate saw it, with the arguments as they stand now."""
        return PolicyRequest.from_json(self.request).with_arguments(self.arguments)

    @property
    def parameters(self) -> dict[str, Any]:
        """Return the JSON Schema of the arguments."""
        schema: dict[str, Any] = self.request["tool"]["parameters"]
        return schema

    @property
    def argument_names(self) -> list[str]:
        """Return the names of current and proposed arguments, in the schema's order as far as it has one."""
        known = {**self.arguments, **self.arguments_proposed}
        names = dict.fromkeys([*self.parameters.get("required", ()), *known])
        return [name for name in names if name in known]

    @property
    def ordered_arguments(self) -> dict[str, Any]:
        """Return the current arguments in the order of `argument_names`; the database keeps no order."""
        return {name: self.arguments[name] for name in self.argument_names if name in self.arguments}

    @property
    def is_edited(self) -> bool:
        """Tell whether a reviewer changed what the agent proposed."""
        return bool(self.arguments != self.arguments_proposed)

    def remaining(self, now: datetime) -> timedelta:
        """Return the time left to decide, never negative."""
        return max(self.expires_at - now, timedelta())

    def ballots(self) -> list[quorum.Ballot]:
        """Return the votes in the order they were given."""
        return [
            quorum.Ballot(
                reviewer_id=vote.reviewer_id, verdict=quorum.Verdict(vote.verdict), digest=vote.digest
            )
            for vote in self.votes.order_by("id")
        ]


class Vote(Identified):
    """What one person said about one digest. Appended, never changed."""

    review = models.ForeignKey(Review, on_delete=models.PROTECT, related_name="votes")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    decision = models.CharField(max_length=20, choices=[(verb.value, verb.value) for verb in DecisionVerb])
    verdict = models.CharField(max_length=10)
    digest = models.CharField(max_length=64)
    message = models.TextField(blank=True)
    arguments = models.JSONField(null=True, help_text="The arguments after an edit.")
    channel = models.CharField(max_length=12)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["review", "reviewer", "digest"], name="one_vote_per_person_and_digest"
            )
        ]

    def __str__(self) -> str:
        return f"{self.decision} by {self.reviewer_id}"
