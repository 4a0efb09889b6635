"""Credentials of tools: sealed in the tenant's rows, opened for one call, kept out of all it says."""

import base64
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote, quote_plus

from django.db import transaction

from agents.tools.base import ToolFailed
from agents.tools.models import Tool, ToolSecret
from agents.tools.registry import REGISTRY, spec_of
from tenants.kernel.errors import InvalidInput
from tenants.keys import operations as keys
from tenants.keys.operations import Place, Sealed
from tenants.keys.sealing import Undecipherable

MIN_LENGTH = 8  # a shorter value could not be told from ordinary text when answers are redacted
MAX_LENGTH = 8192


@transaction.atomic
def save_secret(*, name: str, value: str, by: str, now: datetime) -> ToolSecret:
    """Store a credential, or replace its value; raise InvalidInput for a name or value that cannot be one."""
    if not MIN_LENGTH <= len(value) <= MAX_LENGTH or "\x00" in value:
        raise InvalidInput(
            f"A credential has {MIN_LENGTH} to {MAX_LENGTH} characters.",
            errors=[{"at": "/value", "message": f"must have {MIN_LENGTH} to {MAX_LENGTH} characters"}],
        )
    secret = ToolSecret.objects.select_for_update().filter(name=name).first() or ToolSecret(name=name)
    sealed = keys.seal(value, _place(secret))
    secret.ciphertext, secret.key_version = sealed.ciphertext, sealed.key_version
    secret.updated_at, secret.updated_by = now, by
    secret.full_clean(validate_unique=False)
    secret.save()
    return secret


def secrets_for(tool: Tool) -> dict[str, str]:
    """Return the credentials a call of the tool needs; raise ToolFailed naming one that is missing."""
    return {name: opened(secret) for name, secret in _stored(names_for(tool)).items()}


def names_for(tool: Tool) -> list[str]:
    """Return the names of the credentials a call of the tool needs."""
    if tool.source != Tool.Source.PYTHON:
        return list(tool.secrets)
    return list(spec_of(tool.name).secrets) if tool.name in REGISTRY else []


def opened(secret: ToolSecret) -> str:
    """Return the value of a credential; raise ToolFailed if it was altered or moved."""
    sealed = Sealed(ciphertext=bytes(secret.ciphertext), key_version=secret.key_version)
    try:
        return keys.unseal(sealed, _place(secret))
    except Undecipherable as error:
        raise ToolFailed(
            f"The credential {secret.name} cannot be read; save it again.", started=False
        ) from error


def _stored(names: Iterable[str]) -> dict[str, ToolSecret]:
    wanted = list(names)
    if not wanted:
        return {}
    found = {secret.name: secret for secret in ToolSecret.objects.filter(name__in=wanted)}
    for name in wanted:
        if name not in found:
            raise ToolFailed(f"The credential {name} is not set.", started=False)
    return found


def _place(secret: ToolSecret) -> Place:
    return Place(model=secret._meta.label_lower, field="value", pk=str(secret.pk))


def redact(value: Any, secrets: Mapping[str, str]) -> Any:
    """Return a copy of a JSON value in which no credential stands, plain, percent-encoded or in base64."""
    marks = {form: f"[{name}]" for name, secret in secrets.items() for form in _forms(secret)}
    ordered = sorted(marks.items(), key=lambda mark: -len(mark[0]))
    return _redacted(value, ordered) if marks else value


def _redacted(value: Any, marks: list[tuple[str, str]]) -> Any:
    match value:
        case str():
            for form, mark in marks:
                value = value.replace(form, mark)
            return value
        case Mapping():
            return {_redacted(key, marks): _redacted(item, marks) for key, item in value.items()}
        case list() | tuple():
            return [_redacted(item, marks) for item in value]
    return value


def _forms(secret: str) -> set[str]:
    raw = secret.encode()
    encoded = {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    return {
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        *encoded,
        *(text.rstrip("=") for text in encoded),
    }
