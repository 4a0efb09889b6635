"""Conventions of the HTTP API: problem documents, cursors, default deny."""

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.core.exceptions import ValidationError as ModelValidationError
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from rest_framework import exceptions
from rest_framework.pagination import CursorPagination
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from tenants.kernel.errors import DomainError, InvalidInput, NotFound, PermissionMissing

if TYPE_CHECKING:
    from rest_framework.views import APIView

logger = logging.getLogger(__name__)
CONTENT_TYPE = "application/problem+json"


def problem_document(error: DomainError, request: Any) -> dict[str, Any]:
    """Return the RFC 9457 body of an error."""
    return {
        "type": f"urn:countersign:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "trace_id": getattr(request, "trace_id", ""),
        "errors": error.errors,
        **error.data,
    }


def problem(error: DomainError, request: HttpRequest) -> HttpResponse:
    """Return a problem response outside DRF."""
    return JsonResponse(problem_document(error, request), status=error.status, content_type=CONTENT_TYPE)


class NotAuthenticated(DomainError):
    """No credential, or one that has expired or is unknown here."""

    code = "not-authenticated"
    status = 401
    title = "Sign in: the credential is missing, expired or not of this tenant"


class _Framework(DomainError):
    """An error that DRF raised, in our shape."""

    def __init__(self, error: exceptions.APIException) -> None:
        detail = error.detail
        super().__init__(str(detail) if not isinstance(detail, (list, dict)) else "See errors.")
        self.status = error.status_code  # type: ignore[misc]
        self.code = str(error.default_code).replace("_", "-")  # type: ignore[misc]
        self.title = HTTPStatus(error.status_code).phrase  # type: ignore[misc]
        self.errors = flatten(detail) if isinstance(detail, (list, dict)) else []


def flatten(detail: Any, at: str = "") -> list[dict[str, Any]]:
    """Return `[{"at": "/path", "message": …}]` for DRF's nested error details."""
    if isinstance(detail, dict):
        return [item for key, value in detail.items() for item in flatten(value, f"{at}/{key}")]
    if isinstance(detail, list):
        nested = any(isinstance(item, (dict, list)) for item in detail)
        pairs = [(f"{at}/{n}" if nested else at, item) for n, item in enumerate(detail)]
        return [entry for path, item in pairs for entry in flatten(item, path)]
    return [{"at": at or "/", "message": str(detail)}]


def as_domain_error(error: Exception) -> DomainError | None:
    """Translate what a view raised; None for a defect."""
    match error:
        case DomainError():
            return error
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            return NotAuthenticated()
        case exceptions.ValidationError():
            return InvalidInput("Some fields are not valid.", errors=flatten(error.detail))
        case ModelValidationError():
            return InvalidInput(
                "Some fields are not valid.",
                errors=flatten(error.message_dict if hasattr(error, "error_dict") else error.messages),
            )
        case PermissionDenied() | exceptions.PermissionDenied():
            return PermissionMissing(str(error) or "")
        case Http404():
            return NotFound()
        case exceptions.APIException():
            return _Framework(error)
        case DataError() | UnicodeError() | RecursionError():
            logger.warning("Refused as input that cannot be stored", exc_info=error)  # or a defect of ours
            return InvalidInput("The request holds text, numbers or nesting that cannot be stored.")
    return None


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer an API error with a problem document; DRF's exception handler."""
    from rest_framework.views import set_rollback  # this module is loaded while DRF's views are

    set_rollback()
    domain = as_domain_error(error)
    if domain is None:
        return None
    response = Response(
        problem_document(domain, getattr(context.get("request"), "_request", None)),
        status=domain.status,
        content_type=CONTENT_TYPE,
    )
    if domain.status == NotAuthenticated.status:
        response["WWW-Authenticate"] = "Bearer"
    if "retry_after_s" in domain.data:
        response["Retry-After"] = str(domain.data["retry_after_s"])
    return response


class DenyUnlessGranted(BasePermission):
    """Require a signed-in person with the view's `required_permission`; deny where none is declared.

    A view declares a permission string, a mapping from HTTP method to one, or "" for any signed-in
    person.
    """

    def has_permission(self, request: Request, view: "APIView") -> bool:
        required = getattr(view, "required_permission", None)
        if isinstance(required, dict):
            required = required.get("GET" if request.method in {"HEAD", "OPTIONS"} else request.method)
        if required is None or not request.user.is_authenticated:
            return False
        return not required or request.user.has_perm(required)


class CursorPage(CursorPagination):
    """Newest first, `?cursor=` and `?page_size=` up to 200."""

    ordering = "-id"
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        """Return one page; raise NotFound for a cursor that this list did not give."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValueError, ModelValidationError) as error:
            raise exceptions.NotFound(self.invalid_cursor_message) from error
