"""The review queue over HTTP."""

from functools import cached_property
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
from hitl.reviews import eligibility, operations, provenance
from hitl.reviews.models import Review, ReviewMessage, Vote
from hitl.reviews.types import Assurance, Channel, DecisionVerb, Response

DECISIONS = [verb.value for verb in DecisionVerb]
READ = {"POST": "hitl.view_review"}
"""What reading asks for, where the domain decides who may write."""


class VoteSerializer(serializers.ModelSerializer[Vote]):
    """One vote."""

    reviewer = serializers.CharField(source="reviewer.username")
    on_behalf_of = serializers.CharField(source="on_behalf_of.username", default=None)

    class Meta:
        model = Vote
        fields = [
            "reviewer", "on_behalf_of", "kind", "decision", "message", "digest", "patch", "channel", "assurance", "at",
        ]  # fmt: skip


class MessageSerializer(serializers.ModelSerializer[ReviewMessage]):
    """A question about a review, or an answer to one."""

    author = serializers.CharField(source="author.username")

    class Meta:
        model = ReviewMessage
        fields = ["author", "is_question", "text", "at"]


class ReviewSerializer(serializers.ModelSerializer[Review]):
    """A review with the exact action it binds to."""

    agent = serializers.CharField(source="agent_name")
    run = serializers.UUIDField(source="run_id")
    requester = serializers.CharField(source="requester.username")
    owner = serializers.CharField(source="owner.username", default=None)
    assigned_to = serializers.CharField(source="assigned_to.username", default=None)
    votes = VoteSerializer(many=True)
    messages = MessageSerializer(many=True)
    provenance = serializers.SerializerMethodField()
    sources = serializers.SerializerMethodField()
    allowed_decisions = serializers.SerializerMethodField()

    class Meta:
        model = Review
        fields = [
            "id", "status", "priority", "risk", "kind", "agent", "run", "requester", "tool", "arguments",
            "arguments_proposed", "parameters", "provenance", "sources", "reason", "rule", "facts",
            "evidence", "created_at", "due_at", "expires_at", "veto_until", "owner", "presented_at",
            "first_viewed_at", "decided_at", "not_before", "assigned_to", "claimed_until", "required",
            "plan", "min_assurance", "votes", "messages", "allowed_decisions", "digest", "shape",
            "version", "supersedes", "effect_outcome", "effect_at",
        ]  # fmt: skip

    def get_provenance(self, review: Review) -> dict[str, Any]:
        """Return where each value of the arguments appears in the evidence, by JSON Pointer.

        An empty list: nowhere, so it is the agent's own. Null: a value too short to look for.
        """
        return provenance.to_json(provenance.of(review))

    def get_sources(self, review: Review) -> dict[str, Any]:
        """Return whose each value of the arguments is, by JSON Pointer, where the run had read outsiders' text.

        `source`: user, person, directory, record, name, default, text or own. Those with `endorsed` false are why a
        person is asked.
        """
        return provenance.sources_to_json(provenance.of(review))

    def get_allowed_decisions(self, review: Review) -> list[str]:
        """Return what the caller may do with the review."""
        user = self.context["request"].user
        allowed = operations.available_actions(review, user, stands_in=self._stands_in)
        return [verb.value for verb in allowed.verbs]

    @cached_property
    def _stands_in(self) -> list[Any]:
        return eligibility.stands_in_for(self.context["request"].user, timezone.now())


class RespondInput(serializers.Serializer[None]):
    """A decision, about the version that the reviewer saw."""

    decision = serializers.ChoiceField(
        choices=DECISIONS,
        help_text="Which of them, depends on the review's kind: see its `allowed_decisions`.",
    )
    arguments = serializers.JSONField(required=False, help_text="The complete new arguments, for edit.")
    message = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=4000,
        help_text="Required for every decision but approve, edit, retry and withdraw.",
    )
    version = serializers.IntegerField(required=False)
    digest = serializers.CharField(required=False, max_length=64)
    not_before = serializers.DateTimeField(
        required=False, help_text="With approve: not to run earlier; within seven days."
    )


class TextInput(serializers.Serializer[None]):
    """A text about a review."""

    message = serializers.CharField(max_length=4000)


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
    queryset = Review.objects.select_related("requester", "assigned_to", "owner").prefetch_related(
        "votes__reviewer", "votes__on_behalf_of", "messages__author"
    )
    serializer_class = ReviewSerializer
    filterset_class = ReviewFilter

    @extend_schema(request=RespondInput, responses=ReviewSerializer)
    @action(detail=True, methods=["post"])
    def respond(self, request: Request, pk: str) -> HttpResponse:
        """Say one of the review's `allowed_decisions`.

        409 when it was decided or changed meanwhile, 403 when it is not yours to decide or must be approved with
        more assurance than a token gives, 422 when the word is for another kind of review or its message is
        missing. An edit that raises the risk supersedes the review; the answer is the one that takes its place.
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
            not_before=given.get("not_before"),
            assurance=Assurance.TOKEN,
        )

        def decide() -> tuple[int, Any]:
            decided = operations.respond(
                review_id=review.pk, reviewer=request.user, response=response, now=timezone.now()
            )
            return 200, ReviewSerializer(decided, context={"request": request}).data

        status, body = once(request, decide)
        return HttpResponse(body, status=status)

    @extend_schema(request=TextInput, responses=ReviewSerializer)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str) -> HttpResponse:
        """Take an approval back before its call has run; 409 once it has."""
        review = get_object_or_404(Review, pk=pk)
        data = TextInput(data=request.data)
        data.is_valid(raise_exception=True)

        def take_back() -> tuple[int, Any]:
            revoked = operations.revoke(
                review_id=review.pk,
                by=request.user,
                message=data.validated_data["message"],
                now=timezone.now(),
            )
            return 200, ReviewSerializer(revoked, context={"request": request}).data

        status, body = once(request, take_back)
        return HttpResponse(body, status=status)

    @extend_schema(request=TextInput, responses={201: MessageSerializer})
    @action(detail=True, methods=["post"], url_path="messages", required_permission=READ)
    def reply(self, request: Request, pk: str) -> HttpResponse:
        """Answer a question about a pending review: its requester may, and who decides reviews."""
        review = get_object_or_404(Review, pk=pk)
        data = TextInput(data=request.data)
        data.is_valid(raise_exception=True)

        def answer() -> tuple[int, Any]:
            text = data.validated_data["message"]
            said = operations.reply(review_id=review.pk, author=request.user, text=text, now=timezone.now())
            return 201, MessageSerializer(said).data

        status, body = once(request, answer)
        return HttpResponse(body, status=status)

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["post"], required_permission=READ)
    def viewed(self, request: Request, pk: str) -> HttpResponse:
        """Say that you have opened the review; time to decision is measured from the first time."""
        review = get_object_or_404(Review, pk=pk)
        operations.mark_viewed(review=review, viewer=request.user, now=timezone.now())
        return HttpResponse(status=204)
