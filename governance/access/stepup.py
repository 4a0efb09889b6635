"""Ask for the password again before what needs it."""

from typing import Any

from allauth.mfa.base.forms import ReauthenticateForm
from allauth.mfa.models import Authenticator
from django.core.cache import cache

from tenants.kernel.errors import DomainError

TRIES, WITHIN_S = 5, 15 * 60
"""Wrong passwords that one person may give, and the seconds in which they count."""


class WrongPassword(DomainError):
    """The password is not the person's; nothing was done."""

    code = "wrong-password"
    status = 403
    title = "That is not your password. Nothing was done."


class TooManyTries(DomainError):
    """Too many wrong passwords; nobody's password is looked at for a while."""

    code = "too-many-tries"
    status = 429
    title = "Too many wrong passwords. Wait 15 minutes; nothing was done."


def confirm(user: Any, password: str) -> None:
    """Return if the password is the user's, or a code of who has a second factor; raise WrongPassword, TooManyTries.

    A try is counted before the password is looked at, so that many at once are not more than five.
    """
    key = f"stepup:{user.pk}"
    cache.add(key, 0, WITHIN_S)
    if cache.incr(key) > TRIES:
        raise TooManyTries
    if not _proves(user, password):
        raise WrongPassword
    cache.delete(key)


def _proves(user: Any, given: str) -> bool:
    """Tell whether it is the password, or the code that stands in its place for who has a second factor."""
    if not Authenticator.objects.filter(user_id=user.pk).exists():
        return bool(user.check_password(given))
    return bool(ReauthenticateForm(user=user, data={"code": given}).is_valid())
