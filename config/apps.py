"""The admin app, with a default site that shows only what belongs to the tenant."""

from django.contrib.admin.apps import AdminConfig
from waffle.apps import WaffleConfig


class FlagsConfig(WaffleConfig):
    """Feature flags, under their own name in the admin."""

    verbose_name = "Feature flags"


class CountersignAdminConfig(AdminConfig):
    """Replace Django's default admin site by the tenant's, and register the system checks."""

    default_site = "config.admin.TenantAdminSite"

    def ready(self) -> None:
        """Load the checks."""
        super().ready()
        from config import checks

        self.checks = checks
