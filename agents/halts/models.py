"""Kill switches of a tenant. The platform's own is tenants.tenancy.models.PlatformHalt."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from agents.catalog.models import Agent
from agents.halts import standing
from tenants.kernel.context import require_schema
from tenants.kernel.models import Identified
from tenants.tenancy.models import PlatformHalt


class HaltQuerySet(models.QuerySet["Halt"]):
    """Questions about kill switches."""

    def standing(self) -> "HaltQuerySet":
        """Return those that nobody has lifted."""
        return self.filter(lifted_at=None)

    def over_everything(self) -> list[tuple[str, str, str]]:
        """Return scope (tenant or platform), reason and name behind each switch over all agents here.

        One query. An escalation stops one agent only, so there is a name.
        """
        own = self.standing().filter(agent=None).order_by().annotate(scope=models.Value("tenant"))
        platforms = platform_standing().order_by().annotate(scope=models.Value("platform"))
        told = own.values_list("scope", "reason", "by__username")
        return list(told.union(platforms.values_list("scope", "reason", "by"), all=True))


def platform_standing() -> models.QuerySet[PlatformHalt]:
    """Return the platform's switches that stand over this tenant, newest first."""
    return PlatformHalt.objects.filter(schema__in=["", require_schema()], lifted_at=None).order_by("-id")


class Halt(Identified):
    """While it stands, no run of the agent, or of the tenant where `agent` is null, starts anything new."""

    agent = models.ForeignKey(Agent, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=200)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        editable=False,
        help_text="Empty for one that an escalation tripped.",
    )
    at = models.DateTimeField(db_default=Now(), editable=False)
    lifted_at = models.DateTimeField(null=True, editable=False)
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )

    objects = HaltQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name = "kill switch"
        verbose_name_plural = "kill switches"
        permissions = [("lift_halt", "Can lift kill switches")]
        constraints = [
            models.UniqueConstraint(
                fields=["agent"],
                condition=models.Q(lifted_at=None),
                nulls_distinct=False,
                name="one_standing_halt_per_scope",
            )
        ]

    @property
    def who(self) -> str:
        """Return who tripped it."""
        return self.by.username if self.by else standing.ESCALATION

    def __str__(self) -> str:
        return self.agent.name if self.agent else "All agents"
