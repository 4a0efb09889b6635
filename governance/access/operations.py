"""Sign people in and out; every way in is audited."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from knox.models import AuthToken

from governance.access.models import User
from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.types import SYSTEM, Actor
from tenants.kernel.errors import DomainError
from tenants.kernel.jsonvalues import storable

SESSION = timedelta(hours=8)


class LoginRefused(DomainError):
    """User name and password do not match."""

    code = "login-refused"
    status = 401
    title = "User name and password do not match a person of this tenant"


class LockedOut(DomainError):
    """Too many failures: nobody's password is looked at for a while, whether they exist or not."""

    code = "locked-out"
    status = 429
    title = "Too many attempts. Wait a while, then try again"


@transaction.atomic
def issue_token(*, request: HttpRequest, user: User) -> tuple[str, datetime]:
    """Return a session token of eight hours and its expiry."""
    instance, token = AuthToken.objects.create(user, expiry=SESSION)
    user_logged_in.send(sender=User, request=request, user=user, token=instance)
    return token, instance.expiry


def authenticated(*, request: HttpRequest, username: str, password: str) -> User:
    """Return the person; raise LoginRefused, LockedOut."""
    user = authenticate(request, username=storable(username), password=password)
    if not isinstance(user, User):
        raise LockedOut if getattr(request, "axes_locked_out", False) else LoginRefused
    return user


@transaction.atomic
def revoke_token(*, request: HttpRequest, token: Any) -> None:
    """End one API session."""
    token.delete()
    user_logged_out.send(sender=User, request=request, user=token.user)


def listen() -> None:
    """Audit sign-ins and sign-outs through any face; called when apps are ready."""
    user_logged_in.connect(_signed_in, dispatch_uid="access.signed_in")
    user_logged_out.connect(_signed_out, dispatch_uid="access.signed_out")
    user_login_failed.connect(_refused, dispatch_uid="access.refused")


def _signed_in(user: User, request: Any, **_kwargs: Any) -> None:
    _record("auth.login", "ok", request, user)


def _signed_out(user: User | None, request: Any, **_kwargs: Any) -> None:
    if user is not None:
        _record("auth.logout", "ok", request, user)


def _refused(credentials: dict[str, Any], request: Any = None, **_kwargs: Any) -> None:
    _record("auth.login", "refused", request, None, {"username": str(credentials.get("username", ""))[:150]})


def _record(
    action: str, outcome: str, request: Any, user: User | None, body: dict[str, Any] | None = None
) -> None:
    actor = Actor(kind="person", id=str(user.pk), name=user.username) if user else SYSTEM
    trace_id = getattr(request, "trace_id", "")
    audit.record(
        Entry(
            at=timezone.now(), action=action, actor=actor, outcome=outcome, trace_id=trace_id, body=body or {}
        )
    )
