"""Agents over HTTP."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from agents.blueprints import registry
from agents.catalog.models import Agent
from agents.catalog.operations import change_agent, create_agent
from governance.access.idempotency import once


class AgentSerializer(serializers.ModelSerializer[Agent]):
    """An agent."""

    owner = serializers.CharField(source="owner.username", read_only=True)
    tools: Any = serializers.SlugRelatedField(slug_field="name", many=True, read_only=True)

    class Meta:
        model = Agent
        fields = ["id", "name", "blueprint", "config", "tools", "version", "owner", "created_at"]


class AgentInput(serializers.Serializer[None]):
    """A new agent."""

    name = serializers.CharField(max_length=120)
    blueprint = serializers.CharField(max_length=60)
    config = serializers.DictField(required=False)
    tools = serializers.ListField(child=serializers.CharField(), required=False)


class AgentChange(serializers.Serializer[None]):
    """What can be changed of an agent."""

    config = serializers.DictField(required=False)
    tools = serializers.ListField(child=serializers.CharField(), required=False)


class AgentViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Agent]):
    """Agents of this tenant."""

    required_permission: Any = {
        "GET": "agents.view_agent", "POST": "agents.add_agent", "PATCH": "agents.change_agent",
    }  # fmt: skip
    queryset = Agent.objects.select_related("owner").prefetch_related("tools")
    serializer_class = AgentSerializer
    filterset_fields = ["blueprint", "name"]

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
        agent = change_agent(agent=self.get_object(), **data.validated_data)
        return Response(AgentSerializer(agent).data)
