"""A rule as a form of sentences: rows of conditions, at most one level of groups, and back to a document. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from governance.policies import paths
from governance.policies.operators import OPS, OPS_OF_KIND, ORDER
from governance.policies.paths import OPEN_BELOW, OPEN_ROOTS, PATHS, Kind
from governance.policies.redaction import REPLACEMENT
from governance.policies.rules import GROUP
from governance.policies.wording import OP_WORDS
from tenants.kernel.jsonvalues import JsonObject

ALL, ANY = "all", "any"
LISTS = frozenset({"in", "not_in", "subset_of", "cidr", "glob"})
"""Operators whose value is written a line each."""
NAMED = OPEN_ROOTS | OPEN_BELOW
"""Paths that need the name of a member."""
COMPARE = ("gt", "ge", "lt", "le", "eq", "ne")
MAX_ROWS, MAX_BLOCKS = 20, 6
MINUTE = 60
SIMPLE = frozenset({"id", "match", "when", "effect", "params", "obligations", "valid", "message"})
"""Members of a document that the form shows."""


@dataclass(kw_only=True)
class Row:
    """One condition as it is typed."""

    path: str = "args"
    name: str = ""
    op: str = "gt"
    text: str = ""
    compare: str = "gt"
    error: str = ""

    @property
    def full_path(self) -> str:
        """Return the path that it asks about."""
        return f"{self.path}.{self.name.strip()}" if self.path in NAMED else self.path

    @property
    def kind(self) -> Kind:
        """Return what stands there."""
        return Kind.ANY if self.path in NAMED else paths.kind_of(self.path)

    @property
    def needs_name(self) -> bool:
        """Tell whether a member must be named."""
        return self.path in NAMED

    @property
    def ops(self) -> list[tuple[str, str]]:
        """Return the operators that suit it, in words."""
        left_out = ORDER if self.kind is Kind.TEXT and not self.path.startswith("time.") else ()
        return [(op, OP_WORDS[op]) for op in OPS if op in OPS_OF_KIND[self.kind] and op not in left_out]

    @property
    def entry(self) -> str:
        """Return how the value is entered: lines, number, truth, length or text."""
        if self.op == "exists" or (self.kind is Kind.TRUTH and self.op in {"eq", "ne"}):
            return "truth"
        if self.op == "len":
            return "length"
        if self.op in LISTS:
            return "lines"
        return "number" if self.kind is Kind.NUMBER else "text"


@dataclass(kw_only=True)
class Block:
    """Conditions of which all or any must hold."""

    join: str = ALL
    rows: list[Row] = field(default_factory=list)


@dataclass(kw_only=True)
class Form:
    """A rule as it is typed. The first block is the rule's own; the others are groups inside it."""

    tools: str = ""
    agents: str = ""
    blocks: list[Block] = field(default_factory=lambda: [Block()])
    effect: str = "require_approval"
    quorum: str = "1"
    groups: list[str] = field(default_factory=list)
    minutes: str = ""
    out: str = ""
    pattern: str = ""
    replacement: str = REPLACEMENT
    message: str = ""
    notify: str = ""
    since: str = ""
    until: str = ""
    zone: str = "UTC"
    windows: str = ""
    errors: dict[str, str] = field(default_factory=dict)


TEXTS = (
    "tools", "agents", "effect", "quorum", "minutes", "out", "pattern", "replacement", "message", "notify", "since",
    "until", "zone", "windows",
)  # fmt: skip


def posted(data: Mapping[str, str], groups: Sequence[str]) -> Form:
    """Return the form as a browser sent it."""
    form = Form(**{name: data.get(name, getattr(Form(), name)) for name in TEXTS}, groups=list(groups))
    form.blocks = []
    for n in range(MAX_BLOCKS):
        if f"b{n}-join" not in data:
            break
        block = Block(join=ANY if data[f"b{n}-join"] == ANY else ALL)
        for m in range(MAX_ROWS):
            key = f"b{n}-r{m}"
            if f"{key}-path" not in data:
                break
            block.rows.append(_posted_row(data, key))
        form.blocks.append(block)
    form.blocks = form.blocks or [Block()]
    return form


def _posted_row(data: Mapping[str, str], key: str) -> Row:
    row = Row(
        path=data[f"{key}-path"],
        name=data.get(f"{key}-name", ""),
        op=data.get(f"{key}-op", ""),
        text=data.get(f"{key}-text", "").replace("\r\n", "\n"),
        compare=data.get(f"{key}-compare", "gt"),
    )
    if row.path not in PATHS and row.path not in OPEN_ROOTS:
        row.path = "args"
    if row.op not in dict(row.ops):
        row.op = row.ops[0][0]
    return row


def steered(form: Form, word: str) -> None:
    """Add or remove what a button of the form names, such as `add-row:0` or `remove-row:0:2`."""
    verb, _, rest = word.partition(":")
    at = [int(part) for part in rest.split(":") if part.isdigit()]
    match verb, at:
        case "add-row", [block] if block < len(form.blocks) and len(form.blocks[block].rows) < MAX_ROWS:
            form.blocks[block].rows.append(Row())
        case "remove-row", [block, row] if block < len(form.blocks) and row < len(form.blocks[block].rows):
            del form.blocks[block].rows[row]
        case "add-group", [] if len(form.blocks) < MAX_BLOCKS:
            join = ALL if form.blocks[0].join == ANY else ANY
            form.blocks.append(Block(join=join, rows=[Row(), Row()]))
        case "remove-group", [block] if 0 < block < len(form.blocks):
            del form.blocks[block]


# --- to a document


def to_document(form: Form) -> JsonObject:
    """Return the document that the form describes; what cannot be read stands as typed, for the rule to refuse."""
    document: JsonObject = {"match": {"tools": _split(form.tools) or ["*"]}, "effect": form.effect}
    agents = _split(form.agents)
    if agents:
        document["match"]["agents"] = agents
    tree = _tree(form)
    if tree is not None:
        document["when"] = tree
    params = _params(form)
    if params:
        document["params"] = params
    if form.message.strip():
        document["message"] = form.message.strip()
    if form.notify.strip():
        document["obligations"] = [{"type": "notification", "to": form.notify.strip()}]
    valid: JsonObject = {
        name: text.strip() for name, text in (("from", form.since), ("until", form.until)) if text.strip()
    }
    windows = _lines(form.windows)
    if windows:
        valid["windows"] = windows
    if valid:
        document["valid"] = {"tz": form.zone.strip() or "UTC", **valid}
    return document


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.replace("\n", ",").split(",") if part.strip()]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _tree(form: Form) -> JsonObject | None:
    own, *groups = form.blocks
    parts: list[JsonObject] = [_leaf(row) for row in own.rows]
    parts += [{group.join: [_leaf(row) for row in group.rows]} for group in groups if group.rows]
    return {own.join: parts} if parts else None


def _leaf(row: Row) -> JsonObject:
    return {"path": row.full_path, "op": row.op, "value": _value(row)}


def _value(row: Row) -> Any:
    match row.entry:
        case "truth":
            return row.text != "false"
        case "length":
            return {row.compare: _number(row.text)}
        case "lines" if row.op in {"glob", "cidr"}:
            return _lines(row.text)
        case "lines":
            return [_scalar(line, row.kind) for line in _lines(row.text)]
        case "number":
            return _number(row.text)
    if row.op in {"matches", "has", "lacks"}:
        return row.text
    return _scalar(row.text, row.kind)


def _number(text: str) -> Any:
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, int | float) else text


def _scalar(text: str, kind: Kind) -> Any:
    """Return text of a known kind as it is; else a number, true, false or null where it is one, and text in quotes."""
    if kind in {Kind.TEXT, Kind.LIST}:
        return text
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, str | int | float | bool) or found is None else text


def _params(form: Form) -> JsonObject:
    match form.effect:
        case "require_approval":
            minutes, count = _number(form.minutes.strip()), _number(form.quorum.strip())
            params: JsonObject = {"quorum": count}
            if form.groups:
                params["approvers"] = [f"{GROUP}{group}" for group in form.groups]
            if form.minutes.strip():
                params["ttl_s"] = minutes * MINUTE if isinstance(minutes, int) else form.minutes
            return params
        case "redact":
            params = {
                "paths": [_argument(line) for line in _lines(form.out)],
                "replacement": form.replacement,
            }
            if form.pattern:
                params["pattern"] = form.pattern
            return params
    return {}


def _argument(line: str) -> str:
    return line if line.startswith("args.") else f"args.{line}"


def mark(form: Form, errors: Sequence[Mapping[str, str]]) -> None:
    """Put each error beside the field that it is about; what belongs to none stands at the top."""
    own, *groups = form.blocks
    rows = {f"/when/{own.join}/{n}": row for n, row in enumerate(own.rows)}
    filled = [group for group in groups if group.rows]
    for m, group in enumerate(filled, start=len(own.rows)):
        rows |= {f"/when/{own.join}/{m}/{group.join}/{n}": row for n, row in enumerate(group.rows)}
    for error in errors:
        at, message = error["at"], error["message"]
        row = next(
            (row for place, row in sorted(rows.items(), reverse=True) if f"{at}/".startswith(f"{place}/")),
            None,
        )
        if row is not None:
            row.error = message
            continue
        name = next((name for place, name in PLACES if at.startswith(place)), "form")
        form.errors.setdefault(name, message)


PLACES = (
    ("/match/tools", "tools"),
    ("/match/agents", "agents"),
    ("/params/quorum", "quorum"),
    ("/params/approvers", "groups"),
    ("/params/ttl_s", "minutes"),
    ("/params/paths", "out"),
    ("/params/pattern", "pattern"),
    ("/params/replacement", "replacement"),
    ("/valid/from", "since"),
    ("/valid/until", "until"),
    ("/valid/tz", "zone"),
    ("/valid/windows", "windows"),
    ("/message", "message"),
    ("/effect", "effect"),
    ("/slug", "slug"),
    ("/name", "name"),
)


# --- from a document


def from_document(document: JsonObject) -> Form | None:
    """Return the form of a document; None for one that says more than the form can show."""
    if set(document) - SIMPLE:
        return None
    form = Form(effect=document.get("effect", "deny"), message=document.get("message", ""))
    match = document.get("match", {})
    tools = match.get("tools", ["*"])
    form.tools = "" if tools == ["*"] else ", ".join(tools)
    form.agents = ", ".join(match.get("agents", []))
    blocks = _blocks(document.get("when"))
    if blocks is None or "tenants" in match:
        return None
    if any(row.op not in dict(row.ops) for block in blocks for row in block.rows):
        return None
    form.blocks = blocks
    told = document.get("obligations", [])
    if told:
        if len(told) > 1 or set(told[0]) != {"type", "to"} or told[0]["type"] != "notification":
            return None
        form.notify = str(told[0]["to"])
    valid = document.get("valid") or {}
    form.since, form.until = valid.get("from", ""), valid.get("until", "")
    form.zone, form.windows = valid.get("tz", "UTC"), "\n".join(valid.get("windows", []))
    _fill_params(form, document.get("params") or {})
    return form if _means(form, document) else None


def _fill_params(form: Form, params: JsonObject) -> None:
    approvers = params.get("approvers", [])
    listed = [approvers] if isinstance(approvers, str) else approvers
    form.groups = [group.removeprefix(GROUP) for group in listed]
    form.quorum = str(params.get("quorum", 1))
    ttl = params.get("ttl_s")
    form.minutes = str(ttl // MINUTE) if isinstance(ttl, int) else ""
    form.out = "\n".join(path.removeprefix("args.") for path in params.get("paths", []))
    form.pattern = params.get("pattern") or ""
    form.replacement = params.get("replacement", REPLACEMENT)


def _means(form: Form, document: JsonObject) -> bool:
    """Tell whether the form says what the document does."""
    made = {**to_document(form), "id": document.get("id", "")}
    return _plain(made) == _plain({**document, "id": document.get("id", "")})


def _plain(document: JsonObject) -> JsonObject:
    """Return the document as the form writes it: its condition always in a list, its defaults said."""
    when = document.get("when")
    plain = {**document}
    if isinstance(when, dict) and not set(when) & {ALL, ANY}:
        plain["when"] = {ALL: [when]}
    params = {**(document.get("params") or {})}
    if document.get("effect") == "require_approval":
        params.setdefault("quorum", 1)
        approvers = params.get("approvers")
        if isinstance(approvers, str):
            params["approvers"] = [approvers]
        for said in ("exclude_requester", "on_timeout"):
            params.pop(said, None)
    elif document.get("effect") == "redact":
        params.setdefault("replacement", REPLACEMENT)
    plain["params"] = params
    plain["match"] = {"tools": ["*"], **(document.get("match") or {})}
    if plain.get("valid"):
        plain["valid"] = {"tz": "UTC", **plain["valid"]}
    return {name: value for name, value in plain.items() if value not in ({}, [], "", None)}


def _blocks(when: Any) -> list[Block] | None:
    if when is None:
        return [Block()]
    if not set(when) & {ALL, ANY}:
        when = {ALL: [when]}
    [(join, parts)] = when.items()
    own, groups = Block(join=join), list[Block]()
    for part in parts:
        if "path" in part and not groups:
            own.rows.append(_row(part))
        elif set(part) & {ALL, ANY}:
            [(inner, leaves)] = part.items()
            if not all("path" in leaf for leaf in leaves):
                return None
            groups.append(Block(join=inner, rows=[_row(leaf) for leaf in leaves]))
        else:
            return None
    return [own, *groups]


def _row(leaf: JsonObject) -> Row:
    path, op, value = leaf["path"], leaf["op"], leaf.get("value", True)
    head, _, name = path.partition(".")
    if head not in OPEN_ROOTS:
        first, _, last = path.rpartition(".")
        head, name = (first, last) if first in OPEN_BELOW else (path, "")
    row = Row(path=head, name=name, op=op)
    match row.entry:
        case "truth":
            row.text = "true" if value is not False else "false"
        case "length" if isinstance(value, dict):
            [(row.compare, count)] = value.items()
            row.text = str(count)
        case "lines":
            listed = value if isinstance(value, list) else [value]
            row.text = "\n".join(_typed(one, row) for one in listed)
        case _:
            row.text = _typed(value, row)
    return row


def _typed(value: Any, row: Row) -> str:
    """Return what to type for a value."""
    if not isinstance(value, str):
        return json.dumps(value)
    is_plain = row.op in {"matches", "has", "lacks", "glob", "cidr"} or _scalar(value, row.kind) == value
    return value if is_plain else json.dumps(value, ensure_ascii=False)


def path_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the paths to choose from, by group, in words."""
    groups: dict[str, list[tuple[str, str]]] = {"The arguments": [("args", "the argument …")]}
    for known in PATHS.values():
        groups.setdefault(known.group, []).append((known.path, known.label))
    return list(groups.items())
