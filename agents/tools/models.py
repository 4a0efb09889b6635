"""Tools of a tenant: permissioned rows."""

from collections.abc import Sequence

from django.core.exceptions import ValidationError
from django.db import models

from agents.tools.registry import REGISTRY, spec_of
from governance.types import EffectClass, Risk, ToolRef


class ToolQuerySet(models.QuerySet["Tool"]):
    """Questions about tools."""

    def offered(self, names: Sequence[str]) -> "ToolQuerySet":
        """Return those of the names that can be used now, by name."""
        return self.filter(name__in=names, enabled=True).order_by("name")


class Tool(models.Model):
    """A tool as this tenant allows it. Risk and effect are what an admin confirmed, not what was declared."""

    class Source(models.TextChoices):
        PYTHON = "python"

    name = models.CharField(max_length=120, unique=True)
    description = models.TextField()
    parameters = models.JSONField(help_text="JSON Schema of the arguments.")
    schema_version = models.CharField(max_length=64, editable=False)
    risk = models.CharField(max_length=10, choices=[(risk.value, risk.value) for risk in Risk])
    effect = models.CharField(max_length=20, choices=[(effect.value, effect.value) for effect in EffectClass])
    enabled = models.BooleanField(default=True)
    source = models.CharField(max_length=10, choices=Source.choices, default=Source.PYTHON, editable=False)
    timeout_s = models.PositiveIntegerField(default=60, help_text="Seconds until a call counts as timed out.")
    max_attempts = models.PositiveSmallIntegerField(
        default=3, help_text="Tries in all when a failure is transient and repeating is safe."
    )
    fallback = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Proposed with the same arguments when this tool cannot be used.",
    )
    output_schema = models.JSONField(
        null=True, blank=True, editable=False, help_text="JSON Schema of the result."
    )

    objects = ToolQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        permissions = [("execute_tool", "Can use the tool through agents")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse less risk, or an effect safer to repeat, than the tool's author declared."""
        if self.source != self.Source.PYTHON or self.name not in REGISTRY:
            return
        declared = spec_of(self.name)
        wanted = "The tool's author declared it {}; choose that or stricter."
        problems = {}
        if list(Risk).index(Risk(self.risk)) < list(Risk).index(declared.risk):
            problems["risk"] = wanted.format(declared.risk)
        if list(EffectClass).index(EffectClass(self.effect)) < list(EffectClass).index(declared.effect):
            problems["effect"] = wanted.format(declared.effect)
        if problems:
            raise ValidationError(problems)

    def ref(self) -> ToolRef:
        """Return the tool as governance sees it."""
        return ToolRef(
            id=self.pk,
            name=self.name,
            risk=Risk(self.risk),
            effect=EffectClass(self.effect),
            parameters=self.parameters,
            schema_version=self.schema_version,
            enabled=self.enabled,
        )
