"""Escalation policies and service levels over HTTP."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from governance.access.idempotency import once
from governance.types import Risk
from hitl.escalation.models import EscalationPolicy, ServiceLevel
from hitl.escalation.policies import save_policy
from hitl.escalation.preview import dry_run, real_review
from hitl.escalation.steps import in_words, parse

RISK_WORDS = [risk.value for risk in Risk]
FIELDS = ("name", "description", "is_default", "enabled", "risks", "tool")


class EscalationPolicySerializer(serializers.ModelSerializer[EscalationPolicy]):
    """A policy with the steps of its newest version, as JSON and in words."""

    steps = serializers.JSONField(source="current.steps")
    version = serializers.IntegerField(source="current.number")
    in_words = serializers.SerializerMethodField()

    class Meta:
        model = EscalationPolicy
        fields = ["id", *FIELDS, "version", "steps", "in_words", "coverage", "coverage_at"]

    def get_in_words(self, policy: EscalationPolicy) -> list[str]:
        """Return one sentence a step."""
        return in_words(parse(policy.current.steps))


class EscalationPolicyInput(serializers.Serializer[None]):
    """A policy; steps as docs/escalation.md lists them."""

    name = serializers.CharField(max_length=80)
    description = serializers.CharField(required=False, allow_blank=True, max_length=4000)
    is_default = serializers.BooleanField(required=False)
    enabled = serializers.BooleanField(required=False)
    risks = serializers.ListField(
        child=serializers.ChoiceField(choices=RISK_WORDS), required=False, help_text="Empty for every risk."
    )
    tool = serializers.CharField(required=False, allow_blank=True, max_length=120)
    steps = serializers.JSONField()


class DryRunInput(serializers.Serializer[None]):
    """A review that waits, or what one would be."""

    review = serializers.UUIDField(required=False, help_text="Without it, a review of `risk` opened `at`.")
    risk = serializers.ChoiceField(choices=RISK_WORDS, required=False, default=Risk.HIGH.value)
    at = serializers.DateTimeField(required=False, help_text="Now, if it is not given.")


class CallSerializer(serializers.Serializer[Any]):
    """One step that would be taken; `who` is null where it tells nobody by its nature."""

    at = serializers.DateTimeField()
    step = serializers.IntegerField()
    words = serializers.CharField()
    who = serializers.ListField(child=serializers.CharField(), allow_null=True)
    ends = serializers.BooleanField()


class EscalationPolicyViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[EscalationPolicy]
):
    """Escalation policies of this tenant."""

    required_permission: Any = {
        "GET": "hitl.view_escalationpolicy",
        "POST": "hitl.add_escalationpolicy",
        "PATCH": "hitl.change_escalationpolicy",
    }
    http_method_names = ["get", "post", "patch", "head", "options"]
    queryset = EscalationPolicy.objects.all()
    serializer_class = EscalationPolicySerializer
    filterset_fields = ["enabled", "is_default"]

    @extend_schema(request=EscalationPolicyInput, responses={201: EscalationPolicySerializer})
    def create(self, request: Request) -> Response:
        """Add a policy. 422 names the step and the field of what cannot be used."""
        data = EscalationPolicyInput(data=request.data)
        data.is_valid(raise_exception=True)
        given = dict(data.validated_data)
        steps = given.pop("steps")

        def make() -> tuple[int, Any]:
            saved = self._save(request, EscalationPolicy(**given), steps)
            return 201, EscalationPolicySerializer(saved).data

        status, body = once(request, make)
        return Response(body, status=status)

    @extend_schema(request=EscalationPolicyInput, responses=EscalationPolicySerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a policy; other steps are a new version, and reviews that run keep theirs."""
        policy = self.get_object()
        data = EscalationPolicyInput(data=request.data, partial=True)
        data.is_valid(raise_exception=True)
        given = dict(data.validated_data)
        steps = given.pop("steps", policy.current.steps)
        for name, value in given.items():
            setattr(policy, name, value)
        return Response(EscalationPolicySerializer(self._save(request, policy, steps)).data)

    def _save(self, request: Request, policy: EscalationPolicy, steps: Any) -> EscalationPolicy:
        by: Any = request.user
        return save_policy(policy=policy, steps=steps, by=by, now=timezone.now())

    @extend_schema(request=DryRunInput, responses=CallSerializer(many=True))
    @action(
        detail=True,
        methods=["post"],
        url_path="dry-run",
        required_permission={"POST": "hitl.view_escalationpolicy"},
    )
    def dry_run(self, request: Request, pk: str) -> Response:
        """Return who would be called when. Nothing is sent and nothing changes."""
        data = DryRunInput(data=request.data)
        data.is_valid(raise_exception=True)
        given = data.validated_data
        review = real_review(given["review"]) if given.get("review") else None
        calls = dry_run(
            policy=self.get_object(),
            now=timezone.now(),
            review=review,
            risk=Risk(given["risk"]),
            at=given.get("at"),
        )
        return Response(CallSerializer(calls, many=True).data)


class ServiceLevelSerializer(serializers.ModelSerializer[ServiceLevel]):
    """How soon reviews of a priority, and of a risk or of any, are to be decided."""

    class Meta:
        model = ServiceLevel
        fields = ["id", "priority", "risk", "respond_within_s", "warn_at_percent"]


class ServiceLevelViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[ServiceLevel]
):
    """Service levels of this tenant; where none is set, the built-in ones hold."""

    required_permission: Any = {
        "GET": "hitl.view_servicelevel",
        "POST": "hitl.add_servicelevel",
        "PATCH": "hitl.change_servicelevel",
    }
    http_method_names = ["get", "post", "patch", "head", "options"]
    queryset = ServiceLevel.objects.all()
    serializer_class = ServiceLevelSerializer

    def create(self, request: Request) -> Response:
        """Add a service level; it holds for reviews opened from now on."""
        data = ServiceLevelSerializer(data=request.data)
        data.is_valid(raise_exception=True)

        def make() -> tuple[int, Any]:
            level = ServiceLevel.objects.create(**data.validated_data)
            return 201, ServiceLevelSerializer(level).data

        status, body = once(request, make)
        return Response(body, status=status)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a service level; reviews that wait keep their time."""
        level = self.get_object()
        data = ServiceLevelSerializer(level, data=request.data, partial=True)
        data.is_valid(raise_exception=True)
        return Response(ServiceLevelSerializer(data.save()).data)
