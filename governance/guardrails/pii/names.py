"""People, places and organisations, as far as rules go: words beside them, lists of common ones, capital letters."""

from collections.abc import Iterable, Iterator

from governance.guardrails.base import compiled
from governance.guardrails.pii import words
from governance.guardrails.pii.recogniser import CHECK
from governance.guardrails.types import Finding

NAME, CAPITAL = words.NAME, words.CAPITAL
TITLE = rf"(?:{'|'.join(words.TITLES)})"
COMPANY = rf"(?:{'|'.join(words.COMPANY)})"
INTRODUCED = (
    (rf"\b{TITLE}\b\.?[ ]({NAME})", 0.85),
    (rf"(?:[Nn]ame(?: is|'s|:)|I am|I'm|[Tt]his is|[Ss]igned,?|[Rr]egards,?|[Ss]incerely,?|[Cc]heers,?|[Aa]ttn:?|[Cc]ontact|[Cc]/o|[Mm]eet|[Bb]y:|[Uu]ser:|[Cc]lient:|[Pp]atient:?|[Cc]ustomer:?|[Ee]mployee:?|[Bb]eneficiary:?|[Aa]ddress:|[Pp]roducer|[Ss]inger|[Ss]ongwriter|[Aa]ctor|[Aa]ctress|[Dd]irector|[Aa]uthor|[Ww]riter)[ \n]{{1,3}}({NAME})", 0.7),
    (rf"\b(?:Hi|Hello|Hey|Dear|Thanks|Thank you|Bye)[ ]({NAME})[,.!?\n]", 0.8),
    (rf"(?:^|\n)({CAPITAL}(?:[ ]{CAPITAL})?):[ ]\S", 0.55),
    (rf"\b({NAME})(?:'s|’s)[ ](?:address|name|account|phone|email|e-mail|wife|husband|birthday|house|card|number|mother|father|son|daughter|friend|boss|son)\b", 0.75),
    (rf"\b({CAPITAL}(?:[ ]{CAPITAL}){{0,2}})[ ](?:said|says|shouted|asked|told|wrote|replied|called|spent|lives|lived|works|worked|married|was born|employs|explained|added|died)\b", 0.65),
    (rf"\b(?:told|asked|married|called|named|with|by|for|add|adding|mother|father|brother|sister|wife|husband|son|daughter|friend|boss|colleague|leave me|Mr|to)[ ]({CAPITAL}(?:[ ]{CAPITAL}){{1,2}})", 0.6),
)  # fmt: skip
LOCATED = rf"\b(?:in|from|near|visit|visiting|to the city of|based in|live in|lives in|grew up in|moved to|flew to|travel to|flight to|town of|city of|(?:coming|going|go|move|moving|relocate|relocated|trip|way|world|drive|drove|flights?) to)[ ](?:the )?((?:{CAPITAL}|[{words.UPPER}]{{3,}})(?:[ -](?:{CAPITAL}|[{words.UPPER}]{{2,}}|am|an der|de|la)){{0,3}})"
CAPITALS_IN_ADDRESS = (
    rf"(?:^|[\n,])[ ]*([{words.UPPER}]{{4,}}(?:[ -][{words.UPPER}]{{2,}}){{0,3}})[ ]*(?:[,\n]|$)"
)
NAMED_AFTER = rf"(?:^|\n|\s)((?:{CAPITAL})(?:[ ][{words.UPPER}][\w'-]*){{0,2}}) (?:bridge|airport|was super fun|harbou?r|railway|cathedral|downtown|is a (?:city|town|village|country))"
ADDRESS_LINE = rf"(?:\n|,)[ ]*({CAPITAL}(?:[ -](?:{CAPITAL}|\p{{Ll}}{{1,5}})){{0,4}})[ ]*(?:\n|,|$|\.[ ]|\.$|[ ]\d{{4,5}})"
AFTER_FLAT = rf"(?i:apt\.?|suite|unit|floor)[ ]\d{{1,5}},?[ ]({CAPITAL}(?:[ ]{CAPITAL}){{0,3}})"
ADDRESS_CODE = r"\n[ ]*([A-Z]{2,3}|nan|\d{3,5}(?:-\d{3,4})?|[A-Z]\d[A-Z] \d[A-Z]\d)[ ]*(?:\n|$)"
ORGANISED = (
    (rf"\b((?:{CAPITAL}|[{words.UPPER}]{{2,}})(?:[ &-]{{1,3}}(?:{CAPITAL}|and)){{0,4}}[ ,]{{1,2}}{COMPANY})\b", 0.75),
    (rf"\b({CAPITAL}-{CAPITAL})\b", 0.5),
    (rf"(?:^|[^,\s:])[ ]({CAPITAL}, {CAPITAL} and {CAPITAL})\b", 0.6),
    (rf"(?:^|\n)({CAPITAL}, {CAPITAL} and {CAPITAL})\b", 0.6),
    (rf"\b(?:year|job|career|position|role|intern|internship) at ({CAPITAL}(?:[ ]{CAPITAL}){{0,3}})", 0.6),
    (rf"\b(?:became|renamed|acquired|rebranded as) ({CAPITAL}(?:[ ]{CAPITAL}){{0,3}})", 0.55),
    (rf"\b(?:her|his|their|my|your) ({CAPITAL}(?:[ ]{CAPITAL}){{0,2}}) (?:resignation|job|salary|contract|boss|shares|stock|internship|account)", 0.6),
    (rf"\b({CAPITAL}(?:[ ]{CAPITAL}){{0,2}}) is a (?:non-?profit|501|charity|public company|listed|subsidiary)", 0.7),
    (rf"(?:^|\n)({CAPITAL}(?:[ ]{CAPITAL}){{0,2}}) (?:songwriter|employee|engineer|manager|spokes\w+|shares|stock|CEO|CFO|headquarters)\b", 0.5),
    (rf"\b(?:works? (?:at|for)|worked (?:at|for)|employed (?:at|by)|joined|year at|meet \w+ at|at|The|company|firm)[ ]({CAPITAL}(?:[ ]{CAPITAL}){{0,2}})(?:[ ](?:office|headquarters|store|branch|team|employees|CEO|as)|,)", 0.55),
    (rf"(?:^|[.\n] ?)({CAPITAL}(?:[ ]{CAPITAL}){{0,3}})[ ]is (?:a|an) \w+(?: \w+){{0,3}} (?:agency|company|firm|provider|startup|bank|organi[sz]ation|business|manufacturer|supplier)\b", 0.8),
)  # fmt: skip
STREETS = (
    (rf"(?i)\b\d{{1,5}}(?:[ ]\d{{1,5}})?[ ](?:[^\s,;:!?]{{1,30}}[ ]){{1,4}}{words.STREETS}\b\.?(?:[ ,]{{1,2}}(?:apt|apartment|suite|ste|unit|floor|#)\.?[ ]?[\w-]+)?", 0.7),
    (rf"(?i)\b(?:\d{{1,5}}[ ])?[^\s,;:!?\d]{{0,30}}{words.STREET_ENDINGS}[ ]\d{{1,4}}\b[ ]?[a-z]?\b", 0.65),
    (rf"\b(?:\d{{1,5}},?[ ])?{words.STREET_STARTS}[ ](?:(?:d[aeiou]s?|del|la|the|do)[ ]){{0,2}}[^\s,;:!?\d]{{2,30}}(?:[ ][{words.UPPER}][^\s,;:!?\d]{{1,30}}){{0,3}}(?:[ ,]{{1,2}}\d{{1,4}})?", 0.6),
    (r"(?i)\b(?:p\.?o\.? box|apt\.?|apartment|suite|unit|box|psc)[ ]\d{1,6}\b", 0.55),
    (rf"\b\d{{1,5}}[ ]{CAPITAL}(?:[ ]{CAPITAL}){{0,2}}[ ]\d{{1,4}}\b", 0.6),
    (rf"(?:^|\n|address:?|located at|at|to)[ ]{{0,8}}({CAPITAL}(?:[ ]{CAPITAL}){{0,2}}[ ]\d{{1,4}}(?:[ ]?[A-Za-z])?)\b", 0.5),
    (rf"\b{CAPITAL}(?:[ ]{CAPITAL}){{0,2}},?[ ][A-Z]{{2}}[ ]\d{{4,5}}\b", 0.6),
    (r"\b[APD]P?[OP]O,?[ ](?:A[AEP])[ ]\d{5}\b", 0.6),
    (r"\b[^\s,;:!?\d]{2,30} u(?:tca|\.)[ ]\d{1,4}\.?", 0.6),
)  # fmt: skip
ZIPS = rf"\b(?:{CAPITAL}|[A-Z]{{2}})[ \n]{{1,8}}(\d{{5}}(?:-\d{{4}})?|\d{{4}}[ ]?[A-Z]{{2}})\b"
PAIR = rf"\b({CAPITAL}(?:[ ]{words.INITIAL})?(?:[ ]{words.PARTICLE})?[ ]{CAPITAL})\b"
SINGLE = rf"\b{CAPITAL}\b"
LETTERED = frozenset({"PERSON", "ORGANIZATION", "GPE"})


def find(text: str, wanted: frozenset[str]) -> Iterator[Finding]:
    """Yield people, places and organisations of the wanted labels; each place in the text is one of them at most."""
    taken = bytearray(len(text))
    for finding in _all(text):
        if any(taken[finding.start : finding.end]):
            continue
        taken[finding.start : finding.end] = b"\1" * (finding.end - finding.start)
        if finding.label in wanted:
            yield finding


def _all(text: str) -> Iterator[Finding]:
    """Yield findings, the surest kinds first. A text without capitals is read as if it had them."""
    if text.islower() and len(raised := text.title()) == len(text):
        yield from _introduced(raised, INTRODUCED[:3])
        yield from _listed(raised)
        return
    yield from _addresses(text)
    for match in compiled(rf"\b{TITLE}\b\.?").finditer(text):
        if text[match.end() : match.end() + 2].strip()[:1].isupper():
            yield _finding("TITLE", "title", match.span(), 0.6)
    for match in compiled(words.PLACES_OF_WORDS).finditer(text):
        yield _finding("GPE", "place", match.span(), 0.8)
    for match in compiled(words.PEOPLES).finditer(text):
        yield _finding("NRP", "people", match.span(), 0.6)
    yield from _introduced(text, INTRODUCED[:3])
    for pattern, score in ORGANISED:
        for match in compiled(pattern).finditer(text):
            if not _is_ordinary(match.group(1)) and not _is_place(match.group(1)):
                yield _finding("ORGANIZATION", "organisation", match.span(1), score)
    yield from _places(text)
    yield from _introduced(text, INTRODUCED[3:])
    yield from _names(text, PAIR, 0.5)
    yield from _singles(text)


def _addresses(text: str) -> Iterator[Finding]:
    """Yield streets, and where there is one the lines that stand beside it in an address."""
    has_address = False
    for pattern, score in STREETS:
        for match in compiled(pattern).finditer(text):
            has_address = True
            yield _finding("STREET_ADDRESS", "street", match.span(1 if match.re.groups else 0), score)
    for pattern in (ADDRESS_LINE, AFTER_FLAT, ADDRESS_CODE) if has_address else ():
        for match in compiled(pattern).finditer(text):
            if not _is_ordinary(match.group(1)):
                yield _finding("GPE", "address", match.span(1), 0.5)


def _places(text: str) -> Iterator[Finding]:
    for pattern, label, rule, score in (
        (LOCATED, "GPE", "located", 0.6),
        (NAMED_AFTER, "GPE", "named-after", 0.55),
        (CAPITALS_IN_ADDRESS, "GPE", "address", 0.5),
        (ZIPS, "ZIP_CODE", "zip", 0.5),
    ):
        for match in compiled(pattern).finditer(text):
            if not _is_ordinary(match.group(1)):
                yield _finding(label, rule, match.span(1), score)


def _introduced(text: str, patterns: Iterable[tuple[str, float]]) -> Iterator[Finding]:
    for pattern, score in patterns:
        yield from _names(text, pattern, score)


def _names(text: str, pattern: str, score: float) -> Iterator[Finding]:
    for match in compiled(pattern).finditer(text):
        start, end = match.span(1)
        name = match.group(1)
        while name and name.split(" ")[0].lower() in words.ORDINARY and " " in name:
            start += name.index(" ") + 1
            name = text[start:end]
        if name.endswith(("'s", "’s")):
            end, name = end - 2, name[:-2]
        if name and not _is_ordinary(name):
            label = "GPE" if _is_place(name) else "PERSON"
            yield _finding(label, "name", (start, end), score)


def _singles(text: str) -> Iterator[Finding]:
    for match in compiled(SINGLE).finditer(text):
        word = match.group().removesuffix("'s").removesuffix("’s")
        start, end = match.start(), match.start() + len(word)
        if word.lower() in words.GIVEN_NAMES:
            yield _finding("PERSON", "given-name", (start, end), 0.6)
        elif _is_place(word):
            yield _finding("GPE", "place", (start, end), 0.7)
        elif (
            not _is_ordinary(word)
            and words.SENTENCE_ENDS.search(text[max(0, start - 8) : start]) is None
            and len(word) > 2
        ):
            yield _finding("PERSON", "capital", (start, end), 0.5)


def _listed(text: str) -> Iterator[Finding]:
    """Yield the names and places that our lists have."""
    for match in compiled(rf"\b{TITLE}\b\.?").finditer(text):
        yield _finding("TITLE", "title", match.span(), 0.6)
    for match in compiled(words.PEOPLES).finditer(text):
        yield _finding("NRP", "people", match.span(), 0.6)
    for match in compiled(SINGLE).finditer(text):
        if match.group().lower() in words.GIVEN_NAMES - words.ORDINARY:
            yield _finding("PERSON", "given-name", match.span(), 0.6)
        elif _is_place(match.group()):
            yield _finding("GPE", "place", match.span(), 0.6)


def _is_ordinary(name: str) -> bool:
    return all(word.strip(".'’").lower() in words.ORDINARY for word in name.split())


def _is_place(name: str) -> bool:
    return name.lower() in words.COUNTRIES


def _finding(label: str, rule: str, span: tuple[int, int], score: float) -> Finding:
    return Finding(check=CHECK, rule=rule, start=span[0], end=span[1], score=score, label=label)
