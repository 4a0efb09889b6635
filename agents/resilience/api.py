"""Circuit breakers over HTTP."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from agents.resilience import operations
from agents.resilience.models import Circuit
from governance.access.idempotency import once


class CircuitSerializer(serializers.ModelSerializer[Circuit]):
    """A breaker with its counts and thresholds."""

    class Meta:
        model = Circuit
        fields = [
            "id", "kind", "name", "state", "failures", "successes", "opened_at", "fail_after", "retry_after_s",
            "close_after",
        ]  # fmt: skip


class CircuitViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Circuit]):
    """Circuit breakers of this tenant; a part that never failed may have none."""

    required_permission: Any = {"GET": "agents.view_circuit", "POST": operations.CHANGE}
    queryset = Circuit.objects.all()
    serializer_class = CircuitSerializer
    filterset_fields = ["kind", "name", "state"]

    @extend_schema(request=None, responses=CircuitSerializer)
    @action(detail=True, methods=["post"])
    def reset(self, request: Request, pk: str) -> Response:
        """Close it by hand: the next calls go through, and failures are counted from zero."""
        circuit = self.get_object()

        def close() -> tuple[int, Any]:
            done = operations.reset(circuit=circuit, by=request.user, now=timezone.now())
            return 200, CircuitSerializer(done).data

        status, body = once(request, close)
        return Response(body, status=status)
