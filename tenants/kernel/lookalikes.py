"""Find letters of one alphabet that a reader takes for those of another. Pure.

A short table instead of all of Unicode's confusables (UTS 39): the letters of the alphabets that fonts draw
like Latin ones, and the styled letters that compatibility normalisation (NFKC) maps to plain ones.
"""

# ruff: noqa: RUF001  # ambiguous letters are what this is about

import re
import unicodedata
from collections import defaultdict
from functools import lru_cache

ALPHABETS = frozenset({"CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC"})
"""Alphabets with letters drawn like Latin ones. Others, such as Han or Arabic, stand beside Latin honestly."""
LATIN_TWINS = {
    **dict(zip("аӑеёєіїјоӧрсѕухһԁԛԝӏ", "aaeeeiijoopcsyxhdqwl", strict=True)),
    **dict(zip("АВЕЁЅІЇЈКМНОРСТУХԌԚԜ", "ABEESIIJKMHOPCTYXGQW", strict=True)),
    **dict(zip("αγεικνορτυχϲϳ", "ayeikvoptuxcj", strict=True)),
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", strict=True)),
    **dict(zip("ոսցհօք", "nughoq", strict=True)),
    **dict(zip("ՍՏՕԼ", "USOL", strict=True)),
    **dict(zip("ᎠᎡᎢᎪᎫᎬᎳᎷᎻᏀᏃᏎᏢᏴᏙᏚᏞᏟ", "DRTAJEWMHGZ4PBVSLC", strict=True)),
}
WORD = re.compile(r"\w+")


def look_alikes(text: str) -> dict[int, str]:
    """Return the places of letters that pass for others, each with what gives it away.

    Marked are: letters of another alphabet in a word that has Latin ones too; every letter of an alphabet of
    which the text has none but twins of Latin letters; and styled letters or digits.
    """
    if text.isascii():
        return {}
    found: dict[int, str] = {}
    places: dict[str, list[int]] = defaultdict(list)
    for word in WORD.finditer(text):
        if word.group().isascii():
            continue
        has_latin, foreign = False, []
        for at, letter in enumerate(word.group(), start=word.start()):
            alphabet = _alphabet(letter)
            if alphabet == "STYLED":
                found[at] = _hint(letter)
            elif alphabet == "LATIN":
                has_latin = True
            elif alphabet:
                foreign.append(at)
                places[alphabet].append(at)
        if has_latin:
            found.update((at, _hint(text[at])) for at in foreign)
    for where in places.values():
        if all(text[at] in LATIN_TWINS for at in where):
            found.update((at, _hint(text[at])) for at in where)
    return found


@lru_cache(maxsize=4096)
def _alphabet(letter: str) -> str:
    if letter.isascii():
        return "LATIN" if letter.isalpha() else ""
    plain = unicodedata.normalize("NFKC", letter)
    if plain != letter and plain.isascii() and plain.isalnum() and unicodedata.category(letter) != "No":
        return "STYLED"
    name = unicodedata.name(letter, "").split(" ", 1)[0]
    return name if name in ALPHABETS or name == "LATIN" else ""


def _hint(letter: str) -> str:
    twin = LATIN_TWINS.get(letter) or unicodedata.normalize("NFKC", letter)
    name = unicodedata.name(letter, f"U+{ord(letter):04X}")
    return f"{name}, not {twin}" if twin != letter else name
