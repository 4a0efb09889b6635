"""Find the names of people in a request, by their capitals or by the words before them."""

import re
from collections.abc import Iterator

_PARTICLES = frozenset(
    ("al", "bin", "da", "de", "del", "den", "der", "di", "dos", "du", "el", "ibn", "la", "le", "van", "von")
)
_TITLES = frozenset(("dr", "mr", "mrs", "ms", "prof", "miss", "mx", "sir"))
# Words that begin sentences, ask, command or name other things than people.
_NO_NAMES = """
    a about acme add all also an and any anyone april are as ask at august award be been before below
    bonus bonuses but by calculate call can check chf client compute corp corporation could create
    customer day days december department did do does don't e-mail each email employed employee
    employees engineering estimate eur everyone february file finance find for friday from gbp get give
    globex gmbh good got grant had has have he hello her hey hi him hired his hour hours how hr human i
    i'd i'm i've if in inc info inform information is it it's its january july june just last legal let
    let's list long look lookup ltd mail make many march marketing may me message monday month months
    more much my new next no not note notify november now october of on one operations or order our out
    over pay per percent please promote propose put q1 q2 q3 q4 record refund remind resources salary
    sales saturday say security see send september she should show since so somebody someone soon staff
    start started sunday support team tell than thank thanks that that's the their them then there these
    they this thursday title to today tomorrow tuesday up update us usd was we we're wednesday week what
    what's when where where's whether which who who's whom whose why will with work working works would
    write year years yes yesterday you your
"""
_OTHER = frozenset(_NO_NAMES.split())
_TOKEN = re.compile(r"[^\W\d_][\w'.-]*")
_CUE = re.compile(
    r"\b(?:who\s+is|who's|for|is|was|has|does|did|about|of|employee|named|called|email|award|give|pay|grant|find|up)"
    r"\s+([^\W\d_][\w'-]+)\s+([^\W\d_][\w'-]+)",
    re.IGNORECASE,
)


def person_names(text: str) -> tuple[str, ...]:
    """Return the distinct names: two or more capitalised words, else two words after a cue, else one capital.

    "who is dana whitfield" gives `Dana Whitfield`; "Dr. Dana van der Berg's" gives `Dana van der Berg`.
    """
    runs = list(_capitalised(text))
    full = [" ".join(run) for run, _ in runs if len(run) > 1]
    if not full:
        cued = ((_bare(m[1]), _bare(m[2])) for m in _CUE.finditer(text))
        full = [f"{first} {last}".title() for first, last in cued if first and last]
    single = [run[0] for run, starts_sentence in runs if not starts_sentence]
    return tuple(dict.fromkeys(full or single))


def _capitalised(text: str) -> Iterator[tuple[list[str], bool]]:
    """Yield runs of words of a name, and whether the run starts a sentence."""
    run: list[str] = []
    starts, previous, end = False, "", 0
    for match in _TOKEN.finditer(text):
        word = match[0]
        name = _bare(word) if word[0].isupper() and word.rstrip(".").lower() not in _TITLES else ""
        joins = name or word.lower() in _PARTICLES
        if run and (not joins or text[end : match.start()].strip() or _ends_name(previous)):
            yield _trimmed(run), starts
            run = []
        if name:
            starts = starts if run else _starts_sentence(text[: match.start()])
            run.append(name)
        elif run:
            run.append(word)
        previous, end = word, match.end()
    if run:
        yield _trimmed(run), starts


def _ends_name(word: str) -> bool:
    """Say whether no name goes on after `word`: a possessive or a full stop, but not that of an initial."""
    return word.endswith("'s") or (word.endswith(".") and len(word.rstrip(".")) > 1)


def _starts_sentence(before: str) -> bool:
    return not before.strip() or before.rstrip()[-1] in ".!?:"


def _trimmed(run: list[str]) -> list[str]:
    while run[-1] in _PARTICLES:
        run = run[:-1]
    return run


def _bare(word: str) -> str:
    """Return the word without possessive and full stop, or nothing when it is no part of a name."""
    stripped = re.sub(r"'s?$", "", word.rstrip("."))
    bare = stripped + "." if len(stripped) == 1 and word.endswith(".") else stripped
    return "" if stripped.lower() in _OTHER else bare
