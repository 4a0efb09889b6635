"""A person's own delegations over HTTP: which clients may act for them, where, and until when."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from governance.access.idempotency import once
from governance.access.models import User
from governance.identity import operations
from governance.identity.models import DelegationGrant, TokenClient
from tenants.kernel.api import CursorPage

VIEW = "governance.view_delegationgrant"


class DelegationSerializer(serializers.ModelSerializer[DelegationGrant]):
    """That a client may act for the person who is signed in."""

    client = serializers.PrimaryKeyRelatedField(queryset=TokenClient.objects.filter(enabled=True))
    client_name = serializers.CharField(source="client.name", read_only=True)
    scopes = serializers.ListField(child=serializers.CharField(max_length=128), max_length=100)

    class Meta:
        model = DelegationGrant
        fields = [
            "id", "client", "client_name", "audience", "scopes", "expires_at", "created_at", "revoked_at",
        ]  # fmt: skip
        read_only_fields = ["created_at", "revoked_at"]


def _person(request: Request) -> User:
    """Return who is signed in: the permission lets nobody else in."""
    assert isinstance(request.user, User)  # noqa: S101  # narrows the type
    return request.user


class DelegationViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[DelegationGrant]
):
    """Delegations of the person who is signed in."""

    required_permission: Any = {"GET": VIEW, "POST": operations.CONSENT}
    http_method_names = ["get", "post", "head", "options"]
    queryset = DelegationGrant.objects.select_related("client", "user")
    serializer_class = DelegationSerializer
    pagination_class = CursorPage

    def get_queryset(self) -> QuerySet[DelegationGrant]:
        """Return the person's own."""
        return super().get_queryset().filter(user=_person(self.request))

    def create(self, request: Request) -> Response:
        """Let a client act for oneself."""
        data = DelegationSerializer(data=request.data)
        data.is_valid(raise_exception=True)

        def make() -> tuple[int, Any]:
            grant = DelegationGrant(user=_person(request), **data.validated_data)
            return 201, DelegationSerializer(operations.consent(grant=grant, by=request.user)).data

        status, body = once(request, make)
        return Response(body, status=status)

    @extend_schema(request=None, responses=DelegationSerializer)
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, pk: str) -> Response:
        """End a delegation and the tokens that it led to."""
        grant = self.get_object()
        operations.withdraw(grant=grant, by=request.user, now=timezone.now())
        return Response(DelegationSerializer(self.get_object()).data)
