"""Rules of the code base that a reader would have to check by eye."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("config", "agents", "hitl", "governance", "tenants")
MAX_LINES = 450
# Who may import an HTTP client, and why. Benchmarks, tests and the launcher are not runtime packages.
OUTBOUND_HTTP = {
    "tenants/kernel/outbound.py": "the guarded client itself",
    "agents/tools/remote/mcp.py": "hands the guarded client to the MCP client, and names the errors of both",
    "hitl/notifications/channels/apprise.py": "only services whose address stands in Apprise's own code",
    "agents/llm/client.py": "its endpoint is the operator's, not a tenant's",
}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def files(*packages: str) -> list[Path]:
    """Return the Python files of runtime packages, without migrations."""
    found = (path for package in packages for path in sorted((ROOT / package).rglob("*.py")))
    return [path for path in found if "migrations" not in path.parts]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def found(predicate: type[ast.AST]) -> Iterator[tuple[Path, ast.AST]]:
    for path in files(*PACKAGES):
        for node in ast.walk(tree(path)):
            if isinstance(node, predicate):
                yield path, node


def calls() -> Iterator[tuple[Path, ast.Call, str]]:
    """Return every call with the dotted name of what is called."""
    for path, node in found(ast.Call):
        assert isinstance(node, ast.Call)
        yield path, node, ast.unparse(node.func)


def imports() -> Iterator[tuple[Path, str]]:
    """Return every imported name, dotted."""
    for path, node in found(ast.Import):
        assert isinstance(node, ast.Import)
        yield from ((path, alias.name) for alias in node.names)
    for path, node in found(ast.ImportFrom):
        assert isinstance(node, ast.ImportFrom)
        yield from ((path, f"{node.module}.{alias.name}") for alias in node.names)


def where(path: Path, node: ast.AST) -> str:
    return f"{name(path)}:{getattr(node, 'lineno', 0)}"


class TestTenantContext:
    """tenants.kernel.context is the only way into a tenant."""

    def test_is_not_entered_by_upstreams_ways(self) -> None:
        forbidden = {"schema_context", "tenant_context"}
        used = [
            f"{name(path)} imports {what}"
            for path, what in imports()
            if what.startswith("django_tenants") and what.rpartition(".")[2] in forbidden
        ]
        assert used == []

    def test_is_not_set_by_hand(self) -> None:
        setters = {"set_schema_to_public", "set_schema", "set_tenant"}
        used = [where(path, node) for path, node, called in calls() if called.rpartition(".")[2] in setters]
        assert {place.partition(":")[0] for place in used} <= {"tenants/kernel/context.py"}

    def test_is_not_entered_through_a_tenant_itself(self) -> None:
        entered = [
            where(path, node)
            for path, node in found(ast.With)
            if isinstance(node, ast.With)
            for item in node.items
            if isinstance(item.context_expr, ast.Name | ast.Attribute)
            and ast.unparse(item.context_expr).endswith("tenant")
        ]
        assert entered == []

    def test_is_not_written_into_sql(self) -> None:
        written = [
            where(path, node)
            for path, node in found(ast.Constant)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and "search_path" in node.value.lower()
        ]
        assert {place.partition(":")[0] for place in written} <= {"tenants/tenancy/operations.py"}


class TestDangerousCode:
    def test_is_not_called(self) -> None:
        forbidden = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "yaml.load", "RawSQL"}
        assert [where(path, node) for path, node, called in calls() if called in forbidden] == []

    def test_marks_text_as_safe_in_one_file_only(self) -> None:
        marked = {name(path) for path, _, called in calls() if called.endswith(("mark_safe", "SafeString"))}
        assert marked == {"tenants/templatetags/display.py"}

    def test_is_not_imported(self) -> None:
        forbidden = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "telnetlib", "xmlrpc", "random"}
        assert [
            f"{name(path)} imports {what}" for path, what in imports() if what.partition(".")[0] in forbidden
        ] == []

    def test_does_not_go_through_a_shell(self) -> None:
        shells = [
            where(path, node)
            for path, node, _ in calls()
            for keyword in node.keywords
            if keyword.arg == "shell"
            and not (isinstance(keyword.value, ast.Constant) and not keyword.value.value)
        ]
        assert shells == []

    def test_does_not_swallow_what_it_catches(self) -> None:
        silent = [
            where(path, node)
            for path, node in found(ast.ExceptHandler)
            if isinstance(node, ast.ExceptHandler)
            and all(isinstance(statement, ast.Pass) for statement in node.body)
        ]
        assert silent == []

    def test_does_not_catch_everything_without_a_name(self) -> None:
        bare = [
            where(path, n)
            for path, n in found(ast.ExceptHandler)
            if isinstance(n, ast.ExceptHandler) and n.type is None
        ]
        assert bare == []

    def test_takes_no_time_that_has_no_zone(self) -> None:
        naive = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
        assert [
            where(path, node) for path, node, called in calls() if called in naive and not node.args
        ] == []


class TestChokePoints:
    def test_only_the_executor_runs_a_tool(self) -> None:
        functions = {"spec.function", "spec.preview", "spec.probe"}
        ran = {name(path) for path, node in found(ast.Attribute) if ast.unparse(node) in functions}
        assert ran == {"agents/tools/executor.py", "agents/tools/adapters.py"}
        remote = {"http.call": "adapters", "mcp.call": "adapters", "function_of": "executor"}
        for called_as, where_from in remote.items():
            used = {name(path) for path, _, called in calls() if called.endswith(called_as)}
            assert used == {f"agents/tools/{where_from}.py"}

    def test_only_the_run_loop_claims_and_executes(self) -> None:
        used = {
            name(path)
            for path, _, called in calls()
            if called
            in {"executor.claim", "executor.execute", "gate.authorize", "reviews.consume", "gate.complete"}
        }
        assert used == {"agents/runs/calls.py"}

    def test_only_the_executor_consumes_permits(self) -> None:
        assert {name(path) for path, _, called in calls() if called == "gate.consume"} == {
            "agents/tools/executor.py"
        }

    def test_only_audit_writes_the_log(self) -> None:
        tables = ("AuditEvent", "AuditLeaf", "AuditCheckpoint")
        writes = (
            "create",
            "bulk_create",
            "update",
            "delete",
            "get_or_create",
            "update_or_create",
            "bulk_update",
        )
        used = {
            name(path)
            for path, _, called in calls()
            if called.startswith(tuple(f"{table}.objects" for table in tables)) and called.endswith(writes)
        }
        assert used == {"governance/audit/operations.py"}

    def test_a_status_is_moved_only_where_transitions_are(self) -> None:
        moved = {
            name(path)
            for path, node, called in calls()
            if called.endswith(".update") and any(keyword.arg == "status" for keyword in node.keywords)
        }
        runs = {f"agents/runs/{part}.py" for part in ("lease", "operations")}
        halts = {"agents/halts/operations.py"}  # pauses and resumes many runs in one conditional update
        assert moved <= {"tenants/kernel/models.py", *runs, *halts}

    def test_only_the_guarded_client_opens_outbound_http(self) -> None:
        clients = {"requests", "urllib3", "httpx", "httpx2", "httpcore", "httpcore2", "aiohttp", "pycurl"}
        clients |= {"urllib.request", "http.client", "ftplib", "smtplib", "telnetlib", "openai", "mcp"}
        clients |= {"apprise", "slack_sdk.web", "slack_sdk.webhook"}
        used = {
            name(path)
            for path, what in imports()
            if any(what == client or what.startswith(f"{client}.") for client in clients)
        }
        assert used - set(OUTBOUND_HTTP) == set()

    def test_only_the_guarded_client_makes_http_clients(self) -> None:
        bare = ("httpx2.Client", "httpx2.AsyncClient", "httpx2.HTTPTransport", "httpx2.AsyncHTTPTransport")
        made = {name(path) for path, _, called in calls() if called in bare}
        assert made == {"tenants/kernel/outbound.py"}


class TestShape:
    def test_of_a_file_fits_in_the_head(self) -> None:
        long = {name(path) for path in files(*PACKAGES) if len(path.read_text().splitlines()) > MAX_LINES}
        assert long == set()

    @pytest.mark.parametrize("package", PACKAGES)
    def test_of_everything_public_is_described(self, package: str) -> None:
        missing = []
        for path in files(package):
            if path.stat().st_size == 0:
                continue
            if ast.get_docstring(tree(path)) is None:
                missing.append(name(path))
            for node in tree(path).body:
                if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
                    continue
                if ast.get_docstring(node) is None:
                    missing.append(where(path, node))
        assert missing == []

    def test_of_tests_has_no_packages(self) -> None:
        assert list((ROOT / "tests").rglob("__init__.py")) == []

    def test_of_tests_has_no_name_twice(self) -> None:
        names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
        assert len(names) == len(set(names))


class TestImports:
    def test_keep_the_layers(self) -> None:
        done = subprocess.run(
            [sys.executable, "-c", "from importlinter.cli import lint_imports_command as main; main()"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
