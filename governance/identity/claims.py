"""What the claims of a token say and allow. Pure; the clock is given.

Rules of RFC 8693 (exchange, `act`, `may_act`), RFC 9068 (access tokens), RFC 7523 (assertions of clients)
and RFC 8707 (one resource). Of an `act` chain only the outermost actor counts; the others are history.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from math import isfinite
from typing import Any
from urllib.parse import urlsplit

from governance.identity.types import LIFETIME, SKEW, Claims, TokenRefused
from tenants.kernel.jsonvalues import JsonObject

MAX_DEPTH = 10
MAX_TEXT = 255
MAX_ASSERTION_S = 600
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,128}\Z")  # RFC 6749, section 3.3
_TARGET = re.compile(r"[\x21-\x7e]{1,255}\Z")
_ID_TOKEN = ("nonce", "at_hash", "c_hash", "auth_time")


def refused(detail: str) -> TokenRefused:
    """Return the refusal of a token."""
    return TokenRefused("invalid_grant", detail)


def check_times(claims: Claims, *, now: datetime) -> None:
    """Refuse a token that has ended, has not begun or was made in the future; 60 s of skew are borne."""
    at, skew = now.timestamp(), SKEW.total_seconds()
    if seconds(claims, "exp") + skew <= at:
        raise refused("The token has expired.")
    if "nbf" in claims and seconds(claims, "nbf") - skew > at:
        raise refused("The token is not valid yet.")
    if "iat" in claims and seconds(claims, "iat") - skew > at:
        raise refused("The token was issued in the future.")


def seconds(claims: Claims, name: str) -> float:
    """Return a NumericDate claim; refuse a token in which it is missing or none."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise refused(f"The token has no '{name}' that is a time.")
    return float(value)


def text(claims: Claims, name: str) -> str:
    """Return a claim that is a short text; refuse a token in which it is missing or none."""
    value = claims.get(name)
    if not isinstance(value, str) or not value or len(value) > MAX_TEXT or not value.isprintable():
        raise refused(f"The token has no '{name}' that is a text of 1 to {MAX_TEXT} characters.")
    return value


def check_audience(claims: Claims, *, ours: Iterable[str], only: bool) -> None:
    """Refuse a token that is not for one of `ours`; with `only`, one that is for anybody else too."""
    named = claims.get("aud")
    found = [named] if isinstance(named, str) else named
    if not isinstance(found, list) or not set(map(str, found)) & set(ours):
        raise refused("The token is not for this audience.")
    if only and len(found) != 1:
        raise refused("The token is for several audiences.")


def check_type(header: JsonObject, claims: Claims, *, plain: bool) -> None:
    """Refuse what is no access token (RFC 9068): `typ` must say so, unless `plain` lets "JWT" pass.

    A token for signing in (an ID token) is never one.
    """
    typ = str(header.get("typ", "")).lower().removeprefix("application/")
    if typ != "at+jwt" and not (plain and typ in {"", "jwt"}):
        raise refused("The token's type is not 'at+jwt': it is no access token.")
    if typ != "at+jwt" and (str(claims.get("typ", "")).upper() == "ID" or set(_ID_TOKEN) & set(claims)):
        raise refused("The token is an ID token, which says who signed in and permits nothing.")


def scopes_of(claims: Claims) -> frozenset[str]:
    """Return the scopes a token names; refuse one whose `scope` is malformed."""
    value = claims.get("scope", "")
    if not isinstance(value, str):
        raise refused("The token's 'scope' is no text.")
    return parse_scope(value, error="invalid_grant")


def parse_scope(value: str, *, error: str = "invalid_scope") -> frozenset[str]:
    """Return the scopes of a space-separated list; refuse characters that RFC 6749 has not in them."""
    names = [name for name in value.split(" ") if name]
    if not all(_SCOPE.match(name) for name in names):
        raise TokenRefused(error, "A scope holds characters that scopes do not have.")
    return frozenset(names)


def granted(
    wanted: frozenset[str] | None, *, subject: frozenset[str], agent: frozenset[str]
) -> frozenset[str]:
    """Return the scopes a token gets: what was asked for, all of it, or nothing.

    A scope that subject or agent does not have is refused, not dropped; where none is asked for it is
    what both have. Raises TokenRefused.
    """
    if wanted is None:
        return subject & agent
    if beyond := wanted - subject:
        raise TokenRefused("invalid_scope", f"The subject does not have the scope {min(beyond)}.")
    if beyond := wanted - agent:
        raise TokenRefused("invalid_scope", f"The client may not have the scope {min(beyond)} there.")
    return wanted


def check_target(target: str) -> None:
    """Refuse what cannot be an audience: an absolute URI without a fragment, or a plain name."""
    try:
        parts = urlsplit(target)
    except ValueError as error:
        raise TokenRefused("invalid_target", "The resource is no URI.") from error
    if not _TARGET.match(target) or parts.fragment or target.endswith("#"):
        raise TokenRefused("invalid_target", "Name one resource: a URI without a fragment, or a name.")


def chain(act: Any) -> list[JsonObject]:
    """Return the actors of an `act` claim, the outermost first; refuse a malformed or too deep one."""
    actors: list[JsonObject] = []
    while act is not None:
        if not isinstance(act, dict) or len(actors) >= MAX_DEPTH:
            raise refused(f"The token's 'act' is malformed, or deeper than {MAX_DEPTH}.")
        actor = {"sub": text(act, "sub")}
        if "iss" in act:
            actor["iss"] = text(act, "iss")
        actors.append(actor)
        act = act.get("act")
    return actors


def acting(actor: str, *, issuer: str, prior: Any) -> JsonObject:
    """Return the `act` claim for an actor who acts on a token that others have acted on before."""
    actors = [{"sub": actor, "iss": issuer}, *chain(prior)]
    if len(actors) > MAX_DEPTH:
        raise TokenRefused("invalid_request", f"More than {MAX_DEPTH} actors would act for each other.")
    nested: JsonObject = {}
    for entry in reversed(actors):
        nested = {**entry, "act": nested} if nested else entry
    return nested


def names_actor(may_act: Any, *, names: Iterable[str], issuer: str) -> bool:
    """Tell whether a `may_act` claim consents to an actor known by one of these names here."""
    if not isinstance(may_act, Mapping):
        return False
    return may_act.get("sub") in set(names) and may_act.get("iss", issuer) == issuer


def expiry(*, now: datetime, not_after: Iterable[float | None] = ()) -> int:
    """Return when a token issued now ends: after 300 s, and never after what it was issued for."""
    ends = [now.timestamp() + LIFETIME.total_seconds(), *(end for end in not_after if end is not None)]
    end = int(min(ends))
    if end <= now.timestamp():
        raise refused("The token has expired.")
    return end


def check_assertion(claims: Claims, *, client_id: str, ours: Iterable[str], now: datetime) -> None:
    """Refuse a client's assertion unless it is about itself, for us, and ends soon (RFC 7523, section 3)."""
    if text(claims, "iss") != client_id or text(claims, "sub") != client_id:
        raise refused("The assertion is not by the client about itself.")
    check_audience(claims, ours=ours, only=True)
    check_times(claims, now=now)
    if seconds(claims, "exp") > now.timestamp() + MAX_ASSERTION_S:
        raise refused(f"The assertion lives longer than {MAX_ASSERTION_S} s.")
    text(claims, "jti")
