"""The hours of a rotation as people type them."""

from datetime import time

import pytest

from hitl.routing import windows
from hitl.routing.oncall import Window
from tenants.kernel.errors import InvalidInput


class TestParse:
    @pytest.mark.parametrize(
        ("text", "stored"),
        [
            ("", []),
            ("Mon 09:00-17:00", [{"days": [0], "from": "09:00", "to": "17:00"}]),
            ("sat, SUN 22:00 - 06:00", [{"days": [5, 6], "from": "22:00", "to": "06:00"}]),
            (
                "Fri Mon Mon 00:00-00:00\n\n  Tue 08:30-09:00 ",
                [
                    {"days": [0, 4], "from": "00:00", "to": "00:00"},
                    {"days": [1], "from": "08:30", "to": "09:00"},
                ],
            ),
        ],
    )
    def test_reads_weekdays_and_times(self, text: str, stored: list[object]) -> None:
        assert windows.parse(text) == stored
        assert windows.parse(windows.shown(windows.parse(text))) == stored

    @pytest.mark.parametrize(
        "text",
        ["Mon", "09:00-17:00", "Noday 09:00-17:00", "Mon 24:00-01:00", "Mon 9:00-17:00", "Mon 09:00-17:00 x"],
    )
    def test_refuses_what_it_cannot_read_and_shows_how_to_write(self, text: str) -> None:
        with pytest.raises(InvalidInput, match="Mon Tue 22:00-06:00"):
            windows.parse(text)

    def test_is_counted_as_it_was_written(self) -> None:
        (stored,) = windows.parse("Mon Tue 22:00-06:00")
        assert windows.window(stored) == Window(days=frozenset({0, 1}), opens=time(22), closes=time(6))
