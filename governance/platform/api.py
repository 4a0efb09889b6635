"""Tenants over HTTP, on the platform's host only."""

from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from governance.access.idempotency import once
from governance.platform import operations
from governance.platform.operations import FirstPerson
from tenants.kernel.context import PUBLIC
from tenants.tenancy.models import Tenant
from tenants.tiers.limits import limits_of
from tenants.tiers.models import FREE, Tier
from tenants.tiers.operations import MAX_REASON
from tenants.tiers.types import Limit
from tenants.usage import report
from tenants.usage.report import Period

PERIOD = [
    OpenApiParameter("from", str, description="First day, of UTC; 30 days up to `to` if not given."),
    OpenApiParameter("to", str, description="Last day, of UTC; today if not given."),
]
DAYS = {"type": "array", "items": {"type": "object", "additionalProperties": {"type": "integer"}}}


class TierSerializer(serializers.ModelSerializer[Tier]):
    """A tier; a limit that is null is unlimited."""

    class Meta:
        model = Tier
        fields = ["slug", "rank", *(limit.value for limit in Limit), "features"]


class TenantSerializer(serializers.ModelSerializer[Tenant]):
    """A tenant. `limits` are what holds: the tier's, with `overrides` in their place."""

    schema = serializers.CharField(source="schema_name")
    tier = serializers.CharField(source="tier_id")
    domains: Any = serializers.SlugRelatedField(slug_field="domain", many=True, read_only=True)
    limits = serializers.SerializerMethodField()

    class Meta:
        model = Tenant
        fields = [
            "id", "name", "schema", "domains", "tier", "overrides", "limits", "state", "state_reason", "state_by",
            "state_at", "created_at",
        ]  # fmt: skip

    def get_limits(self, tenant: Tenant) -> dict[str, Any]:
        """Return each limit, null where there is none, and the features."""
        limits = limits_of(tenant)
        return {**{limit.value: limits.of(limit) for limit in Limit}, "features": sorted(limits.features)}


class InvitationSerializer(serializers.Serializer[None]):
    """Where the first administrator sets a password, once and within three days. Whoever has it can become them."""

    username = serializers.CharField()
    url = serializers.CharField()


class MadeSerializer(TenantSerializer):
    """A new tenant; `invitation` is null without a first administrator, and once they have a password."""

    invitation = InvitationSerializer(allow_null=True)

    class Meta(TenantSerializer.Meta):
        fields = [*TenantSerializer.Meta.fields, "invitation"]


class AdminInput(serializers.Serializer[None]):
    """The first administrator; they choose their password themselves."""

    username = serializers.CharField(max_length=150)
    email = serializers.EmailField(required=False, allow_blank=True, default="")


class TenantInput(serializers.Serializer[None]):
    """A new tenant."""

    name = serializers.CharField(max_length=120)
    schema = serializers.CharField(
        max_length=48,
        required=False,
        allow_blank=True,
        default="",
        help_text="Made of the name if not given.",
    )
    tier = serializers.CharField(max_length=40, required=False, default=FREE)
    domain = serializers.CharField(
        max_length=253,
        required=False,
        allow_blank=True,
        default="",
        help_text="SCHEMA.PLATFORM_HOST if not given.",
    )
    admin = AdminInput(required=False, allow_null=True, default=None)


class TenantChange(serializers.Serializer[None]):
    """What can be changed of a tenant."""

    name = serializers.CharField(max_length=120, required=False)
    tier = serializers.CharField(max_length=40, required=False)
    overrides = serializers.DictField(
        required=False, help_text="Replaces those there are; a limit of null is unlimited."
    )


class SuspendInput(serializers.Serializer[None]):
    """Why."""

    reason = serializers.CharField(max_length=MAX_REASON)


class InviteInput(serializers.Serializer[None]):
    """Who chooses a first password."""

    username = serializers.CharField(max_length=150)


class LimitInUseSerializer(serializers.Serializer[None]):
    """How much of a limit is allowed, null for any amount, and in use; null where nothing counts it."""

    allowed = serializers.IntegerField(allow_null=True)
    used = serializers.IntegerField(allow_null=True)


class UsageSerializer(serializers.Serializer[None]):
    """What a tenant used. Days are of UTC."""

    tenant = serializers.CharField()
    tier = serializers.CharField()
    first = serializers.DateField()
    last = serializers.DateField()
    days = serializers.ListField(
        child=serializers.DictField(), help_text="`day` and the number of each meter."
    )
    totals = serializers.DictField(child=serializers.IntegerField())
    limits = serializers.DictField(child=LimitInUseSerializer())


class TierViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[Tier]):
    """Tiers, the lowest first."""

    required_permission = operations.VIEW
    queryset = Tier.objects.all()
    serializer_class = TierSerializer
    pagination_class = None


class TenantViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Tenant]):
    """Tenants, the newest first."""

    required_permission: Any = {
        "GET": operations.VIEW, "POST": operations.ADD, "PATCH": operations.CHANGE,
    }  # fmt: skip
    queryset = Tenant.objects.exclude(schema_name=PUBLIC).select_related("tier").prefetch_related("domains")
    serializer_class = TenantSerializer
    filterset_fields = ["state", "tier", "schema_name"]

    @extend_schema(request=TenantInput, responses={201: MadeSerializer})
    def create(self, request: Request) -> Response:
        """Make a tenant with its schema, its host and its first administrator."""
        data = TenantInput(data=request.data)
        data.is_valid(raise_exception=True)
        given = data.validated_data
        admin = FirstPerson(**given.pop("admin")) if given["admin"] else given.pop("admin")

        def make() -> tuple[int, Any]:
            tenant = operations.create(**given, admin=admin, by=request.user, now=timezone.now())
            return 201, self._shown(tenant.pk)

        status, body = once(request, make)
        # The address is made anew for each answer: what is kept for a repeated request opens nothing.
        return Response({**body, "invitation": self._invitation(body["id"], admin)}, status=status)

    def _invitation(self, pk: int, admin: FirstPerson | None) -> dict[str, str] | None:
        if admin is None:
            return None
        url = operations.invitation(tenant=self.get_queryset().get(pk=pk), username=admin.username)
        return {"username": admin.username, "url": url} if url else None

    def _shown(self, pk: int) -> Any:
        return TenantSerializer(self.get_queryset().get(pk=pk)).data

    @extend_schema(request=TenantChange, responses=TenantSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change tier, own limits or name; it counts at once."""
        tenant = self.get_object()
        data = TenantChange(data=request.data)
        data.is_valid(raise_exception=True)

        def change() -> tuple[int, Any]:
            operations.change(tenant=tenant, by=request.user, now=timezone.now(), **data.validated_data)
            return 200, self._shown(tenant.pk)

        status, body = once(request, change)
        return Response(body, status=status)

    @extend_schema(request=SuspendInput, responses=TenantSerializer)
    @action(detail=True, methods=["post"], required_permission=operations.SUSPEND)
    def suspend(self, request: Request, pk: str) -> Response:
        """Stop serving it: nothing starts, nobody is let in, everything is kept. 409 if it is not active."""
        tenant = self.get_object()
        data = SuspendInput(data=request.data)
        data.is_valid(raise_exception=True)
        reason = data.validated_data["reason"]

        def stop() -> tuple[int, Any]:
            operations.suspend(tenant=tenant, reason=reason, by=request.user, now=timezone.now())
            return 200, self._shown(tenant.pk)

        status, body = once(request, stop)
        return Response(body, status=status)

    @extend_schema(request=None, responses=TenantSerializer)
    @action(detail=True, methods=["post"], required_permission=operations.SUSPEND)
    def activate(self, request: Request, pk: str) -> Response:
        """Serve it again: its runs go on from where they were. 409 if it is active."""
        tenant = self.get_object()

        def go_on() -> tuple[int, Any]:
            operations.activate(tenant=tenant, by=request.user, now=timezone.now())
            return 200, self._shown(tenant.pk)

        status, body = once(request, go_on)
        return Response(body, status=status)

    @extend_schema(request=InviteInput, responses=InvitationSerializer)
    @action(detail=True, methods=["post"])
    def invite(self, request: Request, pk: str) -> Response:
        """Give a new address to somebody who has no password yet; 422 if nobody so called waits for one."""
        tenant = self.get_object()
        data = InviteInput(data=request.data)
        data.is_valid(raise_exception=True)
        username = data.validated_data["username"]
        url = operations.invite(tenant=tenant, username=username, by=request.user, now=timezone.now())
        return Response({"username": username, "url": url})

    @extend_schema(parameters=PERIOD, responses=UsageSerializer)
    @action(detail=True, filter_backends=[], pagination_class=None)
    def usage(self, request: Request, pk: str) -> Response:
        """Count what it used on each day, and how much of its limits is in use now."""
        tenant, now = self.get_object(), timezone.now()
        period = _period(request)
        found = report.usage(tenant=tenant, period=period)
        used, limits = report.in_use(tenant=tenant, now=now), limits_of(tenant)
        return Response(
            {
                "tenant": tenant.schema_name,
                "tier": tenant.tier_id,
                "first": period.first,
                "last": period.last,
                "days": [{"day": day, **row} for day, row in found.days],
                "totals": found.totals,
                "limits": {
                    limit.value: {"allowed": limits.of(limit), "used": used.get(limit)} for limit in Limit
                },
            }
        )

    @extend_schema(parameters=PERIOD, responses={(200, "text/csv"): str})
    @action(detail=True, url_path="usage/export", filter_backends=[], pagination_class=None)
    def export(self, request: Request, pk: str) -> HttpResponse:
        """Give its usage as CSV, a line for each day, for whoever writes the bill."""
        tenant = self.get_object()
        return csv_response(tenant, _period(request))


def _period(request: Request) -> Period:
    given = request.query_params
    return Period.parse(first=given.get("from", ""), last=given.get("to", ""), now=timezone.now())


def csv_response(tenant: Tenant, period: Period) -> HttpResponse:
    """Return the usage of a period as a file to keep."""
    found = report.usage(tenant=tenant, period=period)
    text = report.to_csv(name=tenant.schema_name, tier=tenant.tier_id, found=found)
    response = HttpResponse(text, content_type="text/csv; charset=utf-8")
    name = f"usage-{tenant.schema_name}-{period.first}-{period.last}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
