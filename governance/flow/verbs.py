"""Whether the user asked for what a tool does: its verb, or one of the same kind, is among their words. Pure.

English only; where a tool's or a person's verb is not known here, the tool's own words must be said.
"""

import re

from governance.flow.records import parts
from governance.flow.words import listed

KINDS = tuple(
    listed(kind)
    for kind in (
        "get read fetch list search find look check see show visit open view count query lookup",
        "send pay transfer refund forward email mail message write post reply tell notify wire dm ask inform give"
        " answer respond",
        "create add make schedule book reserve set plan organize arrange put append insert write generate reserv",
        "invite add share include grant give assign",
        "delete remove cancel erase drop clear revoke uninvite kick",
        "update change modify adjust edit reschedule move postpone set rename replace correct fix",
        "post publish write upload put send share",
    )
)
READING = KINDS[0]
MAKING = KINDS[2]
VERBS = frozenset().union(*KINDS)
SUFFIX = re.compile(r"(?:ing|ed|es|s|ion|ations?|ments?)$")


def is_asked_for(tool: str, said: frozenset[str]) -> bool:
    """Tell whether the words ask for something of the tool's kind."""
    names = parts(tool.rsplit("__", 1)[-1])
    verbs = names & VERBS
    if not verbs:
        return any(_alike(name, word) for name in names for word in said)
    if verbs & READING:
        return True
    wanted = frozenset(verb for kind in KINDS if kind & verbs for verb in kind)
    return any(_alike(verb, word) for verb in wanted for word in said)


def makes(tool: str) -> bool:
    """Tell whether a tool makes something new, by its name."""
    found = parts(tool.rsplit("__", 1)[-1]) & VERBS
    return bool(found & MAKING) and not found & READING


def _alike(verb: str, word: str) -> bool:
    if verb == word:
        return True
    stem = SUFFIX.sub("", word)
    return len(stem) >= len("pay") and stem.rstrip("e") == verb.rstrip("e")
