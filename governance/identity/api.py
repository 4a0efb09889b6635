"""The token endpoint, the key set and the metadata of this tenant as an authorization server."""

import base64
import binascii
import logging
import re
from typing import Any
from urllib.parse import unquote_plus

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from governance.identity import claims as rules
from governance.identity import jose, keys, operations
from governance.identity.types import (
    ACCESS_TOKEN,
    ASSERTION,
    EXCHANGE,
    TOKEN_TYPES,
    Credentials,
    ExchangeRequest,
    TokenRefused,
)
from tenants.tenancy.urls import base_url

logger = logging.getLogger(__name__)
FORM = "application/x-www-form-urlencoded"
MAX_BODY = 64 * 1024
_UNFIT = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")


@method_decorator(csrf_exempt, name="dispatch")
class TokenView(View):
    """POST /oauth/token: RFC 8693 token exchange. Errors are those of RFC 6749, section 5.2."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        """Exchange a token."""
        now, trace_id = timezone.now(), getattr(request, "trace_id", "")
        credentials, target = Credentials(), ""
        try:
            form = _form(request)
            credentials, target = _credentials(request, form), _target(form)
            asked = _asked(form, target)
        except TokenRefused as refusal:
            return self._unread(refusal, credentials, target, request)
        try:
            issued = operations.exchange(credentials=credentials, asked=asked, now=now, trace_id=trace_id)
        except TokenRefused as refusal:
            return _refusal(refusal)
        except Exception:  # the outer edge: clients are told in OAuth's words
            logger.exception("A token could not be issued")
            return _answer({"error": "temporarily_unavailable"}, status=503)
        return _answer(
            {
                "access_token": issued.token,
                "issued_token_type": asked.requested_type,
                "token_type": "Bearer",
                "expires_in": issued.expires_in,
                "scope": " ".join(sorted(issued.scopes)),
            }
        )

    def _unread(
        self, refusal: TokenRefused, credentials: Credentials, target: str, request: HttpRequest
    ) -> HttpResponse:
        """Answer a request that is none, and put it on record."""
        try:
            operations.record_refusal(
                refusal,
                client=None,
                claimed=credentials.client_id,
                target=target,
                now=timezone.now(),
                trace_id=getattr(request, "trace_id", ""),
            )
        except Exception:  # the outer edge
            logger.exception("A refusal could not be recorded")
            return _answer({"error": "temporarily_unavailable"}, status=503)
        return _refusal(refusal)


def _form(request: HttpRequest) -> QueryDict:
    """Return the parameters; refuse a body of another kind, and a parameter given twice."""
    if request.content_type != FORM:
        raise TokenRefused("invalid_request", f"Send the parameters as {FORM}.")
    try:
        if int(request.headers.get("Content-Length") or 0) > MAX_BODY:
            raise TokenRefused("invalid_request", f"The request is larger than {MAX_BODY // 1024} KiB.")
        form = request.POST
    except (BadRequest, SuspiciousOperation, UnicodeError, ValueError) as error:
        raise TokenRefused("invalid_request", "The parameters cannot be read.") from error
    for name in form:
        if len(form.getlist(name)) > 1 and name not in {"resource", "audience"}:
            raise TokenRefused("invalid_request", f"'{name[:40]}' is given more than once.")
    return form


def _credentials(request: HttpRequest, form: QueryDict) -> Credentials:
    """Return how the client says who it is; refuse two ways at once, and a secret in the body."""
    header = request.headers.get("Authorization", "")
    assertion = form.get("client_assertion", "")
    if header and assertion:
        raise TokenRefused("invalid_request", "The client authenticates in two ways at once.")
    if "client_secret" in form:
        raise TokenRefused("invalid_request", "Send a secret with HTTP Basic authentication only.")
    if assertion:
        if form.get("client_assertion_type") != ASSERTION:
            raise TokenRefused("invalid_request", f"client_assertion_type must be {ASSERTION}.")
        return Credentials(client_id=_who(form, assertion), assertion=assertion)
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        raise TokenRefused("invalid_client", "The client does not say who it is.")
    try:
        name, colon, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise TokenRefused("invalid_client", "The Authorization header cannot be read.") from error
    if not colon:
        raise TokenRefused("invalid_client", "The Authorization header cannot be read.")
    client_id = unquote_plus(name)
    if form.get("client_id", client_id) != client_id:
        raise TokenRefused("invalid_request", "client_id is not the client that authenticates.")
    return Credentials(client_id=client_id, secret=unquote_plus(secret))


def _who(form: QueryDict, assertion: str) -> str:
    """Return the client that an assertion says it is from: only to find its keys."""
    try:
        named = rules.text(jose.unverified(assertion)[1], "sub")
    except TokenRefused as refusal:
        raise TokenRefused("invalid_client", refusal.detail) from refusal
    if form.get("client_id", named) != named:
        raise TokenRefused("invalid_request", "client_id is not the client of the assertion.")
    return named


def _target(form: QueryDict) -> str:
    """Return the one resource or audience; both may name it."""
    named = {*form.getlist("resource"), *form.getlist("audience")} - {""}
    if len(named) != 1:
        raise TokenRefused("invalid_target", "Name exactly one resource or audience.")
    return named.pop()


def _asked(form: QueryDict, target: str) -> ExchangeRequest:
    if form.get("grant_type", "") != EXCHANGE:
        error = "unsupported_grant_type" if form.get("grant_type") else "invalid_request"
        raise TokenRefused(error, f"grant_type must be {EXCHANGE}.")
    subject, actor = form.get("subject_token", ""), form.get("actor_token", "")
    if not subject or form.get("subject_token_type") not in TOKEN_TYPES:
        raise TokenRefused("invalid_request", "Give a subject_token whose type is access_token or jwt.")
    if bool(actor) != ("actor_token_type" in form) or (
        actor and form.get("actor_token_type") not in TOKEN_TYPES
    ):
        raise TokenRefused(
            "invalid_request", "Give an actor_token whose type is access_token or jwt, or none."
        )
    scope = form.get("scope", "")
    scopes = rules.parse_scope(scope) if scope else None
    return ExchangeRequest(
        subject_token=subject,
        actor_token=actor,
        target=target,
        scopes=scopes,
        requested_type=form.get("requested_token_type") or ACCESS_TOKEN,
    )


def _refusal(refusal: TokenRefused) -> HttpResponse:
    body = {"error": refusal.error, "error_description": _UNFIT.sub("?", refusal.detail)}
    response = _answer(body, status=refusal.status)
    if refusal.error == "invalid_client":
        response["WWW-Authenticate"] = 'Basic realm="token endpoint", charset="UTF-8"'
    return response


def _answer(body: dict[str, Any], *, status: int = 200) -> HttpResponse:
    response = JsonResponse(body, status=status)
    response["Cache-Control"], response["Pragma"] = "no-store", "no-cache"
    return response


class KeySetView(View):
    """GET /.well-known/jwks.json: the keys with which this tenant's tokens are checked."""

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return the key set (RFC 7517)."""
        return _cached({"keys": keys.published(now=timezone.now())}, content_type="application/jwk-set+json")


class MetadataView(View):
    """GET /.well-known/oauth-authorization-server: what this server does (RFC 8414)."""

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return the metadata."""
        issuer = base_url()
        return _cached(
            {
                "issuer": issuer,
                "token_endpoint": f"{issuer}/oauth/token",
                "jwks_uri": f"{issuer}/.well-known/jwks.json",
                "grant_types_supported": [EXCHANGE],
                "response_types_supported": [],
                "token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_basic"],
                "token_endpoint_auth_signing_alg_values_supported": list(jose.ALGORITHMS),
            }
        )


def _cached(body: dict[str, Any], *, content_type: str = "application/json") -> HttpResponse:
    response = JsonResponse(body, content_type=content_type)
    response["Cache-Control"] = f"public, max-age={keys.CACHED_S}"
    return response
