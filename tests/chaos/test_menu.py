"""The order of faults is a pure function of the number of kills, the points and the seed."""

import pytest

from benchmarks.chaos.menu import POINT, Fault, is_kill, menu

POINTS = [f"point-{n}" for n in range(20)]


class TestMenu:
    @pytest.mark.parametrize("kills", [50, 1000])
    def test_kills_as_often_as_asked(self, kills: int) -> None:
        faults = menu(kills=kills, points=POINTS, seed=1)
        assert sum(is_kill(fault) for fault in faults) == kills

    def test_visits_every_point_equally_often(self) -> None:
        faults = menu(kills=1000, points=POINTS, seed=1)
        assert {faults.count(f"{POINT}{point}") for point in POINTS} == {25}

    def test_has_every_other_fault_too(self) -> None:
        assert set(Fault) <= set(menu(kills=50, points=POINTS, seed=1))

    def test_is_the_same_for_the_same_seed_only(self) -> None:
        first, again, other = (menu(kills=50, points=POINTS, seed=seed) for seed in (1, 1, 2))
        assert first == again
        assert first != other
