"""Look through a JSON value and take out what may not pass. Pure; linear in the value."""

import hashlib
import hmac
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from governance.guardrails.base import Check
from governance.guardrails.types import Action, Finding, Rule, Stage
from governance.types import Removed
from tenants.kernel.jsonvalues import JsonObject

MAX_CHARACTERS = 400_000
"""A value with more text than this is not looked through; then it counts as found."""
MAX_LEVELS = 200
MIN_DIGITS = 7
"""A number with fewer digits identifies nobody."""
MAX_TOLD = 50
"""Findings of one binding that are told and recorded."""
MAX_TAKEN = 2_000
"""Findings of one binding that are taken out; what holds more of them is blocked."""
TOKEN = re.compile(r"\[(?:PII|SECRET|REDACTED):[a-z][a-z0-9_-]{0,29}:([0-9a-f]{8})\]")
SURROGATES = re.compile("[\ud800-\udfff]")
KINDS = {"pii": "PII", "secrets": "SECRET"}
ORDER = list(Action)
WITHHELD = "[withheld by a guardrail]"


@dataclass(frozen=True, slots=True)
class Text:
    """One text of a value, and where it stands."""

    pointer: str
    hint: str
    text: str
    is_name: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """A finding under a binding, and what it leads to."""

    rule: Rule
    finding: Finding
    action: Action

    def to_json(self) -> JsonObject:
        """Return what may be recorded and shown."""
        return {**self.finding.to_json(), "binding": self.rule.name, "action": str(self.action)}


@dataclass(frozen=True, kw_only=True)
class Screening:
    """What was found in a value, and what is left of it."""

    value: Any
    hits: tuple[Hit, ...] = ()
    removed: tuple[Removed, ...] = ()

    @property
    def action(self) -> Action | None:
        """The strictest of what the findings lead to."""
        return max((hit.action for hit in self.hits), key=ORDER.index, default=None)

    @property
    def is_untrusted(self) -> bool:
        """Tell whether a binding says that the run is not to be trusted from here on."""
        return any(hit.rule.marks_untrusted for hit in self.hits)

    def told(self) -> list[JsonObject]:
        """Return the findings as they are recorded."""
        told = Counter[str]()
        found = []
        for hit in self.hits:
            told[hit.rule.id] += 1
            if told[hit.rule.id] <= MAX_TOLD:
                found.append(hit.to_json())
        return found

    def words(self, action: Action) -> str:
        """Return in words what led to this action; never the text that was found."""
        found = [hit for hit in self.hits if hit.action is action]
        names = dict.fromkeys(f"{hit.finding.label} ({hit.rule.name})" for hit in found)
        return ", ".join(names)


@dataclass(frozen=True)
class Guardrails:
    """The bindings in force in a tenant, each with its check."""

    bound: tuple[tuple[Rule, Check], ...] = ()
    salt: bytes = b""
    _picked: dict[tuple[Stage, str, str], tuple[tuple[Rule, Check], ...]] = field(default_factory=dict)

    def at(self, stage: Stage, *, agent: str, tool: str = "") -> tuple[tuple[Rule, Check], ...]:
        """Return the bindings for this place."""
        key = (stage, agent, tool)
        if key not in self._picked:
            self._picked[key] = tuple(
                (rule, check)
                for rule, check in self.bound
                if rule.stage is stage
                and fnmatchcase(agent, rule.agent)
                and (not tool or fnmatchcase(tool, rule.tool))
            )
        return self._picked[key]

    def given_back(self, *, agent: str, tool: str) -> frozenset[str]:
        """Return the checks whose findings the tool gets when it is passed their tokens."""
        bound = self.at(Stage.ARGUMENTS, agent=agent, tool=tool)
        return frozenset(check.slug for rule, check in bound if rule.restore_for_tools)

    def screen(self, value: Any, stage: Stage, *, agent: str, tool: str = "") -> Screening:
        """Return what the bindings for this place find in the value, and what is left of it."""
        bound = self.at(stage, agent=agent, tool=tool)
        if not bound:
            return Screening(value=value)
        hits = find(value, bound)
        if not hits:
            return Screening(value=value)
        taken = [hit for hit in hits if hit.action is Action.REDACT]
        left, removed = redact(value, taken, salt=self.salt) if taken else (value, ())
        return Screening(value=left, hits=tuple(hits), removed=removed)


def find(value: Any, bound: Sequence[tuple[Rule, Check]]) -> list[Hit]:
    """Return what the checks find from the threshold of their binding on."""
    found = []
    pieces = texts(value)
    for rule, check in bound:
        most = MAX_TAKEN if rule.action is Action.REDACT else MAX_TOLD
        own = [each for each in _findings(value, pieces, check) if each.score >= rule.threshold]
        if len(own) > most and rule.action is Action.REDACT:
            own = [Finding(check=check.slug, rule="too-many-to-take-out", score=1.0, label="unchecked")]
        found += [Hit(rule=rule, finding=each, action=_action(rule, each)) for each in own[:most]]
    return found


def _findings(value: Any, pieces: list[Text] | None, check: Check) -> Iterator[Finding]:
    if pieces is None:
        yield Finding(check=check.slug, rule="too-much-to-check", score=1.0, label="unchecked")
        return
    yield from check.scan_value(value)
    for piece in pieces:
        for finding in check.scan(piece.text, hint=piece.hint):
            yield replace(finding, pointer=piece.pointer, is_name=piece.is_name)


def _action(rule: Rule, finding: Finding) -> Action:
    """Return what the finding leads to: what stands nowhere in particular cannot be taken out, so it is blocked."""
    is_somewhere = finding.end > finding.start
    return Action.BLOCK if rule.action is Action.REDACT and not is_somewhere else rule.action


def texts(value: Any) -> list[Text] | None:
    """Return every text of the value, names of members and long numbers too; None if it is too large or too deep."""
    found: list[Text] = []
    total = 0
    waiting: list[tuple[str, str, Any, int]] = [("", "", value, 0)]
    while waiting:
        pointer, hint, item, level = waiting.pop()
        text = _text(item)
        if text is not None:
            found.append(Text(pointer, hint, _clean(text)))
            total += len(text)
        elif isinstance(item, dict):
            for name, member in item.items():
                inner = f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}"
                found.append(Text(inner, "", _clean(str(name)), is_name=True))
                total += len(str(name))
                waiting.append((inner, str(name), member, level + 1))
        elif isinstance(item, list | tuple):
            waiting += [(f"{pointer}/{n}", hint, member, level + 1) for n, member in enumerate(item)]
        if total > MAX_CHARACTERS or level > MAX_LEVELS:
            return None
    return found


def _text(item: Any) -> str | None:
    if isinstance(item, str):
        return item
    if isinstance(item, int | float) and not isinstance(item, bool):
        digits = str(item)
        return digits if len(digits) >= MIN_DIGITS else None
    return None


def _clean(text: str) -> str:
    """Return the text with as many characters, of which none is half of a pair and no token is read as found."""
    if not text.isascii():
        text = SURROGATES.sub("\ufffd", text)
    if "[" in text:
        text = TOKEN.sub(lambda match: match.group().replace(match.group(1), "\u2588" * 8), text)
    return text


def redact(value: Any, hits: Sequence[Hit], *, salt: bytes) -> tuple[Any, tuple[Removed, ...]]:
    """Return the value with a token in place of each finding, and what was taken out."""
    at: defaultdict[tuple[str, bool], list[Hit]] = defaultdict(list)
    for hit in hits:
        at[hit.finding.pointer, hit.finding.is_name].append(hit)
    removed: dict[str, Removed] = {}

    def walk(item: Any, pointer: str) -> Any:
        if isinstance(item, dict):
            return {
                cut(str(name), inner, True): walk(member, inner)
                for name, member in item.items()
                for inner in [f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}"]
            }
        if isinstance(item, list | tuple):
            return [walk(member, f"{pointer}/{n}") for n, member in enumerate(item)]
        text = _text(item)
        return item if text is None or (pointer, False) not in at else cut(text, pointer, False)

    def cut(text: str, pointer: str, is_name: bool) -> str:
        for hit in reversed(_apart(at.get((pointer, is_name), []))):
            start, end = hit.finding.start, hit.finding.end
            gone = Removed(
                token=token(hit.finding, text[start:end], salt=salt),
                text=text[start:end],
                label=hit.finding.label,
                check=hit.finding.check,
            )
            removed[gone.token] = gone
            text = text[:start] + gone.token + text[end:]
        return text

    return walk(value, ""), tuple(removed.values())


def _apart(hits: list[Hit]) -> list[Hit]:
    """Return hits that do not overlap, in order; of two that do, one that spans both."""
    kept: list[Hit] = []
    for hit in sorted(hits, key=lambda h: (h.finding.start, -h.finding.end)):
        if kept and hit.finding.start < kept[-1].finding.end:
            if hit.finding.end > kept[-1].finding.end:
                wider = replace(kept[-1].finding, end=hit.finding.end)
                kept[-1] = Hit(rule=kept[-1].rule, finding=wider, action=kept[-1].action)
            continue
        kept.append(hit)
    return kept


def token(finding: Finding, text: str, *, salt: bytes) -> str:
    """Return what stands for a text: the same for the same text of a tenant, and telling nothing about it."""
    kind = KINDS.get(finding.check, "REDACTED")
    name = finding.rule if kind == "SECRET" else finding.label
    plain = re.sub(r"[^a-z0-9_-]", "-", name.lower())[:30]
    plain = plain if plain[:1].isalpha() else f"x{plain[:29]}"
    mark = hmac.new(salt, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:8]
    return f"[{kind}:{plain}:{mark}]"


def tokens_in(value: Any) -> set[str]:
    """Return the tokens that stand in a value."""
    return {match.group() for piece in _all_texts(value) for match in TOKEN.finditer(piece)}


def _all_texts(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, list | tuple):
            waiting += item


def restored(value: Any, originals: dict[str, str]) -> Any:
    """Return the value with the originals in place of their tokens; names of members keep theirs."""
    if isinstance(value, str):
        return TOKEN.sub(lambda match: originals.get(match.group(), match.group()), value)
    if isinstance(value, dict):
        return {name: restored(member, originals) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [restored(member, originals) for member in value]
    return value
