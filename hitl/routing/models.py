"""Queues, what reviewers say of themselves, on-call schedules and substitutions."""

from datetime import datetime
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from hitl.routing.types import Strategy, Unit
from tenants.kernel.models import Identified

Person = settings.AUTH_USER_MODEL
STRATEGIES = {
    Strategy.NONE: "Nobody: whoever takes it",
    Strategy.ROUND_ROBIN: "Everybody in turn",
    Strategy.LEAST_LOADED: "Who has the fewest",
}


def check_timezone(name: str) -> None:
    """Raise ValidationError unless it is an IANA time zone."""
    if name not in available_timezones():
        raise ValidationError(f"“{name}” is no IANA time zone. Write for example Europe/Berlin.")


class ReviewQueue(Identified):
    """Reviews of one sort, and how they come to people. The first enabled queue that matches takes a review."""

    name = models.CharField(max_length=80, unique=True)
    position = models.PositiveSmallIntegerField(default=100, help_text="Queues are tried in rising order.")
    risks = models.JSONField(default=list, blank=True, help_text="None ticked: every risk.")
    kinds = models.JSONField(default=list, blank=True, help_text="None ticked: every kind.")
    tool = models.CharField(
        max_length=120, blank=True, help_text="A name, or a pattern such as refund_*. Empty for every tool."
    )
    agent = models.CharField(
        max_length=120, blank=True, help_text="A name, or a pattern such as HR*. Empty for every agent."
    )
    group = models.ForeignKey(
        Group,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Who gets its reviews. Empty for everybody who may decide them.",
    )
    skills = models.JSONField(
        default=list, blank=True, help_text="Skills, with commas between, that who gets them needs."
    )
    strategy = models.CharField(
        max_length=12,
        choices=[(strategy.value, STRATEGIES[strategy]) for strategy in Strategy],
        default=Strategy.NONE,
    )
    claim_minutes = models.PositiveSmallIntegerField(
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(1440)],
        help_text="How long somebody keeps what they claim, at most; never more than half of the time left.",
    )
    enabled = models.BooleanField(default=True)

    class Meta:
        ordering = ["position", "name"]
        permissions = [("assign_review", "Can assign reviews to others")]

    def __str__(self) -> str:
        return self.name


class QueuePointer(models.Model):
    """Who got a queue's last review. Locked while the next is given."""

    queue = models.OneToOneField(ReviewQueue, on_delete=models.CASCADE, related_name="pointer")
    last = models.ForeignKey(Person, null=True, on_delete=models.SET_NULL, related_name="+")

    def __str__(self) -> str:
        return f"{self.last_id} in {self.queue_id}"


class ReviewerProfile(models.Model):
    """What routing knows of a reviewer. Who has none is available and takes any number."""

    user = models.OneToOneField(Person, on_delete=models.CASCADE, related_name="+")
    skills = models.JSONField(default=list, blank=True, help_text="Words with commas between.")
    available = models.BooleanField(default=True)
    away_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text="From then on they count as available again; empty: until they say so.",
    )
    max_open = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="No more reviews than that are assigned at once. Empty for no limit."
    )
    timezone = models.CharField(
        max_length=64,
        default="UTC",
        validators=[check_timezone],
        help_text="IANA name; the times on their availability page are in it.",
    )

    def __str__(self) -> str:
        return str(self.user)

    def is_available(self, at: datetime) -> bool:
        """Tell whether they take reviews at that instant."""
        return self.available or (self.away_until is not None and self.away_until <= at)


class Schedule(Identified):
    """Who is on call when."""

    name = models.CharField(max_length=80, unique=True)
    timezone = models.CharField(
        max_length=64,
        default="UTC",
        validators=[check_timezone],
        help_text="IANA name, such as Europe/Berlin; hand-offs and windows are in its local time.",
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        """Return its time zone."""
        return ZoneInfo(self.timezone)


class Rotation(Identified):
    """People who take turns in a schedule. A later layer is on call when no earlier one has anybody."""

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="rotations")
    layer = models.PositiveSmallIntegerField(default=1)
    participants = models.JSONField(
        default=list, help_text="User names with commas between, in their order; the first one begins."
    )
    starts_at = models.DateTimeField(help_text="UTC. The first one is on call from then on.")
    length = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(1000)]
    )
    unit = models.CharField(
        max_length=5, choices=[(unit.value, unit.value) for unit in Unit], default=Unit.WEEKS
    )
    handoff = models.TimeField(
        default="09:00",
        help_text="Local time. Shifts that are counted in hours begin with it, on the first day.",
    )
    windows = models.JSONField(
        default=list,
        blank=True,
        help_text="One a line, such as Mon Tue 22:00-06:00: on call then only. Empty for always.",
    )

    class Meta:
        ordering = ["layer", "id"]
        constraints = [models.CheckConstraint(name="a_shift_has_a_length", condition=models.Q(length__gte=1))]

    def __str__(self) -> str:
        return f"Layer {self.layer} of {self.schedule}"


class ScheduleOverride(Identified):
    """Somebody takes over for a while."""

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="overrides")
    user = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    replaces = models.ForeignKey(
        Person,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Only their shifts. Empty: whoever would be on call.",
    )
    starts_at = models.DateTimeField(help_text="UTC.")
    ends_at = models.DateTimeField(help_text="UTC.")
    by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+", editable=False)

    class Meta:
        ordering = ["-starts_at"]
        constraints = [
            models.CheckConstraint(
                name="an_override_ends_after_it_starts",
                condition=models.Q(ends_at__gt=models.F("starts_at")),
                violation_error_message="It must end after it starts.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.schedule}"


class SubstitutionQuerySet(models.QuerySet["Substitution"]):
    """Questions about substitutions."""

    def at(self, at: datetime) -> "SubstitutionQuerySet":
        """Return those in force at that instant, oldest first."""
        return self.filter(starts_at__lte=at, ends_at__gt=at).order_by("id")


class Substitution(Identified):
    """One reviewer stands in for another from one date to another. It gives no right that they do not have."""

    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    substitute = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    starts_at = models.DateTimeField(help_text="UTC.")
    ends_at = models.DateTimeField(help_text="UTC.")
    reason = models.CharField(max_length=200)
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+", editable=False)

    objects = SubstitutionQuerySet.as_manager()

    class Meta:
        ordering = ["-starts_at"]
        constraints = [
            models.CheckConstraint(
                name="a_substitution_ends_after_it_starts",
                condition=models.Q(ends_at__gt=models.F("starts_at")),
                violation_error_message="It must end after it starts.",
            ),
            models.CheckConstraint(
                name="nobody_stands_in_for_themself",
                condition=~models.Q(person=models.F("substitute")),
                violation_error_message="Nobody stands in for themself.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.substitute} for {self.person}"
