"""Circuit breakers and concurrency caps of a tenant, shared by all its workers."""

from django.core.exceptions import ValidationError
from django.db import models

from agents.tools.models import Tool
from tenants.kernel.models import Identified

PROVIDERS = ("default",)
"""Model providers: the endpoint that the operator configured."""


class PartKind(models.TextChoices):
    """What a breaker or a cap protects."""

    TOOL = "tool"
    PROVIDER = "provider"
    TENANT = "tenant"


def ensure_part(kind: str, name: str) -> None:
    """Raise ValidationError unless there is such a part: a cap of nothing protects nothing."""
    match kind:
        case PartKind.TOOL if not Tool.objects.filter(name=name).exists():
            known = ", ".join(Tool.objects.order_by("name").values_list("name", flat=True))
            raise ValidationError({"name": f"There is no tool '{name}'. Known: {known}."})
        case PartKind.PROVIDER if name not in PROVIDERS:
            known = ", ".join(PROVIDERS)
            raise ValidationError({"name": f"There is no provider '{name}'. Known: {known}."})
        case PartKind.TENANT if name:
            raise ValidationError({"name": "Leave it empty: a cap of the tenant counts all its runs."})


class Circuit(Identified):
    """A breaker before a tool or a model provider. It has a row once something failed."""

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

    def clean(self) -> None:
        """Refuse thresholds under one."""
        low = [field for field in ("fail_after", "retry_after_s", "close_after") if getattr(self, field) == 0]
        if low:
            raise ValidationError(dict.fromkeys(low, "At least 1."))


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
        return f"{self.kind}:{self.name}" if self.name else str(self.kind)

    def clean(self) -> None:
        """Refuse a part that is not there, and a limit under one."""
        ensure_part(self.kind, self.name)
        if self.limit == 0:
            raise ValidationError({"limit": "At least 1; to stop everything, trip a kill switch."})
