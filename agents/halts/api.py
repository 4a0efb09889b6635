"""A tenant's kill switches over HTTP."""

from typing import Any

import django_filters
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from agents.catalog.models import Agent
from agents.halts import operations, standing
from agents.halts.models import Halt, platform_standing
from governance.access.idempotency import once
from tenants.kernel.api import CursorPage


class KillSwitchSerializer(serializers.ModelSerializer[Halt]):
    """A kill switch; it stands while `lifted_at` is null."""

    scope = serializers.SerializerMethodField()
    agent = serializers.UUIDField(source="agent_id", allow_null=True)
    by = serializers.CharField(source="who")
    lifted_by = serializers.CharField(source="lifted_by.username", default=None)

    class Meta:
        model = Halt
        fields = ["id", "scope", "agent", "reason", "by", "at", "lifted_at", "lifted_by"]

    def get_scope(self, halt: Halt) -> str:
        """Return `agent` or `tenant`."""
        return "tenant" if halt.agent_id is None else "agent"


class TripInput(serializers.Serializer[None]):
    """What to stop, and why."""

    scope = serializers.ChoiceField(choices=["tenant", "agent"])
    agent = serializers.PrimaryKeyRelatedField(
        queryset=Agent.objects.all(), required=False, help_text="With scope agent."
    )
    reason = serializers.CharField(max_length=standing.MAX_REASON)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse an agent without its scope, and the other way round."""
        if (attrs["scope"] == "agent") != ("agent" in attrs):
            raise serializers.ValidationError(
                {"agent": "Name the agent with scope agent, and none with scope tenant."}
            )
        return attrs


class KillSwitchFilter(django_filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    """Questions about kill switches."""

    standing = django_filters.BooleanFilter(field_name="lifted_at", lookup_expr="isnull")
    agent = django_filters.UUIDFilter(field_name="agent_id")

    class Meta:
        model = Halt
        fields: list[str] = []


class PlatformSwitchSerializer(serializers.Serializer[Any]):
    """A kill switch of the platform over this tenant; nobody here can lift it."""

    scope = serializers.CharField(default="platform")
    reason = serializers.CharField()
    by = serializers.CharField()
    at = serializers.DateTimeField()


class KillSwitchPage(CursorPage):
    """A page of the tenant's switches; `platform` has those of the platform that stand over it now."""

    def get_paginated_response(self, data: Any) -> Response:
        """Add what the platform has stopped, whatever the filters and on each page."""
        response: Response = super().get_paginated_response(data)
        response.data["platform"] = PlatformSwitchSerializer(platform_standing(), many=True).data
        return response

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe the page with its additional member."""
        described: dict[str, Any] = super().get_paginated_response_schema(schema)
        text = {"type": "string"}
        described["properties"]["platform"] = {
            "type": "array",
            "description": "Switches of the platform that stand over this tenant; nobody here can lift them.",
            "items": {
                "type": "object",
                "properties": {
                    "scope": {**text, "enum": ["platform"]},
                    "reason": text,
                    "by": text,
                    "at": {**text, "format": "date-time"},
                },
            },
        }
        return described


class KillSwitchViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Halt]):
    """Kill switches of this tenant, newest first; the platform's that stand over it are beside them."""

    required_permission: Any = {"GET": "agents.view_halt", "POST": operations.TRIP}
    queryset = Halt.objects.select_related("by", "lifted_by")
    serializer_class = KillSwitchSerializer
    pagination_class = KillSwitchPage
    filterset_class = KillSwitchFilter

    @extend_schema(request=TripInput, responses={201: KillSwitchSerializer})
    def create(self, request: Request) -> Response:
        """Stop the agent, or all agents: nothing new starts. 409 if one stands over the same."""
        data = TripInput(data=request.data)
        data.is_valid(raise_exception=True)
        given = data.validated_data

        def trip() -> tuple[int, Any]:
            halt = operations.trip(
                agent=given.get("agent"), reason=given["reason"], by=request.user, now=timezone.now()
            )
            return 201, KillSwitchSerializer(halt).data

        status, body = once(request, trip)
        return Response(body, status=status)

    @extend_schema(request=None, responses=KillSwitchSerializer)
    @action(detail=True, methods=["post"], required_permission=operations.LIFT)
    def lift(self, request: Request, pk: str) -> Response:
        """Lift it: the runs it stopped go on. 409 if somebody was first."""
        halt = self.get_object()

        def end() -> tuple[int, Any]:
            lifted = operations.lift(halt=halt, by=request.user, now=timezone.now())
            return 200, KillSwitchSerializer(lifted).data

        status, body = once(request, end)
        return Response(body, status=status)
