"""Read the audit log over HTTP."""

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets

from governance.audit.models import AuditCheckpoint, AuditEvent
from tenants.kernel.api import CursorPage


class AuditEventSerializer(serializers.ModelSerializer[AuditEvent]):
    """One event with the digest that covers it."""

    digest = serializers.SerializerMethodField()

    class Meta:
        model = AuditEvent
        fields = [
            "id", "at", "action", "actor_kind", "actor_id", "actor_name", "user_id", "user_name",
            "agent_id", "agent_name", "run_id", "step_id", "trace_id", "subject_kind", "subject_id",
            "outcome", "body", "digest",
        ]  # fmt: skip

    def get_digest(self, event: AuditEvent) -> str:
        """Return the leaf hash in hex."""
        return bytes(event.digest).hex()


class AuditFilter(django_filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    """Questions an auditor asks."""

    run = django_filters.UUIDFilter(field_name="run_id")
    user = django_filters.CharFilter(field_name="user_name")
    agent = django_filters.CharFilter(field_name="agent_name")
    since = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte")
    until = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt")

    class Meta:
        model = AuditEvent
        fields = ["action", "outcome", "subject_kind", "subject_id"]


class AuditEventViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[AuditEvent]
):
    """Events, newest first."""

    required_permission = "governance.view_auditevent"
    queryset = AuditEvent.objects.all()
    serializer_class = AuditEventSerializer
    filterset_class = AuditFilter


class CheckpointSerializer(serializers.ModelSerializer[AuditCheckpoint]):
    """A signed checkpoint."""

    class Meta:
        model = AuditCheckpoint
        fields = ["size", "at", "note"]


class CheckpointPage(CursorPage):
    """Newest checkpoint first."""

    ordering = "-size"


@extend_schema(description="Signed checkpoints (C2SP), newest first.")
class CheckpointViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[AuditCheckpoint]):
    """Checkpoints of this tenant's log."""

    required_permission = "governance.view_auditevent"
    queryset = AuditCheckpoint.objects.all()
    serializer_class = CheckpointSerializer
    pagination_class = CheckpointPage
    filter_backends = []
