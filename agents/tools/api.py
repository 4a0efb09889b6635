"""Tools over HTTP."""

from typing import Any

from rest_framework import mixins, serializers, viewsets

from agents.tools.models import Tool
from tenants.kernel.api import CursorPage


class ToolSerializer(serializers.ModelSerializer[Tool]):
    """A tool as this tenant allows it."""

    class Meta:
        model = Tool
        fields = ["name", "description", "parameters", "risk", "effect", "enabled", "source"]
        read_only_fields = ["name", "description", "parameters", "source"]

    def update(self, instance: Tool, validated_data: Any) -> Tool:
        """Apply the change if the tool allows it."""
        for field, value in validated_data.items():
            setattr(instance, field, value)
        instance.clean()
        instance.save()
        return instance


class ToolViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, mixins.UpdateModelMixin, viewsets.GenericViewSet[Tool]
):
    """Tools by name; risk, effect and enabled can be changed by those who manage tools."""

    required_permission = {"GET": "agents.view_tool", "PATCH": "agents.change_tool"}
    http_method_names = ["get", "patch", "head", "options"]
    queryset = Tool.objects.all()
    serializer_class = ToolSerializer
    pagination_class = CursorPage
    lookup_field = "name"
    lookup_value_regex = "[^/]+"
    filterset_fields = ["risk", "enabled"]
