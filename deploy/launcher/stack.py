"""One stack: its stores, its model server, and the environment programs need to use them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, SIGTERM

from launcher import environment
from launcher.console import step
from launcher.home import remove_home
from launcher.interrupts import foreground, stopping
from launcher.keys import Keys
from launcher.leftovers import stop_leftovers
from launcher.ports import LOOPBACK, free_port, is_listening
from launcher.postgres import Postgres
from launcher.processes import Child, Children, Program
from launcher.project import Project
from launcher.state import State, write_private
from launcher.valkey import Valkey

READY_S = 60
MODEL_VARIABLES = ("OPENAI_API_KEY", "OPENAI_BASE_URL")
SCRIPTS = Path("agents") / "demo" / "scripts"


@dataclass
class Stack:
    """The programs of one state directory; `theirs` are the variables by which a user names other services."""

    project: Project
    state: State
    settings: str
    port: int
    children: Children
    keys: Keys
    postgres: Postgres | None = None
    valkey: Valkey | None = None
    theirs: Mapping[str, str] = field(default_factory=lambda: os.environ)
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of the stack's programs."""
        return environment.merge(self.project, os.environ, self.variables)

    def start_stores(self) -> None:
        """Start PostgreSQL and Valkey side by side, except where the user names others."""
        theirs = self.theirs
        packages = self.project.site_packages
        valkey = None if theirs.get("REDIS_URL") else Valkey.of(self.children, self.keys, packages)
        postgres = None if theirs.get("DATABASE_URL") else Postgres.of(self.children, self.keys, packages)
        self.postgres, self.valkey = postgres, valkey
        embedded = [name for name, used in (("PostgreSQL", postgres), ("Valkey", valkey)) if used]
        with step(f"Starting {' and '.join(embedded)}" if embedded else "Using your PostgreSQL and Redis"):
            starting = valkey.start() if valkey else None
            if postgres:
                postgres.wait(postgres.start())
                postgres.bootstrap(self.project.bootstrap_sql)
            if valkey and starting:
                valkey.wait(starting)
        database = postgres.url("cs_app") if postgres else theirs["DATABASE_URL"]
        self.variables = environment.variables(
            settings=self.settings,
            database_url=database,
            owner_url=postgres.url("cs_owner") if postgres else theirs.get("DATABASE_OWNER_URL") or database,
            redis_url=valkey.url() if valkey else theirs["REDIS_URL"],
            secret_key=self.keys.secret_key,
            port=self.port,
            state=self.state.directory,
        )

    def start_model(self) -> None:
        """Start the model that follows scripts, unless the user has a real one."""
        theirs = {name: value for name in MODEL_VARIABLES if (value := self.theirs.get(name))}
        if theirs:
            self.variables |= theirs
            return
        port = free_port()
        arguments = ("-m", "agents.llm.scripted", "--port", str(port), "--scripts", str(SCRIPTS))
        child = self.start_python("model", arguments, marker="agents.llm.scripted")
        self.children.wait_until(lambda: is_listening(port), child=child, timeout_s=READY_S)
        self.variables |= {
            "OPENAI_BASE_URL": f"http://{LOOPBACK}:{port}/v1",
            "OPENAI_API_KEY": "scripted",
            "OPENAI_MODEL": "scripted-stand-in",
        }

    def start_python(self, name: str, arguments: tuple[str, ...], *, marker: str) -> Child:
        """Start a Python program of the project. Its truth is in the database: it may end at any moment."""
        return self.children.start(self._python(name, arguments, marker=marker, env=self.environment))

    def run_python(self, name: str, *arguments: str, as_owner: bool = False) -> None:
        """Run a Python program of the project to its end; as owner it may change tables."""
        env = environment.as_owner(self.environment) if as_owner else self.environment
        self.children.run(self._python(name, arguments, marker=arguments[-1], env=env))

    def foreground(self, *arguments: str) -> int:
        """Run a Python program on the user's terminal; return its exit code."""
        return foreground([str(self.project.python), *arguments], env=self.environment, cwd=self.project.root)

    def publish(self) -> None:
        """Let `./countersign run` in another terminal use this stack."""
        write_private(self.state.environment, json.dumps(self.variables))

    def _python(self, name: str, arguments: tuple[str, ...], *, marker: str, env: dict[str, str]) -> Program:
        return Program(
            name=name,
            argv=(str(self.project.python), *arguments),
            env=env,
            cwd=self.project.root,
            marker=marker,
            stop_signal=SIGTERM,
            death_signal=SIGKILL,
        )


@contextmanager
def opened(project: Project, state: State, *, settings: str, port: int) -> Iterator[Stack]:
    """Clear away what a killed launcher left, give a stack, and stop whatever was started in it."""
    children = Children(state=state)
    stop_leftovers(state)
    try:
        yield Stack(
            project=project, state=state, settings=settings, port=port, children=children, keys=Keys.of(state)
        )
    finally:
        with stopping(children):
            children.stop_all()
        state.environment.unlink(missing_ok=True)


@contextmanager
def temporary(project: Project, command: str) -> Iterator[Stack]:
    """Give a stack with an empty database on a free port, and delete all of it afterwards."""
    state = State.temporary()
    stack: Stack | None = None
    try:
        state.check_disk()
        with (
            state.held_for(command),
            opened(project, state, settings=environment.LOCAL_SETTINGS, port=free_port()) as stack,
        ):
            yield stack
    finally:
        if stack and stack.postgres:
            remove_home(stack.postgres.home)
        shutil.rmtree(state.directory, ignore_errors=True)
