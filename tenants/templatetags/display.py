"""Show stored values to people: exactly, completely, and unable to act on the page."""

import difflib
import json
import re
import unicodedata
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from itertools import chain
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from tenants.kernel.lookalikes import look_alikes

register = template.Library()

# Drawn as nothing or as a blank although Unicode calls them letters, marks or symbols.
BLANK = frozenset(
    chain(
        [0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0],
        range(0x180B, 0x1810),
        range(0xFE00, 0xFE10),
        range(0xE0100, 0xE01F0),
    )
)
MARKED_CATEGORIES = frozenset(["Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"])
ODD = re.compile(r"[^\n\t\x20-\x7e]")
"""What may need a mark: every character beyond printable ASCII."""
WORD = re.compile(r"\w+(?:[.,@:/-]\w+)*|\s+|[^\w\s]")
DIFF_LIMIT = 600  # words; the comparison is quadratic, and a page must not take seconds
SHORT_LINE = 80
MINUTE, HOUR, DAY = 60, 3600, 86400


@register.filter
def inert(text: object) -> SafeString:
    """Return the text as HTML in which each character that hides, reorders or passes for another is marked."""
    plain = str(text)
    twins = look_alikes(plain)
    woven: list[str] = []
    end = 0
    for odd in ODD.finditer(plain):
        at = odd.start()
        mark = _code_point(plain[at]) or (twins and at in twins and _look_alike(plain[at], twins[at]))
        if mark:
            if end < at:
                woven.append(escape(plain[end:at]))
            woven.append(mark)
            end = at + 1
    return mark_safe("".join([*woven, escape(plain[end:])]))  # noqa: S308  # every part is escaped


@lru_cache(maxsize=4096)
def _code_point(character: str) -> str:
    """Return the mark of a character that is not seen; empty for one that is."""
    point = ord(character)
    if point not in BLANK and unicodedata.category(character) not in MARKED_CATEGORIES:
        return ""
    name = unicodedata.name(character, "UNNAMED CHARACTER")
    return f'<span class="code-point" title="{escape(name)}">U+{point:04X}</span>'


def _look_alike(character: str, hint: str) -> str:
    return f'<span class="look-alike" title="{escape(hint)}">{escape(character)}</span>'


@register.filter
def has_marks(value: Any) -> bool:
    """Tell whether `inert` marks an unseen character in a text, or in any text of a JSON value."""
    return _any_text(value, lambda text: any(_code_point(odd.group()) for odd in ODD.finditer(text)))


@register.filter
def has_look_alikes(value: Any) -> bool:
    """Tell whether a text, or any text of a JSON value, has letters that pass for others."""
    return _any_text(value, lambda text: bool(look_alikes(text)))


def _any_text(value: Any, test: Callable[[str], bool]) -> bool:
    match value:
        case str():
            return test(value)
        case list():
            return any(_any_text(member, test) for member in value)
        case dict():
            return any(test(name) or _any_text(member, test) for name, member in value.items())
        case _:
            return False


@register.filter
def pretty(value: Any) -> str:
    """Return the value as indented JSON; text stays text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)


@register.filter
def is_text(value: Any) -> bool:
    """Tell text from every other JSON value."""
    return isinstance(value, str)


@register.filter
def is_object(value: Any) -> bool:
    """Tell a JSON object that has members from every other JSON value."""
    return isinstance(value, dict) and bool(value)


@register.filter
def members(value: Any) -> list[tuple[str, Any]]:
    """Return the members of a JSON object; `.items` in a template would prefer a member of that name."""
    return list(value.items()) if isinstance(value, dict) else [("", value)]


@register.filter
def json_type(value: Any) -> str:
    """Return what kind of JSON value this is, in plain words."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "text"
        case int() | float():
            return "number"
        case list():
            return "list"
        case _:
            return "object"


@register.filter
def extent(text: str) -> str:
    """Return how long a long text is; empty for a short line."""
    lines = text.count("\n") + 1
    if lines == 1 and len(text) <= SHORT_LINE:
        return ""
    return f"{len(text):,} characters" if lines == 1 else f"{lines} lines, {len(text):,} characters"


@register.filter
def one_line(arguments: dict[str, Any], limit: int = 160) -> str:
    """Return the arguments as one line for lists, cut with a mark."""
    parts = (f"{name}: {_flat(value)}" for name, value in arguments.items())
    return cut(" · ".join(parts), limit)


def cut(text: str, limit: int) -> str:
    """Return the text, or its beginning with a mark, `limit` characters long."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _flat(value: Any) -> str:
    return " ".join(value.split()) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@register.filter
def words(name: str) -> str:
    """Return `refund_order` as `Refund order`."""
    spaced = " ".join(re.split(r"[\s_.\-/]+", name)).strip()
    return spaced[:1].upper() + spaced[1:]


@register.filter
def short(identifier: object) -> str:
    """Return the end of an id, by which people tell things apart: the beginning of ours is the time."""
    return str(identifier)[-8:]


@register.simple_tag
def badge(status: object, kind: str = "status") -> SafeString:
    """Return a stored word as a label; its colour repeats what it says."""
    word = str(status)
    return format_html(
        '<span class="badge {}-{}">{}</span>', kind, word.replace("_", "-"), word.replace("_", " ")
    )


@register.simple_tag
def ago(at: datetime) -> SafeString:
    """Return how long ago something was; the page keeps it up to date."""
    age = duration((timezone.now() - at).total_seconds())
    return format_html('<time datetime="{}" title="{}" data-ago>{}</time>', at.isoformat(), _exact(at), age)


@register.simple_tag
def clock(at: datetime) -> SafeString:
    """Return a moment in full."""
    return format_html('<time datetime="{}">{}</time>', at.isoformat(), _exact(at))


@register.simple_tag
def countdown(until: datetime) -> SafeString:
    """Return the time left; the page counts it down without trusting the reader's clock."""
    left = max(0, int((until - timezone.now()).total_seconds()))
    text = duration(left) if left else "time is over"
    return format_html(
        '<span class="countdown" title="until {}" data-left-s="{}">{}</span>', _exact(until), left, text
    )


@register.simple_tag
def took(start: datetime | None, end: datetime | None) -> str:
    """Return how long something took; empty while it runs."""
    if start is None or end is None:
        return ""
    return lasted((end - start).total_seconds() * 1000)


@register.simple_tag
def lasted(milliseconds: float) -> str:
    """Return how long something took, given in milliseconds."""
    seconds = milliseconds / 1000
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < MINUTE else duration(seconds)


def duration(seconds: float) -> str:
    """Return a number of seconds in the two largest units that matter; static/js/time.js does the same."""
    whole = max(0, int(seconds))
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min"
    if whole < DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"
    return f"{whole // DAY} d {whole % DAY // HOUR} h"


@register.filter
def grouped(number: int) -> str:
    """Return a whole number with its thousands apart."""
    return f"{number:,}"


def _exact(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


@register.simple_tag
def text_changes(before: str, after: str) -> SafeString:
    """Return both texts woven into one, with what went and what came marked."""
    old, new = WORD.findall(before), WORD.findall(after)
    if len(old) + len(new) > DIFF_LIMIT:
        old, new = [before], [after]
    woven = []
    for verb, i, j, k, m in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        gone, come = "".join(old[i:j]), "".join(new[k:m])
        if verb == "equal":
            woven.append(inert(gone))
            continue
        if gone:
            woven.append(format_html("<del>{}</del>", inert(gone)))
        if come:
            woven.append(format_html("<ins>{}</ins>", inert(come)))
    return mark_safe("".join(woven))  # noqa: S308  # each part is escaped above
