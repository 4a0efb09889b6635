"""Standing grants and their uses."""

from datetime import datetime

from django.conf import settings
from django.db import models

from hitl.grants import conditions
from hitl.grants.types import DEFAULT_USES, MAX_LASTS, MAX_USES, SCOPES, Scope, Terms
from hitl.reviews.models import Review
from hitl.reviews.types import Assurance
from tenants.kernel.models import Identified


class StandingGrantQuerySet(models.QuerySet["StandingGrant"]):
    """Questions about grants."""

    def unended(self, now: datetime) -> "StandingGrantQuerySet":
        """Return those that are usable or paused."""
        return self.filter(revoked_at=None, expires_at__gt=now, uses_left__gt=0)

    def usable(self, now: datetime) -> "StandingGrantQuerySet":
        """Return those that may be used."""
        return self.unended(now).filter(paused_at=None)

    def about(self, review: Review) -> "StandingGrantQuerySet":
        """Return those for the review's agent and tool, oldest first; `matching` has the last word."""
        return self.filter(agent_id=review.policy_request.agent.id, tool=review.tool).order_by("id")


class StandingGrant(Identified):
    """A reviewer's vote, given ahead for calls like one they saw: few uses, few hours, revocable."""

    agent_id = models.UUIDField()
    agent_name = models.CharField(max_length=120)
    agent_version = models.PositiveIntegerField(help_text="Another version is another agent.")
    tool_id = models.BigIntegerField()
    tool = models.CharField(max_length=120)
    tool_schema_version = models.CharField(max_length=64, help_text="Another definition is another tool.")
    scope = models.CharField(max_length=20, choices=SCOPES)
    arguments = models.JSONField(null=True, help_text="The exact arguments, for scope exact_args.")
    conditions = models.JSONField(
        default=list, help_text="List of {path, op, value}, for scope args_pattern."
    )
    requester = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The only person whose runs are covered; empty covers everybody's.",
    )
    uses = models.PositiveSmallIntegerField(default=DEFAULT_USES)
    uses_left = models.PositiveSmallIntegerField(default=DEFAULT_USES)
    reason = models.TextField()
    assurance = models.CharField(max_length=10)
    created_from = models.ForeignKey(Review, on_delete=models.PROTECT, related_name="+")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    paused_at = models.DateTimeField(null=True)
    paused_why = models.TextField(blank=True)
    resumed_at = models.DateTimeField(null=True, help_text="Effects recorded before then are forgiven.")
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )

    objects = StandingGrantQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        default_permissions = ()
        permissions = [
            ("view_grant", "Can view standing grants"),
            ("add_grant", "Can give standing grants"),
            ("revoke_grant", "Can revoke anybody's standing grants"),
        ]
        indexes = [
            models.Index(
                fields=["agent_id", "tool"],
                condition=models.Q(revoked_at=None, uses_left__gt=0),
                name="grants_that_may_be_used",
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(uses_left__lte=models.F("uses"), uses__lte=MAX_USES),
                name="uses_of_a_grant_are_capped",
            ),
            models.CheckConstraint(
                condition=models.Q(expires_at__lte=models.F("created_at") + MAX_LASTS),
                name="time_of_a_grant_is_capped",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tool} by {self.agent_name}"

    @property
    def terms(self) -> Terms:
        """Return which calls it answers for."""
        return Terms(
            agent_id=str(self.agent_id),
            agent_version=self.agent_version,
            tool_id=self.tool_id,
            tool=self.tool,
            schema_version=self.tool_schema_version,
            scope=Scope(self.scope),
            arguments=self.arguments,
            conditions=conditions.parse(self.conditions),
            requester_id=self.requester_id,
            assurance=Assurance(self.assurance),
        )

    def state(self, now: datetime) -> str:
        """Return what it is now, as one word: revoked, spent, expired, paused or active."""
        if self.revoked_at:
            return "revoked"
        if not self.uses_left:
            return "spent"
        if self.expires_at <= now:
            return "expired"
        return "paused" if self.paused_at else "active"


class GrantUse(Identified):
    """One review that a grant voted on. Appended, never changed."""

    grant = models.ForeignKey(StandingGrant, on_delete=models.PROTECT, related_name="used_on")
    review = models.OneToOneField(Review, on_delete=models.PROTECT, related_name="grant_use")
    at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.grant_id} on {self.review_id}"
