"""What Django answers outside any view: problem documents under /api/, pages elsewhere."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views import defaults

from tenants.kernel.api import problem
from tenants.kernel.errors import DomainError, InvalidInput, NotFound, PermissionMissing

API = "/api/"


class Defect(DomainError):
    """Something failed that nobody foresaw; the log has it."""

    code = "internal-error"
    status = 500
    title = "An internal error ended the request; operators find it in the log"


class BadRequest(InvalidInput):
    """The request cannot be read: too large, or malformed."""

    code = "bad-request"
    status = 400
    title = "The request cannot be read"


def _handler(error: type[DomainError], page: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    def handle(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.path.startswith(API):
            return problem(error(), request)
        return page(request, *args, **kwargs)

    return handle


bad_request = _handler(BadRequest, defaults.bad_request)
forbidden = _handler(PermissionMissing, defaults.permission_denied)
not_found = _handler(NotFound, defaults.page_not_found)
server_error = _handler(Defect, defaults.server_error)
