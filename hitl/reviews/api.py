"""The review queue over HTTP."""

from typing import Any

import django_filters
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response as HttpResponse

from governance.access.idempotency import once
from hitl.reviews import operations
from hitl.reviews.models import Review, Vote
from hitl.reviews.types import Channel, DecisionVerb, Response


class VoteSerializer(serializers.ModelSerializer[Vote]):
    """One vote."""

    reviewer = serializers.CharField(source="reviewer.username")

    class Meta:
        model = Vote
        fields = ["reviewer", "decision", "message", "digest", "channel", "at"]


class ReviewSerializer(serializers.ModelSerializer[Review]):
    """A review with the exact action it binds to."""

    agent = serializers.CharField(source="agent_name")
    run = serializers.UUIDField(source="run_id")
    requester = serializers.CharField(source="requester.username")
    due_at = serializers.DateTimeField(source="expires_at")
    assigned_to = serializers.CharField(source="assigned_to.username", default=None)
    votes = VoteSerializer(many=True)
    provenance = serializers.SerializerMethodField()
    allowed_decisions = serializers.SerializerMethodField()

    class Meta:
        model = Review
        fields = [
            "id", "status", "priority", "risk", "kind", "agent", "run", "requester", "tool", "arguments",
            "arguments_proposed", "parameters", "provenance", "reason", "rule", "evidence", "created_at", "due_at",
            "expires_at", "decided_at", "assigned_to", "required", "votes", "allowed_decisions", "digest", "version",
        ]  # fmt: skip

    def get_provenance(self, review: Review) -> dict[str, Any] | None:
        """Return null: where each argument came from is not recorded yet."""
        return None

    def get_allowed_decisions(self, review: Review) -> list[str]:
        """Return what the caller may do with the review."""
        return [
            verb.value for verb in operations.available_actions(review, self.context["request"].user).verbs
        ]


class RespondInput(serializers.Serializer[None]):
    """A decision, about the version that the reviewer saw."""

    decision = serializers.ChoiceField(
        choices=[verb.value for verb in DecisionVerb],
        help_text="Which of them, depends on the review's kind: see its `allowed_decisions`.",
    )
    arguments = serializers.JSONField(required=False, help_text="The complete new arguments, for edit.")
    message = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=4000,
        help_text="Required for reject, it_happened, it_did_not and respond.",
    )
    version = serializers.IntegerField(required=False)
    digest = serializers.CharField(required=False, max_length=64)


class ReviewFilter(django_filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    """Questions a reviewer asks."""

    assigned_to = django_filters.CharFilter(field_name="assigned_to__username")
    run = django_filters.UUIDFilter(field_name="run_id")

    class Meta:
        model = Review
        fields = ["status", "kind", "priority", "risk"]


class ReviewViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Review]):
    """Reviews of this tenant, newest first."""

    required_permission = {"GET": "hitl.view_review", "POST": operations.DECIDE}
    queryset = Review.objects.select_related("requester", "assigned_to").prefetch_related("votes__reviewer")
    serializer_class = ReviewSerializer
    filterset_class = ReviewFilter

    @extend_schema(request=RespondInput, responses=ReviewSerializer)
    @action(detail=True, methods=["post"])
    def respond(self, request: Request, pk: str) -> HttpResponse:
        """Say one of the review's `allowed_decisions`.

        409 when it was decided or changed meanwhile, 403 when it is not yours to decide, 422 when the word
        is for another kind of review or its message is missing.
        """
        data = RespondInput(data=request.data)
        data.is_valid(raise_exception=True)
        given = data.validated_data
        review = get_object_or_404(Review, pk=pk)
        response = Response(
            verb=DecisionVerb(given["decision"]),
            channel=Channel.API,
            message=given.get("message", ""),
            arguments=given.get("arguments"),
            version=given.get("version"),
            digest=given.get("digest"),
        )

        def decide() -> tuple[int, Any]:
            decided = operations.respond(
                review_id=review.pk, reviewer=request.user, response=response, now=timezone.now()
            )
            return 200, ReviewSerializer(decided, context={"request": request}).data

        status, body = once(request, decide)
        return HttpResponse(body, status=status)
