"""The floor of the stack: who everything belongs to."""

from django.apps import AppConfig


class TenantsConfig(AppConfig):
    """Install what must hold before any other app runs."""

    name = "tenants"

    def ready(self) -> None:
        """Keep content types apart per schema."""
        from tenants.kernel import contenttypes

        contenttypes.install()
