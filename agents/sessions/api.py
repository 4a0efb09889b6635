"""Sessions over HTTP."""

import django_filters
from rest_framework import mixins, serializers, viewsets

from agents.runs.models import Run
from agents.sessions.questions import latest_runs


class SessionSerializer(serializers.ModelSerializer[Run]):
    """A session, told by its last run."""

    agent = serializers.UUIDField(source="agent_id")
    requester = serializers.CharField(source="requester.username")
    opening = serializers.CharField(help_text="The first request.")
    runs = serializers.IntegerField(source="run_count")
    last_run = serializers.UUIDField(source="pk")
    last_run_at = serializers.DateTimeField(source="created_at")

    class Meta:
        model = Run
        fields = ["session_id", "agent", "requester", "opening", "runs", "last_run", "last_run_at", "status"]


class SessionFilter(django_filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    """Questions about sessions; `status` is that of the last run."""

    agent = django_filters.UUIDFilter(field_name="agent_id")
    requester = django_filters.CharFilter(field_name="requester__username")

    class Meta:
        model = Run
        fields = ["status", "session_id"]


class SessionViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[Run]):
    """Sessions of this tenant, latest first; `?requester=` gives one person's."""

    required_permission = "agents.view_run"
    queryset = latest_runs(Run.objects.select_related("requester"))
    serializer_class = SessionSerializer
    filterset_class = SessionFilter
