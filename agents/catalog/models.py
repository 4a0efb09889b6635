"""Agents: a blueprint with a configuration, an owner and an identity of its own."""

from django.conf import settings
from django.db import models

from agents.tools.models import Tool
from governance.types import AgentRef, SecurityLevel
from tenants.kernel.models import Identified


class Agent(Identified):
    """An agent of this tenant. It may use a tool when its principal holds `execute_tool` on it."""

    name = models.CharField(max_length=120, unique=True)
    blueprint = models.CharField(max_length=60)
    config = models.JSONField(default=dict, blank=True)
    version = models.PositiveIntegerField(default=1, editable=False)
    principal = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", editable=False
    )
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    tools = models.ManyToManyField(
        Tool, blank=True, related_name="+", help_text="Tools offered to the model."
    )
    security_level = models.CharField(
        max_length=12,
        choices=[(level.value, level.value) for level in SecurityLevel],
        default=SecurityLevel.INTERNAL,
        help_text="It uses tools up to this level. People need a clearance as high; restricted asks who they are.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        permissions = [
            ("execute_agent", "Can start runs of the agent"),
            ("admin_agent", "Can administer the agent and say who else may"),
        ]

    def __str__(self) -> str:
        return self.name

    def ref(self) -> AgentRef:
        """Return the agent as governance sees it."""
        return AgentRef(
            id=str(self.pk),
            name=self.name,
            version=self.version,
            principal_id=int(self.principal_id),
            owner_id=int(self.owner_id),
            blueprint=self.blueprint,
            level=SecurityLevel(self.security_level),
        )
