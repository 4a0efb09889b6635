"""Prometheus metrics: the process for everybody, a tenant's counts for those who may see its runs."""

from collections.abc import Iterable, Iterator

from django.db import connection
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from tenants.kernel.context import PUBLIC, require_schema

COUNTS = {
    "countersign_runs": ("Runs by status", "SELECT status, count(*) FROM agents_run GROUP BY status"),
    "countersign_reviews": ("Reviews by status", "SELECT status, count(*) FROM hitl_review GROUP BY status"),
}
AGES = {
    "countersign_oldest_pending_review_seconds": (
        "Age of the oldest pending review",
        "SELECT min(created_at) FROM hitl_review WHERE status = 'pending'",
    ),
    "countersign_oldest_unsealed_event_seconds": (
        "Age of the oldest audit event without a seal; over 60 the sealer does not run",
        "SELECT min(at) FROM governance_auditevent e"
        " WHERE NOT EXISTS (SELECT 1 FROM governance_auditleaf l WHERE l.event_id = e.id)",
    ),
}

FINDINGS = "SELECT stage, check_name, action, count(*) FROM governance_guardrailfinding GROUP BY 1, 2, 3"
HEARTBEATS = {
    "countersign_escalation_heartbeat_timestamp_seconds": (
        "Unix time when every escalation was last found on time; older than three minutes is an alarm",
        "SELECT extract(epoch FROM at) FROM hitl_escalationheartbeat",
    ),
}


class TenantCollector(Collector):
    """Counts of one tenant's runs and reviews, taken when asked."""

    def collect(self) -> Iterable[Metric]:
        """Yield one gauge a count."""
        return self._gauges()

    def _gauges(self) -> Iterator[Metric]:
        with connection.cursor() as cursor:
            for name, (text, query) in COUNTS.items():
                gauge = GaugeMetricFamily(name, text, labels=["status"])
                cursor.execute(query)
                for status, count in cursor.fetchall():
                    gauge.add_metric([status], count)
                yield gauge
            found = CounterMetricFamily(
                "countersign_guardrail_findings",
                "Findings of guardrails",
                labels=["stage", "check", "action"],
            )
            cursor.execute(FINDINGS)
            for *labels, count in cursor.fetchall():
                found.add_metric(labels, count)
            yield found
            for name, (text, query) in AGES.items():
                cursor.execute(query)
                oldest = cursor.fetchone()[0]
                age = (timezone.now() - oldest).total_seconds() if oldest else 0
                yield GaugeMetricFamily(name, text, age)
            for name, (text, query) in HEARTBEATS.items():
                cursor.execute(query)
                row = cursor.fetchone()
                yield GaugeMetricFamily(name, text, float(row[0]) if row and row[0] else 0)


class MetricsView(APIView):
    """`/metrics`; send a bearer token to see the tenant's counts too."""

    permission_classes = [AllowAny]

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        """Answer in the Prometheus text format."""
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        if require_schema() != PUBLIC and request.user.has_perm("agents.view_run"):
            registry.register(TenantCollector())
        return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
