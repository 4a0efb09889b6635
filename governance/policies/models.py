"""Recorded decisions, and the thresholds of a tenant."""

import re

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models

from governance.types import Risk
from tenants.kernel.models import Identified

RAISED = [(risk.value, risk.value) for risk in Risk if risk is not Risk.LOW]
DOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9-]+(?:\.[a-z0-9-]+)+")


class PolicyDecision(Identified):
    """One decision of the gate with its complete input; a permit is consumed by one execution.

    Evidence: it holds identifiers and snapshots, not foreign keys, and outlives what it describes.
    """

    at = models.DateTimeField()
    effect = models.CharField(max_length=20)
    digest = models.CharField(max_length=64)
    request = models.JSONField()
    reasons = models.JSONField()
    input_digest = models.CharField(max_length=64, default="")
    rules_version = models.CharField(max_length=80, default="")
    facts = models.JSONField(default=dict)
    obligations = models.JSONField(default=list)
    run_id = models.UUIDField()
    step_id = models.UUIDField()
    review_id = models.UUIDField(null=True)
    consumed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["run_id"])]

    def __str__(self) -> str:
        return f"{self.effect} {self.digest[:12]}"


class RiskThreshold(Identified):
    """A tenant's rule that raises the risk of a call by an amount among its arguments."""

    tool = models.CharField(max_length=120, help_text="A name, or a pattern such as refund_*.")
    argument = models.CharField(max_length=120, help_text="Such as amount, or order.total for a member.")
    at_least = models.DecimalField(max_digits=20, decimal_places=4)
    risk = models.CharField(max_length=10, choices=RAISED)
    enabled = models.BooleanField(default=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", editable=False
    )

    class Meta:
        ordering = ["tool", "argument", "at_least"]

    def __str__(self) -> str:
        return f"{self.tool}: {self.argument} from {self.at_least:f} is {self.risk}"


class RiskProfile(models.Model):
    """What this tenant counts as outside, as many and as sensitive. There is one row."""

    home_domains = models.JSONField(
        default=list,
        blank=True,
        help_text="Domains of this organisation, such as acme.example. Without any, every address is outside.",
    )
    bulk_from = models.PositiveIntegerField(
        default=20,
        validators=[MinValueValidator(1)],
        help_text="From how many things in one argument on a call counts as bulk.",
    )
    outside = models.CharField(
        max_length=10,
        choices=RAISED,
        default="medium",
        help_text="Least risk of a call that reaches outsiders.",
    )
    sensitive = models.CharField(
        max_length=10,
        choices=RAISED,
        default="medium",
        help_text="Least risk of a call whose arguments hold personal data or secrets; high if they leave.",
    )
    bulk = models.CharField(
        max_length=10, choices=RAISED, default="high", help_text="Least risk of a call for many at once."
    )

    class Meta:
        constraints = [models.CheckConstraint(name="one_risk_profile", condition=models.Q(id=1))]

    def __str__(self) -> str:
        return "What raises the risk of a call"

    def clean(self) -> None:
        """Refuse home domains that are none."""
        if not isinstance(self.home_domains, list) or not all(
            isinstance(domain, str) and DOMAIN.fullmatch(domain) for domain in self.home_domains
        ):
            raise ValidationError(
                {"home_domains": "A list of domains in small letters, such as acme.example."}
            )
