"""Compile the condition of a rule: a tree of all, any and not over leaves. Pure; nothing is evaluated as Python.

A leaf is true, false, or None where it cannot be told: its path is missing or what stands there is of another
type. None spreads as in three-valued logic, so the order of conditions changes nothing: a condition is None only
if what cannot be told could have decided it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from governance.policies import paths
from governance.policies.operators import OPS, OPS_OF_KIND, ORDER, Test, Truth, compile_test, type_of
from governance.policies.paths import Kind
from tenants.kernel.errors import InvalidInput
from tenants.kernel.jsonvalues import JsonObject

Condition = Callable[[Mapping[str, Any]], Truth]
Say = Callable[[str, str], None]

MAX_DEPTH, MAX_NODES = 6, 60
MEMBERS = frozenset({"path", "op", "value"})
MISSING = object()
TYPES = {Kind.TEXT: "text", Kind.NUMBER: "number", Kind.TRUTH: "truth", Kind.LIST: "list"}


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """One question about one value."""

    path: str
    op: str
    ask: Condition
    find: Callable[[Mapping[str, Any]], Any]

    def trouble(self, document: Mapping[str, Any]) -> str:
        """Return why it cannot be told, empty if it can."""
        if self.ask(document) is not None:
            return ""
        found = self.find(document)
        if found is MISSING:
            return f"{self.path} is not there"
        return f"{self.path} is {type_of(found) or 'no JSON value'}, which '{self.op}' cannot be asked about"


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A compiled condition, and its leaves to explain what could not be told."""

    ask: Condition
    leaves: tuple[Leaf, ...]

    def troubles(self, document: Mapping[str, Any]) -> list[str]:
        """Return what could not be told, in the order of the rule."""
        return [trouble for leaf in self.leaves if (trouble := leaf.trouble(document))]


ALWAYS = Tree(ask=lambda _document: True, leaves=())


def compile_tree(raw: Any, *, at: str, say: Say) -> Tree:
    """Return the compiled condition; tell `say` the place and the fault of what cannot be used."""
    compiling = _Compiling(say=say)
    ask = _node(raw, at, 1, compiling)
    if compiling.nodes > MAX_NODES:
        say(at, f"A condition has at most {MAX_NODES} parts.")
    return Tree(ask=ask, leaves=tuple(compiling.leaves))


@dataclass(kw_only=True)
class _Compiling:
    say: Say
    nodes: int = 0
    leaves: list[Leaf] = field(default_factory=list)


def _node(raw: Any, at: str, depth: int, compiling: _Compiling) -> Condition:
    say = compiling.say
    compiling.nodes += 1
    if depth > MAX_DEPTH or compiling.nodes > MAX_NODES:
        if depth > MAX_DEPTH:
            say(at, f"Conditions are nested at most {MAX_DEPTH} levels deep.")
        return _never
    if not isinstance(raw, dict):
        say(at, "A condition is an object: all, any, not, or {path, op, value}.")
        return _never
    if "path" in raw or "op" in raw:
        return _leaf(raw, at, compiling)
    if len(raw) != 1 or not set(raw) <= {"all", "any", "not"}:
        say(at, "Give exactly one of all, any and not, or {path, op, value}.")
        return _never
    [(word, inner)] = raw.items()
    if word == "not":
        return _negated(_node(inner, f"{at}/not", depth + 1, compiling))
    if not isinstance(inner, list) or not inner:
        say(f"{at}/{word}", "Give a list of at least one condition.")
        return _never
    parts = tuple(_node(part, f"{at}/{word}/{n}", depth + 1, compiling) for n, part in enumerate(inner))
    if len(parts) == 1:
        return parts[0]
    return _all(parts) if word == "all" else _any(parts)


def _never(_document: Mapping[str, Any]) -> Truth:
    return None


def _negated(part: Condition) -> Condition:
    def ask(document: Mapping[str, Any]) -> Truth:
        told = part(document)
        return None if told is None else not told

    return ask


def _all(parts: Sequence[Condition]) -> Condition:
    def ask(document: Mapping[str, Any]) -> Truth:
        told: Truth = True
        for part in parts:
            one = part(document)
            if one is False:
                return False
            if one is None:
                told = None
        return told

    return ask


def _any(parts: Sequence[Condition]) -> Condition:
    def ask(document: Mapping[str, Any]) -> Truth:
        told: Truth = False
        for part in parts:
            one = part(document)
            if one is True:
                return True
            if one is None:
                told = None
        return told

    return ask


def _leaf(raw: JsonObject, at: str, compiling: _Compiling) -> Condition:
    say = compiling.say
    if set(raw) - MEMBERS or not {"path", "op"} <= set(raw):
        say(at, "A condition has the members path, op and value.")
        return _never
    path, op, value = raw["path"], raw["op"], raw.get("value")
    wrong = paths.problem(path)
    if wrong:
        say(f"{at}/path", wrong)
        return _never
    kind = paths.kind_of(path)
    if op not in OPS or op not in OPS_OF_KIND[kind]:
        known = [name for name in OPS if name in OPS_OF_KIND[kind]]
        say(f"{at}/op", f"Of {paths.in_words(path)} ask one of {', '.join(known)}.")
        return _never
    wanted = TYPES.get(kind)
    if op in {"eq", "ne", *ORDER} and wanted and value is not None and type_of(value) != wanted:
        say(f"{at}/value", f"{paths.in_words(path).capitalize()} is compared with a {wanted}.")
        return _never
    try:
        test = compile_test(op, value, given="value" in raw)
    except InvalidInput as error:
        say(f"{at}/value", error.detail)
        return _never
    find = finder(path)
    ask = _exists(find, value) if op == "exists" else _asked(find, test)
    compiling.leaves.append(Leaf(path=path, op=op, ask=ask, find=find))
    return ask


def finder(path: str) -> Callable[[Mapping[str, Any]], Any]:
    """Return a function that finds what stands at the path, or MISSING."""
    segments = path.split(".")
    if len(segments) == 2:  # noqa: PLR2004  # the usual case, unrolled
        root, name = segments

        def find_member(document: Mapping[str, Any]) -> Any:
            inner = document.get(root, MISSING)
            return inner.get(name, MISSING) if type(inner) is dict else MISSING

        return find_member

    def find(document: Mapping[str, Any]) -> Any:
        found: Any = document
        for segment in segments:
            if isinstance(found, Mapping):
                found = found.get(segment, MISSING)
            elif isinstance(found, list | tuple) and segment.isascii() and segment.isdigit():
                found = found[int(segment)] if len(segment) < 7 and int(segment) < len(found) else MISSING  # noqa: PLR2004
            else:
                return MISSING
        return found

    return find


def _exists(find: Callable[[Mapping[str, Any]], Any], value: Any) -> Condition:
    wanted = value is not False
    return lambda document: (find(document) is not MISSING) is wanted


def _asked(find: Callable[[Mapping[str, Any]], Any], test: Test) -> Condition:
    def ask(document: Mapping[str, Any]) -> Truth:
        found = find(document)
        return None if found is MISSING else test(found)

    return ask
