"""A person's own inbox, and the tenant's endpoints, over HTTP."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from hitl.notifications import endpoints, operations
from hitl.notifications.models import IMPORTANCES, Endpoint, Notification
from hitl.notifications.registry import tenant_wide
from tenants.kernel.api import CursorPage


class NotificationSerializer(serializers.ModelSerializer[Notification]):
    """A message in one's own inbox. `path` leads to the page that it is about."""

    review = serializers.UUIDField(source="review_id")

    class Meta:
        model = Notification
        fields = ["id", "kind", "importance", "subject", "text", "review", "path", "sent_at", "read_at"]
        read_only_fields = fields


class NotificationViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[Notification]):
    """The caller's own inbox, latest first."""

    required_permission = ""
    queryset = Notification.objects.none()
    serializer_class = NotificationSerializer
    pagination_class = CursorPage
    filterset_fields: list[str] = []

    def get_queryset(self) -> QuerySet[Notification]:
        """Return what is in the caller's inbox; nobody reads another's."""
        return Notification.objects.inbox_of(self.request.user.pk)

    @extend_schema(request=None, responses=NotificationSerializer)
    @action(detail=True, methods=["post"])
    def read(self, request: Request, pk: str) -> Response:
        """Mark one as read; again changes nothing."""
        item = self.get_object()
        operations.mark_read(user=request.user, now=timezone.now(), notification_id=item.pk)  # type: ignore[arg-type]  # signed in
        item.refresh_from_db()
        return Response(NotificationSerializer(item).data)


class EndpointSerializer(serializers.ModelSerializer[Endpoint]):
    """A place that the tenant is told at. `config` is taken, never given: see docs/notifications.md."""

    channel = serializers.CharField(max_length=20)
    config = serializers.DictField(child=serializers.CharField(allow_blank=True), write_only=True)
    kinds = serializers.ListField(child=serializers.CharField(max_length=40), required=False)
    importance = serializers.ChoiceField(IMPORTANCES, required=False)

    class Meta:
        model = Endpoint
        fields = [
            "id", "name", "channel", "config", "target", "enabled", "kinds", "importance", "disabled_at",
            "disabled_why", "failures", "last_error", "last_sent_at", "updated_at", "updated_by",
        ]  # fmt: skip
        read_only_fields = [
            "target", "disabled_at", "disabled_why", "failures", "last_error", "last_sent_at", "updated_at",
            "updated_by",
        ]  # fmt: skip

    def validate_channel(self, channel: str) -> str:
        """Refuse what is no channel of endpoints, and another channel for one that exists."""
        if channel not in [known.name for known in tenant_wide()]:
            raise serializers.ValidationError("No endpoint can be of this channel.")
        if self.instance is not None and channel != self.instance.channel:
            raise serializers.ValidationError("An endpoint keeps its channel; add another one.")
        return channel


class EndpointViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Endpoint]):
    """Endpoints of this tenant."""

    required_permission: Any = {
        "GET": "hitl.view_endpoint", "POST": "hitl.add_endpoint", "PATCH": "hitl.change_endpoint",
    }  # fmt: skip
    http_method_names = ["get", "post", "patch", "head", "options"]
    queryset = Endpoint.objects.all()
    serializer_class = EndpointSerializer
    pagination_class = CursorPage
    filterset_fields = ["channel", "enabled"]

    @extend_schema(responses={201: EndpointSerializer})
    def create(self, request: Request) -> Response:
        """Add an endpoint. An Idempotency-Key is not kept: its record would hold a digest of the settings."""
        data = EndpointSerializer(data=request.data)
        data.is_valid(raise_exception=True)
        given = dict(data.validated_data)
        config = given.pop("config")
        saved = endpoints.save_endpoint(
            endpoint=Endpoint(**given), config=config, by=request.user, now=timezone.now()
        )
        return Response(EndpointSerializer(saved).data, status=201)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change an endpoint; settings that are not given stay. `enabled: true` forgets its failures."""
        endpoint = self.get_object()
        data = EndpointSerializer(endpoint, data=request.data, partial=True)
        data.is_valid(raise_exception=True)
        changes = dict(data.validated_data)
        config = changes.pop("config", {})
        saved = endpoints.save_endpoint(
            endpoint=endpoint, config=config, changes=changes, by=request.user, now=timezone.now()
        )
        return Response(EndpointSerializer(saved).data)
