"""Words that people wrote, taken apart once: tokens, identifiers, numbers, dates, times and durations. Pure."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any


def listed(words: str) -> frozenset[str]:
    """Return the words of a list."""
    return frozenset(words.split())


TOKEN = re.compile(r"\w+")
CHUNK = re.compile(r"\S+")
EDGES = "\"'`\u201c\u201d\u2018\u2019«»()[]{}<>,;:!?."
NUMBER = re.compile(
    r"(?<![\w.,:/-])[-+]?(?:[$€£]\s?)?(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?![\w:/]|[.,]\d|-\d)"
)
MARKER = re.compile(r"(?:(?<=^)|(?<=\s))\d{1,2}[.)]\s+(?=[A-Z])", re.MULTILINE)
ISO_DATE = re.compile(r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?!\d)")
CLOCK = re.compile(r"(?<![\d:])([01]?\d|2[0-3]):([0-5]\d)(?::[0-5]\d)?\s*([ap]m)?(?![\d:])", re.IGNORECASE)
HOUR = re.compile(r"(?<![\d:.])(1[0-2]|[1-9])\s*([ap]m)\b", re.IGNORECASE)
MONTHS: tuple[str, ...] = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
)
MONTHS += ("november", "december")
_MONTH = "|".join(f"{name[:3]}(?:{name[3:]})?" for name in MONTHS)
MONTH_DAY = re.compile(
    rf"\b({_MONTH})\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?(?:\s*,?\s+(?:of\s+)?(\d{{4}}))?\b", re.IGNORECASE
)
DAY_MONTH = re.compile(
    rf"\b(\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?({_MONTH})\b\.?(?:\s*,?\s+(\d{{4}}))?", re.IGNORECASE
)
YEAR = re.compile(r"(?<![\d.,-])(?:19|20)\d\d(?![\d.,]\d|\d)")
COUNTS: dict[str, float] = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
COUNTS |= {"seven": 7, "eight": 8, "nine": 9, "ten": 10, "half an": 0.5, "half a": 0.5}
NOON = 12
UNITS = {"minute": 60, "min": 60, "hour": 3600, "day": 86400, "week": 604800}
_COUNT = "|".join(sorted(COUNTS, key=len, reverse=True))
LASTING = re.compile(rf"\b({_COUNT}|\d+(?:\.\d+)?)[\s-]*(minute|min|hour|day|week)s?\b", re.IGNORECASE)
FILLERS = listed("a an and are for i in is it of on or that the this to was we with you your my me")
GENERIC = FILLERS | listed(
    "all also am any as at be been but by can could did do does each from get had has have he her him his how if"
    " into its just last make more most new next no not now one only other our out over please same she should so"
    " some such than their them then there these they those too two up us user want what when where which who"
    " will would yes"
)
SENTENCE = re.compile(r".+?(?:[.!?](?=\s)|\n|\Z)\s*", re.DOTALL)
REFUSAL = re.compile(
    r"\b(?:not|never|without|except|don['\u2019]?t|no)\b(?!\s+(?:forget|hesitate|later|more|problem))",
    re.IGNORECASE,
)
IDENTIFIER = re.compile(r"[^\s]*[@./:_\-\d\\#][^\s]*")


def tokens(text: str) -> list[str]:
    """Return the words of a text, without case and punctuation."""
    return TOKEN.findall(unicodedata.normalize("NFKC", text).casefold())


def without_refusals(text: str) -> str:
    """Return a text without the sentences that say what not to do: they name things, but ask for none of them."""
    return "".join(sentence for sentence in SENTENCE.findall(text) if not REFUSAL.search(sentence))


def is_identifier(value: str) -> bool:
    """Tell whether a value counts only whole: an address, a URL, a file name, an account, a number of something."""
    return bool(IDENTIFIER.fullmatch(value))


def bare(chunk: str) -> str:
    """Return a word without the quotes and punctuation around it."""
    plain = unicodedata.normalize("NFKC", chunk).strip(EDGES)
    return plain[:-2] if plain.endswith(("'s", "\u2019s")) else plain


def number(value: Any) -> Decimal | None:
    """Return what a number says, however it is written; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return Decimal(str(value).strip().lstrip("$€£").replace(",", "")).normalize()
    except InvalidOperation:
        return None


def moment(value: Any) -> datetime | date | None:
    """Return the date, or the date and time, that a value says in ISO 8601; None for anything else."""
    if not isinstance(value, str) or not ISO_DATE.match(value.strip()):
        return None
    text = value.strip()
    try:
        return (
            date.fromisoformat(text)
            if len(text) == len("2024-05-19")
            else _naive(datetime.fromisoformat(text))
        )
    except ValueError:
        return None


def _naive(value: datetime) -> datetime:
    return value.replace(tzinfo=None)


def durations(text: str) -> Iterator[timedelta]:
    """Yield the lengths of time that a text names."""
    for count, unit in LASTING.findall(text):
        amount = COUNTS.get(count.lower())
        yield timedelta(seconds=float(amount if amount is not None else count) * UNITS[unit.lower()])


@dataclass(frozen=True)
class Words:
    """What people wrote, ready to be compared with the arguments of a call."""

    texts: Sequence[str]
    today: frozenset[date] = frozenset()
    """What day it is, as the platform or a clock says."""
    flat: str = field(init=False)
    tokens: frozenset[str] = field(init=False)
    identifiers: frozenset[str] = field(init=False)
    numbers: frozenset[Decimal] = field(init=False)
    dates: frozenset[date] = field(init=False)
    times: frozenset[time] = field(init=False)
    lasting: frozenset[timedelta] = field(init=False)

    def __post_init__(self) -> None:
        """Take the words apart."""
        wanted = [without_refusals(text) for text in self.texts]
        found = [tokens(text) for text in wanted]
        joined = "\n".join(wanted)
        chunks = [bare(chunk) for chunk in CHUNK.findall(joined)]
        put = object.__setattr__
        put(self, "flat", "".join(f" {' '.join(words)} \n" for words in found))
        put(self, "tokens", frozenset(word for words in found for word in words))
        put(self, "identifiers", frozenset(_folded(chunk) for chunk in chunks if chunk))
        put(self, "dates", frozenset(self._dates(joined)))
        put(self, "times", frozenset(_times(joined)))
        put(self, "lasting", frozenset(durations(joined)))
        put(self, "numbers", frozenset(_numbers(joined)))

    @property
    def addresses(self) -> frozenset[str]:
        """Return the e-mail addresses among them."""
        return frozenset(one for one in self.identifiers if "@" in one)

    def has_phrase(self, value: str) -> bool:
        """Tell whether the value stands there as whole words next to each other."""
        phrase = " ".join(tokens(value))
        return bool(phrase) and f" {phrase} " in self.flat

    def has_identifier(self, value: str) -> bool:
        """Tell whether the value stands there whole."""
        return _folded(value) in self.identifiers

    def has_name(self, value: str) -> bool:
        """Tell whether the value is a phrase that says more than everyday words do."""
        return not GENERIC.issuperset(tokens(value)) and self.has_phrase(value)

    def is_of(self, nouns: frozenset[str], value: str) -> bool:
        """Tell whether one word fits what it is to be: where the noun is said, the word stands beside it."""
        word = " ".join(tokens(value))
        said = [form for noun in nouns for form in (noun, f"{noun}s") if form in self.tokens]
        return not said or any(
            f" {noun} {word} " in self.flat or f" {word} {noun} " in self.flat for noun in said
        )

    def is_only_of(self, nouns: frozenset[str], value: str) -> bool:
        """Tell whether one word is said of such a noun each time: `the random channel` is about no person."""
        word = " ".join(tokens(value))
        ends = {place for noun in nouns for place in _ends(self.flat, f" {noun} {word}")}
        ends |= {place - len(noun) - 1 for noun in nouns for place in _ends(self.flat, f" {word} {noun}")}
        return bool(ends) and ends >= _ends(self.flat, f" {word}")

    def named(self, noun: str, value: str) -> bool:
        """Tell whether the value follows the noun: `file 24`, `ID: 24`."""
        nouns = {noun, "id", "number", "no", "nr"}
        return any(f" {one} {value} " in self.flat for one in nouns)

    def _dates(self, text: str) -> Iterator[date]:
        years = {int(year) for year in YEAR.findall(text)} or {day.year for day in self.today}
        for year, month, day in ISO_DATE.findall(text):
            yield from _date(int(year), int(month), int(day))
        found = [(month, day, year) for month, day, year in MONTH_DAY.findall(text)]
        found += [(month, day, year) for day, month, year in DAY_MONTH.findall(text)]
        for name, day, year in found:
            month = next(n for n, full in enumerate(MONTHS, 1) if full.startswith(name[:3].lower()))
            for each in {int(year)} if year else years:
                yield from _date(each, month, int(day))
        if "today" in self.tokens:
            yield from self.today
        if "tomorrow" in self.tokens:
            yield from (day + timedelta(days=1) for day in self.today)


def _ends(text: str, phrase: str) -> set[int]:
    """Return where the phrase ends, each time that it stands there as whole words."""
    return {found.start() + len(phrase) for found in re.finditer(f"(?={re.escape(phrase)} )", text)}


def _folded(value: str) -> str:
    return value.casefold() if "@" in value else value


def _date(year: int, month: int, day: int) -> Iterator[date]:
    try:
        yield date(year, month, day)
    except ValueError:
        return


def _times(text: str) -> Iterator[time]:
    for hour, minute, half in CLOCK.findall(text):
        yield time(_hour(int(hour), half), int(minute))
    for hour, half in HOUR.findall(text):
        yield time(_hour(int(hour), half))
    if re.search(r"\bnoon\b", text, re.IGNORECASE):
        yield time(12)


def _hour(hour: int, half: str) -> int:
    """Return the hour of 24; 12 am is midnight, 12 pm is noon."""
    if not half:
        return hour
    return hour % NOON + (NOON if half.lower() == "pm" else 0)


def _numbers(text: str) -> Iterator[Decimal]:
    """Yield the numbers that are not part of a date, a time, a length of time, a share or a list's numbering."""
    for pattern in (ISO_DATE, MONTH_DAY, DAY_MONTH, CLOCK, HOUR, LASTING, MARKER):
        text = pattern.sub(" ; ", text)
    for found in NUMBER.finditer(text):
        if text[found.end() : found.end() + 1] == "%":
            continue
        value = number(found.group(1))
        if value is not None:
            yield value
