"""Tools of a tenant, the servers they come from and the credentials they need."""

import json
from collections.abc import Collection, Sequence
from functools import lru_cache

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from agents.tools.base import MAX_ATTEMPTS, MAX_TIMEOUT_S, Trust
from agents.tools.registry import REGISTRY, spec_of
from governance.flow import records
from governance.flow.structure import ResultFormat
from governance.identity import claims as rules
from governance.identity.types import TokenRefused
from governance.types import EffectClass, Risk, SecurityLevel, ToolRef
from tenants.kernel import outbound, prepared
from tenants.kernel.jsonvalues import JsonObject
from tenants.kernel.models import Identified

_TRUST = """
SELECT t.name, t.output_trusted AND NOT t.quarantined, t.effect, t.source,
 ARRAY(SELECT s.field FROM governance_trustedsource s
       WHERE s.tool = t.name AND NOT t.quarantined ORDER BY s.field),
 CASE WHEN t.quarantined THEN 'text' ELSE t.result_format END,
 CASE WHEN t.quarantined THEN NULL ELSE t.output_schema::text END
FROM agents_tool t WHERE t.name = ANY(%s)
"""


@lru_cache(maxsize=1024)
def _members(schema: str) -> frozenset[str]:
    return records.members(json.loads(schema))


def audience_problem(audience: str, scope: str) -> str:
    """Return what is wrong with an audience and a scope for tokens; empty if nothing is."""
    try:
        if audience:
            rules.check_target(audience)
        rules.parse_scope(scope)
    except TokenRefused as refusal:
        return refusal.detail
    return "Name the audience that the scope is for." if scope and not audience else ""


class ToolQuerySet(models.QuerySet["Tool"]):
    """Questions about tools."""

    def offered(self, names: Sequence[str]) -> "ToolQuerySet":
        """Return those of the names that can be used now, by name."""
        return self.filter(name__in=names, enabled=True).order_by("name")

    def trusted(self, names: Collection[str]) -> set[str]:
        """Return those of the names whose results nobody outside can write into; one that is unknown is not."""
        sql = "SELECT name FROM agents_tool WHERE name = ANY(%s) AND output_trusted AND NOT quarantined"
        return {name for (name,) in prepared.execute(sql, [sorted(names)])} if names else set()

    def trust(self, names: Collection[str]) -> dict[str, Trust]:
        """Return what is known of the results of those of the names that exist."""
        rows = prepared.execute(_TRUST, [sorted(names)]) if names else ()
        return {
            name: Trust(
                output_trusted=trusted,
                consequential=effect != EffectClass.READ,
                built_in=source == Tool.Source.PYTHON,
                directories=tuple(fields),
                result_format=result_format,
                members=_members(schema) if schema else frozenset(),
            )
            for name, trusted, effect, source, fields, result_format, schema in rows
        }


class Tool(models.Model):
    """A tool as this tenant allows it. Risk and effect are what an admin confirmed, not what was declared."""

    class Source(models.TextChoices):
        PYTHON = "python", "Python"
        HTTP = "http", "HTTP"
        MCP = "mcp", "MCP"

    name = models.CharField(max_length=120, unique=True)
    description = models.TextField()
    parameters = models.JSONField(help_text="JSON Schema of the arguments.")
    schema_version = models.CharField(max_length=64, editable=False)
    risk = models.CharField(max_length=10, choices=[(risk.value, risk.value) for risk in Risk])
    effect = models.CharField(max_length=20, choices=[(effect.value, effect.value) for effect in EffectClass])
    enabled = models.BooleanField(default=True)
    source = models.CharField(max_length=10, choices=Source.choices, default=Source.PYTHON, editable=False)
    timeout_s = models.PositiveIntegerField(
        default=60,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_TIMEOUT_S)],
        help_text=f"Seconds until a call counts as timed out, {MAX_TIMEOUT_S} at most.",
    )
    max_attempts = models.PositiveSmallIntegerField(
        default=3,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_ATTEMPTS)],
        help_text=f"Tries in all when a failure is transient and repeating is safe, {MAX_ATTEMPTS} at most.",
    )
    fallback = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Proposed with the same arguments when this tool cannot be used.",
    )
    reversible = models.BooleanField(
        default=False, help_text="What a call did can be undone; only then may it run without an approval."
    )
    cost_micros = models.PositiveBigIntegerField(
        "cost of a call",
        default=0,
        blank=True,
        help_text="In micro-dollars (1,000,000 are one dollar), counted in budgets. 0: as the list of prices says.",
    )
    output_trusted = models.BooleanField(
        default=False,
        help_text="Nobody outside can write into its results. Others make the run untrusted that reads them.",
    )
    withholds_results = models.BooleanField(
        default=False,
        help_text="The model is given a handle instead of the result, so whoever wrote into it cannot speak to it.",
    )
    result_format = models.CharField(
        max_length=10,
        choices=[(format_.value, format_.value) for format_ in ResultFormat],
        default=ResultFormat.TEXT,
        help_text="What the text of its results is; json and yaml only where a program encodes them.",
    )
    security_level = models.CharField(
        max_length=12,
        choices=[(level.value, level.value) for level in SecurityLevel],
        default=SecurityLevel.INTERNAL,
        help_text="How closely it is kept: agents and people need as high a level to use it.",
    )
    output_schema = models.JSONField(
        null=True, blank=True, editable=False, help_text="JSON Schema of the result."
    )

    server = models.ForeignKey(
        "agents.ToolServer",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The MCP server that offers the tool.",
    )
    definition = models.JSONField(
        default=dict,
        blank=True,
        editable=False,
        help_text="The endpoint of an HTTP tool; what a server said of an MCP tool, declared annotations included.",
    )
    secrets = models.JSONField(
        default=list, blank=True, editable=False, help_text="Names of the credentials a call needs."
    )
    audience = models.CharField(
        max_length=255,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="The service for which each call gets a token of its own, sent as Authorization: Bearer.",
    )
    scope = models.CharField(
        max_length=255,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="What the token permits there.",
    )
    quarantined = models.BooleanField(
        default=False, editable=False, help_text="Not usable until somebody confirms its risk and effect."
    )
    quarantine_reason = models.CharField(max_length=200, blank=True, editable=False)
    before_quarantine = models.JSONField(
        default=dict,
        blank=True,
        editable=False,
        help_text="While in quarantine: the definition that was in use, with its risk and effect, and who "
        "had confirmed them when.",
    )
    confirmed_at = models.DateTimeField(null=True, editable=False)
    confirmed_by = models.CharField(max_length=150, blank=True, editable=False)

    objects = ToolQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        permissions = [
            ("execute_tool", "Can use the tool through agents"),
            ("admin_tool", "Can administer the tool and say who else may"),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse itself as fallback, and anything milder than the tool's author declared."""
        if self.pk is not None and self.fallback_id == self.pk:
            raise ValidationError({"fallback": "A tool cannot stand in for itself."})
        if self.source != self.Source.PYTHON or self.name not in REGISTRY:
            return
        declared = spec_of(self.name)
        wanted = "The tool's author declared it {}; choose that or stricter."
        problems = {}
        if list(Risk).index(Risk(self.risk)) < list(Risk).index(declared.risk):
            problems["risk"] = wanted.format(declared.risk)
        if list(EffectClass).index(EffectClass(self.effect)) < list(EffectClass).index(declared.effect):
            problems["effect"] = wanted.format(declared.effect)
        if self.reversible and not declared.reversible:
            problems["reversible"] = "The tool's author did not declare that its calls can be undone."
        if self.output_trusted and not declared.output_trusted:
            problems["output_trusted"] = "The tool's author did not declare its results trusted."
        if problems:
            raise ValidationError(problems)

    @property
    def declared(self) -> JsonObject:
        """Return what the tool is and where its calls go, as a person compares it."""
        return {
            "description": self.description,
            "parameters": self.parameters,
            "output_schema": self.output_schema,
            "definition": self.definition,
            "server_url": self.server.url if self.server else None,
            "secrets": self.secrets,
            "audience": self.audience,
            "scope": self.scope,
            "schema_version": self.schema_version,
        }

    @property
    def quarantine(self) -> JsonObject | None:
        """Return why it is in quarantine, what was in use before (None if nothing) and what it is now."""
        if not self.quarantined:
            return None
        return {
            "why": self.quarantine_reason,
            "before": self.before_quarantine or None,
            "now": self.declared,
        }

    def ref(self) -> ToolRef:
        """Return the tool as governance sees it."""
        return ToolRef(
            id=self.pk,
            name=self.name,
            risk=Risk(self.risk),
            effect=EffectClass(self.effect),
            parameters=self.parameters,
            schema_version=self.schema_version,
            enabled=self.enabled and not self.quarantined,
            reversible=self.reversible,
            level=SecurityLevel(self.security_level),
        )


class ToolServer(Identified):
    """An MCP server whose tools the tenant may use, each once somebody has confirmed it."""

    class Transport(models.TextChoices):
        STREAMABLE_HTTP = "streamable-http", "streamable HTTP"

    name = models.CharField(
        max_length=24,
        unique=True,
        validators=[RegexValidator(r"^[a-z][a-z0-9-]*\Z", "Use a-z, 0-9 and -, starting with a letter.")],
        help_text="Its tools are called NAME__TOOL.",
    )
    url = models.CharField(max_length=2000, help_text="Where it answers, such as https://example.com/mcp.")
    transport = models.CharField(
        max_length=20, choices=Transport.choices, default=Transport.STREAMABLE_HTTP, editable=False
    )
    secret = models.ForeignKey(
        "agents.ToolSecret",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Sent as Authorization: Bearer.",
    )
    audience = models.CharField(
        max_length=255,
        blank=True,
        default="",
        db_default="",
        help_text="Instead of a credential: each call gets a token for this audience, naming the person, the "
        "agent and the run. Usually the server's URL.",
    )
    scope = models.CharField(
        max_length=255,
        blank=True,
        default="",
        db_default="",
        help_text="What the tokens permit there: orders:read orders:write.",
    )
    synced_at = models.DateTimeField(null=True, editable=False)
    last_error = models.TextField(
        blank=True, editable=False, help_text="Why the last sync failed, or which tools it left out."
    )

    class Meta:
        ordering = ["name"]
        verbose_name = "MCP server"

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse a URL that requests must not go to, and tokens beside a credential."""
        if problem := audience_problem(self.audience, self.scope):
            raise ValidationError({"audience": problem})
        if self.audience and self.secret_id:
            raise ValidationError({"audience": "The server gets either a credential or tokens, not both."})
        try:
            outbound.check_url(self.url)
        except outbound.OutboundRefused as error:
            raise ValidationError({"url": error.detail}) from error


class ToolSecret(Identified):
    """A credential of the tenant for its tools, sealed under the tenant's key. Its value is never shown."""

    name = models.CharField(
        max_length=64,
        unique=True,
        validators=[RegexValidator(r"^[A-Z][A-Z0-9_]*\Z", "Use A-Z, 0-9 and _, starting with a letter.")],
        help_text="Headers of HTTP tools refer to it as {secret:NAME}.",
    )
    ciphertext = models.BinaryField(editable=False)
    key_version = models.PositiveIntegerField(editable=False)
    updated_at = models.DateTimeField(editable=False)
    updated_by = models.CharField(max_length=150, editable=False)

    class Meta:
        ordering = ["name"]
        verbose_name = "tool credential"

    def __str__(self) -> str:
        return self.name
