"""Whom a call reaches and how many at once, as its arguments say. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from email.utils import getaddresses
from typing import Any
from urllib.parse import urlsplit

ALL = frozenset({"*", "%", "all", "any", "everyone", "everybody"})
MAX_LENGTH = 2_000
"""Characters up to which a text is looked at as an address; a longer one is content."""
ADDRESS = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+")


def outside(arguments: Mapping[str, Any], home_domains: Sequence[str]) -> list[str]:
    """Return the addresses and hosts that whole arguments consist of and that are in no home domain, each once.

    An address within a longer text is content, not a recipient. A domain is home if it is listed or beneath a
    listed one; one that is not plain ASCII never is.
    """
    home = tuple(domain.casefold().strip(".") for domain in home_domains)
    found = (name for text in texts(arguments) for name in _reached(text))
    return [name for name in dict.fromkeys(found) if not _is_home(_domain(name), home)]


def at_once(arguments: Mapping[str, Any]) -> int:
    """Return the size of the largest list in the arguments, one of addresses in a text included."""
    sizes = [len(value) for value in _values(arguments) if isinstance(value, list)]
    return max([*sizes, *(len(_reached(text)) for text in texts(arguments))], default=0)


def names_all(arguments: Mapping[str, Any]) -> bool:
    """Tell whether an argument stands for everything there is, such as `*`."""
    return any(text.strip().casefold() in ALL for text in texts(arguments))


def texts(value: Any) -> Iterator[str]:
    """Return every text in a JSON value; names of members are none."""
    return (item for item in _values(value) if isinstance(item, str))


def _values(value: Any) -> Iterator[Any]:
    pending = [value]
    while pending:
        item = pending.pop()
        yield item
        match item:
            case dict():
                pending.extend(item.values())
            case list():
                pending.extend(item)


def _reached(text: str) -> list[str]:
    """Return the addresses or the host that the whole text is; none if it is anything else."""
    text = text.strip()
    if not text or len(text) > MAX_LENGTH:
        return []
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://", text):
        try:
            host = urlsplit(text).hostname
        except ValueError:
            return [text]
        return [host] if host else [text]
    if text.casefold().startswith("mailto:"):
        text = text[len("mailto:") :]
    if "@" not in text:
        return []
    parts = [address for _, address in getaddresses(text.replace(";", ",").splitlines())]
    named = [part for part in parts if part]
    if named and all(ADDRESS.fullmatch(part) for part in named):
        return named
    words = ADDRESS.findall(text)
    return words if words and not ADDRESS.sub("", text).strip(" ,;<>\t\r\n") else []


def _domain(name: str) -> str:
    return name.rpartition("@")[2].casefold().strip(".")


def _is_home(domain: str, home: Sequence[str]) -> bool:
    return domain.isascii() and any(domain == own or domain.endswith(f".{own}") for own in home if own)
