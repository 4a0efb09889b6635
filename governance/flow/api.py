"""Trusted directories over HTTP."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from governance.access.idempotency import once
from governance.flow.models import TrustedSource


class TrustedSourceSerializer(serializers.ModelSerializer[TrustedSource]):
    """A field of a tool's results whose values a call may use whatever the run has read."""

    author = serializers.CharField(source="author.username", read_only=True)

    class Meta:
        model = TrustedSource
        fields = ["id", "tool", "field", "reason", "author"]


class TrustedSourceViewSet(viewsets.ModelViewSet[TrustedSource]):
    """Directories that this tenant trusts."""

    http_method_names = ["get", "post", "patch", "delete", "head", "options"]
    required_permission = {
        "GET": "governance.view_trustedsource",
        "POST": "governance.add_trustedsource",
        "PATCH": "governance.change_trustedsource",
        "DELETE": "governance.delete_trustedsource",
    }
    queryset = TrustedSource.objects.select_related("author")
    serializer_class = TrustedSourceSerializer
    filterset_fields = ["tool"]

    @extend_schema(responses={201: TrustedSourceSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Trust a field of a tool's results; you are the author."""
        data = self.get_serializer(data=request.data)
        data.is_valid(raise_exception=True)

        def make() -> tuple[int, Any]:
            data.save(author=request.user)
            return 201, data.data

        status, body = once(request, make)
        return Response(body, status=status)

    def perform_update(self, serializer: Any) -> None:
        """Name who edits as its author."""
        serializer.save(author=self.request.user)
