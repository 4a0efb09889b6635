"""Lock who fails to sign in, for longer each time: django-axes' tables with our rule.

Two counts, both per tenant: of a user name from one address, and of an address whatever the name. A user
name that does not exist locks like one that does.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any

from axes.exceptions import AxesBackendPermissionDenied
from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.core.cache import cache
from django.db import models, transaction
from django.utils import timezone

from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.types import SYSTEM, Actor, Subject
from tenants.kernel.clients import address_of
from tenants.kernel.errors import PermissionMissing
from tenants.kernel.jsonvalues import sha256_hex, storable

MAX_NAME = 150
HELD_S = 60
LINE = 64
"""Bits of an address of version 6 that name who has it; the rest they choose themselves."""
LIFT = "axes.delete_accessattempt"


@dataclass(frozen=True, kw_only=True)
class Limit:
    """How many failures lock, for how long at first and at most, and when they are forgotten."""

    failures: int
    first: timedelta
    longest: timedelta
    forgotten_after: timedelta


OF_NAME = Limit(
    failures=5,
    first=timedelta(minutes=15),
    longest=timedelta(hours=24),
    forgotten_after=timedelta(hours=48),
)
OF_ADDRESS = Limit(
    failures=50,
    first=timedelta(minutes=15),
    longest=timedelta(minutes=15),
    forgotten_after=timedelta(hours=1),
)


def locked_until(limit: Limit, *, failures: int, last_at: datetime | None) -> datetime | None:
    """Return when the lock ends, or None if the failures are too few.

    The failure that reaches the limit locks for `first`; each one after a lock has ended doubles it.
    """
    if last_at is None or failures < limit.failures:
        return None
    doublings = min(failures - limit.failures, 16)
    return last_at + min(limit.first * (1 << doublings), limit.longest)


class LockOut(AxesDatabaseHandler):  # type: ignore[misc]  # untyped upstream
    """Count failures and tell who is locked out; set as AXES_HANDLER."""

    def is_locked(self, request: Any, credentials: Any = None) -> bool:
        """Tell whether the name from this address, or the address, is locked now."""
        return is_locked(name=_name(credentials), address=_origin(request), now=timezone.now())

    def user_login_failed(self, sender: Any, credentials: Any, request: Any = None, **kwargs: Any) -> None:
        """Count a failure. One that was refused unseen is not counted: it would prolong the lock for ever."""
        if request is None or request.axes_locked_out or getattr(request, "failure_is_counted", False):
            return
        count_failure(name=_name(credentials), address=_origin(request), now=timezone.now())

    def user_logged_in(self, sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
        """Forget what this person got wrong from this address; the address keeps its other failures."""
        AccessAttempt.objects.filter(username=_cut(user.get_username()), ip_address=_origin(request)).delete()

    def user_logged_out(self, sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
        """Keep no log of sign-outs: the audit log has them."""


@contextmanager
def trying(request: Any, name: str) -> Iterator[None]:
    """Hold one of the tries that are left while a password is looked at; raise AxesBackendPermissionDenied.

    Many attempts at once would otherwise all be looked at before the first of them has failed.
    """
    key = f"signin:{sha256_hex([_cut(name), _origin(request)])}"
    cache.add(key, 0, HELD_S)
    at_once = cache.incr(key)
    try:
        before = AccessAttempt.objects.filter(username=_cut(name), ip_address=_origin(request))
        failures = sum(before.values_list("failures_since_start", flat=True))
        if at_once > max(1, OF_NAME.failures - failures):
            request.axes_locked_out = True
            raise AxesBackendPermissionDenied("Too many attempts at once.")
        yield
    finally:
        with suppress(ValueError):  # the hold ran out: there is nothing to give back
            cache.decr(key)


def failed(request: Any, name: str) -> None:
    """Count a failure while its try is still held."""
    count_failure(name=_cut(name), address=_origin(request), now=timezone.now())
    request.failure_is_counted = True


def is_locked(*, name: str, address: str, now: datetime) -> bool:
    """Tell whether somebody who gives this name from this address is refused unseen."""
    ends = (_end(OF_NAME, now, username=name, ip_address=address), _end(OF_ADDRESS, now, ip_address=address))
    return any(end is not None and end > now for end in ends)


def _end(limit: Limit, now: datetime, **which: str) -> datetime | None:
    recent = AccessAttempt.objects.filter(attempt_time__gt=now - limit.forgotten_after, **which)
    found = recent.aggregate(failures=models.Sum("failures_since_start"), last_at=models.Max("attempt_time"))
    return locked_until(limit, failures=found["failures"] or 0, last_at=found["last_at"])


@transaction.atomic
def count_failure(*, name: str, address: str, now: datetime) -> None:
    """Count one failure and record the lock that it begins."""
    stale = AccessAttempt.objects.filter(attempt_time__lte=now - OF_NAME.forgotten_after)
    stale.filter(username=name, ip_address=address).delete()
    attempt, _ = AccessAttempt.objects.get_or_create(
        username=name, ip_address=address, user_agent="", defaults={"failures_since_start": 0}
    )
    AccessAttempt.objects.filter(pk=attempt.pk).update(
        failures_since_start=models.F("failures_since_start") + 1, attempt_time=now
    )
    if is_locked(name=name, address=address, now=now):
        audit.record(
            Entry(
                at=now,
                action="auth.locked",
                actor=SYSTEM,
                outcome="locked",
                body={"username": name, "address": address},
            )
        )


@transaction.atomic
def lift(*, attempt: Any, by: Any, now: datetime) -> None:
    """Forget the failures of a name from an address; raise PermissionMissing."""
    if not by.has_perm(LIFT):
        raise PermissionMissing
    attempt.delete()
    audit.record(
        Entry(
            at=now,
            action="auth.lock_lifted",
            actor=Actor(kind="person", id=str(by.pk), name=by.username),
            subject=Subject(kind="accessattempt", id=str(attempt.username)),
            outcome="ok",
            body={"username": attempt.username or "", "address": attempt.ip_address or ""},
        )
    )


def _name(credentials: Any) -> str:
    return _cut(str((credentials or {}).get("username") or ""))


def _cut(name: str) -> str:
    """Return the name as it is counted: a directory takes other capitals and spaces for the same person."""
    return str(storable(name)).strip().casefold()[:MAX_NAME]


def _origin(request: Any) -> str:
    """Return the address as it is counted: of version 6 its /64, for one line has all the addresses of it."""
    address = ip_address(address_of(request))
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((address, LINE), strict=False).network_address)
