"""Risk thresholds and the risk profile over HTTP."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.access.idempotency import once
from governance.policies.models import DOMAIN, RiskProfile, RiskThreshold


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


class RiskProfileSerializer(serializers.ModelSerializer[RiskProfile]):
    """What raises the risk of a call beside amounts."""

    home_domains = serializers.ListField(child=serializers.RegexField(DOMAIN), required=False, max_length=200)

    class Meta:
        model = RiskProfile
        fields = ["home_domains", "outside", "sensitive", "bulk_from", "bulk"]


class RiskProfileView(APIView):
    """The risk profile of this tenant."""

    required_permission = {
        "GET": "governance.view_riskprofile",
        "PATCH": "governance.change_riskprofile",
    }

    @extend_schema(responses=RiskProfileSerializer)
    def get(self, request: Request) -> Response:
        """Return the profile in force."""
        return Response(RiskProfileSerializer(RiskProfile.objects.get()).data)

    @extend_schema(request=RiskProfileSerializer, responses=RiskProfileSerializer)
    def patch(self, request: Request) -> Response:
        """Change it; who does decides no review that is opened within a day."""
        data = RiskProfileSerializer(RiskProfile.objects.get(), data=request.data, partial=True)
        data.is_valid(raise_exception=True)
        data.save()
        return Response(data.data)
