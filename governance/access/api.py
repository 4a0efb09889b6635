"""Sign out over HTTP."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.access.keys.models import ApiKey
from governance.access.operations import revoke_token


class LogoutView(APIView):
    """End the session of the token in use."""

    required_permission = ""

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request) -> Response:
        """Sign out."""
        if request.auth is not None and not isinstance(request.auth, ApiKey):  # its owner ends a key
            revoke_token(request=request._request, token=request.auth)
        return Response(status=204)
