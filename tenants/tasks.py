"""Index of this app's tasks."""

from tenants.timers.tasks import tick

__all__ = ["tick"]
