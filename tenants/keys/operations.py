"""Seal and open values of the current tenant."""

from base64 import b64decode
from dataclasses import dataclass

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from tenants.kernel.context import require_schema
from tenants.keys import sealing
from tenants.keys.models import TenantKey


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a sealed value is stored: the model's label, the field and the row."""

    model: str
    field: str
    pk: str


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """A sealed value and the version of the tenant's key that opens it."""

    ciphertext: bytes
    key_version: int


def seal(plaintext: str, place: Place) -> Sealed:
    """Seal a value of the current tenant under its newest key, which is made on first use."""
    schema = require_schema()
    newest = TenantKey.objects.filter(schema=schema).order_by("-version").first() or _first_key(schema)
    ciphertext = sealing.seal(
        _unwrap(newest), plaintext.encode(), bound_to=_bound_to(schema, place, newest.version)
    )
    return Sealed(ciphertext=ciphertext, key_version=newest.version)


def unseal(sealed: Sealed, place: Place) -> str:
    """Open a value of the current tenant; raise Undecipherable if it was not sealed for this place."""
    schema = require_schema()
    key = TenantKey.objects.filter(schema=schema, version=sealed.key_version).first()
    if key is None:
        raise sealing.Undecipherable("The key of a stored value is gone.")
    bound_to = _bound_to(schema, place, sealed.key_version)
    return sealing.unseal(_unwrap(key), sealed.ciphertext, bound_to=bound_to).decode()


def rotate(schema: str) -> TenantKey:
    """Give the tenant a new data key; what is sealed from now on uses it."""
    newest = TenantKey.objects.filter(schema=schema).order_by("-version").first()
    if newest is None:
        return _first_key(schema)
    version = newest.version + 1
    return TenantKey.objects.create(schema=schema, version=version, wrapped=_wrapped(schema, version))


def _first_key(schema: str) -> TenantKey:
    """Make version 1; of two that make it at once, both use the one that was stored."""
    key, _ = TenantKey.objects.get_or_create(
        schema=schema, version=1, defaults={"wrapped": _wrapped(schema, 1)}
    )
    return key


def _wrapped(schema: str, version: int) -> bytes:
    bound_to = _wrapped_for(schema, version)
    return sealing.seal(_platform_key(), sealing.new_key(), bound_to=bound_to)


def _unwrap(key: TenantKey) -> bytes:
    bound_to = _wrapped_for(key.schema, key.version)
    return sealing.unseal(_platform_key(), bytes(key.wrapped), bound_to=bound_to)


def _wrapped_for(schema: str, version: int) -> tuple[str, ...]:
    return ("tenant key", schema, str(version))


def _bound_to(schema: str, place: Place, version: int) -> tuple[str, ...]:
    return (schema, place.model, place.field, place.pk, str(version))


def _platform_key() -> bytes:
    """Return the key that wraps tenants' keys; under demo settings it is derived from SECRET_KEY."""
    if settings.ENCRYPTION_KEY:
        return b64decode(settings.ENCRYPTION_KEY)
    if not settings.DEMO:
        raise ImproperlyConfigured("ENCRYPTION_KEY is not set.")
    derivation = HKDF(
        algorithm=SHA256(), length=sealing.KEY_BYTES, salt=None, info=b"countersign tenant keys"
    )
    return derivation.derive(settings.SECRET_KEY.encode())
