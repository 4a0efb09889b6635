"""JSON values that PostgreSQL and RFC 8785 both accept."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import rfc8785

from tenants.kernel.errors import InvalidInput

JsonObject = dict[str, Any]
MAX_LEVELS = 100
MAX_INTEGER = 2**53 - 1
TOO_DEEP = "[nested too deeply]"


def canonical(value: Any) -> bytes:
    """Return the RFC 8785 form; raise InvalidInput for NaN, infinities, big integers and non-JSON values."""
    try:
        if _is_plain(value):
            return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        raise InvalidInput(f"The value has no canonical JSON form: {error}") from error


def _is_plain(value: Any) -> bool:
    """Tell whether Python's own writer gives the RFC 8785 form: exact types, no floats, ASCII names.

    Floats are written differently, and names beyond ASCII may sort differently (by UTF-16 units).
    """
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return True
    if kind is int:
        return bool(-MAX_INTEGER <= value <= MAX_INTEGER)
    if kind is list:
        return all(map(_is_plain, value))
    if kind is dict:
        return all(type(key) is str and key.isascii() for key in value) and all(
            map(_is_plain, value.values())
        )
    return False


def sha256_hex(value: Any) -> str:
    """Return the SHA-256 of the RFC 8785 form, in hex."""
    return hashlib.sha256(canonical(value)).hexdigest()


def storable(value: Any, *, levels: int = MAX_LEVELS) -> Any:
    """Return a copy that jsonb can hold and RFC 8785 can hash.

    NUL and lone surrogates become U+FFFD; numbers from 2**53 on and non-finite floats become strings;
    lists and objects below `levels` levels become a mark, so that no later step runs out of stack.
    Use it on text that came from outside (models, tools, requests) before it is stored.
    """
    match value:
        case None | bool():
            return value
        case str():
            return value.replace("\x00", "\ufffd").encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        case int() | float():
            # jsonb writes 1e22 out in full, so even a float would come back as an integer that has no
            # canonical form.
            return value if abs(value) < 2**53 else str(value)
        case Mapping() | list() | tuple() if levels == 0:
            return TOO_DEEP
        case Mapping():
            return {storable(str(key)): storable(item, levels=levels - 1) for key, item in value.items()}
        case list() | tuple():
            return [storable(item, levels=levels - 1) for item in value]
        case _:
            return storable(str(value))
