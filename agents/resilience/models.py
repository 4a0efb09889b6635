"""Circuit breakers and concurrency caps of a tenant, shared by all its workers."""

from django.db import models

from tenants.kernel.models import Identified


class PartKind(models.TextChoices):
    """What a breaker or a cap protects."""

    TOOL = "tool"
    PROVIDER = "provider"
    TENANT = "tenant"


class Circuit(Identified):
    """A breaker before a tool or a model provider. It has a row once something failed, or an admin made one."""

    class State(models.TextChoices):
        CLOSED = "closed"
        OPEN = "open"
        HALF_OPEN = "half_open"

    kind = models.CharField(
        max_length=10, choices=[(kind.value, kind.label) for kind in (PartKind.TOOL, PartKind.PROVIDER)]
    )
    name = models.CharField(max_length=120)
    state = models.CharField(max_length=10, choices=State.choices, default=State.CLOSED, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False, help_text="In a row, while closed.")
    successes = models.PositiveIntegerField(default=0, editable=False, help_text="In a row, while half open.")
    opened_at = models.DateTimeField(null=True, editable=False)
    fail_after = models.PositiveIntegerField(default=5, help_text="Failures in a row until it opens.")
    retry_after_s = models.PositiveIntegerField(
        default=60, help_text="Seconds open until calls are tried again."
    )
    close_after = models.PositiveIntegerField(default=3, help_text="Successes in a row until it closes.")

    class Meta:
        ordering = ["kind", "name"]
        constraints = [models.UniqueConstraint(fields=["kind", "name"], name="one_circuit_per_part")]

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


class ConcurrencyCap(Identified):
    """How many calls of a tool or a provider, or runs of the tenant, may be under way at once."""

    kind = models.CharField(max_length=10, choices=PartKind.choices)
    name = models.CharField(
        max_length=120, blank=True, help_text="The tool or the provider; empty for the tenant."
    )
    limit = models.PositiveIntegerField()

    class Meta:
        ordering = ["kind", "name"]
        constraints = [models.UniqueConstraint(fields=["kind", "name"], name="one_cap_per_part")]

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"
