"""Index of this app's admin; config.admin registers it on the platform's site."""

from tenants.tenancy.admin import DomainAdmin

__all__ = ["DomainAdmin"]
