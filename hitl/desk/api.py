"""Batches of decisions and the figures of reviews over HTTP."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response as HttpResponse
from rest_framework.views import APIView

from governance.access.idempotency import once
from hitl.desk import batches
from hitl.desk.analytics import PERIODS, Times, figures
from hitl.desk.analytics_page import period
from hitl.desk.batches import Seen
from hitl.desk.filters import Filters
from hitl.reviews import operations
from hitl.reviews.types import Assurance, Channel, DecisionVerb
from tenants.flags.operations import ensure_on


class SeenInput(serializers.Serializer[None]):
    """One review as the reviewer saw it."""

    id = serializers.UUIDField()
    version = serializers.IntegerField(min_value=1)
    digest = serializers.CharField(max_length=64)


class BatchInput(serializers.Serializer[None]):
    """One decision on many reviews of one shape."""

    decision = serializers.ChoiceField(choices=[str(verb) for verb in batches.VERBS])
    message = serializers.CharField(
        required=False, allow_blank=True, max_length=4000, help_text="Required for reject."
    )
    items = SeenInput(many=True, help_text=f"1 to {batches.MAX_ITEMS}.")


class ResultSerializer(serializers.Serializer[Any]):
    """What became of one review; `code` and `detail` say why it was not decided."""

    id = serializers.UUIDField(source="review_id")
    decided = serializers.BooleanField()
    status = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class BatchResultSerializer(serializers.Serializer[Any]):
    """How many were decided, and each result in the order given."""

    decided = serializers.IntegerField()
    results = ResultSerializer(many=True)


class BatchView(APIView):
    """Decisions on many reviews at once."""

    required_permission = {"POST": operations.DECIDE}

    @extend_schema(operation_id="hitl_queue_batch", request=BatchInput, responses=BatchResultSerializer)
    def post(self, request: Request) -> HttpResponse:
        """Approve or reject up to 100 tool calls of one shape, each as it was seen.

        Each is a vote of its own: one that is refused (decided meanwhile, changed, not yours, critical)
        leaves the others as they are and says so in its result. 422 for several shapes at once; 404 where
        the flag `batch_decisions` is off.
        """
        ensure_on("batch_decisions", request._request)
        data = BatchInput(data=request.data)
        data.is_valid(raise_exception=True)
        given = data.validated_data
        seen = [
            Seen(review_id=item["id"], version=item["version"], digest=item["digest"])
            for item in given["items"]
        ]

        def decide() -> tuple[int, Any]:
            results = batches.decide(
                reviewer=request.user,
                verb=DecisionVerb(given["decision"]),
                message=given.get("message", ""),
                seen=seen,
                channel=Channel.API,
                assurance=Assurance.TOKEN,
                now=timezone.now(),
            )
            told = {"decided": sum(result.decided for result in results), "results": results}
            return 200, BatchResultSerializer(told).data

        status, body = once(request, decide)
        return HttpResponse(body, status=status)


class TimesSerializer(serializers.Serializer[Times]):
    """Median and 95th percentile in seconds."""

    p50_s = serializers.FloatField(allow_null=True)
    p95_s = serializers.FloatField(allow_null=True)


class ByToolSerializer(serializers.Serializer[Any]):
    """How the calls of one tool were decided."""

    tool = serializers.CharField()
    decided = serializers.IntegerField()
    from_created = TimesSerializer()
    outcomes = serializers.DictField(child=serializers.IntegerField())
    breaches = serializers.IntegerField()


class ByReviewerSerializer(serializers.Serializer[Any]):
    """What one person decided; `fast` of the `timed` votes were cast within three seconds of opening."""

    username = serializers.CharField()
    votes = serializers.IntegerField()
    from_viewed = TimesSerializer()
    verbs = serializers.DictField(child=serializers.IntegerField())
    timed = serializers.IntegerField()
    fast = serializers.IntegerField()
    flagged = serializers.BooleanField()
    assigned = serializers.IntegerField()


class DepthSerializer(serializers.Serializer[Any]):
    """What waits in one priority."""

    priority = serializers.CharField()
    pending = serializers.IntegerField()
    overdue = serializers.IntegerField()
    oldest = serializers.DateTimeField(allow_null=True)


class FiguresSerializer(serializers.Serializer[Any]):
    """The figures of a period. `reviewers` holds the caller alone without `hitl.view_analytics`."""

    days = serializers.IntegerField()
    tool = serializers.CharField()
    closed = serializers.IntegerField()
    outcomes = serializers.DictField(child=serializers.IntegerField())
    per_day = serializers.DictField(child=serializers.IntegerField())
    from_created = TimesSerializer()
    from_viewed = TimesSerializer()
    breaches = serializers.IntegerField()
    timed_votes = serializers.IntegerField()
    fast_votes = serializers.IntegerField()
    oldest = serializers.DateTimeField(allow_null=True)
    tools = ByToolSerializer(many=True)
    reviewers = ByReviewerSerializer(many=True)
    depth = DepthSerializer(many=True)


class AnalyticsView(APIView):
    """How reviews are decided."""

    required_permission = {"GET": "hitl.view_review"}

    @extend_schema(
        operation_id="hitl_analytics",
        parameters=[
            OpenApiParameter("days", int, enum=PERIODS, description="30 unless told."),
            OpenApiParameter("tool", str, description="One tool alone."),
        ],
        responses=FiguresSerializer,
    )
    def get(self, request: Request) -> HttpResponse:
        """Return times, outcomes, load and lateness of the last 7, 30 or 90 days."""
        found = figures(
            days=period(request.query_params.get("days", "")),
            tool=Filters.parse({"tool": request.query_params.get("tool", "")}).get("tool"),
            viewer=request.user,
            now=timezone.now(),
        )
        return HttpResponse(FiguresSerializer(found).data)
