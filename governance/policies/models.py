"""Recorded decisions."""

from django.db import models

from tenants.kernel.models import Identified


class PolicyDecision(Identified):
    """One decision of the gate with its complete input; a permit is consumed by one execution.

    Evidence: it holds identifiers and snapshots, not foreign keys, and outlives what it describes.
    """

    at = models.DateTimeField()
    effect = models.CharField(max_length=20)
    digest = models.CharField(max_length=64)
    request = models.JSONField()
    reasons = models.JSONField()
    run_id = models.UUIDField()
    step_id = models.UUIDField()
    review_id = models.UUIDField(null=True)
    consumed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["run_id"])]

    def __str__(self) -> str:
        return f"{self.effect} {self.digest[:12]}"
