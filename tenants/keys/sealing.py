"""AES-256-GCM with everything that names a value bound to it. Keys in, bytes out; no tables.

A ciphertext that is moved to another tenant, table, field, row or key version does not decrypt.
Nonces are random and 96 bits long, so one key must not seal more than 2**32 values (NIST SP 800-38D,
section 8.3).
"""

import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tenants.kernel.errors import DomainError

NONCE_BYTES = 12
KEY_BYTES = 32


class Undecipherable(DomainError):
    """A stored value does not decrypt: it was altered, moved, or sealed under another key."""

    code = "undecipherable"
    status = 500


def new_key() -> bytes:
    """Return a random AES-256 key."""
    return AESGCM.generate_key(KEY_BYTES * 8)


def seal(key: bytes, plaintext: bytes, *, bound_to: Sequence[str]) -> bytes:
    """Return nonce and ciphertext; `bound_to` must be given again to open it."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, _associated(bound_to))


def unseal(key: bytes, sealed: bytes, *, bound_to: Sequence[str]) -> bytes:
    """Return the plaintext; raise Undecipherable if anything about it is not as it was sealed."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _associated(bound_to))
    except (InvalidTag, ValueError) as error:
        raise Undecipherable("A stored value does not decrypt.") from error


def _associated(parts: Sequence[str]) -> bytes:
    if any("|" in part for part in parts):
        raise ValueError("A part of what a value is bound to holds the separator.")
    return "|".join(parts).encode()
