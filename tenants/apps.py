"""The floor of the stack: who everything belongs to."""

from django.apps import AppConfig


class TenantsConfig(AppConfig):
    """Install what must hold before any other app runs."""

    name = "tenants"

    def ready(self) -> None:
        """Keep content types apart per schema, and log changes of tenants, hosts and tiers."""
        from auditlog.registry import auditlog
        from django.db.models.signals import post_save

        from tenants.kernel import contenttypes
        from tenants.signals import schema_ready
        from tenants.tenancy.models import Domain, Tenant
        from tenants.tiers import operations
        from tenants.tiers.models import Tier

        contenttypes.install()
        auditlog.register(Tenant)
        auditlog.register(Domain)
        auditlog.register(Tier)
        schema_ready.connect(operations.on_schema_ready, dispatch_uid="tiers.schema_ready")
        post_save.connect(operations.on_tier_saved, sender=Tier, dispatch_uid="tiers.tier_saved")
