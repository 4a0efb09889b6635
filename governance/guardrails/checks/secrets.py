"""Keys, tokens and passwords."""

import math
import re
from collections import Counter
from collections.abc import Iterator

from governance.guardrails.base import Check, compiled
from governance.guardrails.checks.secret_shapes import SHAPES, Shape
from governance.guardrails.types import Finding

KEY_WORDS = (
    r"(?:pass(?:word|wd|phrase|code)?s?|pwd|secrete?|api[_.-]?key|apikey|access[_.-]?key|secret[_.-]?key|private[_.-]?key"
    r"|signing[_.-]?key|encryption[_.-]?key|auth[_.-]?key|account[_.-]?key|iam[_.-]?key|softlayer[_.-]?key|sl[_.-]key"
    r"|api[_.-]?token|auth[_.-]?token|access[_.-]?token|refresh[_.-]?token|bearer[_.-]?token|session[_.-]?token"
    r"|client[_.-]?secret|app[_.-]?secret|credentials?|token)"
)
NAME = rf"(?i)([\w.-]{{0,40}}{KEY_WORDS}[\w.-]{{0,24}})"
GIVES = r"""["'`]?\s{0,4}(?:!==?|===?|:=|=>|=|:|\s)\s{0,4}"""
SET_TO = r"""["'`]?\s{0,4}(?::=|=>|=|:)\s{0,4}"""
QUOTED = rf"{NAME}{GIVES}(?:[rbuf]?[\"]([^\"\n]{{4,200}})[\"]|'([^'\n]{{4,200}})'|`([^`\n]{{4,200}})`)"
BARE = rf"{NAME}{SET_TO}([^\s\"'`,;<>()\[\]]{{8,200}})"
TAKEN = rf"[\"'`]([^\"'`\n]{{6,200}})[\"'`]\s{{0,4}}[!=]=={{0,1}}\s{{0,4}}{NAME}"
PEM = r"-----BEGIN ((?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?)-----"
PEM_END = "-----END "
SPOKEN = rf"(?i)\b(?:my|the|your|our|its|his|her)\s+(?:\w+\s+){{0,2}}{KEY_WORDS}\s+(?:is|was)\s*:?\s+([^\s\"'`,;]{{6,200}})"
NAMED_SHAPES = (
    (r"(?i)sourcegraph\w{0,20}[\"']?\s{0,4}(?::=|=|:)\s{0,4}[\"']?([a-f0-9]{40})\b", "sourcegraph-token"),
    (r"""\b([A-Za-z0-9+/]{40})["'\s,;)]""", "aws-secret-access-key"),
)
PLACEHOLDER = re.compile(
    r"^(?:\$\{?|\{\{|<|%[({]|#\{|@)|(?:^|[_ -])(?:your|change|example|placeholder|redacted|dummy|insert|enter|some|sample)(?:[_ -]|$)"
    r"|^(?:none|null|true|false|undefined|test|string|password|secret|token|required|optional|hidden|optional)$"
    r"|\.\.\.|\*{3}|x{6}|X{6}|os\.environ|getenv|process\.env|request\.|self\.|settings\.|config\.|^[\w.]+\([\w., ]*\)?$",
    re.IGNORECASE,
)
ORDINARY_WORDS = re.compile(r"^[a-z]+$|^[A-Z][a-z]+$|^[\w]+(?:[ ./_-][A-Za-z]+)+$|^\d{1,12}$")
NOT_KEYS = re.compile(
    r"(?i)(?:token|pass|secret|key|credential)s?[_.-]?(?:id|name|type|count|length|limit|len|size|max|min|url|uri|path|file|expiry|expires|usage|policy|hint|field|label)"
    r"|(?:max|min|num|total|input|output|prompt|completion|next|page|csrf|continuation|reasoning|cached)[_.-]?tokens?"
    r"|public[_.-]?key|primary[_.-]?key|foreign[_.-]?key|compass|bypass|passenger|passport|not[_.-]secret|boarding"
)
SECRET_LOOKS = 2.8
"""Bits of entropy per character from which an unquoted value is taken for a secret; words have less."""


def entropy(text: str) -> float:
    """Return the Shannon entropy in bits per character."""
    if not text:
        return 0.0
    size = len(text)
    return -sum(n / size * math.log2(n / size) for n in Counter(text).values())


class Secrets(Check):
    """Published shapes of keys, private keys, passwords in addresses, and values assigned to telling names."""

    slug = "secrets"
    title = "Keys, tokens and passwords"

    def scan(self, text: str, *, hint: str = "") -> list[Finding]:
        """Return the secrets that stand in the text; of overlapping findings the surest."""
        found = [*_shapes(text), *_pem(text), *_named(text), *_member(text, hint)]
        return surest(found)


def surest(found: list[Finding]) -> list[Finding]:
    """Return the findings in order, and of any that overlap the surest, then the longest."""
    kept: list[Finding] = []
    for finding in sorted(found, key=lambda f: (f.start, -f.end)):
        if kept and finding.start < kept[-1].end:
            before = kept[-1]
            if (finding.score, finding.end - finding.start) > (before.score, before.end - before.start):
                kept[-1] = finding
            continue
        kept.append(finding)
    return kept


def _finding(rule: str, span: tuple[int, int], score: float) -> Finding:
    return Finding(check=Secrets.slug, rule=rule, start=span[0], end=span[1], score=score, label="secret")


def _shapes(text: str) -> Iterator[Finding]:
    for shape in SHAPES:
        if any(literal in text for literal in shape.literals):
            for match in compiled(shape.pattern).finditer(text):
                if _is_credible(shape, match.group(1)):
                    yield _finding(shape.rule, match.span(1), shape.score)


def _is_credible(shape: Shape, secret: str) -> bool:
    if entropy(secret) < shape.entropy:
        return False
    if shape.rule == "url-password":
        return not PLACEHOLDER.search(secret)
    return shape.rule != "bearer" or any(map(str.isdigit, secret))


def _pem(text: str) -> Iterator[Finding]:
    if "PRIVATE KEY" not in text:
        return
    for match in compiled(PEM).finditer(text):
        end = text.find(PEM_END, match.end())
        stop = text.find("-----", end + len(PEM_END)) + 5 if end >= 0 else len(text)
        yield _finding("private-key", (match.start(), max(stop, match.end())), 1.0)


def _named(text: str) -> Iterator[Finding]:
    if compiled(rf"(?i){KEY_WORDS}").search(text) is not None:
        for match in compiled(QUOTED).finditer(text):
            group = next(n for n in (2, 3, 4) if match.group(n) is not None)
            if _is_assigned(match.group(1), match.group(group), quoted=True):
                yield _finding("assigned-secret", match.span(group), 0.8)
        for match in compiled(BARE).finditer(text):
            if _is_assigned(match.group(1), match.group(2), quoted=False):
                yield _finding("assigned-secret", match.span(2), 0.7)
        for match in compiled(TAKEN).finditer(text):
            if _is_assigned(match.group(2), match.group(1), quoted=True):
                yield _finding("compared-secret", match.span(1), 0.7)
        for match in compiled(SPOKEN).finditer(text):
            if _is_assigned("password", match.group(1), quoted=False):
                yield _finding("told-secret", match.span(1), 0.7)
    for pattern, rule in NAMED_SHAPES:
        for match in compiled(pattern).finditer(text):
            secret = match.group(1)
            if rule != "aws-secret-access-key" or (entropy(secret) > 4.2 and _is_mixed(secret)):
                yield _finding(rule, match.span(1), 0.75)


def _member(text: str, hint: str) -> Iterator[Finding]:
    """Find a secret that is the whole value of a member with a telling name."""
    value = text.strip()
    if not hint or " " in value or not 8 <= len(value) <= 200:
        return
    if compiled(rf"(?i){KEY_WORDS}$").search(hint) is not None and _is_assigned(hint, value, quoted=False):
        start = text.index(value)
        yield _finding("named-secret", (start, start + len(value)), 0.8)


def _is_assigned(name: str, value: str, *, quoted: bool) -> bool:
    """Tell a secret from the placeholder, the code or the prose that may stand there."""
    if NOT_KEYS.search(name) or PLACEHOLDER.search(value) or not any(map(str.isalnum, value)):
        return False
    if ORDINARY_WORDS.match(value) and not any(map(str.isdigit, value)):
        return quoted and "pass" in name.lower() and len(value) >= 8 and " " not in value
    if quoted:
        return (
            len(value) >= 6 and " " not in value and sum(map(str.isalnum, value)) >= 4 and entropy(value) > 2
        )
    is_code = any(mark in value for mark in "{}$@&|") or "::" in value
    return not is_code and entropy(value) >= SECRET_LOOKS and any(map(str.isdigit, value))


def _is_mixed(secret: str) -> bool:
    return any(map(str.isdigit, secret)) and any(map(str.isupper, secret)) and any(map(str.islower, secret))
