"""Write and read the hours of a rotation: as people type them, as they are stored, as they are counted. Pure."""

import re
from collections.abc import Iterable
from datetime import time

from hitl.routing.oncall import Window
from tenants.kernel.errors import InvalidInput
from tenants.kernel.jsonvalues import JsonObject

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
CLOCK = r"([01]\d|2[0-3]):([0-5]\d)"
LINE = re.compile(rf"(?P<days>[A-Za-z ,]+?)\s+(?P<opens>{CLOCK})\s*-\s*(?P<closes>{CLOCK})")
EXAMPLE = "Write lines such as: Mon Tue 22:00-06:00"


def parse(text: str) -> list[JsonObject]:
    """Return the stored form of lines of weekdays and times; raise InvalidInput for one that is neither."""
    return [_parse_line(line) for line in map(str.strip, text.splitlines()) if line]


def shown(windows: Iterable[JsonObject]) -> str:
    """Return the lines from which `parse` restores the windows."""
    return "\n".join(
        f"{' '.join(DAYS[day] for day in window['days'])} {window['from']}-{window['to']}"
        for window in windows
    )


def window(stored: JsonObject) -> Window:
    """Return a stored window for counting."""
    return Window(
        days=frozenset(stored["days"]),
        opens=time.fromisoformat(stored["from"]),
        closes=time.fromisoformat(stored["to"]),
    )


def _parse_line(line: str) -> JsonObject:
    match = LINE.fullmatch(line)
    named = re.split(r"[ ,]+", match["days"].strip(" ,")) if match else []
    days = sorted({DAYS.index(day) for name in named if (day := name.capitalize()) in DAYS})
    if match is None or len(days) < len(set(map(str.capitalize, named))):
        raise InvalidInput(f"“{line[:60]}” names no hours of weekdays. {EXAMPLE}")
    return {"days": days, "from": match["opens"], "to": match["closes"]}
