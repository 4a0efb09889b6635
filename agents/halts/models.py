"""Kill switches of a tenant. The platform's own is tenants.tenancy.models.PlatformHalt."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from agents.catalog.models import Agent
from tenants.kernel.context import require_schema
from tenants.kernel.models import Identified
from tenants.tenancy.models import PlatformHalt


class HaltQuerySet(models.QuerySet["Halt"]):
    """Questions about kill switches."""

    def standing(self) -> "HaltQuerySet":
        """Return those that nobody has lifted."""
        return self.filter(lifted_at=None)

    def over_everything(self) -> list[tuple[str, str]]:
        """Return the reason and the name behind each switch over all agents here, the platform's too.

        One query.
        """
        own = self.standing().filter(agent=None).order_by().values_list("reason", "by__username")
        platforms = PlatformHalt.objects.filter(schema__in=["", require_schema()], lifted_at=None)
        return list(own.union(platforms.order_by().values_list("reason", "by"), all=True))


class Halt(Identified):
    """While it stands, no run of the agent, or of the tenant where `agent` is null, starts anything new."""

    agent = models.ForeignKey(Agent, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=200)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", editable=False
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

    def __str__(self) -> str:
        return self.agent.name if self.agent else "All agents"
