"""Authentication backends: the lock before all others, and directories after passwords."""

from typing import Any

from axes.backends import AxesStandaloneBackend
from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from governance.access.models import User
from governance.signin import directory


class LockOutBackend(AxesStandaloneBackend):  # type: ignore[misc]  # untyped upstream
    """Refuse who is locked out before a password is looked at.

    Without a request there is nobody to lock: such calls come from code, not from a face.
    """

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        """Return None, which asks the next backend, or stop the whole attempt."""
        if request is not None:
            super().authenticate(request, **credentials)


class DirectoryBackend(ModelBackend):
    """Sign in people of the tenant's LDAP directories; permissions are the other backends' part."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **_: Any
    ) -> User | None:
        """Return the person of the first directory that accepts name and password."""
        if request is None or not username or not password:
            return None
        return directory.authenticate(username=username, password=password)

    def get_user(self, user_id: Any) -> User | None:
        """Return the person of a session, as long as they may sign in."""
        user = User.objects.filter(pk=user_id).first()
        return user if user and user.is_active and user.kind == User.Kind.PERSON else None

    def has_perm(self, *_args: Any, **_kwargs: Any) -> bool:
        """Grant nothing."""
        return False

    def get_all_permissions(self, *_args: Any, **_kwargs: Any) -> set[str]:
        """Grant nothing."""
        return set()

    def has_module_perms(self, *_args: Any, **_kwargs: Any) -> bool:
        """Grant nothing."""
        return False

    def with_perm(self, *_args: Any, **_kwargs: Any) -> Any:
        """Grant nothing."""
        return User.objects.none()
