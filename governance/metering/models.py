"""Prices, budgets and what was used."""

from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models

from governance.metering import subjects
from governance.metering.types import CallKind, PriceKind, Scope, Unit, Window
from tenants.kernel.context import PUBLIC, require_schema
from tenants.kernel.models import Identified, StatusModel

LEVELS = (50, 80, 100)
"""Percent of a budget at which people are told, once in each window."""


def _choices(words: Any) -> list[tuple[str, str]]:
    return [(word.value, word.value.replace("_", " ")) for word in words]


class Price(Identified):
    """What tokens of a model, or a call of a tool, cost from a moment on. Rows are only added, never changed."""

    pattern = models.CharField(
        max_length=120, help_text="A model or a tool, or a pattern such as gpt-4.1-mini*."
    )
    kind = models.CharField(max_length=10, choices=_choices(PriceKind))
    micros = models.BigIntegerField(
        "micro-dollars",
        validators=[MinValueValidator(0)],
        help_text="Per 1,000,000 tokens, or per call of a tool; 1,000,000 are one dollar. 0 for what is free.",
    )
    valid_from = models.DateTimeField()
    source = models.CharField(max_length=200, help_text="Where the price is published, or who agreed on it.")

    class Meta:
        ordering = ["pattern", "kind", "-valid_from", "-id"]
        constraints = [models.CheckConstraint(name="price_not_negative", condition=models.Q(micros__gte=0))]

    def __str__(self) -> str:
        return f"{self.pattern} {self.kind} from {self.valid_from:%Y-%m-%d}"


class Budget(Identified):
    """How much may be spent, by whom, in which time."""

    class Source(models.TextChoices):
        MANUAL = "manual", "Manual"
        TIER = "tier", "Tier"

    name = models.CharField(max_length=80, unique=True)
    scope = models.CharField(
        max_length=10, choices=_choices(Scope), help_text="Whose calls it counts. “request” limits each call."
    )
    subject = models.CharField(
        max_length=150,
        blank=True,
        help_text="The name of one user, agent or team (a role or group). Empty: each of them "
        "has this budget of its own.",
    )
    window = models.CharField(
        max_length=10,
        choices=_choices(Window),
        help_text="When it starts anew; hours, days and months in UTC.",
    )
    unit = models.CharField(max_length=10, choices=_choices(Unit), default=Unit.MICROS)
    limit = models.BigIntegerField(
        validators=[MinValueValidator(0)],
        help_text="In micro-dollars (1,000,000 are one dollar) or in tokens.",
    )
    enabled = models.BooleanField(default=True)
    source = models.CharField(max_length=10, choices=Source.choices, default=Source.MANUAL, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [models.CheckConstraint(name="budget_not_negative", condition=models.Q(limit__gte=0))]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse a scope that does not go with its window, its subject or this place."""
        problems = {}
        fixed = {Scope.REQUEST: Window.REQUEST, Scope.RUN: Window.RUN}
        scope = Scope(self.scope) if self.scope in set(Scope) else None
        if scope in fixed and self.window != fixed[scope]:
            problems["window"] = (
                f"A budget for each {scope} starts anew with each {scope}: choose {fixed[scope]}."
            )
        if self.subject and scope not in {Scope.USER, Scope.AGENT, Scope.TEAM, Scope.TENANT}:
            problems["subject"] = "Only budgets of users, agents and teams name one."
        of_platform = {Scope.PLATFORM, Scope.TENANT}
        if require_schema() == PUBLIC and scope not in of_platform:
            problems["scope"] = "The platform's budgets are for all tenants together, or for each tenant."
        elif require_schema() != PUBLIC and scope is Scope.PLATFORM:
            problems["scope"] = "Only the platform's operator sets budgets for all tenants."
        elif require_schema() != PUBLIC and scope is Scope.TENANT and self.subject:
            problems["subject"] = "A budget of the tenant names nobody."
        if self.subject and not problems:
            found = subjects.resolved(str(scope), self.subject)
            if found is None:
                problems["subject"] = f"There is no {scope} '{self.subject}' here."
            else:
                self.subject = found
        if problems:
            raise ValidationError(problems)


class BudgetWindow(Identified):
    """What one subject of a budget has spent and reserved in one window; the next window is another row."""

    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="+")
    subject = models.CharField(max_length=200, blank=True)
    started_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    spent = models.BigIntegerField(default=0)
    reserved = models.BigIntegerField(default=0)
    warned = models.PositiveSmallIntegerField(
        default=0, help_text="The highest percentage that people were told of."
    )

    class Meta:
        ordering = ["-started_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["budget", "subject", "started_at"], name="one_window_per_subject"
            ),
            models.CheckConstraint(name="window_reserved_not_negative", condition=models.Q(reserved__gte=0)),
        ]

    def __str__(self) -> str:
        return f"{self.subject or 'all'} from {self.started_at:%Y-%m-%d %H:%M}"


class ReservationQuerySet(models.QuerySet["Reservation"]):
    """Questions about reservations."""

    def lost(self, now: datetime) -> "ReservationQuerySet":
        """Return those whose call must have ended long ago, and of which nobody said what it cost."""
        return self.filter(status=Reservation.Status.OPEN, expires_at__lte=now).order_by("expires_at")


class Reservation(StatusModel):
    """What one attempt of a call may cost, held in its budgets until it is known. `key` makes it exist once."""

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        SETTLED = "settled", "Settled"
        RELEASED = "released", "Released"
        UNKNOWN = "unknown", "Settled at the estimate"
        RECONCILED = "reconciled", "Reconciled"

    TRANSITIONS = {
        Status.OPEN: frozenset({Status.SETTLED, Status.RELEASED, Status.UNKNOWN}),
        Status.UNKNOWN: frozenset({Status.RECONCILED}),
    }

    status = models.CharField(max_length=10, choices=Status.choices, default=Status.OPEN)
    key = models.CharField(max_length=80, unique=True)
    kind = models.CharField(max_length=5, choices=_choices(CallKind))
    name = models.CharField(max_length=120)
    step_id = models.UUIDField()
    run_id = models.UUIDField()
    user_id = models.BigIntegerField()
    user_name = models.CharField(max_length=150)
    agent_id = models.CharField(max_length=40)
    agent_name = models.CharField(max_length=150)
    estimate = models.JSONField(help_text="What it may cost at most: micros and tokens.")
    actual = models.JSONField(null=True, help_text="What it cost.")
    holds = models.JSONField(help_text="What it holds in which window of which budget.")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    objects = ReservationQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        permissions = [("reconcile_reservation", "Can say what a call with an unknown cost has cost")]
        indexes = [
            models.Index(fields=["expires_at"], condition=models.Q(status="open"), name="reservation_open"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class UsageRecord(Identified):
    """What one model call, or one paid tool call, used. Evidence: rows are only added.

    A cost that nobody reported stands at its estimate; what is known later is added as a correction, whose
    numbers may be negative.
    """

    at = models.DateTimeField()
    kind = models.CharField(max_length=5, choices=_choices(CallKind))
    name = models.CharField(max_length=120)
    agent_id = models.CharField(max_length=40)
    agent_name = models.CharField(max_length=150)
    user_id = models.BigIntegerField()
    user_name = models.CharField(max_length=150)
    run_id = models.UUIDField()
    step_id = models.UUIDField()
    key = models.CharField(max_length=80)
    input_tokens = models.BigIntegerField(default=0)
    cached_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    cost_micros = models.BigIntegerField(null=True)
    prices = models.JSONField(default=list)
    estimated = models.BooleanField(default=False)
    correction = models.BooleanField(default=False)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["at"], name="usage_at")]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class RateLimit(Identified):
    """How many requests, or tokens, a minute may hold."""

    class Scope(models.TextChoices):
        USER = "user"
        AGENT = "agent"
        TENANT = "tenant"

    class Unit(models.TextChoices):
        REQUESTS = "requests", "requests to models"
        TOOL_CALLS = "tool_calls", "calls of tools"
        TOKENS = "tokens"

    scope = models.CharField(max_length=10, choices=Scope.choices)
    subject = models.CharField(
        max_length=150,
        blank=True,
        help_text="The id of one user or agent. Empty: each has this limit of its own.",
    )
    unit = models.CharField(max_length=10, choices=Unit.choices)
    per_minute = models.PositiveIntegerField(validators=[MinValueValidator(1)])
    enabled = models.BooleanField(default=True)

    class Meta:
        ordering = ["scope", "subject", "unit"]
        constraints = [
            models.UniqueConstraint(fields=["scope", "subject", "unit"], name="one_rate_per_subject"),
            models.CheckConstraint(name="rate_above_zero", condition=models.Q(per_minute__gte=1)),
        ]

    def __str__(self) -> str:
        return f"{self.per_minute} {self.unit} a minute for {self.subject or f'each {self.scope}'}"

    def clean(self) -> None:
        """Refuse a subject of the tenant's own limit."""
        if self.scope == self.Scope.TENANT and self.subject:
            raise ValidationError({"subject": "A limit of the tenant names nobody."})
