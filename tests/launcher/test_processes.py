from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from launcher.errors import LauncherError
from launcher.identity import Identity, began
from launcher.leftovers import processes_in, stop_leftovers
from launcher.processes import Children, Program, describe_exit
from launcher.state import State

SLEEP = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"
# What a launcher does, in a process of its own that can be killed.
LAUNCHER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from launcher.keys import Keys
from launcher.postgres import Postgres
from launcher.processes import Children
from launcher.project import Project
from launcher.state import State
from launcher.valkey import Valkey
state = State(directory=Path(sys.argv[2]))
state.create()
children, keys = Children(state=state), Keys.of(state)
valkey = Valkey.of(children, keys, Path(sys.argv[3]))
postgres = Postgres.of(children, keys, Path(sys.argv[3]))
valkey.wait(valkey.start())
postgres.wait(postgres.start())
postgres.bootstrap(Project.here().bootstrap_sql)
print(postgres.home.directory, flush=True)
time.sleep(600)
"""


def _program(state: State, code: str, *, name: str = "child", patience_s: float = 10) -> Program:
    return Program(
        name=name,
        argv=(sys.executable, "-c", code),
        env=os.environ,
        cwd=state.directory,
        marker="time.sleep",
        patience_s=patience_s,
    )


def _eventually(condition: Callable[[], bool], *, within_s: float = 15) -> bool:
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def children(state: State) -> Iterator[Children]:
    children = Children(state=state)
    yield children
    children.in_a_hurry = True
    children.stop_all()


class TestChildren:
    def test_notice_a_program_that_dies_and_show_its_last_words(self, children: Children) -> None:
        children.start(_program(children.state, "print('no such table'); raise SystemExit(3)"))
        with pytest.raises(LauncherError, match="child ended with exit code 3") as caught:
            children.wait_until(lambda: False, child=children.running[0], timeout_s=20)
        assert caught.value.tail == "no such table"
        assert children.running == []

    def test_tell_when_a_program_is_not_ready_in_time(self, children: Children) -> None:
        child = children.start(_program(children.state, SLEEP))
        with pytest.raises(LauncherError, match="child was not ready after 0 s"):
            children.wait_until(lambda: False, child=child, timeout_s=0.1)

    def test_kill_a_program_that_does_not_stop(self, children: Children) -> None:
        child = children.start(_program(children.state, STUBBORN, patience_s=0.2))
        assert _eventually(lambda: child.tail() == "up")
        children.stop_all()
        assert child.popen.returncode == -signal.SIGKILL

    def test_keep_the_log_of_the_start_before(self, children: Children) -> None:
        for text in ("first", "second"):
            children.run(_program(children.state, f"print('{text}')"))
        assert (children.state.logs / "child.log").read_text() == "second\n"
        assert (children.state.logs / "child.log.1").read_text() == "first\n"

    @pytest.mark.parametrize(
        ("code", "words"), [(1, "ended with exit code 1"), (-9, "was ended by SIGKILL"), (-250, "signal 250")]
    )
    def test_describe_how_a_program_ended(self, code: int, words: str) -> None:
        assert words in describe_exit(code)


class TestLeftovers:
    def test_are_stopped_by_the_next_launcher(self, children: Children) -> None:
        child = children.start(_program(children.state, SLEEP))
        assert _eventually(lambda: child.tail() == "up")
        stop_leftovers(children.state)
        assert child.popen.wait(1) == -signal.SIGTERM
        assert not children.state.processes.exists()

    @pytest.mark.parametrize("change", [{"began": "another time"}, {"marker": "another program"}])
    def test_leave_a_stranger_with_the_same_pid_alone(
        self, children: Children, change: dict[str, str]
    ) -> None:
        child = children.start(_program(children.state, SLEEP))
        records = json.loads(children.state.processes.read_text())
        children.state.processes.write_text(json.dumps([{**records[0], **change}]))
        stop_leftovers(children.state)
        assert not child.has_ended()

    @pytest.mark.parametrize("content", ["", "{}", "[1]", '[{"pid": 1}]'])
    def test_survive_a_damaged_file(self, state: State, content: str) -> None:
        state.processes.write_text(content)
        stop_leftovers(state)


class TestIdentity:
    def test_knows_the_living_from_the_dead(self) -> None:
        with subprocess.Popen([sys.executable, "-c", SLEEP]) as process:
            when = began(process.pid)
            assert when
            who = Identity(pid=process.pid, began=when, marker="time.sleep")
            assert _eventually(who.is_alive)
            process.kill()
            # Not waited for yet, hence a zombie: it counts as dead.
            assert _eventually(lambda: not who.is_alive())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends programs with their parent")
class TestKilledLauncher:
    def test_leaves_nothing_running_and_the_data_intact(self, root: Path, site_packages: Path) -> None:
        directory = State.temporary().directory
        home: Path | None = None
        try:
            for _ in range(2):
                arguments = [str(root / "deploy"), str(directory), str(site_packages)]
                with subprocess.Popen(
                    [sys.executable, "-c", LAUNCHER, *arguments], stdout=subprocess.PIPE, text=True
                ) as launcher:
                    assert launcher.stdout is not None
                    home = Path(launcher.stdout.readline().strip())
                    records = json.loads((directory / "processes.json").read_text())
                    launcher.kill()
                assert [record["name"] for record in records] == ["valkey", "postgres"]
                started = [Identity(pid=r["pid"], began=r["began"], marker=r["marker"]) for r in records]
                assert _eventually(partial(_all_are_dead, started))
                assert processes_in(home / "data") == []
        finally:
            shutil.rmtree(directory, ignore_errors=True)
            if home:
                shutil.rmtree(home, ignore_errors=True)


def _all_are_dead(processes: list[Identity]) -> bool:
    return not any(process.is_alive() for process in processes)
