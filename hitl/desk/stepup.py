"""Ask again who somebody is before a decision that needs it."""

from collections.abc import Mapping
from typing import Any

from allauth.mfa.models import Authenticator
from django.core.cache import cache

from governance.access.operations import LockedOut
from governance.access.stepup import TRIES, WITHIN_S, TooManyTries
from governance.signin import factors
from governance.signin.factors import Proof
from hitl.reviews.types import Assurance

ASSURANCE = {
    Proof.PASSWORD: Assurance.STEP_UP,
    Proof.CODE: Assurance.STEP_UP,
    Proof.PASSKEY: Assurance.PASSKEY,
}
NEEDED = (Assurance.STEP_UP, Assurance.PASSKEY)


def is_needed(min_assurance: str) -> bool:
    """Tell whether a session alone is not enough."""
    return min_assurance in NEEDED


def asks(user: Any) -> dict[str, bool]:
    """Return what the page asks this person for: a password, or the factors they have enrolled."""
    held = set(Authenticator.objects.filter(user_id=user.pk).values_list("type", flat=True))
    passkey = Authenticator.Type.WEBAUTHN in held
    code = Authenticator.Type.TOTP in held or (passkey and Authenticator.Type.RECOVERY_CODES in held)
    return {"password": not (passkey or code), "code": code, "passkey": passkey}


def confirm(request: Any, posted: Mapping[str, str]) -> Assurance:
    """Return how sure the platform is now; raise ProofRefused, TooManyTries.

    A try is counted before what was given is looked at, so that many at once are not more than five.
    """
    user = request.user
    key = f"stepup:{user.pk}"
    cache.add(key, 0, WITHIN_S)
    if cache.incr(key) > TRIES:
        raise TooManyTries
    try:
        proof = factors.confirm(
            request=request,
            user=user,
            password=posted.get("password", ""),
            code=posted.get("code", ""),
            credential=posted.get("credential", ""),
        )
    except LockedOut as error:
        raise TooManyTries from error
    cache.delete(key)
    return ASSURANCE[proof]
