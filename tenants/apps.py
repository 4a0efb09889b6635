"""The floor of the stack: who everything belongs to."""

from django.apps import AppConfig


class TenantsConfig(AppConfig):
    """Install what must hold before any other app runs."""

    name = "tenants"

    def ready(self) -> None:
        """Keep content types apart per schema, and log changes of tenants and hosts."""
        from auditlog.registry import auditlog

        from tenants.kernel import contenttypes
        from tenants.tenancy.models import Domain, Tenant

        contenttypes.install()
        auditlog.register(Tenant)
        auditlog.register(Domain)
