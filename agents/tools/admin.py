"""Tools, MCP servers and credentials in the admin."""

from datetime import datetime
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from agents.tools import operations, secrets, tokens
from agents.tools.base import ToolFailed
from agents.tools.forms import HttpToolForm, SecretForm, ToolForm
from agents.tools.models import Tool, ToolSecret, ToolServer
from governance.access.rights.admin import LevelsAdmin
from governance.types import EffectClass, Risk
from tenants.kernel.admin import LABELS, ConfigAdmin, action, display
from tenants.kernel.jsonvalues import JsonObject
from tenants.templatetags.display import cut, inert, pretty

USE = (
    "risk",
    "effect",
    "reversible",
    "output_trusted",
    "withholds_results",
    "result_format",
    "security_level",
    "timeout_s",
    "max_attempts",
    "fallback",
    "cost_micros",
)
HTTP = (
    *("name", "description", "parameters", "result_schema"),
    *("method", "url", "query", "headers", "body", "token_for", "token_scope"),
)
SHOWN = ("description_shown", "parameters_shown", "output_shown", "request_shown", "declared")
QUARANTINE = ("why", "before_shown", "changes_shown")
STATE = ("state", "source", "server", "secrets_shown", "token_shown", "confirmed", "schema_version")

BESIDE = """<strong>{}</strong><div class="beside"><div>Before{}</div><div>Now{}</div></div>"""


class ToolAdmin(LevelsAdmin):
    """Risk, effect and enabled are the tenant's; what the tool is comes from its author, or from an admin."""

    list_display = ["name", "does", "risk_label", "effect", "state_label", "source", "server"]
    list_filter = ["quarantined", "enabled", "risk", "effect", "source"]
    list_select_related = ["server"]
    search_fields = ["name", "description"]
    readonly_fields = ["name", *SHOWN, *STATE, *QUARANTINE]
    actions_submit_line = ["confirm"]

    def get_form(self, request: HttpRequest, obj: Tool | None = None, **kwargs: Any) -> Any:
        """Let those who may change tools edit the endpoint of HTTP tools."""
        form = HttpToolForm if self._is_editable(request, obj) else ToolForm
        return super().get_form(request, obj, **{**kwargs, "form": form})

    def get_readonly_fields(self, request: HttpRequest, obj: Tool | None = None) -> list[str]:
        """Fix the name of what is not edited here."""
        editable = self._is_editable(request, obj)
        return [field for field in self.readonly_fields if not (editable and field == "name")]

    def get_fieldsets(self, request: HttpRequest, obj: Tool | None = None) -> Any:
        """Say first what the tool is, then what the tenant makes of it."""
        if obj is None:
            return [("What it is", {"fields": HTTP}), ("How it may be used", {"fields": ("seen", *USE)})]
        state = [name for name in STATE if obj.server or name != "server"]
        what = HTTP if self._is_editable(request, obj) else ("name", *SHOWN)
        use = USE if obj.quarantined else ("enabled", *USE)
        return [
            ("State", {"fields": state}),
            *([("Why it is in quarantine", {"fields": QUARANTINE})] if obj.quarantined else []),
            ("What it is", {"fields": what}),
            ("How it may be used", {"fields": (*self._seen(request, obj), *use)}),
        ]

    def _seen(self, request: HttpRequest, obj: Tool) -> tuple[str, ...]:
        return ("seen",) if self.has_change_permission(request, obj) else ()

    def _is_editable(self, request: HttpRequest, obj: Tool | None) -> bool:
        if obj is None:
            return True
        return obj.source == Tool.Source.HTTP and self.has_change_permission(request, obj)

    def get_actions_submit_line(self, request: HttpRequest, object_id: Any) -> Any:
        """Offer to confirm what is in quarantine."""
        waits = Tool.objects.filter(pk=object_id, quarantined=True).exists()
        return super().get_actions_submit_line(request, object_id) if waits else []

    @action(description="Confirm risk and effect, and enable", permissions=["change"])  # type: ignore[untyped-decorator]  # untyped upstream
    def confirm(self, request: HttpRequest, tool: Tool) -> None:
        """Put the tool into use with the risk and effect of the form."""
        risk, effect = Risk(tool.risk), EffectClass(tool.effect)
        operations.confirm(
            tool=tool,
            risk=risk,
            effect=effect,
            reversible=tool.reversible,
            output_trusted=tool.output_trusted,
            result_format=tool.result_format,
            by=request.user,
            now=timezone.now(),
        )
        messages.success(request, f"{tool.name} is enabled, with {risk} risk and {effect} effect.")

    def save_model(self, request: HttpRequest, obj: Tool, form: Any, change: bool) -> None:
        """Call the operations that the API calls."""
        given = {name: form.cleaned_data[name] for name in ("enabled", *USE) if name in form.cleaned_data}
        if not change:
            risk, effect = Risk(given.pop("risk")), EffectClass(given.pop("effect"))
            made = operations.create_http(
                tool=form.cleaned_data["tool"], risk=risk, effect=effect, by=request.user, **given
            )
            obj.pk, obj._state.adding = made.pk, False
            return
        row = Tool.objects.select_related("server").get(pk=obj.pk)
        if "tool" in form.cleaned_data:
            seen = row.schema_version
            row = operations.change_http(row=row, tool=form.cleaned_data["tool"])
            if row.schema_version != seen and not _is_confirming(request):
                for name in operations.VOUCHED:  # chosen for the definition that was
                    del given[name]
        if row.quarantined:
            given.pop("enabled", None)
        row = operations.change(tool=row, changes=given, by=request.user, now=timezone.now())
        for wanted in self.get_actions_submit_line(request, row.pk):
            if wanted.action_name in request.POST:
                wanted.method(request, row)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: disable a tool instead."""
        return False

    @admin.display(description="What it does")
    def does(self, tool: Tool) -> str:
        """Return the beginning of its description, in which nothing hides."""
        return inert(cut(" ".join(tool.description.split()), 120))

    @display(description="Risk", label=LABELS, ordering="risk")  # type: ignore[untyped-decorator]  # untyped upstream
    def risk_label(self, tool: Tool) -> str:
        """Return the risk as a label."""
        return tool.risk

    @display(description="State", label=LABELS)  # type: ignore[untyped-decorator]  # untyped upstream
    def state_label(self, tool: Tool) -> str:
        """Return whether agents can use it."""
        if tool.quarantined:
            return "quarantined"
        return "enabled" if tool.enabled else "disabled"

    @admin.display(description="State")
    def state(self, tool: Tool) -> str:
        """Return whether agents can use it, and what is to be done if not."""
        if tool.quarantined:
            return "In quarantine: agents cannot use it until somebody confirms its risk and effect below."
        return "Enabled" if tool.enabled else "Disabled"

    @admin.display(description="Why")
    def why(self, tool: Tool) -> str:
        """Return what put it there."""
        return tool.quarantine_reason or "-"

    @admin.display(description="In use before")
    def before_shown(self, tool: Tool) -> str:
        """Return as what it was in use, and who had confirmed that."""
        before = tool.before_quarantine
        if not before:
            return "Nobody has confirmed it yet."
        who = "not confirmed by a person"
        if before["confirmed_at"]:
            at = datetime.fromisoformat(before["confirmed_at"])
            who = f"confirmed by {before['confirmed_by']}, {at:%Y-%m-%d %H:%M} UTC"
        said = [f"{before['risk']} risk", f"{before['effect']} effect"]
        said += ["reversible"] if before.get("reversible") else []
        said += ["trusted results"] if before.get("output_trusted") else []
        return f"{', '.join(said)}, {who}. Choose all anew."

    @admin.display(description="What changed")
    def changes_shown(self, tool: Tool) -> str:
        """Return each part of the definition that differs, the old beside the new, as text that does nothing."""
        if not tool.before_quarantine:
            return "-"
        before, now = _parts(tool.before_quarantine), _parts(tool.declared)
        differ = [
            (name, _block(before[name]), _block(now[name])) for name in now if before[name] != now[name]
        ]
        if not differ:
            return "Nothing that is stored here; if a server offers it, ask the server for its tools to see more."
        return format_html_join("", BESIDE, differ)

    @admin.display(description="Confirmed")
    def confirmed(self, tool: Tool) -> str:
        """Return who put it into use, and when."""
        return f"{tool.confirmed_at:%Y-%m-%d %H:%M} UTC by {tool.confirmed_by}" if tool.confirmed_at else "-"

    @admin.display(description="Credentials")
    def secrets_shown(self, tool: Tool) -> str:
        """Return the names of the credentials a call needs, and which are not set."""
        names = secrets.names_for(tool)
        known = set(ToolSecret.objects.filter(name__in=names).values_list("name", flat=True))
        return ", ".join(name if name in known else f"{name} (not set)" for name in names) or "-"

    @admin.display(description="Token for")
    def token_shown(self, tool: Tool) -> str:
        """Return the audience that its calls get tokens for, and the scope."""
        return inert(" · ".join(filter(None, tokens.wanted_by(tool)))) or "-"

    @admin.display(description="Description")
    def description_shown(self, tool: Tool) -> str:
        """Return the description, in which nothing hides."""
        return _block(tool.description)

    @admin.display(description="Arguments")
    def parameters_shown(self, tool: Tool) -> str:
        """Return the JSON Schema of the arguments."""
        return _block(tool.parameters)

    @admin.display(description="Result")
    def output_shown(self, tool: Tool) -> str:
        """Return the JSON Schema of the result."""
        return _block(tool.output_schema) if tool.output_schema else "-"

    @admin.display(description="Request")
    def request_shown(self, tool: Tool) -> str:
        """Return the endpoint of an HTTP tool."""
        return _block(tool.definition) if tool.source == Tool.Source.HTTP else "-"

    @admin.display(description="Declared by the server; not relied on")
    def declared(self, tool: Tool) -> str:
        """Return what a server says of its tool, as text that does nothing."""
        said = {name: tool.definition[name] for name in ("title", "annotations") if name in tool.definition}
        return _block(said) if said else "-"


def _is_confirming(request: HttpRequest) -> bool:
    return "agents_tool_confirm" in request.POST


def _parts(declared: JsonObject) -> JsonObject:
    """Return the parts of what a tool is by the name that people know, each once."""
    repeated = {"name", "description", "inputSchema", "outputSchema"}
    rest = {name: value for name, value in declared["definition"].items() if name not in repeated}
    return {
        "Description": declared["description"],
        "Arguments": declared["parameters"],
        "Result": declared["output_schema"],
        "Request, or what its server declares": rest,
        "Server": declared["server_url"],
        "Credentials": declared["secrets"],
        "Token for": f"{declared.get('audience', '')} {declared.get('scope', '')}".strip(),
    }


def _block(value: Any) -> str:
    return format_html('<pre class="stored">{}</pre>', inert(pretty(value)))


class ToolServerAdmin(ConfigAdmin):
    """MCP servers: add one, sync, then confirm each of its tools."""

    list_display = ["name", "url_shown", "secret", "synced", "error_shown"]
    search_fields = ["name", "url"]
    list_select_related = ["secret"]
    fields = ["name", "url", "secret", "audience", "scope", "synced", "error_shown"]
    readonly_fields = ["synced", "error_shown"]
    actions_submit_line = ["sync"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Fix the name once its tools may be called after it."""
        return ["name", *self.readonly_fields] if obj else list(self.readonly_fields)

    def save_model(self, request: HttpRequest, obj: ToolServer, form: Any, change: bool) -> None:
        """Call the operations that the API calls; a server is asked once the form's transaction is over."""
        operations.save_server(server=obj)
        for wanted in self.get_actions_submit_line(request, obj.pk):
            if wanted.action_name in request.POST:
                transaction.on_commit(partial(wanted.method, request, obj))

    @action(description="Save and ask for its tools", permissions=["change"])  # type: ignore[untyped-decorator]  # untyped upstream
    def sync(self, request: HttpRequest, server: ToolServer) -> None:
        """Ask the server for its tools and say what came of it."""
        try:
            operations.sync_server(server=server, now=timezone.now())
        except ToolFailed as error:
            messages.error(request, f"{server.name} could not be asked: {error.detail}")
            return
        waiting = Tool.objects.filter(server=server, quarantined=True).count()
        messages.success(request, f"{server.name} was asked. Tools that wait in quarantine: {waiting}.")
        if server.last_error:
            messages.warning(request, f"Some were left out: {server.last_error[:500]}")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: its tools are evidence of what agents could do; disable them instead."""
        return False

    @admin.display(description="Asked for its tools", ordering="synced_at")
    def synced(self, server: ToolServer) -> str:
        """Return when the last sync succeeded."""
        return f"{server.synced_at:%Y-%m-%d %H:%M} UTC" if server.synced_at else "never"

    @admin.display(description="URL")
    def url_shown(self, server: ToolServer) -> str:
        """Return the URL as text."""
        return inert(server.url)

    @admin.display(description="Last error")
    def error_shown(self, server: ToolServer) -> str:
        """Return why the last sync failed, or what it left out."""
        return _block(server.last_error) if server.last_error else "-"


class ToolSecretAdmin(ConfigAdmin):
    """Credentials of tools: written here, read by nobody."""

    form = SecretForm
    list_display = ["name", "value_label", "updated", "updated_by"]
    search_fields = ["name"]
    readonly_fields = ["updated", "updated_by"]
    actions = None

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Fix the name: tools refer to it."""
        return ["name", *self.readonly_fields] if obj else list(self.readonly_fields)

    def save_model(self, request: HttpRequest, obj: ToolSecret, form: Any, change: bool) -> None:
        """Seal the value."""
        by = request.user.get_username()
        saved = secrets.save_secret(
            name=obj.name, value=form.cleaned_data["value"], by=by, now=timezone.now()
        )
        obj.pk, obj._state.adding = saved.pk, False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse for a credential that a tool or a server needs."""
        allowed = bool(super().has_delete_permission(request, obj))
        return allowed and (obj is None or not operations.users_of(obj))

    @admin.display(description="Saved", ordering="updated_at")
    def updated(self, secret: ToolSecret) -> str:
        """Return when it was last saved."""
        return f"{secret.updated_at:%Y-%m-%d %H:%M} UTC" if secret.updated_at else "-"

    @display(description="Value", label=LABELS)  # type: ignore[untyped-decorator]  # untyped upstream
    def value_label(self, secret: ToolSecret) -> str:
        """Return that there is one."""
        return "set"
