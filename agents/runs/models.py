"""Runs and their steps."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models

from agents.catalog.models import Agent
from tenants.kernel.models import Identified, StatusModel


class RunQuerySet(models.QuerySet["Run"]):
    """Questions about runs."""

    def stalled(self, now: datetime, *, grace_s: float) -> "RunQuerySet":
        """Return runs whose doorbell was lost or whose worker's lease is over."""
        rung_before = now - timedelta(seconds=grace_s)
        return self.filter(
            models.Q(status=Run.Status.QUEUED, updated_at__lt=rung_before)
            | models.Q(status=Run.Status.RUNNING, lease_expires_at__lt=now)
        )


class Run(StatusModel):
    """An agent at work on one request of one person. A worker advances it under a lease."""

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        WAITING = "waiting"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"

    ENDED = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLED})
    TRANSITIONS = {
        Status.QUEUED: frozenset({Status.RUNNING, Status.CANCELLED}),
        Status.RUNNING: frozenset(
            {Status.QUEUED, Status.WAITING, Status.SUCCEEDED, Status.FAILED, Status.CANCELLED}
        ),
        Status.WAITING: frozenset({Status.QUEUED, Status.CANCELLED}),
    }

    status = models.CharField(max_length=12, choices=Status.choices, default=Status.QUEUED)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="+")
    agent_version = models.PositiveIntegerField()
    snapshot = models.JSONField(
        help_text="Blueprint, configuration and tools of the agent when the run began."
    )
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    session_id = models.CharField(max_length=64, blank=True)
    input = models.JSONField()
    output = models.JSONField(null=True)
    error = models.JSONField(null=True)
    trace_id = models.CharField(max_length=32)
    input_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    lease_token = models.UUIDField(null=True)
    lease_expires_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        permissions = [("cancel_run", "Can cancel anybody's runs")]
        indexes = [models.Index(fields=["status", "updated_at"])]

    def __str__(self) -> str:
        return f"{self.snapshot.get('agent', 'run')}: {self.query[:60]}"

    @property
    def query(self) -> str:
        """Return what the person asked."""
        return str(self.input.get("query", ""))


class Step(Identified):
    """One model turn or tool call. Stored before it is executed, closed after."""

    class Kind(models.TextChoices):
        MODEL = "model"
        TOOL = "tool"

    class Status(models.TextChoices):
        PLANNED = "planned"
        WAITING = "waiting"
        EXECUTING = "executing"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        DENIED = "denied"
        REJECTED = "rejected"
        UNKNOWN = "unknown"

    OPEN = frozenset({Status.PLANNED, Status.WAITING, Status.EXECUTING})

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="steps")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=8, choices=Kind.choices)
    status = models.CharField(max_length=12, choices=Status.choices)
    name = models.CharField(max_length=120, help_text="The model, or the tool.")
    call_id = models.CharField(max_length=120, blank=True)
    request = models.JSONField(help_text="What the step was to do, stored before it was done.")
    result = models.JSONField(null=True, help_text="What it led to.")
    review_id = models.UUIDField(null=True)
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="one_step_per_number")]

    def __str__(self) -> str:
        return f"{self.number} {self.kind} {self.name}"

    def close(self, status: "Step.Status", *, now: datetime, result: dict[str, Any]) -> None:
        """Record how the step ended."""
        self.status, self.result, self.finished_at = status, result, now
        if self._state.adding:
            self.save(force_insert=True)
        else:
            self.save(
                update_fields=[
                    "status",
                    "result",
                    "finished_at",
                    "input_tokens",
                    "output_tokens",
                    "review_id",
                ]
            )
