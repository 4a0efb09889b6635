"""Index of this app's API."""

from tenants.flags.api import FlagsView

__all__ = ["FlagsView"]
