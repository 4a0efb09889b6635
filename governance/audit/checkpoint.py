"""Signed checkpoints in the C2SP forms: tlog-checkpoint text in a signed note. Pure but for the key.

Sources: c2sp.org/tlog-checkpoint and c2sp.org/signed-note.
"""

import base64
import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEY_NAME = "countersign"
ED25519 = b"\x01"


def signing_key(secret: bytes) -> Ed25519PrivateKey:
    """Return the Ed25519 key of a secret of any length."""
    return Ed25519PrivateKey.from_private_bytes(
        hashlib.sha256(b"countersign audit key\x00" + secret).digest()
    )


def public_bytes(key: Ed25519PublicKey) -> bytes:
    """Return the 32 raw bytes of a public key."""
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def key_hash(key: Ed25519PublicKey) -> bytes:
    """Return the 4-byte key hash of a signed note."""
    return hashlib.sha256(KEY_NAME.encode() + b"\n" + ED25519 + public_bytes(key)).digest()[:4]


def sign(*, origin: str, size: int, root: bytes, key: Ed25519PrivateKey) -> str:
    """Return the signed note for a log of `size` leaves with this root."""
    text = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
    signature = base64.b64encode(key_hash(key.public_key()) + key.sign(text.encode())).decode()
    return f"{text}\n\u2014 {KEY_NAME} {signature}\n"


def is_valid(note: str, *, origin: str, size: int, root: bytes, key: Ed25519PublicKey) -> bool:
    """Tell whether the note states exactly this origin, size and root, signed by this key."""
    text = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
    prefix = f"{text}\n\u2014 {KEY_NAME} "
    if not note.startswith(prefix) or not note.endswith("\n"):
        return False
    try:
        blob = base64.b64decode(note[len(prefix) : -1], validate=True)
        if blob[:4] != key_hash(key):
            return False
        key.verify(blob[4:], text.encode())
    except (ValueError, InvalidSignature):
        return False
    return True
