"""The text of an API key: `cs_`, a random secret and a checksum of it, all of letters and digits. Pure.

The checksum tells a mistyped or invented key from a real one without asking the database, and lets scanners
find leaked keys without false alarms.
"""

import hashlib
import secrets
import zlib

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
MARK = "cs_"
SECRET, CHECKSUM, SHOWN = 32, 6, 6
"""Characters of the secret (190 bits), of the checksum, and of the secret that lists show."""


def new() -> str:
    """Return a new key."""
    secret = "".join(secrets.choice(ALPHABET) for _ in range(SECRET))
    return f"{MARK}{secret}{_checksum(secret)}"


def is_whole(key: str) -> bool:
    """Tell whether the text has the form of a key and its checksum is right."""
    secret, checksum = key[len(MARK) : -CHECKSUM], key[-CHECKSUM:]
    is_formed = key.startswith(MARK) and len(secret) == SECRET and set(secret) <= set(ALPHABET)
    return is_formed and checksum == _checksum(secret)


def digest(key: str) -> str:
    """Return the SHA-256, in hex, that is stored of a key. A secret of 190 bits needs no salt."""
    return hashlib.sha256(key.encode()).hexdigest()


def prefix(key: str) -> str:
    """Return the beginning by which people recognise a key."""
    return key[: len(MARK) + SHOWN]


def _checksum(secret: str) -> str:
    """Return CRC-32 in base 62, six digits."""
    number, digits = zlib.crc32(secret.encode()), ""
    for _ in range(CHECKSUM):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
