"""Index of this app's API."""

from governance.access.api import LoginView, LogoutView
from governance.audit.api import AuditEventViewSet, CheckpointViewSet

__all__ = ["AuditEventViewSet", "CheckpointViewSet", "LoginView", "LogoutView"]
