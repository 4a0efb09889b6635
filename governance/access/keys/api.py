"""API keys over HTTP."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from governance.access.keys import operations
from governance.access.keys.models import ApiKey
from tenants.kernel.api import CursorPage

OWN = "governance.add_apikey"


class ApiKeySerializer(serializers.ModelSerializer[ApiKey]):
    """A key without its secret."""

    owner = serializers.CharField(source="owner.username", read_only=True)
    scopes: Any = serializers.ListField(child=serializers.CharField(), read_only=True)
    allowed_ips: Any = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = ApiKey
        fields = [
            "id", "owner", "name", "prefix", "scopes", "allowed_ips", "created_at", "expires_at",
            "last_used_at", "revoked_at", "replaced_by",
        ]  # fmt: skip
        read_only_fields = fields


class NewKeySerializer(ApiKeySerializer):
    """A new key with its text, which is shown this once."""

    key = serializers.CharField()

    class Meta(ApiKeySerializer.Meta):
        fields = [*ApiKeySerializer.Meta.fields, "key"]
        read_only_fields = fields


class ApiKeyInput(serializers.Serializer[None]):
    """A key to make."""

    name = serializers.CharField(max_length=80)
    scopes = serializers.ListField(child=serializers.CharField(max_length=60), max_length=100)
    days = serializers.IntegerField(
        min_value=1, max_value=operations.MAX_DAYS, required=False, default=operations.DAYS
    )
    allowed_ips = serializers.ListField(child=serializers.CharField(max_length=50), required=False)


class RotateInput(serializers.Serializer[None]):
    """How long the old key still works."""

    overlap_h = serializers.IntegerField(
        min_value=0, max_value=operations.MAX_OVERLAP_H, required=False, default=operations.OVERLAP_H
    )


class ApiKeyViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[ApiKey]):
    """One's own API keys; everybody's for those who may view them."""

    required_permission: Any = {"GET": OWN, "POST": OWN, "DELETE": OWN}
    http_method_names = ["get", "post", "delete", "head", "options"]
    queryset = ApiKey.objects.select_related("owner")
    serializer_class = ApiKeySerializer
    pagination_class = CursorPage

    def get_queryset(self) -> QuerySet[ApiKey]:
        """Return the keys that the caller may see."""
        keys: Any = super().get_queryset()
        return keys.seen_by(self.request.user)  # type: ignore[no-any-return]

    @extend_schema(request=ApiKeyInput, responses={201: NewKeySerializer})
    def create(self, request: Request) -> Response:
        """Make a key. An Idempotency-Key is not kept: its record would hold the key."""
        data = ApiKeyInput(data=request.data)
        data.is_valid(raise_exception=True)
        given = dict(data.validated_data)
        key, text = operations.create_key(
            owner=request.user, wanted=given.pop("scopes"), now=timezone.now(), **given
        )
        return Response({**ApiKeySerializer(key).data, "key": text}, status=201)

    @extend_schema(request=RotateInput, responses={201: NewKeySerializer})
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, pk: str) -> Response:
        """Replace a key; the old one works for some hours more."""
        data = RotateInput(data=request.data)
        data.is_valid(raise_exception=True)
        key, text = operations.rotate_key(
            key=self.get_object(), by=request.user, now=timezone.now(), **data.validated_data
        )
        return Response({**ApiKeySerializer(key).data, "key": text}, status=201)

    def destroy(self, request: Request, pk: str) -> Response:
        """End a key at once."""
        operations.revoke_key(key=self.get_object(), by=request.user, now=timezone.now())
        return Response(status=204)
