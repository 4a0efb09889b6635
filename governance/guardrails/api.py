"""Guardrails over HTTP."""

from typing import Any, cast

from django.core.exceptions import ValidationError
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from governance.access.idempotency import once
from governance.access.models import User
from governance.guardrails import operations
from governance.guardrails.models import GuardrailBinding, GuardrailFinding, RedactedValue

MAX_TRIED = 256 * 1024


class GuardrailBindingSerializer(serializers.ModelSerializer[GuardrailBinding]):
    """A check at one place, and what a finding leads to."""

    check = serializers.CharField(source="check_name", max_length=40)
    author = serializers.CharField(source="author.username", read_only=True, default=None)

    class Meta:
        model = GuardrailBinding
        fields = [
            "id", "name", "stage", "check", "action", "threshold", "tool", "agent", "config", "restore_for_tools",
            "marks_untrusted", "enabled", "author",
        ]  # fmt: skip

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse what the form would refuse."""
        kept = {
            field.attname: getattr(self.instance, field.attname)
            for field in GuardrailBinding._meta.concrete_fields
            if isinstance(self.instance, GuardrailBinding)
        }
        try:
            GuardrailBinding(**{**kept, **attrs}).clean()
        except ValidationError as error:
            problems = {
                "check" if at == "check_name" else at: said for at, said in error.message_dict.items()
            }
            raise serializers.ValidationError(problems) from error
        return attrs


class TextToTry(serializers.Serializer[None]):
    """A text that a binding is tried on."""

    text = serializers.CharField(max_length=MAX_TRIED, trim_whitespace=False)


class TriedSerializer(serializers.Serializer[None]):
    """What a binding found in a text, and what would be left of it."""

    findings = serializers.ListField(child=serializers.JSONField())
    left = serializers.CharField()


class GuardrailBindingViewSet(viewsets.ModelViewSet[GuardrailBinding]):
    """Guardrails of this tenant."""

    http_method_names = ["get", "post", "patch", "delete", "head", "options"]
    required_permission: Any = {
        "GET": "governance.view_guardrailbinding",
        "POST": "governance.add_guardrailbinding",
        "PATCH": "governance.change_guardrailbinding",
        "DELETE": "governance.delete_guardrailbinding",
    }
    queryset = GuardrailBinding.objects.select_related("author")
    serializer_class = GuardrailBindingSerializer
    filterset_fields = ["stage", "check_name", "action", "enabled"]

    @extend_schema(responses={201: GuardrailBindingSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Add a binding; you are its author, and do not decide calls that it holds."""
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

    @extend_schema(request=TextToTry, responses=TriedSerializer)
    @action(
        detail=True, methods=["post"], url_path="try", required_permission="governance.view_guardrailbinding"
    )
    def try_out(self, request: Request, pk: str) -> Response:
        """Return what the binding finds in a text. Nothing is recorded and nothing changes."""
        data = TextToTry(data=request.data)
        data.is_valid(raise_exception=True)
        screening = operations.tried(self.get_object(), data.validated_data["text"])
        return Response({"findings": screening.told(), "left": screening.value})


class GuardrailFindingSerializer(serializers.ModelSerializer[GuardrailFinding]):
    """What was found where; never the text itself."""

    run = serializers.UUIDField(source="run_id")
    step = serializers.UUIDField(source="step_id", default=None)
    check = serializers.CharField(source="check_name")

    class Meta:
        model = GuardrailFinding
        fields = [
            "id", "at", "run", "step", "stage", "binding", "check", "rule", "label", "score", "pointer", "start",
            "end", "action",
        ]  # fmt: skip


class GuardrailFindingViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[GuardrailFinding]
):
    """What guardrails found in this tenant, newest first."""

    required_permission = "governance.view_guardrailfinding"
    queryset = GuardrailFinding.objects.all()
    serializer_class = GuardrailFindingSerializer
    filterset_fields = ["run_id", "stage", "check_name", "action"]


class RedactedValueSerializer(serializers.ModelSerializer[RedactedValue]):
    """That something was taken out; what it was takes `reveal`."""

    run = serializers.UUIDField(source="run_id")
    check = serializers.CharField(source="check_name")

    class Meta:
        model = RedactedValue
        fields = ["id", "token", "label", "check", "stage", "run", "created_at"]


class RevealInput(serializers.Serializer[None]):
    """Why, and the password once more."""

    reason = serializers.CharField(max_length=500)
    password = serializers.CharField(max_length=200, write_only=True)


class RevealedSerializer(serializers.Serializer[None]):
    """What a token stands for."""

    token = serializers.CharField()
    value = serializers.CharField()


class RedactedValueViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[RedactedValue]
):
    """What was taken out of runs of this tenant, newest first."""

    required_permission: Any = "governance.view_redactedvalue"
    queryset = RedactedValue.objects.all()
    serializer_class = RedactedValueSerializer
    filterset_fields = ["run_id", "label", "stage"]

    @extend_schema(request=RevealInput, responses=RevealedSerializer)
    @action(detail=True, methods=["post"], required_permission=operations.REVEAL)
    def reveal(self, request: Request, pk: str) -> Response:
        """Return what the token stands for; who, when and why is recorded. 403 for a wrong password."""
        data = RevealInput(data=request.data)
        data.is_valid(raise_exception=True)
        value = self.get_object()
        original = operations.reveal(
            value_id=value.pk, by=cast(User, request.user), now=timezone.now(), **data.validated_data
        )
        response = Response({"token": value.token, "value": original})
        response["Cache-Control"] = "no-store"
        return response
