from __future__ import annotations

import json
import multiprocessing
import shutil
import stat
from pathlib import Path
from typing import NamedTuple

import pytest

from launcher.errors import AlreadyRunningError, LauncherError
from launcher.keys import Keys
from launcher.state import State


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


class TestLock:
    def test_keeps_a_second_launcher_out_and_says_who_is_in(self, state: State) -> None:
        with (
            state.held_for("demo", url="http://localhost:8000"),
            pytest.raises(AlreadyRunningError) as caught,
            state.held_for("demo"),
        ):
            pass
        assert "./countersign demo already runs at http://localhost:8000 (pid " in str(caught.value)
        assert "./countersign stop" in str(caught.value)

    def test_is_free_after_a_launcher_was_killed(self, state: State) -> None:
        process = multiprocessing.get_context("spawn").Process(target=_hold_for_ever, args=(state.directory,))
        process.start()
        while state.holder() != process.pid:
            assert process.is_alive()
        with pytest.raises(AlreadyRunningError), state.held_for("demo"):
            pass
        process.kill()
        process.join()
        with state.held_for("demo"):
            pass


class TestDisk:
    def test_is_too_full(self, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 10**12, 4 * 10**8))
        with pytest.raises(LauncherError, match=r"only 0\.4 GB of disk is free at .* and 1 GB is needed"):
            state.check_disk()


class TestKeys:
    def test_stay_the_same_and_private(self, state: State) -> None:
        keys = Keys.of(state)
        assert Keys.of(state) == keys
        assert _mode(state.secrets) == 0o600
        assert len(keys.secret_key) >= 50
        assert len({*json.loads(state.secrets.read_text()).values()}) == 5

    def test_gain_what_a_newer_version_needs(self, state: State) -> None:
        old = Keys.of(state)
        stored = json.loads(state.secrets.read_text())
        del stored["redis"]
        state.secrets.write_text(json.dumps(stored))
        new = Keys.of(state)
        assert (new.cs_super, new.secret_key) == (old.cs_super, old.secret_key)
        assert new.redis != old.redis
        assert Keys.of(state) == new

    @pytest.mark.parametrize("content", ["", "{", "[]", '{"unknown": "x"}'])
    def test_are_never_replaced_when_damaged(self, state: State, content: str) -> None:
        state.secrets.write_text(content)
        with pytest.raises(LauncherError, match="is damaged"):
            Keys.of(state)
        assert state.secrets.read_text() == content


def _hold_for_ever(directory: Path) -> None:
    with State(directory=directory).held_for("demo"):
        multiprocessing.Event().wait()
