"""Ask for a second factor beyond the pages: at the API's sign-in, and again before a decision."""

from enum import StrEnum
from typing import Any

from allauth.mfa.base.forms import ReauthenticateForm
from allauth.mfa.webauthn.forms import ReauthenticateWebAuthnForm
from django.contrib.auth import authenticate
from django.contrib.auth.signals import user_login_failed
from django.http import HttpRequest

from governance.access.models import User
from governance.access.operations import LockedOut, LoginRefused
from governance.signin import record
from governance.signin.enrolment import EnrolmentRequired, has_factor, must_enrol
from tenants.kernel.errors import DomainError


class Proof(StrEnum):
    """What somebody has just proved with, in rising order."""

    PASSWORD = "password"  # noqa: S105  # the name of a proof, not a secret
    CODE = "code"
    PASSKEY = "passkey"


class CodeRequired(DomainError):
    """The password is right, and the person has enrolled a second factor."""

    code = "mfa-required"
    status = 401
    title = "Give the code of your authenticator app, or a recovery code"


class ProofRefused(DomainError):
    """What was given does not prove who it is."""

    code = "wrong-password"
    status = 403
    title = "That is not your password. Nothing was done."


def check_code(*, request: HttpRequest, user: User, code: str) -> None:
    """Accept the second factor of who has one; raise CodeRequired, LoginRefused, EnrolmentRequired."""
    if not has_factor(user):
        if must_enrol(user):
            raise EnrolmentRequired
        return
    if not code:
        raise CodeRequired
    form = ReauthenticateForm(user=user, data={"code": code})
    if not form.is_valid():
        user_login_failed.send(sender=__name__, credentials={"username": user.username}, request=request)
        raise LoginRefused
    form.authenticator.record_usage()


def confirm(*, request: Any, user: User, password: str, code: str, credential: str) -> Proof:
    """Return what the signed-in person proves again with, and give their session a new key.

    Who has a second factor must use it. Raises ProofRefused, LockedOut.
    """
    if not has_factor(user):
        _check_password(request, user, password)
        proof = Proof.PASSWORD
    else:
        proof = Proof.PASSKEY if credential else Proof.CODE
        form = (
            ReauthenticateWebAuthnForm(user=user, data={"credential": credential})
            if credential
            else ReauthenticateForm(user=user, data={"code": code})
        )
        if not form.is_valid():
            record.write("auth.step_up", "refused", request=request, user=user, body={"with": str(proof)})
            raise ProofRefused("The second factor was not accepted. Nothing was done.")
        form.save()
    record.rotate(request)
    record.write("auth.step_up", "ok", request=request, user=user, body={"with": str(proof)})
    return proof


def _check_password(request: Any, user: User, password: str) -> None:
    found = authenticate(request, username=user.username, password=password)
    if found is None or found.pk != user.pk:
        raise LockedOut if getattr(request, "axes_locked_out", False) else ProofRefused
