"""The risk profile over HTTP."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.policies.models import DOMAIN, RiskProfile


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
