"""Windows of the week."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from hitl.escalation.types import Day, IfWindow

DAYS = tuple(Day)


def next_opening(window: IfWindow, at: datetime) -> datetime:
    """Return `at` if it is inside the window, else when the window opens next, in UTC.

    A window belongs to the day it opens on, also if it closes on the next.
    """
    zone = ZoneInfo(window.timezone)
    today = at.astimezone(zone).date()
    openings = []
    for offset in range(-1, 9):
        date = today + timedelta(days=offset)
        if DAYS[date.weekday()] not in window.days:
            continue
        whole_day = window.opens == window.closes
        opens = datetime.combine(date, datetime.min.time() if whole_day else window.opens, zone)
        last = date + timedelta(days=1) if window.closes <= window.opens else date
        closes = datetime.combine(last, datetime.min.time() if whole_day else window.closes, zone)
        if _instant(opens, at) <= at < _instant(closes, at):
            return at
        openings.append(_instant(opens, at))
    return min(opening for opening in openings if opening > at)


def _instant(local: datetime, like: datetime) -> datetime:
    return local.astimezone(like.tzinfo)
