"""Ask whether a flag is on. Always read, never kept: a change counts from its commit, in every process.

The tenant's own row decides; without one the platform's, if it says yes or no for everyone; else the default. The
cache of django-waffle is a dummy one: it would unpickle what somebody wrote to Redis, and fail without it.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from waffle.models import Flag as FlagRow

from tenants.flags.registry import FLAGS
from tenants.kernel.context import PUBLIC, platform_context, require_schema
from tenants.kernel.errors import DomainError

View = Callable[..., HttpResponse]


class FlagOff(DomainError):
    """The part of the product is switched off for this tenant, or for this person."""

    code = "flag-off"
    status = 404
    title = "This part is switched off here"


def is_on(name: str, request: Any) -> bool:
    """Tell whether the flag is on for the person who asks; raises KeyError for a flag that does not exist."""
    flag = FLAGS[name]
    row = FlagRow.objects.filter(name=name).first()
    if row is not None:
        return bool(row.is_active(request, read_only=True))
    if require_schema() == PUBLIC:
        return flag.default
    with platform_context():
        stated = FlagRow.objects.filter(name=name).values_list("everyone", flat=True).first()
    return flag.default if stated is None else bool(stated)


def states(request: Any) -> dict[str, bool]:
    """Return every flag with whether it is on for the person who asks."""
    return {name: is_on(name, request) for name in FLAGS}


def ensure_on(name: str, request: Any) -> None:
    """Raise FlagOff where the flag is off for the person who asks."""
    if not is_on(name, request):
        raise FlagOff(f"{FLAGS[name].words}: switched off here.", flag=name)


def off_for_everybody(name: str) -> QuerySet[FlagRow]:
    """Return the tenant's row if it switches the flag off for everybody, for a list that is read in one statement."""
    FLAGS[name]  # a word that is no flag fails at once
    off: QuerySet[FlagRow] = FlagRow.objects.filter(name=name, everyone=False)
    return off


def page_of(name: str) -> Callable[[View], View]:
    """Let a page exist only where the flag is on."""
    FLAGS[name]  # a word that is no flag fails when the module is loaded

    def decorate(view: View) -> View:
        @wraps(view)
        def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not is_on(name, request):
                raise Http404
            return view(request, *args, **kwargs)

        return page

    return decorate
