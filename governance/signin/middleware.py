"""Keep those who must enrol a second factor away from everything else; answer those who are locked out."""

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from governance.signin.enrolment import FLAG, EnrolmentRequired
from tenants.kernel.api import problem

OPEN = ("/account/", "/logout/", "/static/", "/health/")


class LockMiddleware:
    """Leave the answer to a lock as the face gave it: axes, around this, would put its own in its place, or none.

    None where requests are asynchronous, as the server's are.
    """

    async_capable = True
    sync_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Answer as the face does."""
        if iscoroutinefunction(self):
            return self._answer(request)
        return self._told(request, self.get_response(request))

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        return self._told(request, await self.get_response(request))

    def _told(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        request.axes_locked_out = False  # type: ignore[attr-defined]  # the face has said so
        return response


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
