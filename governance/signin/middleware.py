"""Keep those who must enrol a second factor away from everything else; answer those who are locked out."""

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from axes.middleware import AxesMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from governance.signin.enrolment import FLAG, EnrolmentRequired
from tenants.kernel.api import problem

OPEN = ("/account/", "/logout/", "/static/", "/health/")


class LockMiddleware(AxesMiddleware):  # type: ignore[misc]  # untyped upstream
    """Leave the answer to a lock as the face gave it; upstream's own loses it where requests are asynchronous."""

    def __call__(self, request: HttpRequest) -> Any:
        """Answer as the face does."""
        return self.__acall__(request) if iscoroutinefunction(self) else self.get_response(request)

    async def __acall__(self, request: HttpRequest) -> HttpResponse:
        answer: HttpResponse = await self.get_response(request)
        return answer


class EnrolmentMiddleware:
    """Send a session that must enrol to the enrolment page. It asks the session, which is read anyway."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if (
            request.path.startswith(OPEN)
            or _signs_in_without_a_session(request)
            or not request.session.session_key
            or not request.session.get(FLAG)
        ):
            return self.get_response(request)
        if request.path.startswith("/api/"):
            return problem(EnrolmentRequired(), request)
        return HttpResponseRedirect(reverse("mfa_index"))


def _signs_in_without_a_session(request: HttpRequest) -> bool:
    """Tell whether the API takes the request's own credentials, and so refuses rather than looks at the session.

    Pages look at nothing else, and of other headers the API goes on to the session.
    """
    scheme = request.headers.get("Authorization", "").split()[:1]
    return request.path.startswith("/api/") and [part.lower() for part in scheme] == ["bearer"]
