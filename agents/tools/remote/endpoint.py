"""The endpoint of an HTTP tool: how arguments become a request. Pure.

Arguments fill segments of the path, query values, header values and fields of a JSON body. They are
encoded for the place they go to, so that none can change the host, the structure of the path, or the
number of headers or parameters. Credentials go into headers only: URLs end up in logs.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from agents.tools.base import ToolFailed
from tenants.kernel import outbound
from tenants.kernel.errors import InvalidInput
from tenants.kernel.jsonvalues import JsonObject

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
WITHOUT_BODY = frozenset({"GET", "DELETE"})
_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,63}"
ARGUMENT = re.compile(rf"\{{({_NAME})\}}")
SECRET = re.compile(r"\{secret:([A-Z][A-Z0-9_]{0,63})\}")
_PLACEHOLDER = re.compile(rf"{SECRET.pattern}|{ARGUMENT.pattern}")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}\Z")
_VALUE = re.compile(r"[\x20-\x7e]*\Z")
MAX_VALUE = 4096
# Set by the client, or they would frame the message or name another host.
OURS = frozenset(
    {
        "host",
        "content-length",
        "content-type",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "te",
        "trailer",
    }
    | {"upgrade", "expect", "accept-encoding", "idempotency-key", "proxy-authorization", "proxy-connection"}
)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A request, ready to be sent."""

    method: str
    url: str
    headers: dict[str, str] = field(repr=False)
    json: Any


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A request with places for arguments. `query` and `body` map names there to names of arguments."""

    method: str
    url: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: Any) -> "Endpoint":
        """Read what an admin wrote; raise InvalidInput naming each place that is wrong."""
        problems = _shape_problems(value)
        if problems:
            raise InvalidInput("The endpoint is not valid.", errors=problems)
        return cls(**{name: value[name] for name in cls.__dataclass_fields__ if name in value})

    def to_json(self) -> JsonObject:
        """Return the JSON object that `from_json` reads."""
        return asdict(self)

    @property
    def secrets(self) -> list[str]:
        """Return the names of the credentials that the headers refer to, in order."""
        return sorted({name for value in self.headers.values() for name in SECRET.findall(value)})

    def check(self, parameters: JsonObject) -> None:
        """Raise InvalidInput unless the request is safe to fill with arguments of this schema."""
        problems = [*_url_problems(self.url), *_header_problems(self.headers)]
        properties, required = parameters.get("properties", {}), parameters.get("required", [])
        in_path = ARGUMENT.findall(urlsplit(self.url).path)
        used = [("/url", name) for name in in_path]
        used += [("/query", name) for name in self.query.values()]
        used += [("/body", name) for name in self.body.values()]
        used += [("/headers", name) for value in self.headers.values() for name in ARGUMENT.findall(value)]
        problems += [
            {"at": at, "message": f"there is no argument '{name}'"}
            for at, name in used
            if name not in properties
        ]
        problems += [
            {"at": "/url", "message": f"the argument '{name}' must be required: it is part of the path"}
            for name in in_path
            if name in properties and name not in required
        ]
        if self.body and self.method in WITHOUT_BODY:
            problems.append({"at": "/body", "message": f"a {self.method} request has no body"})
        if problems:
            raise InvalidInput("The endpoint is not valid.", errors=problems)

    def prepare(self, arguments: JsonObject, secrets: Mapping[str, str]) -> Prepared:
        """Return the request for these arguments; raise ToolFailed, not started, where one does not fit."""
        scheme, host, path, query, _ = urlsplit(self.url)
        path = "/".join(_segment(segment, arguments) for segment in path.split("/"))
        pairs = [
            (name, text)
            for name, argument in self.query.items()
            for text in _texts(argument, arguments.get(argument))
        ]
        query = "&".join(part for part in (query, urlencode(pairs)) if part)
        return Prepared(
            method=self.method,
            url=urlunsplit((scheme, host, path, query, "")),
            headers=_filled_headers(self.headers, arguments, secrets),
            json=None
            if self.method in WITHOUT_BODY or not self.body
            else {name: arguments[argument] for name, argument in self.body.items() if argument in arguments},
        )


def _shape_problems(value: Any) -> list[dict[str, str]]:
    if not isinstance(value, dict):
        return [{"at": "/", "message": "must be an object"}]
    known = set(Endpoint.__dataclass_fields__)
    problems = [{"at": f"/{name}", "message": "is not known"} for name in sorted(set(value) - known)]
    if value.get("method") not in METHODS:
        problems.append({"at": "/method", "message": f"must be one of {', '.join(METHODS)}"})
    if not isinstance(value.get("url"), str):
        problems.append({"at": "/url", "message": "must be a text"})
    for name in ("query", "headers", "body"):
        mapping = value.get(name, {})
        if not isinstance(mapping, dict) or not all(isinstance(item, str) for item in mapping.values()):
            problems.append({"at": f"/{name}", "message": "must map names to texts"})
    return problems


def _url_problems(url: str) -> list[dict[str, str]]:
    def problem(message: str) -> list[dict[str, str]]:
        return [{"at": "/url", "message": message}]

    try:
        parts = urlsplit(url)
        outbound.check_url(ARGUMENT.sub("x", url))
    except outbound.OutboundRefused as error:
        return problem(error.detail)
    except ValueError:
        return problem("is no URL")
    if "{" in parts.netloc or "{" in parts.query or parts.fragment or "#" in url:
        return problem("only the path may hold arguments; use `query` for parameters, and no fragment")
    if any(character in ARGUMENT.sub("", parts.path) for character in "{}"):
        return problem("braces in the path must name an argument")
    if any(segment in {".", ".."} for segment in parts.path.split("/")):
        return problem("the path must not hold . or .. segments")
    return []


def _header_problems(headers: Mapping[str, str]) -> list[dict[str, str]]:
    problems = []
    names = [name.lower() for name in headers]
    for name, value in headers.items():
        at = f"/headers/{name}"
        if not _TOKEN.match(name) or names.count(name.lower()) > 1:
            problems.append({"at": at, "message": "is not the name of a header, or is given twice"})
        elif name.lower() in OURS:
            problems.append({"at": at, "message": "is set by the client"})
        rest = _PLACEHOLDER.sub("", value)
        if not _VALUE.match(value) or "{" in rest or "}" in rest:
            problems.append(
                {"at": at, "message": "must be printable ASCII; braces name an argument or secret:NAME"}
            )
    return problems


def _segment(template: str, arguments: JsonObject) -> str:
    """Fill one segment of the path; what is put in stays within it."""
    if not ARGUMENT.search(template):
        return template

    def fill(match: re.Match[str]) -> str:
        text = _text(match[1], arguments.get(match[1]))
        # Servers that decode %2F before they route would see these as steps up.
        if {".", ".."} & set(re.split(r"[/\\]", text)) or not text.isprintable():
            raise _unfit(match[1], "cannot be part of a path")
        return quote(text, safe="")

    filled = ARGUMENT.sub(fill, template)
    if filled in {"", ".", ".."}:
        raise _unfit(ARGUMENT.findall(template)[0], "cannot be a whole segment of a path")
    return filled


def _filled_headers(
    templates: Mapping[str, str], arguments: JsonObject, secrets: Mapping[str, str]
) -> dict[str, str]:
    """Fill each header in one pass; a header whose argument was not given is left out."""
    filled = {}
    for name, template in templates.items():
        if any(arguments.get(argument) is None for argument in ARGUMENT.findall(template)):
            continue
        text = _PLACEHOLDER.sub(
            lambda match: secrets[match[1]] if match[1] else _text(match[2], arguments[match[2]]), template
        )
        if not _VALUE.match(text) or len(text) > MAX_VALUE:
            raise ToolFailed(f"The header {name} cannot hold what was to go into it.", started=False)
        filled[name] = text
    return filled


def _texts(name: str, value: Any) -> Sequence[str]:
    if value is None:
        return []
    return [_text(name, item) for item in value] if isinstance(value, list) else [_text(name, value)]


def _text(name: str, value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case str():
            return value
    raise _unfit(name, "must be a text or a number there")


def _unfit(name: str, why: str) -> ToolFailed:
    return ToolFailed(f"The argument '{name}' {why}.", started=False)
