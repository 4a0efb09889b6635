"""What signing in leaves in the audit log beyond `governance.access`, and what sessions keep."""

from datetime import timedelta
from typing import Any

from allauth.core import context
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.http import HttpRequest
from django.utils import timezone

from governance.access.models import User
from governance.access.operations import SESSION
from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.signin import enrolment
from governance.types import SYSTEM, Actor

ROTATION = timedelta(seconds=10)


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
    post_save.connect(_factor_saved, sender=Authenticator, dispatch_uid="signin.factor_saved")
    post_delete.connect(_factor_removed, sender=Authenticator, dispatch_uid="signin.factor_removed")
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
    """Give the session a new key, after its person has proved again who they are.

    The old key lives for a few seconds more: a live page asks with it until the answer brings the new one,
    and an answer to a dead key would sign the browser out.
    """
    session, old = request.session, request.session.session_key
    session.get(SESSION_KEY)  # load what the new key takes over
    session.create()
    Session.objects.filter(session_key=old).update(expire_date=timezone.now() + ROTATION)
    UserSession.objects.filter(session_key=old).update(session_key=session.session_key)


def _password_changed(request: Any, user: Any, **_kwargs: Any) -> None:
    write("auth.password_changed", "ok", request=request, user=user)


def _factor_saved(instance: Authenticator, created: bool, **_kwargs: Any) -> None:
    if not created:
        return
    request = context.request
    if request is not None and enrolment.FLAG in request.session:
        del request.session[enrolment.FLAG]
    _factor_changed("auth.factor_added", instance)


def _factor_removed(instance: Authenticator, **_kwargs: Any) -> None:
    request = context.request
    if request is not None and request.user.pk == instance.user_id and enrolment.must_enrol(request.user):
        request.session[enrolment.FLAG] = True
    _factor_changed("auth.factor_removed", instance)


def _factor_changed(action: str, factor: Authenticator) -> None:
    """Record it in the transaction of the change; who did it is the signed-in person, if there is one."""
    request = context.request
    by = getattr(request, "user", None)
    actor = by if by is not None and by.is_authenticated else factor.user
    body = {"type": factor.type, "of": factor.user.username}
    write(action, "ok", request=request, user=actor, body=body)


def _factor_failed(request: Any, user: Any, authenticator: Authenticator, **_kwargs: Any) -> None:
    write("auth.factor", "refused", request=request, user=user, body={"type": authenticator.type})
