"""Who must enrol a second factor before doing anything else."""

from typing import Any

from allauth.mfa.models import Authenticator
from django.conf import settings

from governance.access import roles
from tenants.kernel.errors import DomainError

FLAG = "signin.must_enrol"
FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


class EnrolmentRequired(DomainError):
    """The person's role requires a second factor, and they have none."""

    code = "mfa-enrolment-required"
    status = 403
    title = "Your role requires a second factor. Sign in on the site and add one under your account."


def has_factor(user: Any) -> bool:
    """Tell whether the person has an authenticator app or a passkey."""
    return bool(Authenticator.objects.filter(user_id=user.pk, type__in=FACTORS).exists())


def must_enrol(user: Any) -> bool:
    """Tell whether the person holds a role of REQUIRE_MFA_ROLES and has no second factor."""
    required = set(settings.REQUIRE_MFA_ROLES)
    if not required:
        return False
    holds = (user.is_superuser and roles.ADMIN in required) or user.groups.filter(name__in=required).exists()
    return bool(holds) and not has_factor(user)
