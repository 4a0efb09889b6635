"""What signing in leaves in the audit log beyond `governance.access`, and what sessions keep."""

from datetime import timedelta
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth import SESSION_KEY
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from governance.access.models import User
from governance.access.operations import SESSION
from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.signin import enrolment
from governance.types import SYSTEM, Actor


def write(
    action: str, outcome: str, *, request: Any, user: Any = None, body: dict[str, Any] | None = None
) -> None:
    """Record something about how a person signs in."""
    actor = Actor(kind="person", id=str(user.pk), name=user.username) if user else SYSTEM
    audit.record(
        Entry(
            at=timezone.now(),
            action=action,
            actor=actor,
            outcome=outcome,
            trace_id=getattr(request, "trace_id", ""),
            body=body or {},
        )
    )


def refused(request: HttpRequest, body: dict[str, Any]) -> None:
    """Record that somebody whom a provider vouches for was not let in."""
    write("auth.login", "refused", request=request, body=body)


def listen() -> None:
    """Follow sign-ins and second factors; called when apps are ready."""
    from allauth.account import signals as account
    from allauth.mfa import signals as mfa
    from django.contrib.auth.signals import user_logged_in

    user_logged_in.connect(on_login, dispatch_uid="signin.login")
    account.password_changed.connect(_password_changed, dispatch_uid="signin.password_changed")
    account.password_reset.connect(_password_changed, dispatch_uid="signin.password_reset")
    mfa.authenticator_added.connect(_factor_added, dispatch_uid="signin.factor_added")
    mfa.authenticator_removed.connect(_factor_removed, dispatch_uid="signin.factor_removed")
    mfa.authenticator_reset.connect(_factor_added, dispatch_uid="signin.factor_reset")
    mfa.authentication_failed.connect(_factor_failed, dispatch_uid="signin.factor_failed")


def on_login(request: Any, user: User, token: Any = None, **_kwargs: Any) -> None:
    """End a session eight hours after it began, and remember whether its person must enrol first.

    An API token's sign-in has no session: `governance.access` sends the signal for both.
    """
    session = getattr(request, "session", None)
    if session is None or token is not None or session.get(SESSION_KEY) != str(user.pk):
        return
    session.set_expiry(timezone.now() + timedelta(seconds=SESSION.total_seconds()))
    if enrolment.must_enrol(user):
        session[enrolment.FLAG] = True
    else:
        session.pop(enrolment.FLAG, None)


@transaction.atomic
def rotate(request: HttpRequest) -> None:
    """Give the session a new key, after its person has proved again who they are."""
    old = request.session.session_key
    request.session.cycle_key()
    UserSession.objects.filter(session_key=old).update(session_key=request.session.session_key)


def _password_changed(request: Any, user: Any, **_kwargs: Any) -> None:
    write("auth.password_changed", "ok", request=request, user=user)


def _factor_added(request: Any, user: Any, authenticator: Authenticator, **_kwargs: Any) -> None:
    request.session.pop(enrolment.FLAG, None)
    write("auth.factor_added", "ok", request=request, user=user, body={"type": authenticator.type})


def _factor_removed(request: Any, user: Any, authenticator: Authenticator, **_kwargs: Any) -> None:
    if enrolment.must_enrol(user):
        request.session[enrolment.FLAG] = True
    write("auth.factor_removed", "ok", request=request, user=user, body={"type": authenticator.type})


def _factor_failed(request: Any, user: Any, authenticator: Authenticator, **_kwargs: Any) -> None:
    write("auth.factor", "refused", request=request, user=user, body={"type": authenticator.type})
