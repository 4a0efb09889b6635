"""Plans and tiers over HTTP."""

from typing import Any

from django.core.exceptions import ValidationError
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from governance.access.idempotency import once
from hitl.reviews.models import ReviewPlan, ReviewTier
from hitl.reviews.quorum import Plan
from hitl.reviews.rules import checks
from hitl.reviews.rules.lines import in_words
from tenants.kernel.errors import InvalidInput

METHODS = ["get", "post", "patch", "delete", "head", "options"]


def permissions(name: str) -> dict[str, str]:
    """Return what each method asks for."""
    verbs = {"GET": "view", "POST": "add", "PATCH": "change", "DELETE": "delete"}
    return {method: f"hitl.{verb}_{name}" for method, verb in verbs.items()}


class ReviewPlanSerializer(serializers.ModelSerializer[ReviewPlan]):
    """Whose votes decide which calls. `document` has the stages; docs/reviews.md says how to write one."""

    document = serializers.JSONField()
    words = serializers.SerializerMethodField(help_text="The plan as a sentence.")
    author = serializers.CharField(source="author.username", read_only=True)

    class Meta:
        model = ReviewPlan
        fields = ["id", "name", "risk", "tool", "document", "enabled", "words", "author"]

    def get_words(self, plan: ReviewPlan) -> str:
        """Return the plan as a sentence."""
        return in_words(Plan.from_json(plan.document))

    def validate_document(self, document: Any) -> Any:
        """Name each mistake, and refuse a plan that too few people could meet."""
        found = checks.problems(document, author_id=self.context["request"].user.pk)
        if found:
            errors = [{**one, "at": f"/document{one['at'].rstrip('/')}"} for one in found]
            raise InvalidInput("The plan cannot be used; see errors.", errors=errors)
        return document


class ReviewTierSerializer(serializers.ModelSerializer[ReviewTier]):
    """What reviews of a risk tier must meet; a tier without a row has the defaults."""

    class Meta:
        model = ReviewTier
        fields = ["id", "risk", "expires_after_s", "veto_window_s", "min_assurance", "feedback_rounds"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse times that do not go together."""
        stands = {} if self.instance is None else {name: getattr(self.instance, name) for name in TIMES}
        try:
            ReviewTier(**{**stands, **{name: attrs[name] for name in TIMES if name in attrs}}).clean()
        except ValidationError as error:
            raise serializers.ValidationError(error.message_dict) from error
        return attrs


TIMES = ("expires_after_s", "veto_window_s")


class ReviewPlanViewSet(viewsets.ModelViewSet[ReviewPlan]):
    """Plans of this tenant. The most specific one decides: the tool by name, by pattern, then the tier."""

    http_method_names = METHODS
    required_permission = permissions("reviewplan")
    queryset = ReviewPlan.objects.select_related("author")
    serializer_class = ReviewPlanSerializer
    filterset_fields = ["risk", "tool", "enabled"]

    @extend_schema(responses={201: ReviewPlanSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Add a plan; you are its author, and do not decide under it."""
        data = self.get_serializer(data=request.data)
        data.is_valid(raise_exception=True)

        def make() -> tuple[int, Any]:
            data.save(author=request.user)
            return 201, data.data

        status, body = once(request, make)
        return Response(body, status=status)

    def perform_update(self, serializer: Any) -> None:
        """Name who edits as its author; a plan that changes hands is checked for its new author."""
        if "document" not in serializer.validated_data:
            serializer.validate_document(serializer.instance.document)
        serializer.save(author=self.request.user)


class ReviewTierViewSet(viewsets.ModelViewSet[ReviewTier]):
    """Tiers that this tenant has changed."""

    http_method_names = METHODS
    required_permission = permissions("reviewtier")
    queryset = ReviewTier.objects.all()
    serializer_class = ReviewTierSerializer

    @extend_schema(responses={201: ReviewTierSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Set what a tier asks for."""
        data = self.get_serializer(data=request.data)
        data.is_valid(raise_exception=True)

        def make() -> tuple[int, Any]:
            data.save()
            return 201, data.data

        status, body = once(request, make)
        return Response(body, status=status)
