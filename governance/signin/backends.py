"""Authentication backends: the lock before all others, and directories after passwords."""

from typing import Any

from axes.backends import AxesStandaloneBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from governance.access.backends import PeopleBackend
from governance.access.models import User
from governance.signin import directory, lockout


class LockOutBackend(AxesStandaloneBackend):  # type: ignore[misc]  # untyped upstream
    """The only way in for a request: refuse who is locked out, then ask the others, and count a failure.

    It asks them itself so that attempts which run at once are counted while they run. Without a request
    there is nobody to lock: such calls come from code, not from a face, and go to the next backend.
    """

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **_: Any
    ) -> User | None:
        """Return the person; raise PermissionDenied, which ends the attempt."""
        if request is None:
            return None
        super().authenticate(request, username=username, password=password)
        with lockout.trying(request, username or ""):
            for backend in (PeopleBackend(), DirectoryBackend()):
                user = backend.authenticate(request, username=username, password=password)
                if isinstance(user, User):
                    return user
            lockout.failed(request, username or "")
        raise PermissionDenied

    def get_user(self, user_id: Any) -> Any:
        """Return the person of a session, as long as they may sign in."""
        return PeopleBackend().get_user(user_id)


class DirectoryBackend:
    """Sign in people of the tenant's LDAP directories; LockOutBackend asks it."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **_: Any
    ) -> User | None:
        """Return the person of the first directory that accepts name and password."""
        if request is None or not username or not password:
            return None
        return directory.authenticate(username=username, password=password)
