"""Tenants and the hosts they answer at. Public schema only."""

from typing import Any, NoReturn

from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Now
from django_tenants.models import DomainMixin, TenantMixin


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

    def __str__(self) -> str:
        return self.name

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
