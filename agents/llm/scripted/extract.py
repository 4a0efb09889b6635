"""Read typed values out of a person's words: order numbers, money, per cent, names, e-mails, dates.

Every extractor takes the request and returns the distinct values in order of appearance, as text in one
canonical form. More than one value means that the request is ambiguous; the caller asks rather than guesses.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from decimal import Decimal

from agents.llm.scripted.names import person_names

Extractor = Callable[[str], tuple[str, ...]]

_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july",
    "august", "september", "october", "november", "december",
)  # fmt: skip
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_ORDER = re.compile(r"(?<![\w-])(?:([A-Z])-?(\d{3,8})|([A-Z]{2,4})-(\d{2,8}))(?![\w-])", re.IGNORECASE)
_BARE_ORDER = re.compile(
    r"\border\s*(?:number|no\.?|nr\.?|id|#)?\s*#?(\d{3,8})(?![\w%]|[.,]\d)", re.IGNORECASE
)
_ISO_DATE = re.compile(r"\b(\d{4})-(\d{1,2})-(\d{1,2})\b")
_DOTTED_DATE = re.compile(r"\b(\d{1,2})\.(\d{1,2})\.(\d{4})\b")
_MONTH = r"(?P<month>" + "|".join(f"{name[:3]}(?:{name[3:]})?" for name in _MONTHS) + r")\.?"
_LONG_DATE = re.compile(
    rf"\b(?:(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:\s+of)?\s+{_MONTH}"
    rf"|{_MONTH.replace('month', 'month2')}\s+(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?),?\s+(?P<year>\d{{4}})\b",
    re.IGNORECASE,
)

_NUMBER = r"\d{1,3}(?: \d{3})+(?:[.,]\d{2})?|\d{1,3}(?:[,.']\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?"
_MARK = r"(?:US\$|[$€£]|(?:USD|EUR|GBP|CHF|euros?|dollars?|pounds?|francs?|bucks)(?![a-z]))"
_MARKED = re.compile(
    rf"(?<![\w.,])(?P<minus>-(?={_MARK}))?(?P<mark>{_MARK}\s*)?(?P<figure>-?(?:{_NUMBER}))"
    rf"(?(mark)(?![\w%]|[.,]\d)|\s*{_MARK})",
    re.IGNORECASE,
)
_DECIMAL = re.compile(
    r"(?<![\w.,:/])(?P<figure>-?(?:\d{1,3}(?:[,.' ]\d{3})+|\d+)[.,]\d{2})(?![\w%]|\s*%|[.,:/]\d)"
)
# A whole number is an amount only where the words around it say so: "2 cups were broken" names none.
_AFTER_CUE = re.compile(
    r"\b(?:refund|refunding|reimburse|back|pay|return|credit|of|only|just|exactly|amount|amount:)"
    r"\s+(?P<figure>-?\d+)"
    r"(?=\s*(?:$|[.,;!?)](?!\d)|(?:for|on|to|from|back|and|because|since|as|please|in|it|they|the)\b"
    r"|(?:out\s+)?of\s+(?:the\s+)?\D?\d))",
    re.IGNORECASE,
)
_BEFORE_CUE = re.compile(r"(?<![\w.,-])(?P<figure>\d+)(?=\s+(?:refund|back)\b)", re.IGNORECASE)
_CENTS = 2
_PERCENT = re.compile(r"(?<![\w.,])(-?\d+(?:[.,]\d+)?)\s*(?:%|(?:percent|per\s+cent|pct)\b)", re.IGNORECASE)


def emails(text: str) -> tuple[str, ...]:
    """Return e-mail addresses, as written."""
    return _distinct(found.rstrip(".-") for found in _EMAIL.findall(text))


def order_numbers(text: str) -> tuple[str, ...]:
    """Return order numbers as `A-1001` (also from `a1001`); bare digits only after "order"."""
    plain = _EMAIL.sub(" ", text)
    lettered = [f"{(m[1] or m[3]).upper()}-{m[2] or m[4]}" for m in _ORDER.finditer(plain)]
    return _distinct(lettered or _BARE_ORDER.findall(plain))


def dates(text: str) -> tuple[str, ...]:
    """Return full dates as YYYY-MM-DD; `5/6/2026` is left out because it means two things."""
    found = [(m.start(), m[1], m[2], m[3]) for m in _ISO_DATE.finditer(text)]
    found += [(m.start(), m[3], m[2], m[1]) for m in _DOTTED_DATE.finditer(text)]
    for m in _LONG_DATE.finditer(text):
        month = [name[:3] for name in _MONTHS].index((m["month"] or m["month2"])[:3].lower()) + 1
        found.append((m.start(), m["year"], str(month), m["day"] or m["day2"]))
    return _distinct(_valid_dates(sorted(found)))


def amounts(text: str) -> tuple[str, ...]:
    """Return amounts of money as decimal text (`1,250.5` gives `1250.5`), without their currency.

    An amount has a currency mark, two decimals, or words around it that say so ("refund 25 for ...").
    `1.250` means two things and gives both.
    """
    plain = text
    for pattern in (_EMAIL, _ORDER, _BARE_ORDER, _ISO_DATE, _DOTTED_DATE, _LONG_DATE, _PERCENT):
        plain = pattern.sub(" # ", plain)
    found: dict[tuple[int, int], str] = {}
    for pattern in (_MARKED, _DECIMAL, _AFTER_CUE, _BEFORE_CUE):
        for m in pattern.finditer(plain):
            start, end = m.span("figure")
            if all(end <= a or start >= b for a, b in found):
                found[start, end] = ("-" if m.groupdict().get("minus") else "") + m["figure"]
    values = [value for _, figure in sorted(found.items()) for value in _readings(figure)]
    return tuple({Decimal(value): value for value in reversed(values)}.values())[::-1]


def percents(text: str) -> tuple[str, ...]:
    """Return percentages as decimal text (`12,5 %` gives `12.5`)."""
    return _distinct(found.replace(",", ".") for found in _PERCENT.findall(text))


def _readings(figure: str) -> Iterator[str]:
    whole, mark, rest = figure.rpartition(max(",.", key=figure.rfind))
    whole = re.sub("[,.' ]", "", whole)
    if mark and len(rest) <= _CENTS:
        yield f"{whole}.{rest}"
        return
    yield whole + re.sub("[' ]", "", rest)
    if mark == "." and figure.count(".") == 1 and "," not in figure:
        yield f"{whole}.{rest}"


def _valid_dates(found: Iterable[tuple[int, str, str, str]]) -> Iterator[str]:
    for _, year, month, day in found:
        try:
            yield date(int(year), int(month), int(day)).isoformat()
        except ValueError:
            continue


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


EXTRACTORS: dict[str, Extractor] = {
    "order": order_numbers,
    "money": amounts,
    "percent": percents,
    "person": person_names,
    "email": emails,
    "date": dates,
}
