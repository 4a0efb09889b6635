"""Flags over HTTP."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tenants.flags.operations import states
from tenants.flags.registry import FLAGS


class FlagSerializer(serializers.Serializer[None]):
    """A flag, and whether it is on for whoever asks."""

    name = serializers.CharField()
    description = serializers.CharField()
    on = serializers.BooleanField()


class FlagsView(APIView):
    """What is switched on."""

    required_permission = ""

    @extend_schema(responses=FlagSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List every flag with whether it is on for you."""
        found = states(request._request)
        return Response([{"name": n, "description": FLAGS[n].words, "on": on} for n, on in found.items()])
