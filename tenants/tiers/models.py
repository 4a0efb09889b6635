"""Tiers. Public schema only: they are the platform's."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models

from tenants.tiers.types import EVERYTHING, FEATURES, Limit

ENTERPRISE = "ENTERPRISE"
FREE = "FREE"


def check_features(value: Any) -> None:
    """Refuse what is no list of features that exist."""
    if not isinstance(value, list) or not all(item in {EVERYTHING, *FEATURES} for item in value):
        raise ValidationError(f"Give a list of: {EVERYTHING}, {', '.join(FEATURES)}.")


class Tier(models.Model):
    """What tenants of a kind may have. An empty limit is unlimited."""

    slug = models.CharField(
        primary_key=True,
        max_length=40,
        validators=[RegexValidator(r"^[A-Z][A-Z0-9_]*\Z", "Use A-Z, 0-9 and _, starting with a letter.")],
    )
    rank = models.PositiveSmallIntegerField(help_text="Higher tiers have more; a refusal names the next one.")
    agents = models.PositiveIntegerField(null=True, blank=True)
    people = models.PositiveIntegerField(null=True, blank=True, help_text="Active people.")
    runs_per_day = models.PositiveIntegerField(null=True, blank=True, help_text="Days are of UTC.")
    tokens_per_month = models.PositiveBigIntegerField(null=True, blank=True, help_text="Input and output.")
    concurrent_runs = models.PositiveIntegerField(
        null=True, blank=True, help_text="Runs that workers have at once; the others queue."
    )
    requests_per_minute = models.PositiveIntegerField(null=True, blank=True, help_text="To the API.")
    storage_mb = models.PositiveIntegerField(
        null=True, blank=True, help_text="Stated; nothing is stored as files yet."
    )
    features = models.JSONField(
        default=list,
        blank=True,
        validators=[check_features],
        help_text='A list of the features included; ["*"] for all, those that come later too.',
    )

    class Meta:
        ordering = ["rank", "slug"]
        constraints = [models.UniqueConstraint(fields=["rank"], name="one_tier_per_rank")]

    def __str__(self) -> str:
        return self.slug

    def stated(self) -> dict[str, Any]:
        """Return the limits and features by name."""
        return {**{limit.value: getattr(self, limit.value) for limit in Limit}, "features": self.features}
