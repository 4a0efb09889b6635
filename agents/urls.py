"""Index of this app's pages."""

from agents.dashboard.urls import urlpatterns

__all__ = ["urlpatterns"]
