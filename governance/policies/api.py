"""Policies and risk thresholds over HTTP."""

from datetime import timedelta
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.access.idempotency import once
from governance.policies import publishing, recorded, wording
from governance.policies.given import calls
from governance.policies.models import Policy, PolicyDefault, RiskThreshold
from governance.policies.rules import LIVE_POINTS, Layer
from governance.policies.validity import zone_of


class RiskThresholdSerializer(serializers.ModelSerializer[RiskThreshold]):
    """From this amount on, a call of these tools has at least this risk."""

    author = serializers.CharField(source="author.username", read_only=True)

    class Meta:
        model = RiskThreshold
        fields = ["id", "tool", "argument", "at_least", "risk", "enabled", "author"]


class RiskThresholdViewSet(viewsets.ModelViewSet[RiskThreshold]):
    """Risk thresholds of this tenant."""

    http_method_names = ["get", "post", "patch", "delete", "head", "options"]
    required_permission = {
        "GET": "governance.view_riskthreshold",
        "POST": "governance.add_riskthreshold",
        "PATCH": "governance.change_riskthreshold",
        "DELETE": "governance.delete_riskthreshold",
    }
    queryset = RiskThreshold.objects.select_related("author")
    serializer_class = RiskThresholdSerializer
    filterset_fields = ["tool", "risk", "enabled"]

    @extend_schema(responses={201: RiskThresholdSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Add a threshold; you are its author, and do not decide calls that it holds."""
        data = self.get_serializer(data=request.data)
        data.is_valid(raise_exception=True)

        def make() -> tuple[int, Any]:
            data.save(author=request.user)
            return 201, data.data

        status, body = once(request, make)
        return Response(body, status=status)

    def perform_update(self, serializer: Any) -> None:
        """Name who edits as its author."""
        serializer.save(author=self.request.user)


class PolicySerializer(serializers.ModelSerializer[Policy]):
    """A rule, with its newest version, the one in force and the one in shadow."""

    document = serializers.JSONField(source="latest.document")
    version = serializers.IntegerField(source="latest.number")
    author = serializers.CharField(source="latest.author.username", default=None)
    active_version = serializers.IntegerField(source="active.number", default=None)
    shadow_version = serializers.IntegerField(source="shadow.number", default=None)
    in_words = serializers.SerializerMethodField()
    is_asked = serializers.SerializerMethodField(help_text="Whether anything asks rules of its point yet.")

    class Meta:
        model = Policy
        fields = [
            "id", "slug", "name", "layer", "agent_id", "pack", "document", "version", "author", "active_version",
            "shadow_version", "in_words", "is_asked",
        ]  # fmt: skip

    def get_in_words(self, policy: Policy) -> str:
        """Return the newest version as sentences."""
        return wording.in_words(policy.latest.document)

    def get_is_asked(self, policy: Policy) -> bool:
        """Tell whether anything asks rules of its point yet."""
        return policy.latest.document.get("point", "pre_tool_call") in LIVE_POINTS


class PolicyInput(serializers.Serializer[None]):
    """A rule; its document as docs/policies.md lists it."""

    slug = serializers.SlugField(max_length=50, help_text="Its id. It stays.")
    name = serializers.CharField(max_length=80)
    agent_id = serializers.UUIDField(
        required=False, allow_null=True, help_text="For one agent alone: such a rule only tightens."
    )
    document = serializers.JSONField()


class PolicyPatch(serializers.Serializer[None]):
    """What may change: the name, and the document as a new version. `shadow` rehearses that version, or ends it."""

    name = serializers.CharField(max_length=80, required=False)
    document = serializers.JSONField(required=False)
    shadow = serializers.BooleanField(required=False)


class SimulateInput(serializers.Serializer[None]):
    """Which rule is tried on what: calls that are given, or decisions on record."""

    version = serializers.IntegerField(required=False, help_text="The newest, if it is not given.")
    document = serializers.JSONField(required=False, help_text="A rule that is not saved, in its place.")
    requests = serializers.JSONField(
        required=False, help_text="Calls as docs/policies.md describes; without it, decisions on record."
    )
    days = serializers.IntegerField(required=False, default=30, min_value=1, max_value=365)
    sample = serializers.IntegerField(required=False, default=1000, min_value=1, max_value=5000)


class SimulationSerializer(serializers.Serializer[Any]):
    """What would change: a report on decisions on record, or an answer for each call that was given."""

    replay = serializers.UUIDField(
        required=False, allow_null=True, help_text="Kept for activation, where a saved version was replayed."
    )
    report = serializers.JSONField(required=False)
    answers = serializers.JSONField(required=False)


class ActivateInput(serializers.Serializer[None]):
    """Which version comes into force; `retire` puts the policy out of force instead."""

    version = serializers.IntegerField(required=False, help_text="The newest, if it is not given.")
    retire = serializers.BooleanField(required=False, default=False)


class PolicyViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Policy]):
    """Policies of this tenant."""

    http_method_names = ["get", "post", "patch", "head", "options"]
    required_permission: Any = {
        "GET": "governance.view_policy",
        "POST": "governance.add_policy",
        "PATCH": "governance.change_policy",
    }
    queryset = Policy.objects.select_related("active", "shadow").prefetch_related("versions")
    serializer_class = PolicySerializer
    filterset_fields = ["layer", "pack"]

    @extend_schema(request=PolicyInput, responses={201: PolicySerializer})
    def create(self, request: Request) -> Response:
        """Add a rule as a draft; 422 names each place of the document that cannot be used."""
        data = PolicyInput(data=request.data)
        data.is_valid(raise_exception=True)
        given = dict(data.validated_data)
        document, agent = given.pop("document"), given.get("agent_id")
        by: Any = request.user

        def make() -> tuple[int, Any]:
            policy = Policy(layer=Layer.AGENT if agent else Layer.TENANT, **given)
            publishing.save_policy(policy=policy, document=document, by=by, now=timezone.now())
            return 201, PolicySerializer(policy).data

        status, body = once(request, make)
        return Response(body, status=status)

    @extend_schema(request=PolicyPatch, responses=PolicySerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Save another document as the next version, which is not in force; rehearse it in shadow, or end that."""
        policy = self.get_object()
        data = PolicyPatch(data=request.data, partial=True)
        data.is_valid(raise_exception=True)
        given, by, now = data.validated_data, request.user, timezone.now()
        policy.name = given.get("name", policy.name)
        document = given.get("document", policy.latest.document)
        publishing.save_policy(policy=policy, document=document, by=by, now=now)  # type: ignore[arg-type]
        if given.get("shadow") is True:
            publishing.rehearse(policy_id=policy.pk, number=None, by=by, now=now)  # type: ignore[arg-type]
        elif given.get("shadow") is False:
            publishing.end_rehearsal(policy_id=policy.pk, by=by, now=now)  # type: ignore[arg-type]
        return Response(PolicySerializer(self.get_object()).data)

    @extend_schema(request=SimulateInput, responses=SimulationSerializer)
    @action(detail=True, methods=["post"], required_permission={"POST": "governance.view_policy"})
    def simulate(self, request: Request, pk: str) -> Response:
        """Say what would change with the rule in force. A replay of a saved version is kept for its activation."""
        policy = self.get_object()
        data = SimulateInput(data=request.data)
        data.is_valid(raise_exception=True)
        given, now = data.validated_data, timezone.now()
        window, sample = timedelta(days=given["days"]), given["sample"]
        if "requests" not in given and "document" not in given:
            by: Any = request.user
            kept = publishing.replayed(
                policy=policy, number=given.get("version"), by=by, now=now, window=window, sample=sample
            )
            return Response({"replay": kept.pk, "report": kept.report})
        version = publishing.version_of(policy, given.get("version"))
        rule = publishing.compiled(policy, given.get("document", version.document))
        if "requests" in given:
            return Response({"answers": recorded.try_on(rule, calls(given["requests"]), now=now)})
        report = recorded.try_rule(rule, now=now, window=window, sample=sample)
        return Response({"replay": None, "report": report.to_json()})

    @extend_schema(request=ActivateInput, responses=PolicySerializer)
    @action(detail=True, methods=["post"], required_permission={"POST": "governance.activate_policy"})
    def activate(self, request: Request, pk: str) -> Response:
        """Put a version in force, or the policy out of force. 403 to its author, 409 without a fresh replay."""
        policy = self.get_object()
        data = ActivateInput(data=request.data)
        data.is_valid(raise_exception=True)
        by: Any = request.user
        given, now = data.validated_data, timezone.now()

        def go() -> tuple[int, Any]:
            if given["retire"]:
                publishing.retire(policy_id=policy.pk, by=by, now=now)
            else:
                publishing.activate(policy_id=policy.pk, number=given.get("version"), by=by, now=now)
            return 200, PolicySerializer(self.get_object()).data

        status, body = once(request, go)
        return Response(body, status=status)


class PolicyDefaultSerializer(serializers.ModelSerializer[PolicyDefault]):
    """What holds where no rule says anything; calls that change something are refused then."""

    class Meta:
        model = PolicyDefault
        fields = ["read_only_may", "timezone"]

    def validate_timezone(self, value: str) -> str:
        """Refuse a time zone that does not exist."""
        zone_of(value)
        return value


class PolicyDefaultView(APIView):
    """The default of this tenant."""

    required_permission = {"GET": "governance.view_policydefault", "PATCH": "governance.change_policydefault"}

    @extend_schema(responses=PolicyDefaultSerializer)
    def get(self, request: Request) -> Response:
        """Return it."""
        return Response(PolicyDefaultSerializer(PolicyDefault.objects.get()).data)

    @extend_schema(request=PolicyDefaultSerializer, responses=PolicyDefaultSerializer)
    def patch(self, request: Request) -> Response:
        """Change it; it counts from the next decision on."""
        data = PolicyDefaultSerializer(PolicyDefault.objects.get(), data=request.data, partial=True)
        data.is_valid(raise_exception=True)
        data.save()
        return Response(data.data)
