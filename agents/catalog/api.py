"""Agents over HTTP."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from agents.blueprints import registry
from agents.catalog.models import Agent
from agents.catalog.operations import change_agent, create_agent
from agents.tools.api import SECURITY_LEVELS
from governance.access.idempotency import once
from governance.access.rights.holding import GrantedByLevel, held


class AgentSerializer(serializers.ModelSerializer[Agent]):
    """An agent."""

    owner = serializers.CharField(source="owner.username", read_only=True)
    tools: Any = serializers.SlugRelatedField(slug_field="name", many=True, read_only=True)

    class Meta:
        model = Agent
        fields = [
            "id",
            "name",
            "blueprint",
            "config",
            "tools",
            "version",
            "owner",
            "security_level",
            "created_at",
        ]


class AgentInput(serializers.Serializer[None]):
    """A new agent."""

    name = serializers.CharField(max_length=120)
    blueprint = serializers.CharField(max_length=60)
    config = serializers.DictField(required=False)
    tools = serializers.ListField(child=serializers.CharField(), required=False)
    security_level = serializers.ChoiceField(SECURITY_LEVELS, required=False)


class AgentChange(serializers.Serializer[None]):
    """What can be changed of an agent."""

    config = serializers.DictField(required=False)
    tools = serializers.ListField(child=serializers.CharField(), required=False)
    security_level = serializers.ChoiceField(SECURITY_LEVELS, required=False)


class AgentViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Agent]):
    """Agents of this tenant."""

    required_permission: Any = {
        "GET": "agents.view_agent", "POST": "agents.add_agent", "PATCH": "agents.change_agent",
    }  # fmt: skip
    permission_classes = [GrantedByLevel]
    levels_of = Agent
    queryset = Agent.objects.select_related("owner").prefetch_related("tools")
    serializer_class = AgentSerializer
    filterset_fields = ["blueprint", "name"]

    def get_queryset(self) -> QuerySet[Agent]:
        """Return the agents that the caller may view, by role or each by itself."""
        return held(super().get_queryset(), self.request.user, "view_agent")

    @extend_schema(responses={200: {"type": "array", "items": {"type": "object"}}})
    @action(detail=False, pagination_class=None, filter_backends=[])
    def blueprints(self, request: Request) -> Response:
        """List the behaviours an agent can have."""
        return Response(registry.describe())

    @extend_schema(request=AgentInput, responses={201: AgentSerializer})
    def create(self, request: Request) -> Response:
        """Create an agent owned by the caller."""
        data = AgentInput(data=request.data)
        data.is_valid(raise_exception=True)

        def make() -> tuple[int, Any]:
            agent = create_agent(owner=request.user, **data.validated_data)
            return 201, AgentSerializer(agent).data

        status, body = once(request, make)
        return Response(body, status=status)

    @extend_schema(request=AgentChange, responses=AgentSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change configuration or tools; the version rises."""
        data = AgentChange(data=request.data)
        data.is_valid(raise_exception=True)
        agent = change_agent(agent=self.get_object(), by=request.user, **data.validated_data)
        return Response(AgentSerializer(agent).data)
