"""Texts within the text: encoded, spelt in other letters, or in characters that nobody sees. Pure and bounded."""

import base64
import binascii
import codecs
import html
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

from tenants.kernel.lookalikes import LATIN_TWINS, look_alikes

MAX_PIECES = 12
MAX_PIECE = 4096
BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
BASE32 = re.compile(r"\b[A-Z2-7]{16,}={0,6}")
HEX = re.compile(r"\b(?:[0-9a-fA-F]{2}[\s:]?){8,}\b")
MORSE = re.compile(r"[.\-·−_/ ]{12,}")
PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2}[^\s%]{0,12}){4,}")
ENTITIES = re.compile(r"&(?:#\d{2,7}|#x[0-9a-fA-F]{2,6});")
ESCAPES = re.compile(r"(?:\\x[0-9a-fA-F]{2}){4,}|(?:\\u[0-9a-fA-F]{4}){3,}")
BRAILLE = re.compile(r"[\u2800-\u28ff]{3,}")
TAGS = re.compile(r"(?<![\U0001f3f4\U000e0020-\U000e007e])[\U000e0020-\U000e007e]{2,}")
SELECTORS = re.compile(r"[\U000e0100-\U000e01ef]{2,}")
UNSEEN = re.compile(
    r"[\u200b-\u200f\u2060-\u2064\u180e\u00ad\ufeff]{2,}|(?:\w[\u200b-\u200d\u2060-\u2064\u00ad]){3,}"
)
BIDI = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
NATO = re.compile(r"(?i)\b(?:(?:alfa|alpha|bravo|charlie|delta|echo|foxtrot|golf|hotel|india|juliett?|kilo|lima|mike|november|oscar|papa|quebec|romeo|sierra|tango|uniform|victor|whiskey|x-?ray|yankee|zulu|space|dash|stop|decimal)\s+){2,}")  # fmt: skip
LEET = str.maketrans("0134578@$!", "oieastbasi")
LEET_CANDIDATE = re.compile(r"\b[a-zA-Z]*[013457@$][a-zA-Z013457@$]+")
SPACED = re.compile(r"\b(?:\w[ .\-*]){6,200}\w\b")
MORSE_LETTERS = dict(
    zip(
        [
            ".-",
            "-...",
            "-.-.",
            "-..",
            ".",
            "..-.",
            "--.",
            "....",
            "..",
            ".---",
            "-.-",
            ".-..",
            "--",
            "-.",
            "---",
            ".--.",
            "--.-",
            ".-.",
            "...",
            "-",
            "..-",
            "...-",
            ".--",
            "-..-",
            "-.--",
            "--..",
        ],
        "abcdefghijklmnopqrstuvwxyz",
        strict=True,
    )
)
KNOWN = re.compile(
    r"(?i)\b(?:the|and|you|your|ignore|instructions?|previous|please|system|prompt|password|print|say|tell|this|that|all|with|script|alert|what|how|now)\b"
)


def hidden(text: str) -> Iterator[tuple[str, str, int, int]]:
    """Yield the texts within: the disguise, what it hides, and where it stands. At most MAX_PIECES of each kind."""
    if not text.isascii():
        yield from _unseen(text)
    yield from _encoded(text)
    yield from _respelt(text)


def _unseen(text: str) -> Iterator[tuple[str, str, int, int]]:
    for match in _some(TAGS, text):
        yield "tag-characters", "".join(chr(ord(c) - 0xE0000) for c in match.group()), *match.span()
    for match in _some(SELECTORS, text):
        yield "variation-selectors", "".join(chr(ord(c) - 0xE0100 + 16) for c in match.group()), *match.span()
    for match in _some(UNSEEN, text):
        yield "unseen-characters", "", *match.span()
    for match in _some(BIDI, text):
        yield "bidi-controls", "", *match.span()
    for match in _some(BRAILLE, text):
        yield "braille", "", *match.span()
    twins = look_alikes(text[:MAX_PIECE])
    if len(twins) >= 3:
        plain = "".join(LATIN_TWINS.get(c) or unicodedata.normalize("NFKC", c) for c in text[:MAX_PIECE])
        yield "look-alikes", plain, min(twins), max(twins) + 1


def _encoded(text: str) -> Iterator[tuple[str, str, int, int]]:
    for match in _some(BASE64, text):
        piece = match.group()[:MAX_PIECE].replace("-", "+").replace("_", "/").rstrip("=")
        decoded = _readable(_base64(piece[: len(piece) - (len(piece) % 4 == 1)]))
        if decoded:
            yield "base64", decoded, *match.span()
    for match in _some(BASE32, text):
        piece = match.group()[:MAX_PIECE].rstrip("=")
        decoded = _readable(_base32(piece + "=" * (-len(piece) % 8)))
        if decoded:
            yield "base32", decoded, *match.span()
    for match in _some(HEX, text):
        digits = re.sub(r"[^0-9a-fA-F]", "", match.group()[:MAX_PIECE])
        decoded = _readable(bytes.fromhex(digits[: len(digits) // 2 * 2]))
        if decoded:
            yield "hex", decoded, *match.span()
    for match in _some(MORSE, text) if "." in text or "·" in text else ():
        if decoded := _morse(match.group()[:MAX_PIECE]):
            yield "morse", decoded, *match.span()
    for match in _some(PERCENT, text) if "%" in text else ():
        yield "percent", unquote(match.group()[:MAX_PIECE]), *match.span()
    for match in _some(ESCAPES, text) if "\\" in text else ():
        decoded = match.group()[:MAX_PIECE].encode("ascii", "ignore").decode("unicode_escape", "replace")
        yield "escapes", decoded, *match.span()
    if text.count("&#") >= 4 and len(ENTITIES.findall(text[:MAX_PIECE])) >= 4:
        yield "entities", html.unescape(text[:MAX_PIECE]), 0, min(len(text), MAX_PIECE)


def _respelt(text: str) -> Iterator[tuple[str, str, int, int]]:
    head = text[:MAX_PIECE]
    if NATO.search(head) is not None:
        yield "nato", "", 0, len(head)
    words = [word for word in LEET_CANDIDATE.findall(head) if not word.isalpha() and not word.isdigit()]
    if len(words) >= 3 and len(words) * 6 > len(head.split()):
        yield "leet", head.translate(LEET), 0, len(head)
    for match in _some(SPACED, head):
        yield "spaced", re.sub(r"[ .\-_*]", "", match.group()), *match.span()
    if not KNOWN.search(head) and head.isascii() and len(head) > 12:
        for name, decoded in (
            ("rot13", codecs.decode(head, "rot13")),
            ("reversed", head[::-1]),
            ("atbash", _atbash(head)),
        ):
            if len(KNOWN.findall(decoded)) >= 2:
                yield name, decoded, 0, len(head)


def _some(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    for count, match in enumerate(pattern.finditer(text)):
        if count >= MAX_PIECES:
            return
        yield match


def _base64(piece: str) -> bytes:
    try:
        return base64.b64decode(piece + "=" * (-len(piece) % 4))
    except (binascii.Error, ValueError):
        return b""


def _base32(piece: str) -> bytes:
    try:
        return base64.b32decode(piece)
    except (binascii.Error, ValueError):
        return b""


def _readable(raw: bytes) -> str:
    """Return bytes as text if people could read it; empty otherwise."""
    try:
        text = raw.decode("ascii")
    except UnicodeDecodeError:
        return ""
    good = sum(c.isalnum() or c in " .,:;!?'\"-/\n()<>=_" for c in text)
    return text if len(text) >= 4 and good * 20 >= len(text) * 19 else ""


def _morse(code: str) -> str:
    letters = [MORSE_LETTERS.get(c, "") for c in re.sub(r"[·]", ".", re.sub(r"[−_]", "-", code)).split()]
    return "".join(letters) if len([c for c in letters if c]) >= 3 else ""


def _atbash(text: str) -> str:
    return "".join(
        chr(219 - ord(c)) if "a" <= c <= "z" else chr(155 - ord(c)) if "A" <= c <= "Z" else c for c in text
    )
