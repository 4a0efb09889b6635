"""Runs and their steps."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models

from agents.catalog.models import Agent
from agents.runs import checksum
from tenants.kernel import writes
from tenants.kernel.models import Identified, StatusModel


class RunQuerySet(models.QuerySet["Run"]):
    """Questions about runs."""

    def stalled(self, now: datetime, *, grace_s: float) -> "RunQuerySet":
        """Return runs whose doorbell was lost, whose pause is over or whose worker's lease has ended."""
        rung_before = now - timedelta(seconds=grace_s)
        return self.filter(
            models.Q(status=Run.Status.QUEUED, wake_at=None, updated_at__lt=rung_before)
            | models.Q(status=Run.Status.QUEUED, wake_at__lte=now)
            | models.Q(status=Run.Status.RUNNING, lease_expires_at__lt=now)
        )


class Run(StatusModel):
    """An agent at work on one request of one person. A worker advances it under a lease."""

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        WAITING = "waiting"
        PAUSED = "paused"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"

    ENDED = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLED})
    TRANSITIONS = {
        Status.QUEUED: frozenset({Status.RUNNING, Status.PAUSED, Status.CANCELLED}),
        Status.RUNNING: frozenset(
            {
                Status.QUEUED,
                Status.WAITING,
                Status.PAUSED,
                Status.SUCCEEDED,
                Status.FAILED,
                Status.CANCELLED,
            }
        ),
        Status.WAITING: frozenset({Status.QUEUED, Status.PAUSED, Status.CANCELLED}),
        Status.PAUSED: frozenset({Status.QUEUED, Status.WAITING, Status.CANCELLED}),
    }

    status = models.CharField(max_length=12, choices=Status.choices, default=Status.QUEUED)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="+")
    agent_version = models.PositiveIntegerField()
    snapshot = models.JSONField(
        help_text="Blueprint, configuration and tools of the agent when the run began."
    )
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    delegator = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="On whose behalf the requester asked; adds no right, and may not approve either.",
    )
    session_id = models.CharField(max_length=64, blank=True)
    input = models.JSONField()
    output = models.JSONField(null=True)
    error = models.JSONField(null=True)
    trace_id = models.CharField(max_length=32)
    input_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    cost_micros = models.BigIntegerField(
        null=True, help_text="What its calls have cost, in micro-dollars; empty while no price is known."
    )
    engine_version = models.PositiveSmallIntegerField(
        default=1, help_text="Which rules of the engine wrote its steps."
    )
    lease_token = models.UUIDField(null=True, help_text="Fences off every worker but the last to claim it.")
    lease_expires_at = models.DateTimeField(null=True)
    wake_at = models.DateTimeField(null=True, help_text="Queued, but not to be claimed before.")
    waits_for = models.CharField(
        max_length=140,
        blank=True,
        help_text="The cap it queues for (kind:name), or the breaker (circuit:kind:name).",
    )
    pause_requested = models.BooleanField(default=False)
    pause_reason = models.CharField(max_length=200, blank=True)
    paused_by = models.CharField(
        max_length=150, blank=True, help_text="The person who paused it, if one did."
    )
    recoveries = models.PositiveSmallIntegerField(
        default=0, help_text="How often in a row a worker was lost without a step done."
    )
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        permissions = [
            ("cancel_run", "Can cancel anybody's runs"),
            ("pause_run", "Can pause and resume anybody's runs"),
            ("escalate_run", "Can put anybody's runs before a person"),
        ]
        indexes = [
            models.Index(fields=["status", "updated_at"]),
            models.Index(fields=["requester", "agent", "session_id", "id"], name="run_session"),
        ]

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
        PERSON = "person"

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

    @property
    def is_open(self) -> bool:
        """Tell whether the run cannot go past the step yet: an unknown outcome waits for a person."""
        return self.status in self.OPEN or (self.status == self.Status.UNKNOWN and self.result is None)

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="steps")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=8, choices=Kind.choices)
    status = models.CharField(max_length=12, choices=Status.choices)
    name = models.CharField(max_length=120, help_text="The model, the tool, or what a person is asked for.")
    call_id = models.CharField(max_length=120, blank=True)
    request = models.JSONField(help_text="What the step was to do, stored before it was done.")
    result = models.JSONField(null=True, help_text="What it led to.")
    review_id = models.UUIDField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="How often it was started.")
    checksum = models.CharField(max_length=64, blank=True)
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="one_step_per_number")]
        indexes = [
            models.Index(
                fields=["kind", "name"], condition=models.Q(status="executing"), name="step_executing"
            )
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.kind} {self.name}"

    def store(self, *, was: "Step.Status | str | None", **changes: Any) -> None:
        """Write the step: insert it where `was` is None, else change it if it is still `was`.

        Raises StaleTransition when somebody else moved it first: at once, or where the writes of the
        transaction are batched, when they are sent. The checksum covers what is written.
        """
        for name, value in changes.items():
            setattr(self, name, value)
        self.checksum = checksum.of(self)
        if was is None:
            writes.insert(self)
        else:
            writes.update(self, fields=_CHANGING, guard={"status": was})

    def close(self, status: "Step.Status", *, now: datetime, result: dict[str, Any], **changes: Any) -> None:
        """Record how the step ended; raise StaleTransition when somebody else moved it first."""
        was = None if self._state.adding else self.status
        self.store(was=was, status=status, result=result, finished_at=now, **changes)


_CHANGING = (
    "kind",
    "call_id",
    "status",
    "name",
    "request",
    "result",
    "review_id",
    "attempts",
    "checksum",
    "input_tokens",
    "output_tokens",
    "finished_at",
)
