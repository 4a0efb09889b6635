"""Tenants and the hosts they answer at. Public schema only."""

from datetime import datetime
from typing import Any, NoReturn

from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Now
from django_tenants.models import DomainMixin, TenantMixin

from tenants.kernel.errors import StaleTransition


class State(models.TextChoices):
    """Whether a tenant is served."""

    PROVISIONING = "provisioning"
    ACTIVE = "active"
    SUSPENDED = "suspended"


TRANSITIONS: dict[State, frozenset[State]] = {
    State.PROVISIONING: frozenset({State.ACTIVE}),
    State.ACTIVE: frozenset({State.SUSPENDED}),
    State.SUSPENDED: frozenset({State.ACTIVE}),
}


class Tenant(TenantMixin):  # type: ignore[misc]  # untyped upstream
    """An organisation: one PostgreSQL schema with its people, agents, reviews and audit log."""

    auto_create_schema = False

    schema_name = models.CharField(
        max_length=48,
        unique=True,
        validators=[
            RegexValidator(r"^[a-z][a-z0-9_]{1,47}\Z", "Use a-z, 0-9 and _, starting with a letter.")
        ],
    )
    name = models.CharField(max_length=120)
    fingerprint = models.CharField(max_length=64, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    tier = models.ForeignKey("tenants.Tier", on_delete=models.PROTECT, related_name="+", default="ENTERPRISE")
    overrides = models.JSONField(
        default=dict, blank=True, help_text="Limits agreed with this tenant, in place of its tier's."
    )
    state = models.CharField(
        max_length=12, choices=State.choices, default=State.ACTIVE, db_default=State.ACTIVE, editable=False
    )
    state_reason = models.CharField(max_length=200, blank=True, editable=False)
    state_by = models.CharField(max_length=150, blank=True, editable=False)
    state_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        permissions = [("suspend_tenant", "Can suspend and activate tenants")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_served(self) -> bool:
        """Tell whether its people are let in and its work goes on."""
        return bool(self.state == State.ACTIVE)

    def move(self, new: State, *, reason: str = "", by: str, at: datetime) -> None:
        """Change the state along TRANSITIONS; raise StaleTransition if it does not lead there or somebody was first."""
        old = State(self.state)
        if new not in TRANSITIONS[old]:
            raise StaleTransition(f"The tenant is {old} and cannot become {new}.", state=old.value)
        changes = {"state": new, "state_reason": reason, "state_by": by, "state_at": at}
        if not Tenant.objects.filter(pk=self.pk, state=old).update(**changes):
            raise StaleTransition(f"The tenant is no longer {old}.", state=old.value)
        for name, value in changes.items():
            setattr(self, name, value)

    def __enter__(self) -> NoReturn:
        raise TypeError("`with tenant:` leaks between threads; use tenant_context(tenant).")

    def __exit__(self, *exc: Any) -> None:
        """Never reached: entering raises."""


class Domain(DomainMixin):  # type: ignore[misc]  # untyped upstream
    """A host name that leads to a tenant."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="domains")

    def __str__(self) -> str:
        return str(self.domain)


class SchemaTemplate(models.Model):
    """A dump of the migrated template schema, replayed for each new tenant in one round trip."""

    fingerprint = models.CharField(max_length=64, unique=True)
    sql = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.fingerprint[:12]


class PlatformHalt(models.Model):
    """A kill switch of the platform: no run of the tenant, or of any where `schema` is empty, starts anything."""

    schema = models.CharField(
        max_length=48, blank=True, help_text="The tenant's schema; empty for all tenants."
    )
    reason = models.CharField(max_length=200)
    by = models.CharField(max_length=150, editable=False)
    at = models.DateTimeField(db_default=Now(), editable=False)
    lifted_at = models.DateTimeField(null=True, editable=False)
    lifted_by = models.CharField(max_length=150, blank=True, editable=False)

    class Meta:
        ordering = ["-id"]
        verbose_name = "kill switch"
        verbose_name_plural = "kill switches"
        permissions = [("lift_platformhalt", "Can lift kill switches")]
        constraints = [
            models.UniqueConstraint(
                fields=["schema"], condition=models.Q(lifted_at=None), name="one_standing_halt_per_tenant"
            )
        ]

    def __str__(self) -> str:
        return self.schema or "All tenants"
