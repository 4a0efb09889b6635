"""Standing grants over HTTP."""

from datetime import timedelta
from typing import Any

import django_filters
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from governance.access.idempotency import once
from hitl.grants import operations
from hitl.grants.models import StandingGrant
from hitl.grants.operations import MAX_REASON
from hitl.grants.types import DEFAULT_LASTS, DEFAULT_USES, SCOPES, GrantRequest
from hitl.grants.wording import covered
from hitl.reviews.types import Assurance


class GrantSerializer(serializers.ModelSerializer[StandingGrant]):
    """A standing grant."""

    agent = serializers.CharField(source="agent_name")
    state = serializers.SerializerMethodField(help_text="active, paused, spent, expired or revoked.")
    covers = serializers.SerializerMethodField(help_text="The arguments it covers, in words.")
    requester = serializers.CharField(source="requester.username", default=None)
    created_by = serializers.CharField(source="created_by.username")
    created_from = serializers.UUIDField(source="created_from_id")
    revoked_by = serializers.CharField(source="revoked_by.username", default=None)

    class Meta:
        model = StandingGrant
        fields = [
            "id", "state", "agent", "agent_id", "agent_version", "tool", "tool_schema_version", "scope", "covers",
            "arguments", "conditions", "requester", "uses", "uses_left", "expires_at", "reason", "assurance",
            "created_by", "created_from", "created_at", "paused_at", "paused_why", "revoked_at", "revoked_by",
        ]  # fmt: skip

    def get_state(self, grant: StandingGrant) -> str:
        """Return what it is now."""
        return grant.state(timezone.now())

    def get_covers(self, grant: StandingGrant) -> str:
        """Return the arguments it covers, in words."""
        return covered(grant)


class GrantInput(serializers.Serializer[None]):
    """A grant for calls like the one under review."""

    review = serializers.UUIDField(help_text="Agent, tool and exact arguments are taken from it.")
    scope = serializers.ChoiceField(choices=SCOPES)
    conditions = serializers.JSONField(
        required=False, help_text="List of {path, op, value}, for scope args_pattern."
    )
    requester = serializers.ChoiceField(choices=["this", "anyone"], default="this")
    uses = serializers.IntegerField(default=DEFAULT_USES)
    hours = serializers.FloatField(default=DEFAULT_LASTS / timedelta(hours=1))
    reason = serializers.CharField(max_length=MAX_REASON)
    digest = serializers.CharField(
        required=False, max_length=64, help_text="The review's, as you saw it; 409 if it is another by now."
    )


class GrantFilter(django_filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    """Questions about grants."""

    standing = django_filters.BooleanFilter(method="_standing", label="Usable or paused")
    created_by = django_filters.CharFilter(field_name="created_by__username")

    class Meta:
        model = StandingGrant
        fields = ["agent_id", "tool"]

    def _standing(self, grants: Any, _name: str, wanted: bool) -> Any:
        standing = StandingGrant.objects.unended(timezone.now()).values("pk")
        return grants.filter(pk__in=standing) if wanted else grants.exclude(pk__in=standing)


class GrantViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[StandingGrant]):
    """Standing grants of this tenant, newest first."""

    required_permission: Any = {"GET": operations.VIEW, "POST": operations.GIVE}
    queryset = StandingGrant.objects.select_related("created_by", "requester", "revoked_by")
    serializer_class = GrantSerializer
    filterset_class = GrantFilter

    @extend_schema(request=GrantInput, responses={201: GrantSerializer})
    def create(self, request: Request) -> Response:
        """Give a grant. 403 when the call is not yours to decide, 422 for a limit or a condition."""
        data = GrantInput(data=request.data)
        data.is_valid(raise_exception=True)
        given = data.validated_data
        asked = GrantRequest(
            scope=given["scope"],
            conditions=given.get("conditions", ()),
            uses=given["uses"],
            lasts=_hours(given["hours"]),
            anyone=given["requester"] == "anyone",
            reason=given["reason"],
            digest=given.get("digest"),
            assurance=Assurance.TOKEN,
        )

        def give() -> tuple[int, Any]:
            grant = operations.give(
                review_id=given["review"], giver=request.user, request=asked, now=timezone.now()
            )
            return 201, GrantSerializer(grant).data

        status, body = once(request, give)
        return Response(body, status=status)

    @extend_schema(request=None, responses=GrantSerializer)
    @action(detail=True, methods=["post"], required_permission=operations.VIEW)
    def revoke(self, request: Request, pk: str) -> Response:
        """End it at once; its giver may, and who may revoke anybody's. 409 if somebody was first."""
        grant = self.get_object()

        def end() -> tuple[int, Any]:
            revoked = operations.revoke(grant_id=grant.pk, by=request.user, now=timezone.now())
            return 200, GrantSerializer(revoked).data

        status, body = once(request, end)
        return Response(body, status=status)

    @extend_schema(request=None, responses=GrantSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Let a paused grant go on; its giver alone may. 409 if it is not paused."""
        grant = self.get_object()

        def go_on() -> tuple[int, Any]:
            resumed = operations.resume(grant_id=grant.pk, by=request.user, now=timezone.now())
            return 200, GrantSerializer(resumed).data

        status, body = once(request, go_on)
        return Response(body, status=status)


def _hours(hours: float) -> timedelta:
    """Return the hours as a time; what is out of all bounds becomes one that is refused."""
    return timedelta(hours=hours) if abs(hours) < 10**6 else timedelta(0)
