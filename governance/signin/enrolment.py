"""Who must enrol a second factor before doing anything else."""

from typing import Any

from allauth.mfa.models import Authenticator
from django.conf import settings

from governance.access.custom_roles.operations import graph
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
    """Tell whether the person holds what a role of REQUIRE_MFA_ROLES holds, and has no second factor.

    Superusers hold what every role does.
    """
    if not settings.REQUIRE_MFA_ROLES:
        return False
    holds = user.is_superuser or user.groups.filter(name__in=_requiring()).exists()
    return bool(holds) and not has_factor(user)


def _requiring() -> set[str]:
    """Return the roles of REQUIRE_MFA_ROLES and all that inherit from them: another name is no way round."""
    found = set(settings.REQUIRE_MFA_ROLES)
    parents, _ = graph()
    ahead = [*found]
    while ahead:
        parent = ahead.pop()
        heirs = {role for role, above in parents.items() if parent in above} - found
        found |= heirs
        ahead += heirs
    return found
