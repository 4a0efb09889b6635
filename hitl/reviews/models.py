"""Reviews and the votes on them."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Coalesce

from governance.types import PolicyRequest, Risk
from hitl.reviews import quorum
from hitl.reviews.types import Assurance, BallotKind, DecisionVerb
from tenants.kernel.models import Identified, StatusModel

LEAST_S = 60
"""Seconds that a tier leaves people at least."""
LEAST_WINDOW_S = 30
"""Seconds of the shortest veto window: nobody objects to what is over before they are told."""


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
        left = self.pending().exclude(requester=user).exclude(plan__excluded__has_key=str(user.pk))
        said = Vote.objects.filter(
            review=models.OuterRef("pk"), reviewer=user, digest=models.OuterRef("digest")
        )
        return left.exclude(models.Exists(said))

    def queue_order(self) -> "ReviewQuerySet":
        """Return the most pressing first: by priority, then by when it is due."""
        rank = models.Case(
            *(models.When(priority=risk, then=n) for n, risk in enumerate(reversed(Risk))),
            default=len(Risk),
        )
        return self.order_by(rank, Coalesce("due_at", "expires_at"), "id")


class Review(StatusModel):
    """What waits for people: an action, the outcome of one, or a run that failed.

    An approval binds to `digest` and is consumed once.
    """

    class Kind(models.TextChoices):
        TOOL_CALL = "tool_call", "Tool call"
        OUTCOME = "outcome", "Unknown outcome"
        HANDOFF = "handoff", "Hand-off"
        QUESTION = "question", "Question"
        ESCALATION = "escalation", "Escalation"

    class Status(models.TextChoices):
        PENDING = "pending"
        APPROVED = "approved"
        REJECTED = "rejected"
        ANSWERED = "answered"
        EXPIRED = "expired"
        CANCELLED = "cancelled"
        SUPERSEDED = "superseded"
        REVOKED = "revoked"

    TRANSITIONS = {
        Status.PENDING: frozenset(
            {
                Status.APPROVED,
                Status.REJECTED,
                Status.ANSWERED,
                Status.EXPIRED,
                Status.CANCELLED,
                Status.SUPERSEDED,
            }
        ),
        Status.APPROVED: frozenset({Status.CANCELLED, Status.REVOKED}),
    }

    TURNED_DOWN = (Status.REJECTED, Status.REVOKED)
    """How a person's no ends a review: before an approval, or after it."""

    status = models.CharField(max_length=12, choices=Status.choices, default=Status.PENDING)
    kind = models.CharField(max_length=20, choices=Kind.choices, default=Kind.TOOL_CALL)
    risk = models.CharField(max_length=10)
    priority = models.CharField(max_length=10)
    run_id = models.UUIDField(null=True, db_index=True, help_text="Empty for an escalation about no run.")
    step_id = models.UUIDField(null=True)
    agent_id = models.UUIDField(null=True)
    agent_name = models.CharField(max_length=120, blank=True)
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    tool = models.CharField(max_length=120, blank=True, help_text="Empty for a hand-off.")
    arguments = models.JSONField()
    arguments_proposed = models.JSONField()
    digest = models.CharField(max_length=64)
    request = models.JSONField(help_text="The policy request that the gate judged.")
    reason = models.TextField()
    rule = models.CharField(max_length=60)
    facts = models.JSONField(
        default=list, help_text="What raised the risk or asked for people, as `{code, message, rule}`."
    )
    required = models.PositiveSmallIntegerField()
    plan = models.JSONField(
        default=dict, help_text="Whose votes decide, and who is excluded, as the rules stood then."
    )
    min_assurance = models.CharField(max_length=10, default=Assurance.CHAT)
    fingerprint = models.CharField(
        max_length=64,
        blank=True,
        help_text="Digest of agent, tool and arguments: the same call proposed again.",
    )
    shape = models.CharField(
        max_length=64, blank=True, help_text="Digest of agent, tool and the names and types of the arguments."
    )
    supersedes = models.OneToOneField(
        "self", null=True, on_delete=models.PROTECT, related_name="superseded_by"
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The agent's owner, who answers for what runs without an objection.",
    )
    veto_until = models.DateTimeField(null=True, help_text="It runs then unless somebody objects.")
    evidence = models.JSONField(help_text="What the reviewer is shown of the run, as it was then.")
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True, help_text="Its service level: decided later, it is a breach.")
    warned_at = models.DateTimeField(null=True)
    breached_at = models.DateTimeField(null=True)
    presented_at = models.DateTimeField(null=True, help_text="When the first reviewer was told of it.")
    first_viewed_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()
    not_before = models.DateTimeField(
        null=True, help_text="The latest of the approvers' wishes: not to run earlier."
    )
    decided_at = models.DateTimeField(null=True)
    execute_by = models.DateTimeField(null=True)
    consumed_at = models.DateTimeField(null=True)
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    claimed_until = models.DateTimeField(
        null=True, help_text="The assignee works on it; empty if only assigned."
    )
    queue = models.ForeignKey("hitl.ReviewQueue", null=True, on_delete=models.SET_NULL, related_name="+")
    effect_outcome = models.CharField(
        max_length=12, blank=True, help_text="What the approved call led to: ok, error or unknown."
    )
    effect_at = models.DateTimeField(null=True)

    objects = ReviewQuerySet.as_manager()

    class Meta:
        permissions = [("decide_review", "Can decide reviews")]
        indexes = [
            models.Index(fields=["status", "expires_at"]),
            models.Index(fields=["status", "shape"]),
            models.Index(fields=["fingerprint"]),
            models.Index(fields=["tool", "decided_at"]),
        ]
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
        return [vote.ballot() for vote in sorted(self.votes.all(), key=lambda vote: vote.pk)]

    @property
    def decided_by(self) -> quorum.Plan:
        """Return the plan that was fixed when it was opened."""
        return quorum.Plan.from_json(self.plan) if self.plan else quorum.Plan.simple(self.required)


class Vote(Identified):
    """What was said about one digest, by a person or on a person's standing word. Appended, never changed."""

    review = models.ForeignKey(Review, on_delete=models.PROTECT, related_name="votes")
    kind = models.CharField(
        max_length=10,
        choices=[(kind.value, kind.value) for kind in BallotKind],
        default=BallotKind.PERSON,
    )
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Who decided, gave the grant, or answers for what nobody objected to.",
    )
    on_behalf_of = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Whom the reviewer stood in for.",
    )
    decision = models.CharField(max_length=20, choices=[(verb.value, verb.value) for verb in DecisionVerb])
    verdict = models.CharField(max_length=10)
    rules = models.JSONField(default=list, help_text="The rules of the plan for which the vote counts.")
    digest = models.CharField(max_length=64)
    message = models.TextField(blank=True)
    arguments = models.JSONField(null=True, help_text="The arguments after an edit.")
    patch = models.JSONField(null=True, help_text="The edit as a JSON Patch (RFC 6902) of what stood before.")
    channel = models.CharField(max_length=12)
    assurance = models.CharField(max_length=10, default=Assurance.SESSION)
    viewed_at = models.DateTimeField(null=True, help_text="When the reviewer first saw the review.")
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["reviewer", "at"])]

    def __str__(self) -> str:
        return f"{self.decision} by {self.reviewer_id}"

    def ballot(self) -> quorum.Ballot:
        """Return the vote as it is counted."""
        return quorum.Ballot(
            reviewer_id=self.reviewer_id,
            verdict=quorum.Verdict(self.verdict),
            digest=self.digest,
            rules=tuple(self.rules),
            kind=BallotKind(self.kind),
        )


class ReviewMessage(Identified):
    """A question about a review, or the answer to one. Appended, never changed."""

    review = models.ForeignKey(Review, on_delete=models.PROTECT, related_name="messages")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    is_question = models.BooleanField()
    text = models.TextField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.text[:60]


class ReviewView(models.Model):
    """When a person first opened a review."""

    review = models.ForeignKey(Review, on_delete=models.PROTECT, related_name="views")
    viewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["review", "viewer"], name="one_first_view")]

    def __str__(self) -> str:
        return f"{self.viewer_id} at {self.at:%Y-%m-%d %H:%M}"


class ReviewPlan(Identified):
    """A tenant's rule on whose votes decide calls of a risk tier or of some tools."""

    name = models.CharField(max_length=80, unique=True)
    risk = models.CharField(
        max_length=10,
        blank=True,
        choices=[(risk.value, risk.value) for risk in Risk],
        help_text="Empty for every tier.",
    )
    tool = models.CharField(
        max_length=120, blank=True, help_text="A name, or a pattern such as refund_*. Empty for every tool."
    )
    document = models.JSONField(help_text="Stages and rules; see docs/reviews.md.")
    enabled = models.BooleanField(default=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", editable=False
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse a document with mistakes, and a plan that too few people could meet."""
        from hitl.reviews.rules import checks

        found = checks.problems(self.document, author_id=self.author_id)
        if found:
            raise ValidationError({"document": [f"{one['at']}: {one['message']}" for one in found]})


class ReviewTier(Identified):
    """What a tenant asks of reviews of one risk tier."""

    risk = models.CharField(
        max_length=10, unique=True, choices=[(r.value, r.value) for r in Risk if r is not Risk.LOW]
    )
    expires_after_s = models.PositiveIntegerField(default=3600, help_text="Seconds; nothing runs after that.")
    veto_window_s = models.PositiveIntegerField(
        default=300,
        help_text="Seconds in which somebody may object to a medium-risk call before it runs. 0 asks like high.",
    )
    min_assurance = models.CharField(
        max_length=10,
        default=Assurance.CHAT,
        choices=[(level.value, level.value) for level in Assurance],
        help_text="How sure the platform must be of who decides.",
    )
    feedback_rounds = models.PositiveSmallIntegerField(
        default=3, help_text="How often a call may be sent back with guidance in one run."
    )

    class Meta:
        ordering = ["risk"]

    def __str__(self) -> str:
        return self.risk

    def clean(self) -> None:
        """Refuse a veto window that does not end before the review expires."""
        if self.expires_after_s < LEAST_S:
            raise ValidationError({"expires_after_s": f"Leave people at least {LEAST_S} seconds."})
        if 0 < self.veto_window_s < LEAST_WINDOW_S:
            message = f"Leave people at least {LEAST_WINDOW_S} seconds to object, or 0 to ask like high."
            raise ValidationError({"veto_window_s": message})
        if self.veto_window_s >= self.expires_after_s:
            raise ValidationError({"veto_window_s": "The window must end before the review expires."})
