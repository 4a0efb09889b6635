"""Recorded decisions, and the rules of a tenant: policies with their versions, and thresholds."""

import re

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models

from governance.policies.rules import Layer
from governance.policies.validity import zone_of
from governance.types import Risk
from tenants.kernel.errors import InvalidInput
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


class Policy(Identified):
    """A rule by its id, through all its versions. At most one version decides, and one is rehearsed.

    In a tenant's schema it is the tenant's, or one agent's; in `public` it is the platform's and holds for all.
    """

    slug = models.SlugField(
        "id",
        max_length=50,
        unique=True,
        help_text="Small letters, digits, - and _. Decisions and reviews name the rule by it.",
    )
    name = models.CharField(max_length=80, help_text="What people are told when it stops a call.")
    layer = models.CharField(
        max_length=10, choices=[(layer.value, layer.value) for layer in Layer], default=Layer.TENANT.value
    )
    agent_id = models.UUIDField(null=True, blank=True, help_text="Of the agent layer: which agent.")
    pack = models.CharField(max_length=30, blank=True, help_text="The pack that it came with.")
    active = models.ForeignKey(
        "governance.PolicyVersion", null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )
    shadow = models.ForeignKey(
        "governance.PolicyVersion", null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )

    class Meta:
        ordering = ["slug"]
        verbose_name_plural = "policies"
        permissions = [("activate_policy", "Can put policies in force and out of force")]
        constraints = [
            models.CheckConstraint(
                name="agent_layer_names_an_agent",
                condition=models.Q(layer="agent", agent_id__isnull=False)
                | (~models.Q(layer="agent") & models.Q(agent_id__isnull=True)),
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def latest(self) -> "PolicyVersion":
        """Return the newest version; raises PolicyVersion.DoesNotExist for a policy that has none."""
        versions = list(self.versions.all())
        if not versions:
            raise PolicyVersion.DoesNotExist(f"{self.slug} has no version.")
        return max(versions, key=lambda version: version.number)


class PolicyVersion(Identified):
    """A rule as it was saved. Added, never changed: a decision can be replayed under it years later."""

    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    document = models.JSONField()
    digest = models.CharField(max_length=64)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["policy", "number"], name="one_policy_version_per_number")
        ]

    def __str__(self) -> str:
        return f"{self.policy.slug} version {self.number}"


class PolicyReplay(Identified):
    """What a version would have said about recorded decisions, as it was shown before it came into force."""

    version = models.ForeignKey(PolicyVersion, on_delete=models.PROTECT, related_name="replays")
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=64, help_text="Digest of the versions in force then.")
    report = models.JSONField()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.version} at {self.at:%Y-%m-%d %H:%M}"


class PolicyDefault(models.Model):
    """What holds where no rule says anything. Calls that change something are refused; this is about the others."""

    read_only_may = models.BooleanField(
        "calls that only read may run", default=True, help_text="Where no rule says anything about them."
    )
    timezone = models.CharField(
        max_length=60, default="UTC", help_text="Of time.hour, time.weekday and time.date in rules."
    )

    class Meta:
        constraints = [models.CheckConstraint(name="one_policy_default", condition=models.Q(id=1))]

    def __str__(self) -> str:
        return "Where no rule says anything"

    def clean(self) -> None:
        """Refuse a time zone that does not exist."""
        try:
            zone_of(self.timezone)
        except InvalidInput as error:
            raise ValidationError({"timezone": error.detail}) from error


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
