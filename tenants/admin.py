"""Index of this app's admin; config.admin registers it on the platform's site."""

from tenants.flags.admin import FlagAdmin, PlatformFlagAdmin
from tenants.tenancy.admin import DomainAdmin

__all__ = ["DomainAdmin", "FlagAdmin", "PlatformFlagAdmin"]
