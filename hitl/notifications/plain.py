"""Text from outside as plain text in which nothing hides, reorders or breaks out of its line. Pure."""

import unicodedata

from tenants.templatetags.display import BLANK, MARKED_CATEGORIES, cut

MAX_SUBJECT = 200
MAX_TEXT = 2000


def marked(text: str) -> str:
    """Return the text with each character that hides or reorders written as its code point; lines stay."""
    return "".join(map(_shown, text.replace("\r\n", "\n")))


def one_line(text: str, limit: int = MAX_SUBJECT) -> str:
    """Return the text on one line of at most `limit` characters, for subjects and headers."""
    return cut(marked(" ".join(text.split())), limit)


def paragraph(text: str, limit: int = MAX_TEXT) -> str:
    """Return the text with its lines, at most `limit` characters of it."""
    return cut(marked(text.strip()), limit)


def _shown(character: str) -> str:
    if character in " \n":
        return character
    point = ord(character)
    if point in BLANK or unicodedata.category(character) in MARKED_CATEGORIES:
        return f"[U+{point:04X}]"
    return character
