"""Tools, MCP servers and credentials over HTTP."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from agents.tools import operations, secrets
from agents.tools.base import MAX_ATTEMPTS, MAX_TIMEOUT_S
from agents.tools.models import Tool, ToolSecret, ToolServer
from agents.tools.operations import HttpTool
from agents.tools.remote.endpoint import Endpoint
from governance.access.idempotency import once
from governance.access.rights.holding import GrantedByLevel, held
from governance.flow.structure import ResultFormat
from governance.types import EffectClass, Risk, SecurityLevel
from tenants.kernel.api import CursorPage
from tenants.kernel.errors import InvalidInput

RISKS = [risk.value for risk in Risk]
EFFECTS = [effect.value for effect in EffectClass]
SECURITY_LEVELS = [level.value for level in SecurityLevel]


class QuarantineSerializer(serializers.Serializer[Any]):
    """Why a tool is in quarantine; what was in use before with who confirmed it, and what it is now."""

    why = serializers.CharField()
    before = serializers.DictField(allow_null=True)
    now = serializers.DictField()


class ToolSerializer(serializers.ModelSerializer[Tool]):
    """A tool as this tenant allows it. `definition` is the endpoint, or what an MCP server declared."""

    server = serializers.CharField(source="server.name", default=None, read_only=True)
    fallback = serializers.CharField(source="fallback.name", default=None, read_only=True)
    quarantine = QuarantineSerializer(read_only=True, allow_null=True)

    class Meta:
        model = Tool
        fields = [
            "name", "description", "parameters", "output_schema", "risk", "effect", "enabled", "quarantined",
            "quarantine", "reversible", "output_trusted", "withholds_results",
            "result_format",
            "security_level",
            "confirmed_at", "confirmed_by", "source", "server", "definition", "secrets", "audience", "scope",
            "timeout_s",
            "max_attempts", "fallback", "cost_micros", "schema_version",
        ]  # fmt: skip
        read_only_fields = fields


class Limits(serializers.Serializer[None]):
    """How long and how often a call is tried, what stands in for it, and what can be said of calls and results."""

    timeout_s = serializers.IntegerField(min_value=1, max_value=MAX_TIMEOUT_S, required=False)
    max_attempts = serializers.IntegerField(min_value=1, max_value=MAX_ATTEMPTS, required=False)
    fallback = serializers.SlugRelatedField(
        slug_field="name", queryset=Tool.objects.all(), required=False, allow_null=True
    )
    cost_micros = serializers.IntegerField(
        min_value=0, required=False, help_text="Of one call, in micro-dollars; 0: as the list of prices says."
    )
    reversible = serializers.BooleanField(
        required=False, help_text="What a call did can be undone; false unless somebody says so."
    )
    output_trusted = serializers.BooleanField(
        required=False, help_text="Nobody outside can write into its results; false unless somebody says so."
    )
    withholds_results = serializers.BooleanField(
        required=False, help_text="The model is given a handle instead of the result."
    )
    result_format = serializers.ChoiceField(
        [str(format_) for format_ in ResultFormat],
        required=False,
        help_text="What the text of its results is; json and yaml only where a program encodes them.",
    )
    security_level = serializers.ChoiceField(
        SECURITY_LEVELS, required=False, help_text="How closely it is kept; internal unless somebody says so."
    )


class ToolInput(Limits):
    """A new HTTP tool; it arrives disabled and in quarantine."""

    name = serializers.CharField(max_length=64)
    description = serializers.CharField(max_length=operations.MAX_DESCRIPTION)
    parameters = serializers.DictField()
    output_schema = serializers.DictField(required=False, allow_null=True, default=None)
    endpoint = serializers.DictField()
    audience = serializers.CharField(max_length=255, required=False, allow_blank=True, default="")
    scope = serializers.CharField(max_length=255, required=False, allow_blank=True, default="")
    risk = serializers.ChoiceField(RISKS)
    effect = serializers.ChoiceField(EFFECTS)


class ToolChange(Limits):
    """What can be changed. A description, schema or endpoint of an HTTP tool quarantines it.

    `enabled: true` with `risk` and `effect` confirms a tool in quarantine; `schema_version` makes sure
    that it is still the one that was read.
    """

    description = serializers.CharField(max_length=operations.MAX_DESCRIPTION, required=False)
    parameters = serializers.DictField(required=False)
    output_schema = serializers.DictField(required=False, allow_null=True)
    endpoint = serializers.DictField(required=False)
    audience = serializers.CharField(max_length=255, required=False, allow_blank=True)
    scope = serializers.CharField(max_length=255, required=False, allow_blank=True)
    risk = serializers.ChoiceField(RISKS, required=False)
    effect = serializers.ChoiceField(EFFECTS, required=False)
    enabled = serializers.BooleanField(required=False)
    schema_version = serializers.CharField(max_length=64, required=False)


class ToolViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Tool]):
    """Tools by name. Those who manage tools add HTTP tools, confirm and change."""

    required_permission: Any = {
        "GET": "agents.view_tool", "POST": "agents.add_tool", "PATCH": "agents.change_tool",
    }  # fmt: skip
    http_method_names = ["get", "post", "patch", "head", "options"]
    permission_classes = [GrantedByLevel]
    levels_of = Tool
    queryset = Tool.objects.select_related("server", "fallback")
    serializer_class = ToolSerializer
    pagination_class = CursorPage
    lookup_field = "name"
    lookup_value_regex = "[^/]+"
    filterset_fields = ["risk", "enabled", "source", "quarantined"]

    def get_queryset(self) -> QuerySet[Tool]:
        """Return the tools that the caller may view, by role or each by itself."""
        return held(super().get_queryset(), self.request.user, "view_tool")

    @extend_schema(request=ToolInput, responses={201: ToolSerializer})
    def create(self, request: Request) -> Response:
        """Add an HTTP tool."""
        data = ToolInput(data=request.data)
        data.is_valid(raise_exception=True)
        given = dict(data.validated_data)
        risk, effect = Risk(given.pop("risk")), EffectClass(given.pop("effect"))
        tool = HttpTool(
            name=given.pop("name"),
            description=given.pop("description"),
            parameters=given.pop("parameters"),
            output_schema=given.pop("output_schema"),
            endpoint=Endpoint.from_json(given.pop("endpoint")),
            audience=given.pop("audience"),
            scope=given.pop("scope"),
        )

        def make() -> tuple[int, Any]:
            row = operations.create_http(tool=tool, risk=risk, effect=effect, by=request.user, **given)
            return 201, ToolSerializer(row).data

        status, body = once(request, make)
        return Response(body, status=status)

    @extend_schema(request=ToolChange, responses=ToolSerializer)
    def partial_update(self, request: Request, name: str) -> Response:
        """Change or confirm a tool."""
        data = ToolChange(data=request.data)
        data.is_valid(raise_exception=True)
        tool = operations.change(
            tool=self.get_object(), changes=data.validated_data, by=request.user, now=timezone.now()
        )
        return Response(ToolSerializer(tool).data)


class ToolServerSerializer(serializers.ModelSerializer[ToolServer]):
    """An MCP server. `secret` names the credential sent as Authorization: Bearer."""

    secret = serializers.SlugRelatedField(
        slug_field="name", queryset=ToolSecret.objects.all(), required=False, allow_null=True
    )
    transport = serializers.ChoiceField(ToolServer.Transport.choices, required=False)

    class Meta:
        model = ToolServer
        fields = ["id", "name", "url", "transport", "secret", "audience", "scope", "synced_at", "last_error"]
        read_only_fields = ["synced_at", "last_error"]


class ToolServerViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[ToolServer]
):
    """MCP servers of this tenant."""

    required_permission: Any = {
        "GET": "agents.view_toolserver", "POST": "agents.add_toolserver", "PATCH": "agents.change_toolserver",
    }  # fmt: skip
    http_method_names = ["get", "post", "patch", "head", "options"]
    queryset = ToolServer.objects.select_related("secret")
    serializer_class = ToolServerSerializer
    pagination_class = CursorPage

    def create(self, request: Request) -> Response:
        """Add a server; its tools arrive with the first sync."""
        data = ToolServerSerializer(data=request.data)
        data.is_valid(raise_exception=True)

        def make() -> tuple[int, Any]:
            server = operations.save_server(server=ToolServer(**data.validated_data))
            return 201, ToolServerSerializer(server).data

        status, body = once(request, make)
        return Response(body, status=status)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change URL or credential; the server's tools are quarantined."""
        server = self.get_object()
        data = ToolServerSerializer(server, data=request.data, partial=True)
        data.is_valid(raise_exception=True)
        for name, value in data.validated_data.items():
            setattr(server, name, value)
        return Response(ToolServerSerializer(operations.save_server(server=server)).data)

    @extend_schema(request=None, responses=ToolServerSerializer)
    @action(detail=True, methods=["post"], required_permission={"POST": "agents.change_toolserver"})
    def sync(self, request: Request, pk: str) -> Response:
        """Ask the server for its tools; new and changed ones wait in quarantine."""
        server = operations.sync_server(server=self.get_object(), now=timezone.now())
        return Response(ToolServerSerializer(server).data)


class ToolSecretSerializer(serializers.ModelSerializer[ToolSecret]):
    """A credential: that it is set, when and by whom. Its value is taken and never given."""

    value = serializers.CharField(write_only=True, max_length=secrets.MAX_LENGTH, trim_whitespace=False)

    class Meta:
        model = ToolSecret
        fields = ["name", "value", "updated_at", "updated_by"]
        read_only_fields = ["updated_at", "updated_by"]


class ToolSecretViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[ToolSecret]):
    """Credentials of this tenant's tools, by name."""

    required_permission: Any = {
        "GET": "agents.view_toolsecret", "POST": "agents.add_toolsecret",
        "PATCH": "agents.change_toolsecret", "DELETE": "agents.delete_toolsecret",
    }  # fmt: skip
    http_method_names = ["get", "post", "patch", "delete", "head", "options"]
    queryset = ToolSecret.objects.all()
    serializer_class = ToolSecretSerializer
    pagination_class = CursorPage
    lookup_field = "name"

    def create(self, request: Request) -> Response:
        """Store a new credential. An Idempotency-Key is not kept: its record would hold a digest of the value."""
        data = ToolSecretSerializer(data=request.data)
        data.is_valid(raise_exception=True)
        saved = self._save(request, **data.validated_data)
        return Response(ToolSecretSerializer(saved).data, status=201)

    def partial_update(self, request: Request, name: str) -> Response:
        """Replace the value."""
        secret = self.get_object()
        data = ToolSecretSerializer(secret, data=request.data, partial=True)
        data.is_valid(raise_exception=True)
        if set(data.validated_data) != {"value"}:
            raise InvalidInput("Give a new value; a credential keeps its name.")
        return Response(ToolSecretSerializer(self._save(request, name=name, **data.validated_data)).data)

    def destroy(self, request: Request, name: str) -> Response:
        """Delete a credential that nothing needs."""
        operations.delete_secret(secret=self.get_object())
        return Response(status=204)

    def _save(self, request: Request, *, name: str, value: str) -> ToolSecret:
        by = request.user.get_username()
        return secrets.save_secret(name=name, value=value, by=by, now=timezone.now())
