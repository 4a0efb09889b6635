"""The commands of `./countersign`. Each takes the project and its arguments, and returns an exit code."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Sequence

from launcher import application, environment, locks, ports, smoke, stack, venv
from launcher.console import say
from launcher.errors import AlreadyRunningError, LauncherError
from launcher.interrupts import foreground
from launcher.leftovers import stop_everything, stop_leftovers
from launcher.processes import describe_exit, tail
from launcher.project import Project
from launcher.state import State

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LINTERS = {
    "ruff check": ("-m", "ruff", "check", "."),
    "ruff format": ("-m", "ruff", "format", "--check", "."),
    "mypy": ("-m", "mypy", "."),
    "import-linter": ("-c", "from importlinter.cli import lint_imports_command as main; main()"),
}
FORMATTERS = {
    "ruff format": ("-m", "ruff", "format", "."),
    "ruff check": ("-m", "ruff", "check", "--fix", "."),
}

Command = Callable[[Project, Sequence[str]], int]


def demo(project: Project, _arguments: Sequence[str]) -> int:
    """Run Countersign with two demo tenants until Ctrl-C; PORT=9000 moves it."""
    port = ports.wanted_port(os.environ)
    state = State(directory=project.state)
    state.create()
    with state.held_for("demo", url=f"http://localhost:{port}"):
        # Find what is wrong before anything that takes long. Our own leftovers may hold the port.
        stop_leftovers(state)
        ports.check_free(port)
        state.check_disk()
        _prepare(project, "runtime")
        with stack.opened(project, state, settings=environment.LOCAL_SETTINGS, port=port) as running:
            try:
                application.start(running)
                print(application.welcome(port), flush=True)
                restarts = Restarts()
                while True:
                    restarts.look_after(running)
                    running.children.check()
                    time.sleep(0.2)
            except KeyboardInterrupt:
                say("\nStopping ...")
    say("Stopped.")
    return 0


def run_smoke(project: Project, _arguments: Sequence[str]) -> int:
    """Try everything once on a fresh stack: a run from request to approval to verified audit."""
    _prepare(project, "runtime")
    with stack.temporary(project, "smoke") as running:
        application.start(running)
        try:
            smoke.drive(running.port, _report)
            running.run_python("verify", "manage.py", "audit", "verify", "--tenant", smoke.TENANT)
        except LauncherError as error:
            logs = [f"--- {path.name}\n{tail(path, 20)}" for path in sorted(running.state.logs.glob("*.log"))]
            raise LauncherError(f"smoke: {error}", tail="\n".join([error.tail, *logs])) from error
        _report("the audit trail is verified")
    _report("everything is stopped and deleted")
    return 0


def test(project: Project, arguments: Sequence[str]) -> int:
    """Run the tests on PostgreSQL and Valkey of their own; arguments go to pytest."""
    _prepare(project, "dev")
    if not any(shutil.which(name) for name in BROWSERS):
        say("Chromium is not installed: browser tests will fail; on Debian run apt-get install chromium")
    state = State(directory=project.state / "test")
    state.create()
    with state.held_for("test"):
        state.check_disk()
        with stack.opened(
            project, state, settings=environment.TEST_SETTINGS, port=ports.free_port()
        ) as running:
            running.start_stores()
            return running.foreground("-m", "pytest", *(arguments or ("-n", "2")))


def lint(project: Project, _arguments: Sequence[str]) -> int:
    """Check style, types and the direction of imports."""
    return _run_tools(project, LINTERS)


def fmt(project: Project, _arguments: Sequence[str]) -> int:
    """Put the code into its agreed form."""
    return _run_tools(project, FORMATTERS)


def run(project: Project, arguments: Sequence[str]) -> int:
    """Run a command with the demo's databases, like this: run -- python manage.py shell"""
    command = list(arguments[1:] if arguments[:1] == ["--"] else arguments)
    if not command:
        raise LauncherError("say what to run, for example ./countersign run -- python manage.py shell")
    state = State(directory=project.state)
    state.create()
    try:
        with state.held_for("run"):
            _prepare(project, "runtime")
            with stack.opened(
                project, state, settings=environment.LOCAL_SETTINGS, port=ports.free_port()
            ) as running:
                running.start_stores()
                running.start_model()
                running.publish()
                return _run_in(running.environment, project, command)
    except AlreadyRunningError:
        # Most often it is the demo in another terminal, whose databases this command can use.
        if not state.environment.exists():
            raise
        theirs = json.loads(state.environment.read_text())
        return _run_in(environment.merge(project, os.environ, theirs), project, command)


def stop(project: Project, _arguments: Sequence[str]) -> int:
    """Stop the demo or the tests of this checkout, and what a killed launcher left."""
    for directory in (project.state, project.state / "test"):
        if directory.exists():
            stop_everything(State(directory=directory))
    say("Nothing of this checkout is running.")
    return 0


def lock(project: Project, arguments: Sequence[str]) -> int:
    """Compile the lock files from pyproject.toml; needs uv, arguments go to it."""
    locks.compile_locks(project, arguments)
    return 0


def measured_by(module: str, summary: str) -> Command:
    """Return a command that runs a module of the project against a fresh stack; --json goes to the module."""

    def command(project: Project, arguments: Sequence[str]) -> int:
        _prepare(project, "dev")
        with stack.temporary(project, module) as running:
            application.start(running)
            return running.foreground("-m", module, *arguments)

    command.__doc__ = summary
    return command


def bench_peers(project: Project, arguments: Sequence[str]) -> int:
    """Measure the same workload on other agent frameworks; --json prints one JSON object."""
    _prepare(project, "dev")
    peers = project.with_peers()
    venv.ensure(peers, "peers")
    with stack.temporary(project, "bench-peers") as running:
        application.prepare(running)
        return running.foreground("-m", "benchmarks.compare", "--python", str(peers.python), *arguments)


def chaos(project: Project, arguments: Sequence[str]) -> int:
    """Kill a fresh stack's processes 1,000 times and count the damage; --kills N, --seed S, --json."""
    _prepare(project, "dev")
    command = [str(project.python), "-m", "benchmarks.chaos", *arguments]
    return foreground(command, env=environment.merge(project, os.environ, {}), cwd=project.root)


def evals(project: Project, arguments: Sequence[str]) -> int:
    """Measure what the checks find in third-party cases; --json, --only PARTS, --corpora DIR."""
    _prepare(project, "dev")
    command = [str(project.python), "-m", "benchmarks.evals", *arguments]
    env = environment.without_services(project, os.environ)
    suites = project.with_evals()
    try:
        venv.ensure(suites, "evals")
    except LauncherError as error:
        say(f"AgentDojo's suites cannot be installed here; only the sample is measured: {error}")
    else:
        env["EVALS_PYTHON"] = str(suites.python)
    return foreground(command, env=env, cwd=project.root)


class Restarts:
    """Starts the demo's worker again when it dies: its runs go on, which is the point of the product."""

    AT_MOST = 5

    def __init__(self) -> None:
        self.done = 0

    def look_after(self, running: stack.Stack) -> None:
        """Replace a worker that was killed; one that dies again and again is left to end the demo."""
        for child in running.children.running:
            if child.program.name == "worker" and child.has_ended() and self.done < self.AT_MOST:
                self.done += 1
                say(f"The worker {describe_exit(child.popen.wait())}; starting another, its runs go on.")
                running.children.forget(child)
                application.start_worker(running)
                return


COMMANDS: dict[str, Command] = {
    "demo": demo,
    "smoke": run_smoke,
    "test": test,
    "lint": lint,
    "fmt": fmt,
    "bench": measured_by("benchmarks", "Measure a fresh stack; --json prints one JSON object."),
    "bench-peers": bench_peers,
    "chaos": chaos,
    "eval": evals,
    "run": run,
    "stop": stop,
    "lock": lock,
}


def _prepare(project: Project, lock_name: str) -> None:
    locks.check_fresh(project)
    venv.ensure(project, lock_name)


def _run_tools(project: Project, tools: dict[str, tuple[str, ...]]) -> int:
    """Run all of them even if one fails, so that one look shows all there is to do."""
    _prepare(project, "dev")
    env = environment.without_services(project, os.environ)
    failed = []
    for name, arguments in tools.items():
        say(f"{name} ...")
        if foreground([str(project.python), *arguments], env=env, cwd=project.root):
            failed.append(name)
    if failed:
        raise LauncherError(f"{', '.join(failed)} found something; see above")
    return 0


def _run_in(env: dict[str, str], project: Project, command: Sequence[str]) -> int:
    program = shutil.which(command[0], path=env["PATH"])
    if program is None:
        raise LauncherError(f"there is no program {command[0]!r} in .venv or on PATH")
    return foreground([os.path.abspath(program), *command[1:]], env=env, cwd=project.root)


def _report(text: str) -> None:
    print(f"ok  {text}", flush=True)
