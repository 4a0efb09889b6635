"""Claims, assignment, availability, queues, schedules and substitutions over HTTP."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import Group
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.access.idempotency import once
from governance.access.models import User
from governance.types import Risk
from hitl.reviews.eligibility import DECIDE
from hitl.reviews.models import Review
from hitl.routing import duty, oncall, operations
from hitl.routing.models import ReviewerProfile, ReviewQueue, Rotation, Schedule, Substitution
from hitl.routing.types import Strategy
from tenants.kernel.api import CursorPage
from tenants.kernel.errors import InvalidInput

PEOPLE = User.objects.filter(kind=User.Kind.PERSON, is_active=True)
FARTHEST = timedelta(days=5 * 366)
"""How far from now one may ask who is on call."""


class AssignmentSerializer(serializers.ModelSerializer[Review]):
    """Who has a review. It says who works on it; others who may decide it still may."""

    assigned_to = serializers.CharField(source="assigned_to.username", default=None)
    queue = serializers.CharField(source="queue.name", default=None)

    class Meta:
        model = Review
        fields = ["id", "status", "queue", "assigned_to", "claimed_until"]


class AssignInput(serializers.Serializer[None]):
    """Who gets the review."""

    username = serializers.SlugRelatedField(slug_field="username", queryset=PEOPLE)


class OfReview(APIView):
    """Base of what is done with one review, answered with who has it then."""

    def answer(self, request: Request, pk: object, do: Callable[[Any], Review]) -> Response:
        """Do it once for each Idempotency-Key."""
        review = get_object_or_404(Review, pk=pk)

        def run() -> tuple[int, Any]:
            return 200, AssignmentSerializer(do(review.pk)).data

        status, body = once(request, run)
        return Response(body, status=status)


class ClaimView(OfReview):
    """Say that one works on a review."""

    required_permission = {"POST": DECIDE}

    @extend_schema(request=None, responses=AssignmentSerializer)
    def post(self, request: Request, pk: str) -> Response:
        """Claim it. 409 while somebody else's claim lasts or once it is decided, 403 if it is not yours to decide."""
        return self.answer(
            request,
            pk,
            lambda review_id: operations.claim(review_id=review_id, user=request.user, now=timezone.now()),
        )


class ReleaseView(OfReview):
    """Give a review back."""

    required_permission = {"POST": DECIDE}

    @extend_schema(request=None, responses=AssignmentSerializer)
    def post(self, request: Request, pk: str) -> Response:
        """Give back what one has, to its queue. 409 if one does not have it."""
        return self.answer(
            request,
            pk,
            lambda review_id: operations.release(review_id=review_id, user=request.user, now=timezone.now()),
        )


class AssignView(OfReview):
    """Give a review to somebody."""

    required_permission = {"POST": operations.ASSIGN}

    @extend_schema(request=AssignInput, responses=AssignmentSerializer)
    def post(self, request: Request, pk: str) -> Response:
        """Assign it to somebody who may decide it; 422 if they may not, 403 for what you asked for yourself."""
        data = AssignInput(data=request.data)
        data.is_valid(raise_exception=True)
        to = data.validated_data["username"]
        return self.answer(
            request,
            pk,
            lambda review_id: operations.assign(
                review_id=review_id, to=to, by=request.user, now=timezone.now()
            ),
        )


class AvailabilitySerializer(serializers.Serializer[Any]):
    """Whether you take reviews; `until` is the end of an absence, null for until you say so."""

    available = serializers.BooleanField()
    until = serializers.DateTimeField(required=False, allow_null=True, default=None)


class AvailabilityView(APIView):
    """Your own availability."""

    required_permission = {"GET": DECIDE, "PUT": DECIDE}

    @extend_schema(responses=AvailabilitySerializer)
    def get(self, request: Request) -> Response:
        """Return whether you take reviews."""
        profile = ReviewerProfile.objects.filter(user=request.user.pk).first()
        return Response(self._body(profile))

    @extend_schema(request=AvailabilitySerializer, responses=AvailabilitySerializer)
    def put(self, request: Request) -> Response:
        """Set it. Going away hands back what is assigned to you and not claimed."""
        data = AvailabilitySerializer(data=request.data)
        data.is_valid(raise_exception=True)

        def change() -> tuple[int, Any]:
            profile = operations.set_availability(
                user=request.user, now=timezone.now(), **data.validated_data
            )
            return 200, self._body(profile)

        status, body = once(request, change)
        return Response(body, status=status)

    @staticmethod
    def _body(profile: ReviewerProfile | None) -> Any:
        available = profile is None or profile.is_available(timezone.now())
        until = None if profile is None or available else profile.away_until
        return AvailabilitySerializer({"available": available, "until": until}).data


class Words(serializers.ListField):
    """A short list of words."""

    child = serializers.CharField(max_length=60)

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, max_length=50, **options)


class ReviewQueueSerializer(serializers.ModelSerializer[ReviewQueue]):
    """A queue: which reviews belong to it, and who gets them. Empty asks for nothing."""

    risks = serializers.ListField(
        child=serializers.ChoiceField([risk.value for risk in Risk]), required=False, max_length=len(Risk)
    )
    kinds = serializers.ListField(
        child=serializers.ChoiceField(Review.Kind.choices), required=False, max_length=len(Review.Kind)
    )
    skills = Words()
    group = serializers.SlugRelatedField(
        slug_field="name", queryset=Group.objects.all(), required=False, allow_null=True
    )
    strategy = serializers.ChoiceField([strategy.value for strategy in Strategy], required=False)

    class Meta:
        model = ReviewQueue
        fields = [
            "id", "name", "position", "risks", "kinds", "tool", "agent", "group", "skills", "strategy",
            "claim_minutes", "enabled",
        ]  # fmt: skip


class ReviewQueueViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[ReviewQueue]
):
    """Review queues of this tenant."""

    required_permission: Any = {
        "GET": "hitl.view_reviewqueue", "POST": "hitl.add_reviewqueue", "PATCH": "hitl.change_reviewqueue",
    }  # fmt: skip
    http_method_names = ["get", "post", "patch", "head", "options"]
    queryset = ReviewQueue.objects.select_related("group")
    serializer_class = ReviewQueueSerializer
    pagination_class = CursorPage

    def create(self, request: Request) -> Response:
        """Add a queue."""
        data = ReviewQueueSerializer(data=request.data)
        data.is_valid(raise_exception=True)

        def make() -> tuple[int, Any]:
            return 201, ReviewQueueSerializer(data.save()).data

        status, body = once(request, make)
        return Response(body, status=status)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a queue; reviews that are in it stay in it."""
        data = ReviewQueueSerializer(self.get_object(), data=request.data, partial=True)
        data.is_valid(raise_exception=True)
        return Response(ReviewQueueSerializer(data.save()).data)


class RotationSerializer(serializers.ModelSerializer[Rotation]):
    """A layer of a schedule; `participants` are ids in their order."""

    class Meta:
        model = Rotation
        fields = ["layer", "participants", "starts_at", "length", "unit", "handoff", "windows"]


class ScheduleSerializer(serializers.ModelSerializer[Schedule]):
    """An on-call schedule."""

    rotations = RotationSerializer(many=True)

    class Meta:
        model = Schedule
        fields = ["id", "name", "timezone", "rotations"]


class OnCallSerializer(serializers.Serializer[Any]):
    """Who is on call; the shift's ends are looked for 28 days either way. `stand_ins` stand in for them then."""

    at = serializers.DateTimeField()
    on_call = serializers.CharField(allow_null=True)
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    stand_ins = serializers.ListField(child=serializers.CharField())


class ScheduleViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Schedule]):
    """On-call schedules of this tenant."""

    required_permission: Any = {"GET": "hitl.view_schedule"}
    queryset = Schedule.objects.prefetch_related("rotations")
    serializer_class = ScheduleSerializer
    pagination_class = CursorPage

    @extend_schema(
        parameters=[OpenApiParameter("at", datetime, description="The instant; now if it is left out.")],
        responses=OnCallSerializer,
    )
    @action(detail=True, methods=["get"], url_path="on-call")
    def on_call(self, request: Request, pk: str) -> Response:
        """Return who is on call at an instant, since when and until when; `on_call` is null for nobody."""
        schedule, at = self.get_object(), _instant(request.query_params.get("at"))
        shift = oncall.shift_at(duty.plan_of(schedule), at)
        person = User.objects.filter(pk=shift.user_id).first() if shift.user_id is not None else None
        stand_ins = duty.stand_ins([person], at) if person else []
        body = {
            "at": at,
            "on_call": person.username if person else None,
            "since": shift.starts_at,
            "until": shift.ends_at,
            "stand_ins": [user.username for user in stand_ins],
        }
        return Response(OnCallSerializer(body).data)


class SubstitutionSerializer(serializers.ModelSerializer[Substitution]):
    """Who stands in for whom, and who said so."""

    person = serializers.SlugRelatedField(slug_field="username", queryset=PEOPLE)
    substitute = serializers.SlugRelatedField(slug_field="username", queryset=PEOPLE)
    created_by = serializers.CharField(source="created_by.username", read_only=True)

    class Meta:
        model = Substitution
        fields = ["id", "person", "substitute", "starts_at", "ends_at", "reason", "created_by"]


class SubstitutionViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[Substitution]):
    """Dated substitutions; only those who administer reviewers define them."""

    required_permission: Any = {"GET": "hitl.view_substitution", "POST": duty.SUBSTITUTE}
    queryset = Substitution.objects.select_related("person", "substitute", "created_by")
    serializer_class = SubstitutionSerializer
    pagination_class = CursorPage

    def create(self, request: Request) -> Response:
        """Define a substitution. 422 if the substitute may not decide reviews."""
        data = SubstitutionSerializer(data=request.data)
        data.is_valid(raise_exception=True)

        def make() -> tuple[int, Any]:
            made = duty.substitute(by=request.user, now=timezone.now(), **data.validated_data)
            return 201, SubstitutionSerializer(made).data

        status, body = once(request, make)
        return Response(body, status=status)


def _instant(text: str | None) -> datetime:
    """Return the instant asked about; raise InvalidInput."""
    now = timezone.now()
    if text is None:
        return now
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError as error:
        raise InvalidInput("Write `at` as 2026-03-02T09:30:00Z.") from error
    if at.tzinfo is None or not now - FARTHEST < at < now + FARTHEST:
        raise InvalidInput("Give `at` an offset, such as Z, and stay within five years of now.")
    return at
