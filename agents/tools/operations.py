"""Bring tools in from elsewhere, keep them in quarantine until somebody confirms them, and change them."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from agents.tools import tokens
from agents.tools.base import ToolFailed
from agents.tools.models import Tool, ToolSecret, ToolServer, audience_problem
from agents.tools.registry import REGISTRY
from agents.tools.remote import mcp, schemas
from agents.tools.remote.endpoint import Endpoint
from agents.tools.secrets import names_for, opened
from governance.access import clearances
from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.flow.structure import ResultFormat
from governance.types import SYSTEM, Actor, EffectClass, Risk, SecurityLevel, Subject
from tenants.kernel.errors import DomainError, InvalidInput, StaleTransition
from tenants.kernel.jsonvalues import JsonObject, sha256_hex, storable
from tenants.tiers.quotas import ensure_feature, requires_feature

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")
RESERVED = frozenset({"servers", "secrets"})  # paths of the API
MAX_NAME = 64
MAX_DESCRIPTION = 4000
VOUCHED = ("risk", "effect", "reversible", "output_trusted", "result_format")
"""What a person says of a tool when they confirm it."""
DEFINITION = ("description", "parameters", "output_schema", "endpoint", "audience", "scope")
ARRIVED = "It is new here."


class NameTaken(InvalidInput):
    """Another tool, server or credential has the name."""

    code = "name-taken"
    status = 409


class ToolQuarantined(DomainError):
    """A tool in quarantine is enabled only by confirming its risk and its effect."""

    code = "tool-quarantined"
    status = 409
    title = "Confirm the tool's risk and effect to enable it"


@dataclass(frozen=True, kw_only=True)
class HttpTool:
    """What an admin says of an HTTP tool."""

    name: str
    description: str
    parameters: JsonObject
    endpoint: Endpoint
    output_schema: JsonObject | None = None
    audience: str = ""
    scope: str = ""

    def check(self) -> None:
        """Raise InvalidInput or SchemaRefused if it cannot become a tool."""
        if not NAME.match(self.name) or self.name in RESERVED or "__" in self.name:
            raise _invalid(
                "/name", "Use a-z, A-Z, 0-9, - and single _, at most 64; not 'servers' or 'secrets'."
            )
        if not self.description.strip() or len(self.description) > MAX_DESCRIPTION:
            raise _invalid("/description", f"Say what the tool does in 1 to {MAX_DESCRIPTION} characters.")
        _check_schemas(self.parameters, self.output_schema)
        self.endpoint.check(self.parameters)
        if problem := audience_problem(self.audience, self.scope):
            raise _invalid("/audience", problem)
        if self.audience and "authorization" in {name.lower() for name in self.endpoint.headers}:
            raise _invalid(
                "/audience", "The token is the Authorization header, which the endpoint sets itself."
            )
        if storable(self.fields) != self.fields:
            raise _invalid("/description", "A text holds characters that cannot be stored.")

    @property
    def fields(self) -> dict[str, Any]:
        """Return the columns of the row."""
        definition = self.endpoint.to_json()
        whole = {
            "name": self.name,
            "description": self.description,
            "parameters": self.parameters,
            "output_schema": self.output_schema,
            "endpoint": definition,
            **token_for(self.audience, self.scope),
        }
        return {
            "description": self.description,
            "parameters": self.parameters,
            "output_schema": self.output_schema,
            "definition": definition,
            "secrets": self.endpoint.secrets,
            "audience": self.audience,
            "scope": self.scope,
            "schema_version": sha256_hex(whole),
        }


def token_for(audience: str, scope: str) -> JsonObject:
    """Return what a digest of a definition holds of its tokens; nothing where there are none."""
    return {"token": {"audience": audience, "scope": scope}} if audience else {}


def _check_schemas(parameters: JsonObject, output_schema: JsonObject | None) -> None:
    for at, schema in (("/parameters", parameters), ("/output_schema", output_schema)):
        if schema is None:
            continue
        try:
            schemas.check(schema, of_object=at == "/parameters")
        except DomainError as error:
            raise _invalid(at, error.detail) from error
        if storable(schema) != schema:
            raise _invalid(at, "The schema holds characters that cannot be stored.")


def _invalid(at: str, message: str) -> InvalidInput:
    return InvalidInput(message, errors=[{"at": at, "message": message}])


@transaction.atomic
@requires_feature("http_tools")
def create_http(*, tool: HttpTool, risk: Risk, effect: EffectClass, by: Any = None, **limits: Any) -> Tool:
    """Add an HTTP tool, disabled and in quarantine; risk and effect are a proposal until confirmed.

    `limits` may give what a person vouches for, and how long and how often a call is tried. Raises InvalidInput,
    NameTaken, QuotaExceeded, PermissionMissing for a level above `by`'s clearance.
    """
    level = limits.get("security_level", SecurityLevel.INTERNAL)
    clearances.check_change(by=by, before=SecurityLevel.INTERNAL, after=level)
    tool.check()
    if tool.name in REGISTRY or Tool.objects.filter(name=tool.name).exists():
        raise NameTaken(f"There is a tool named '{tool.name}' already.")
    row = Tool(name=tool.name, source=Tool.Source.HTTP, risk=risk, effect=effect)
    for field, value in {**tool.fields, **limits}.items():
        setattr(row, field, value)
    row.full_clean(exclude=["parameters"])
    return _arrived(row)


@transaction.atomic
def change_http(*, row: Tool, tool: HttpTool) -> Tool:
    """Give an HTTP tool another definition; if anything in it differs, the tool goes into quarantine."""
    if row.source != Tool.Source.HTTP or row.name != tool.name:
        raise InvalidInput("Only HTTP tools have an endpoint, and a tool keeps its name.")
    tool.check()
    row = _locked(row)
    if tool.fields["schema_version"] != row.schema_version:
        quarantine(tool=row, why="Its definition was changed.", fields=tool.fields)
    return row


@transaction.atomic
def quarantine(*, tool: Tool, why: str, fields: Mapping[str, Any] | None = None) -> None:
    """Take a tool out of use until somebody confirms it again; the gate denies its calls from now on.

    `fields` is its new definition, if it has one. What was in use, and who had confirmed it, is kept
    beside it; risk, effect and what is said of its calls and results become the strictest, so that whoever
    confirms it chooses them anew.
    """
    if not tool.quarantined:
        tool.before_quarantine = _in_use(tool)
    changes = {
        **(fields or {}),
        "risk": Risk.CRITICAL.value,
        "effect": EffectClass.NON_IDEMPOTENT.value,
        "reversible": False,
        "output_trusted": False,
        "result_format": ResultFormat.TEXT.value,
        "enabled": False,
        "quarantined": True,
        "quarantine_reason": why,
        "confirmed_at": None,
        "confirmed_by": "",
    }
    for field, value in changes.items():
        setattr(tool, field, value)
    tool.save(update_fields=[*changes, "before_quarantine"])
    known = (*VOUCHED, "confirmed_by", "confirmed_at", "schema_version")
    before = {name: tool.before_quarantine[name] for name in known if name in tool.before_quarantine}
    _record("tool.quarantined", tool, actor=SYSTEM, now=timezone.now(), body={"why": why, "before": before})


def _in_use(tool: Tool) -> JsonObject:
    at = tool.confirmed_at.isoformat() if tool.confirmed_at else None
    vouched: JsonObject = {"confirmed_by": tool.confirmed_by, "confirmed_at": at}
    vouched |= {name: getattr(tool, name) for name in ("reversible", "output_trusted", "result_format")}
    return {**tool.declared, "risk": str(tool.risk), "effect": str(tool.effect), **vouched}


def _arrived(row: Tool) -> Tool:
    """Store a tool that is new here, in quarantine; its risk and effect are a proposal."""
    row.enabled, row.quarantined, row.quarantine_reason = False, True, ARRIVED
    row.save()
    _record("tool.quarantined", row, actor=SYSTEM, now=timezone.now(), body={"why": ARRIVED})
    return row


@transaction.atomic
def confirm(
    *,
    tool: Tool,
    risk: Risk,
    effect: EffectClass,
    by: Any,
    now: datetime,
    reversible: bool = False,
    output_trusted: bool = False,
    result_format: str = ResultFormat.TEXT,
) -> Tool:
    """Put a tool into use with what the person vouches for: its risk, its effect, whether its calls can be
    undone and its results be trusted, and what the text of those is.

    Raises StaleTransition if its definition is no longer the one `tool` was read with, and
    ValidationError where they are milder than a Python tool's author declared.
    """
    row = _locked(tool)
    row.risk, row.effect = risk.value, effect.value
    row.reversible, row.output_trusted, row.result_format = reversible, output_trusted, result_format
    row.clean()
    row.enabled, row.quarantined = True, False
    row.quarantine_reason, row.before_quarantine = "", {}
    row.confirmed_at, row.confirmed_by = now, by.username
    row.save()
    actor = Actor(kind=by.kind, id=str(by.pk), name=by.username)
    body = {name: getattr(row, name) for name in VOUCHED}
    _record("tool.confirmed", row, actor=actor, now=now, body=body)
    return row


def _locked(seen: Tool) -> Tool:
    """Return the row as it is now, locked; raise StaleTransition if its definition is another."""
    row = Tool.objects.select_for_update().get(pk=seen.pk)
    if row.schema_version != seen.schema_version:
        raise StaleTransition(f"{seen.name} has changed since you read it; look at it again.")
    return row


@transaction.atomic
def change(*, tool: Tool, changes: dict[str, Any], by: Any, now: datetime) -> Tool:
    """Change what is named; what an HTTP tool does first, then its limits, then whether it may be used.

    `enabled` with `risk` and `effect` confirms a tool in quarantine. Raises ToolQuarantined where it is
    to be enabled without them, StaleTransition if `schema_version` is given and is not the tool's.
    """
    given = dict(changes)
    tool.schema_version = given.pop("schema_version", tool.schema_version)
    tool = _locked(tool)
    clearances.check_change(
        by=by, before=tool.security_level, after=given.get("security_level", tool.security_level)
    )
    definition = {name: given.pop(name) for name in DEFINITION if name in given}
    if definition:
        tool = change_http(row=tool, tool=_changed(tool, definition))
    if tool.quarantined and given.get("enabled"):
        if not {"risk", "effect"} <= set(given):
            raise ToolQuarantined
        tool = confirm(
            tool=tool,
            risk=Risk(given.pop("risk")),
            effect=EffectClass(given.pop("effect")),
            reversible=given.pop("reversible", tool.reversible),
            output_trusted=given.pop("output_trusted", tool.output_trusted),
            result_format=given.pop("result_format", tool.result_format),
            by=by,
            now=now,
        )
    for field, value in given.items():
        setattr(tool, field, value)
    tool.clean()
    tool.save()
    return tool


def _changed(tool: Tool, definition: JsonObject) -> HttpTool:
    if tool.source != Tool.Source.HTTP:
        raise InvalidInput("Only HTTP tools are defined here.")
    endpoint = definition.pop("endpoint", tool.definition)
    kept = {
        "description": tool.description,
        "parameters": tool.parameters,
        "output_schema": tool.output_schema,
        "audience": tool.audience,
        "scope": tool.scope,
    }
    return HttpTool(name=tool.name, endpoint=Endpoint.from_json(endpoint), **{**kept, **definition})


def _record(action: str, tool: Tool, *, actor: Actor, now: datetime, body: JsonObject) -> None:
    facts = {"source": tool.source, "schema_version": tool.schema_version, **body}
    subject = Subject(kind="tool", id=tool.name)
    audit.record(Entry(at=now, action=action, actor=actor, subject=subject, outcome="ok", body=facts))


def save_server(*, server: ToolServer) -> ToolServer:
    """Store a server. Where it leads elsewhere now, or shows another credential, its tools are quarantined.

    Raises ValidationError for a name that is taken or malformed, and for a URL that must not be asked;
    QuotaExceeded for a new one where the tier has none.
    """
    server.full_clean()
    with transaction.atomic():
        before = ToolServer.objects.select_for_update().filter(pk=server.pk).first()
        if before is not None and before.name != server.name:
            raise _invalid("/name", "A server keeps its name: its tools are called after it.")
        if before is None:
            ensure_feature("mcp_servers")
        server.save()
        if before is not None and _target(before) != _target(server):
            for tool in Tool.objects.select_for_update().filter(server=server):
                tool.server = before  # what was in use went there
                fields = {**_of_server(server, tool.definition), "server": server}
                quarantine(
                    tool=tool, why="Its server's URL, credential or audience was changed.", fields=fields
                )
    return server


def _target(server: ToolServer) -> tuple[str, str, str, str]:
    return server.url, server.secret.name if server.secret else "", server.audience, server.scope


def sync_server(*, server: ToolServer, now: datetime) -> ToolServer:
    """Ask a server for its tools. New and changed ones are quarantined, vanished ones disabled.

    `last_error` names the tools that were left out, and why. Raises ToolFailed, noting it there too, if
    the server cannot be asked; then nothing else changes.
    """
    try:
        secret = opened(server.secret) if server.secret else None
        if server.audience:
            secret = tokens.for_listing(server)
        declared = mcp.definitions(url=server.url, secret=secret)
    except ToolFailed as error:
        server.last_error = error.detail
        server.save(update_fields=["last_error"])
        raise
    with transaction.atomic():
        ToolServer.objects.select_for_update().get(pk=server.pk)
        left_out = _apply(server, declared)
        server.synced_at, server.last_error = now, "\n".join(left_out)
        server.save(update_fields=["synced_at", "last_error"])
    return server


def _apply(server: ToolServer, declared: list[JsonObject]) -> list[str]:
    """Bring the rows to what the server declares; return a line for each tool that was left out."""
    rows = {row.name: row for row in Tool.objects.select_for_update().filter(server=server)}
    names = [local_name(server.name, str(definition["name"])) for definition in declared]
    taken = set(Tool.objects.exclude(server=server).filter(name__in=names).values_list("name", flat=True))
    left_out: dict[str, str] = {}
    for definition in declared:
        remote = str(definition["name"])
        name = local_name(server.name, remote)
        try:
            if names.count(name) > 1:
                raise InvalidInput("The server lists it, or one with the same name here, more than once.")
            if name in taken:
                raise NameTaken(f"There is another tool named '{name}'.")
            fields = _accepted(server, definition)
        except DomainError as error:
            left_out[remote] = f"{remote[:80]}: {error.detail}"
            continue
        row = rows.pop(name, None)
        if row is None:
            _arrive(server, name, fields)
        elif row.schema_version != fields["schema_version"]:
            quarantine(tool=row, why="Its server declares it differently now.", fields=fields)
    for gone in rows.values():
        if gone.enabled:
            gone.enabled = gone.reversible = gone.output_trusted = False
            gone.result_format = ResultFormat.TEXT
            gone.save(update_fields=["enabled", "reversible", "output_trusted", "result_format"])
    return list(left_out.values())


def _arrive(server: ToolServer, name: str, fields: dict[str, Any]) -> None:
    """Add a tool as dangerous as a tool can be, whatever the server says of it."""
    strictest = {"risk": Risk.CRITICAL, "effect": EffectClass.NON_IDEMPOTENT}
    _arrived(Tool(name=name, source=Tool.Source.MCP, server=server, **strictest, **fields))


def _accepted(server: ToolServer, definition: JsonObject) -> dict[str, Any]:
    """Return the columns for a declared tool; raise InvalidInput if it cannot be one."""
    if len(str(definition.get("description", ""))) > MAX_DESCRIPTION:
        raise InvalidInput(f"Its description is longer than {MAX_DESCRIPTION} characters.")
    _check_schemas(definition["inputSchema"], definition.get("outputSchema"))
    return _of_server(server, definition)


def _of_server(server: ToolServer, definition: JsonObject) -> dict[str, Any]:
    url, secret, audience, scope = _target(server)
    target = {"name": server.name, "url": url, "secret": secret, **token_for(audience, scope)}
    whole = {"definition": definition, "server": target}
    return {
        "description": str(definition.get("description") or definition.get("title") or definition["name"]),
        "parameters": definition["inputSchema"],
        "output_schema": definition.get("outputSchema"),
        "definition": definition,
        "secrets": [secret] if secret else [],
        "audience": audience,
        "scope": scope,
        "schema_version": sha256_hex(whole),
    }


def local_name(server: str, remote: str) -> str:
    """Return what a server's tool is called here: SERVER__TOOL, in characters that models accept.

    A name that had to be shortened or spelled differently ends in a digest of the original, so that two
    tools never share a name.
    """
    name = f"{server}__{remote}"
    if NAME.match(name):
        return name
    digest = hashlib.sha256(remote.encode()).hexdigest()[:8]
    return f"{re.sub(r'[^a-zA-Z0-9_-]', '_', name)[: MAX_NAME - 9]}_{digest}"


def users_of(secret: ToolSecret) -> list[str]:
    """Return the names of the servers and tools that need the credential."""
    users = {str(server) for server in ToolServer.objects.filter(secret=secret)}
    users |= {tool.name for tool in Tool.objects.all() if secret.name in names_for(tool)}
    return sorted(users)


@transaction.atomic
def delete_secret(*, secret: ToolSecret) -> None:
    """Delete a credential; raise InvalidInput naming what still needs it."""
    if users := users_of(secret):
        raise InvalidInput(f"{secret.name} is used by {', '.join(users)}.")
    secret.delete()
