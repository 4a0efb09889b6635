"""Bindings of a tenant, what they found, and what was taken out."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from governance.guardrails.registry import REGISTRY
from governance.guardrails.types import Action, Stage
from tenants.kernel.errors import DomainError
from tenants.kernel.models import Identified

STAGES = [(Stage.INPUT.value, "what a run is asked"), (Stage.ARGUMENTS.value, "arguments of a tool call"),
          (Stage.TOOL_OUTPUT.value, "what a tool returns"), (Stage.OUTPUT.value, "what a run answers")]  # fmt: skip
ACTIONS = [(Action.LOG.value, "log it"), (Action.REDACT.value, "take it out"),
           (Action.REQUIRE_APPROVAL.value, "ask a person"), (Action.BLOCK.value, "block")]  # fmt: skip


class GuardrailBinding(Identified):
    """A check at one place of the work of agents, and what a finding leads to."""

    name = models.CharField(max_length=80, unique=True, help_text="People see it where something was found.")
    stage = models.CharField(max_length=12, choices=STAGES)
    check_name = models.CharField(
        "check",
        max_length=40,
        help_text="Such as secrets, pii, injection, length, banned, pattern, allow-list or schema.",
    )
    action = models.CharField(max_length=20, choices=ACTIONS)
    threshold = models.FloatField(
        default=0.5,
        validators=[MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text="From 0 to 1: findings that are less sure are left alone.",
    )
    tool = models.CharField(max_length=120, default="*", help_text="A name, or a pattern such as web_*.")
    agent = models.CharField(max_length=120, default="*", help_text="A name, or a pattern such as Support*.")
    config = models.JSONField(default=dict, blank=True, help_text="Settings of the check; {} for its own.")
    restore_for_tools = models.BooleanField(
        default=False,
        help_text="For arguments that are taken out: these tools get the originals, people and models the tokens.",
    )
    marks_untrusted = models.BooleanField(
        default=False, help_text="A finding makes the run untrusted: what it does next asks a person sooner."
    )
    enabled = models.BooleanField(default=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )

    class Meta:
        ordering = ["stage", "name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse a check that does not exist and settings that it does not take."""
        problems: dict[str, Any] = {}
        if self.check_name not in REGISTRY:
            problems["check_name"] = f"There is no such check. Known: {', '.join(REGISTRY)}."
        elif not isinstance(self.config, dict):
            problems["config"] = "Must be a JSON object."
        else:
            try:
                REGISTRY.get(self.check_name)(self.config)
            except DomainError as error:
                problems["config"] = error.detail
        if self.restore_for_tools and (self.stage, self.action) != (Stage.ARGUMENTS, Action.REDACT):
            problems["restore_for_tools"] = "Only for what is taken out of arguments."
        if problems:
            raise ValidationError(problems)


class GuardrailFinding(Identified):
    """One finding: where, by which rule, how sure, and what it led to. Evidence; never the text that was found."""

    at = models.DateTimeField()
    run_id = models.UUIDField()
    step_id = models.UUIDField(null=True)
    stage = models.CharField(max_length=12, choices=STAGES)
    binding = models.CharField(max_length=80)
    check_name = models.CharField("check", max_length=40)
    rule = models.CharField(max_length=60)
    label = models.CharField(max_length=60)
    score = models.FloatField()
    pointer = models.CharField(max_length=200)
    start = models.IntegerField()
    end = models.IntegerField()
    action = models.CharField(max_length=20, choices=ACTIONS)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["run_id"])]

    def __str__(self) -> str:
        return f"{self.label} ({self.binding})"


class RedactedValue(Identified):
    """What was taken out of a run, sealed with the tenant's key; the token stands in its place."""

    run_id = models.UUIDField(editable=False)
    token = models.CharField(max_length=60, editable=False)
    label = models.CharField(max_length=60, editable=False)
    stage = models.CharField(max_length=12, choices=STAGES, editable=False)
    check_name = models.CharField("check", max_length=40, editable=False)
    ciphertext = models.BinaryField(editable=False)
    key_version = models.PositiveIntegerField(editable=False)
    created_at = models.DateTimeField(editable=False)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["run_id", "token"], name="one_value_per_token")]
        permissions = [("reveal_redacted", "Can see what was taken out of runs")]

    def __str__(self) -> str:
        return self.token
