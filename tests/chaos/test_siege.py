"""Fifty processes die, one at every failpoint and the rest at random moments: `make chaos` in small."""

import sys

import pytest

from benchmarks.chaos import report
from benchmarks.chaos.judge import judge
from benchmarks.chaos.people import People
from benchmarks.chaos.siege import Siege
from benchmarks.chaos.watch import Watch
from benchmarks.chaos.world import World
from tests.chaos.conftest import SEED

pytestmark = [pytest.mark.journey]
KILLS = 50


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


class TestFiftyKills:
    def test_lose_nothing_repeat_nothing_and_hide_nothing(
        self, world: World, people: People, watch: Watch
    ) -> None:
        siege = Siege(world=world, people=people, watch=watch, seed=SEED, say=say)
        siege.lay(kills=KILLS)
        verdict = judge(world, people, watch)
        figures = report.figures(siege, verdict)
        assert report.findings(siege, verdict) == []
        assert (figures["kills"] >= KILLS, figures["points_missed"], report.is_good(figures)) == (
            True,
            {},
            True,
        )
