"""Service levels, escalation policies with versions, and where the escalation of each review stands."""

from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Coalesce, Greatest

from governance.types import Risk
from hitl.escalation import defaults
from hitl.reviews.models import Review
from tenants.kernel.models import Identified, StatusModel

RISKS = [(risk.value, risk.value) for risk in reversed(Risk)]
LATE = timedelta(minutes=2)


class ServiceLevel(Identified):
    """How soon reviews of a priority are to be decided."""

    priority = models.CharField(max_length=10, choices=RISKS)
    risk = models.CharField(max_length=10, blank=True, choices=RISKS, help_text="Empty for every risk.")
    respond_within_s = models.PositiveIntegerField(
        validators=[MinValueValidator(30), MaxValueValidator(1_209_600)],
        help_text="Seconds, 30 to 1,209,600 (14 days). Never later than the review expires.",
    )
    warn_at_percent = models.PositiveSmallIntegerField(
        default=defaults.WARN_AT_PERCENT,
        validators=[MinValueValidator(1), MaxValueValidator(99)],
        help_text="Warn when so much of the time has passed.",
    )

    class Meta:
        ordering = ["priority", "risk"]
        constraints = [
            models.UniqueConstraint(
                fields=["priority", "risk"],
                name="one_service_level_each",
                violation_error_message="There is a service level for this priority and risk already.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.priority}, {self.risk or 'every'} risk"


class EscalationPolicyQuerySet(models.QuerySet["EscalationPolicy"]):
    """Questions about policies."""

    def best_for(self, *, risk: str, tool: str) -> "EscalationPolicy | None":
        """Return the policy that matches most closely: by tool, then by pattern, then by risk; else the default."""
        enabled = list(self.filter(enabled=True))
        matching = [policy for policy in enabled if policy.matches(risk=risk, tool=tool)]
        if matching:
            return max(matching, key=lambda policy: policy.closeness(tool))
        return next((policy for policy in enabled if policy.is_default), None)


class EscalationPolicy(Identified):
    """Whom to call, in which order, while nobody decides. Its steps are in its versions."""

    name = models.CharField(max_length=80, unique=True)
    description = models.TextField(blank=True)
    is_default = models.BooleanField(default=False, help_text="For reviews that no other policy matches.")
    enabled = models.BooleanField(default=True)
    risks = models.JSONField(default=list, blank=True, help_text="Empty for every risk.")
    tool = models.CharField(
        max_length=120, blank=True, help_text="A name, or a pattern such as refund_*. Empty for every tool."
    )
    coverage = models.JSONField(
        default=list, editable=False, help_text="When nobody would be called, in words, as last simulated."
    )
    coverage_at = models.DateTimeField(null=True, editable=False)

    objects = EscalationPolicyQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "escalation policies"
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"],
                condition=models.Q(is_default=True),
                name="one_default_policy",
                violation_error_message="Another policy is the default; take the mark from it first.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def matches(self, *, risk: str, tool: str) -> bool:
        """Tell whether it is for such reviews; the default is only for what no other matches."""
        if self.is_default:
            return False
        return (not self.risks or risk in self.risks) and (not self.tool or fnmatchcase(tool, self.tool))

    def closeness(self, tool: str) -> tuple[int, bool, str]:
        """Return how closely it matches, to be compared; the name decides between equals."""
        return (2 if self.tool == tool else 1 if self.tool else 0, bool(self.risks), self.name)

    @property
    def current(self) -> "EscalationPolicyVersion":
        """Return the newest version."""
        return self.versions.latest("number")


class EscalationPolicyVersion(Identified):
    """The steps of a policy as they stood. Never changed: reviews are pinned to it."""

    policy = models.ForeignKey(EscalationPolicy, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    steps = models.JSONField()
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["policy", "number"], name="one_version_per_number")]

    def __str__(self) -> str:
        return f"{self.policy.name} v{self.number}"


class EscalationStateQuerySet(models.QuerySet["EscalationState"]):
    """Questions about escalations."""

    def stalled(self, now: datetime) -> "EscalationStateQuerySet":
        """Return those whose next step is over two minutes late."""
        due = Greatest("next_at", Coalesce("held_until", "next_at"))
        running = self.filter(status=EscalationState.Status.RUNNING, review__status=Review.Status.PENDING)
        return running.annotate(due=due).filter(due__lt=now - LATE)


class EscalationState(StatusModel):
    """Where the escalation of a review stands. A database timer wakes it at `next_at`."""

    class Status(models.TextChoices):
        RUNNING = "running"
        PAUSED = "paused"
        STOPPED = "stopped"
        FINISHED = "finished"

    TRANSITIONS = {
        Status.RUNNING: frozenset({Status.PAUSED, Status.STOPPED, Status.FINISHED}),
        Status.PAUSED: frozenset({Status.RUNNING, Status.STOPPED}),
        Status.FINISHED: frozenset({Status.RUNNING, Status.STOPPED}),
    }

    review = models.OneToOneField(Review, on_delete=models.PROTECT, related_name="escalation")
    version = models.ForeignKey(
        EscalationPolicyVersion,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Empty for the built-in policy.",
    )
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.RUNNING)
    step_index = models.PositiveSmallIntegerField(default=0)
    loop_count = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(null=True)
    held_until = models.DateTimeField(null=True, help_text="Somebody works on it until then.")
    remaining = models.DurationField(null=True, help_text="While paused: how long the next step was away.")
    generation = models.PositiveIntegerField(default=0)
    missed = models.BooleanField(default=False, help_text="A step found nobody to tell.")
    added = models.JSONField(default=list, help_text="Ids of people who were added by a step.")
    repaired_generation = models.PositiveIntegerField(null=True)

    objects = EscalationStateQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name = "escalation"
        permissions = [("steer_escalation", "Can force, pause, resume and re-pin escalations")]
        indexes = [models.Index(fields=["status", "next_at"])]

    def __str__(self) -> str:
        return f"Escalation of {self.review_id}"


class EscalationEvent(Identified):
    """What an escalation did. Appended, never changed."""

    review = models.ForeignKey(Review, on_delete=models.PROTECT, related_name="escalation_events")
    at = models.DateTimeField()
    kind = models.CharField(max_length=30)
    generation = models.PositiveIntegerField()
    loop = models.PositiveSmallIntegerField()
    step = models.PositiveSmallIntegerField(null=True, help_text="Its number, from 1.")
    detail = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} at {self.at:%Y-%m-%d %H:%M:%S}"


class RoundRobinPointer(models.Model):
    """Whose turn it is at a step of a version."""

    version = models.ForeignKey(EscalationPolicyVersion, on_delete=models.CASCADE, related_name="+")
    step_index = models.PositiveSmallIntegerField()
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "step_index"], name="one_turn_per_step")]

    def __str__(self) -> str:
        return f"Turn {self.position}"


class EscalationHeartbeat(Identified):
    """When the auditor last found every escalation of this tenant on time. One row."""

    only = models.BooleanField(default=True, unique=True, editable=False)
    at = models.DateTimeField(null=True, help_text="Withheld while something is late.")
    checked_at = models.DateTimeField()
    late = models.PositiveIntegerField(default=0, help_text="Escalations found late or missing.")

    class Meta:
        verbose_name = "escalation heartbeat"

    def __str__(self) -> str:
        return f"Checked at {self.checked_at:%Y-%m-%d %H:%M:%S}"
