"""Index of this app's pages."""

from governance.signin.urls import urlpatterns

__all__ = ["urlpatterns"]
