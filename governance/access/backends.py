"""Authentication of people."""

from typing import Any

from django.contrib.auth.backends import ModelBackend

from governance.access.models import User


class PeopleBackend(ModelBackend):
    """Sign in people only: an agent's identity acts through runs, never through a session."""

    def user_can_authenticate(self, user: Any) -> bool:
        """Refuse agents and inactive people."""
        return super().user_can_authenticate(user) and user.kind == User.Kind.PERSON
