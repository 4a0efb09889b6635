"""When a rule is in force: from, until, and windows of the week in a time zone. Pure."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tenants.kernel.errors import InvalidInput

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WINDOW = re.compile(r"(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))? (?P<start>\d\d:\d\d)-(?P<end>\d\d:\d\d)")
MEMBERS = frozenset({"from", "until", "tz", "windows"})
MAX_WINDOWS = 20
Say = Callable[[str, str], None]
InForce = Callable[[datetime], bool]


def compile_validity(raw: Any, *, at: str, say: Say) -> InForce | None:
    """Return a function that tells whether the rule is in force at a moment; None for always."""
    if raw is None:
        return None
    if not isinstance(raw, dict) or set(raw) - MEMBERS:
        say(at, "Give from, until, tz and windows, or leave it out.")
        return None
    zone = _zone(raw.get("tz", "UTC"), f"{at}/tz", say)
    first, last = (_moment(raw.get(name), zone, f"{at}/{name}", say) for name in ("from", "until"))
    if first and last and first >= last:
        say(f"{at}/until", "It ends before it begins.")
    windows = _windows(raw.get("windows"), f"{at}/windows", say)

    def in_force(now: datetime) -> bool:
        if (first and now < first) or (last and now >= last):
            return False
        return not windows or any(window(now.astimezone(zone)) for window in windows)

    return in_force


def _zone(raw: Any, at: str, say: Say) -> tzinfo:
    try:
        return zone_of(raw)
    except InvalidInput as error:
        say(at, error.detail)
        return UTC


def zone_of(name: Any) -> tzinfo:
    """Return a time zone by its IANA name; raise InvalidInput."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
        raise InvalidInput("Give a time zone such as Europe/Berlin.") from error


def _moment(raw: Any, zone: tzinfo, at: str, say: Say) -> datetime | None:
    if raw is None:
        return None
    try:
        moment = datetime.fromisoformat(raw)
    except (ValueError, TypeError):
        say(at, "Give a moment such as 2026-01-31T08:00, in the rule's time zone or with an offset.")
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _windows(raw: Any, at: str, say: Say) -> list[InForce]:
    if raw is None:
        return []
    if not isinstance(raw, list) or not 1 <= len(raw) <= MAX_WINDOWS:
        say(at, f"Give a list of 1 to {MAX_WINDOWS} windows such as 'mon-fri 08:00-18:00'.")
        return []
    found = []
    for n, text in enumerate(raw):
        window = _window(text)
        if window is None:
            say(f"{at}/{n}", "Write a window as 'mon-fri 08:00-18:00' or 'sat 22:00-06:00'.")
        else:
            found.append(window)
    return found


def _window(text: Any) -> InForce | None:
    match = WINDOW.fullmatch(text.strip().lower()) if isinstance(text, str) else None
    if match is None or match["first"] not in DAYS or (match["last"] or "mon") not in DAYS:
        return None
    begin = DAYS.index(match["first"])
    count = (DAYS.index(match["last"] or match["first"]) - begin) % 7 + 1
    days = frozenset((begin + n) % 7 for n in range(count))
    try:
        start, end = time.fromisoformat(match["start"]), time.fromisoformat(match["end"])
    except ValueError:
        return None

    def contains(local: datetime) -> bool:
        """Tell whether the local time is in the window; one that ends before it starts ends on the next day."""
        clock = local.time()
        if start < end:
            return local.weekday() in days and start <= clock < end
        yesterday = (local - timedelta(days=1)).weekday()
        return (local.weekday() in days and clock >= start) or (yesterday in days and clock < end)

    return contains
