"""Budgets and usage over HTTP."""

import csv
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import mixins, serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.access.idempotency import once
from governance.metering import reports
from governance.metering.models import Budget, BudgetWindow
from governance.metering.reports import GROUPS, Line
from tenants.kernel.errors import PermissionMissing

DEFAULT_DAYS = 30
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


class WindowSerializer(serializers.ModelSerializer[BudgetWindow]):
    """What one subject has spent and reserved in a window."""

    class Meta:
        model = BudgetWindow
        fields = ["subject", "started_at", "ends_at", "spent", "reserved"]


class BudgetSerializer(serializers.ModelSerializer[Budget]):
    """A budget. Amounts are micro-dollars (1,000,000 are one dollar) or tokens."""

    windows = serializers.SerializerMethodField(help_text="The windows of this moment.")

    class Meta:
        model = Budget
        fields = ["id", "name", "scope", "subject", "window", "unit", "limit", "enabled", "source", "windows"]
        read_only_fields = ["source"]

    def validate(self, attrs: Any) -> Any:
        """Refuse what does not go together."""
        given = (
            {name: getattr(self.instance, name) for name in ("scope", "subject", "window")}
            if self.instance
            else {}
        )
        checked = Budget(
            **{**given, **{name: attrs[name] for name in ("scope", "subject", "window") if name in attrs}}
        )
        checked.clean()
        return {**attrs, "subject": checked.subject}

    @extend_schema_field(WindowSerializer(many=True))
    def get_windows(self, budget: Budget) -> Any:
        """Return the windows that are open now."""
        return WindowSerializer(self._open.get(budget.pk, []), many=True).data

    @cached_property
    def _open(self) -> dict[UUID, list[BudgetWindow]]:
        shown: Any = self.parent.instance if self.parent is not None else [self.instance]
        now = timezone.now()
        found: dict[UUID, list[BudgetWindow]] = {}
        person = reports.alone(self.context["request"].user)
        for row in reports.windows_of(shown, now=now, person=person):
            found.setdefault(row.budget_id, []).append(row)
        return found


class BudgetViewSet(
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    mixins.CreateModelMixin,
    mixins.UpdateModelMixin,
    viewsets.GenericViewSet[Budget],
):
    """Budgets of this tenant. None is deleted: what was spent refers to it; switch it off instead."""

    http_method_names = ["get", "post", "patch", "head", "options"]
    required_permission = {
        "GET": "governance.view_budget",
        "POST": "governance.add_budget",
        "PATCH": "governance.change_budget",
    }
    queryset = Budget.objects.all()
    serializer_class = BudgetSerializer
    filterset_fields = ["scope", "window", "unit", "enabled", "source"]

    def get_queryset(self) -> QuerySet[Budget]:
        """Return the budgets that the caller sees."""
        return reports.shown_to(self.request.user)

    @extend_schema(responses={201: BudgetSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Add a budget; it counts from the next call on."""
        data = self.get_serializer(data=request.data)
        data.is_valid(raise_exception=True)

        def make() -> tuple[int, Any]:
            data.save()
            return 201, data.data

        status, body = once(request, make)
        return Response(body, status=status)

    def perform_update(self, serializer: Any) -> None:
        """Change it; a limit that is lowered holds from the next call on. The tier's own cannot be changed."""
        if serializer.instance.source == Budget.Source.TIER:
            raise PermissionMissing(
                "The tier sets this budget; the operator of the platform can change the tier."
            )
        serializer.save()


class LineSerializer(serializers.Serializer[Line]):
    """What one agent, user, model or day used."""

    key = serializers.CharField()
    name = serializers.CharField()
    calls = serializers.IntegerField()
    input_tokens = serializers.IntegerField()
    cached_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    cost_micros = serializers.IntegerField()
    unpriced = serializers.IntegerField(help_text="Calls whose model had no price; their cost is left out.")
    estimated = serializers.IntegerField(help_text="Calls of which nobody knows what they cost.")


class UsageSerializer(serializers.Serializer[Any]):
    """Usage in a period, grouped."""

    group_by = serializers.ChoiceField(GROUPS)
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    results = LineSerializer(many=True)


ASKED = [
    OpenApiParameter("group_by", str, enum=GROUPS, description="agent unless told."),
    OpenApiParameter("from", OpenApiTypes.DATETIME, description="30 days ago unless told."),
    OpenApiParameter("to", OpenApiTypes.DATETIME, description="Now unless told; not included."),
]


class UsageInput(serializers.Serializer[None]):
    """What the report is asked for."""

    group_by = serializers.ChoiceField(GROUPS, required=False, default="agent")
    to = serializers.DateTimeField(required=False)

    def get_fields(self) -> dict[str, Any]:
        """Add `from`, which is no name in Python."""
        return {**super().get_fields(), "from": serializers.DateTimeField(required=False)}


def asked(parameters: Any, *, now: datetime) -> dict[str, Any]:
    """Return grouping and period of a query; raise InvalidInput naming what is wrong."""
    data = UsageInput(data=parameters)
    data.is_valid(raise_exception=True)
    given = data.validated_data
    until = given.get("to") or now
    since = given.get("from") or until - timedelta(days=DEFAULT_DAYS)
    return {"group_by": given["group_by"], "since": since, "until": until}


class UsageView(APIView):
    """What agents used and cost."""

    required_permission = {"GET": "governance.view_usagerecord"}

    @extend_schema(operation_id="usage", parameters=ASKED, responses=UsageSerializer)
    def get(self, request: Request) -> Response:
        """Return tokens and cost by agent, user, model or day."""
        query = asked(request.query_params, now=timezone.now())
        lines = reports.usage(**query, person=reports.alone(request.user))
        return Response(UsageSerializer({**query, "results": lines}).data)


class UsageCsvView(APIView):
    """What agents used and cost, for spreadsheets."""

    required_permission = {"GET": "governance.view_usagerecord"}

    @extend_schema(
        operation_id="usage_csv", parameters=ASKED, responses={(200, "text/csv"): OpenApiTypes.STR}
    )
    def get(self, request: Request) -> HttpResponse:
        """Return the same lines as comma-separated values."""
        query = asked(request.query_params, now=timezone.now())
        lines = reports.usage(**query, person=reports.alone(request.user))
        return in_csv(lines, name=f"usage-by-{query['group_by']}.csv")


def in_csv(lines: Iterable[Line], *, name: str) -> HttpResponse:
    """Return the lines as a file; text that a spreadsheet would run is quoted."""
    response = HttpResponse(
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
    columns = list(Line.__dataclass_fields__)
    writer = csv.writer(response)
    writer.writerow(columns)
    for line in lines:
        row = asdict(line)
        writer.writerow([_harmless(row[column]) for column in columns])
    return response


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
