"""What the adapter counts, in the form of Prometheus. No label holds a slug or a caller's words."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

from reconciler.adapter.request_context import RequestContext
from reconciler.domain.calls import OperationName

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The counters of one adapter."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "reconcile_adapter_requests",
            "Requests answered, by port, operation and status.",
            ["protocol", "operation", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "reconcile_adapter_request_seconds",
            "Time from a request's head to its answer.",
            ["protocol"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._upstream = Counter(
            "reconcile_adapter_upstream_requests",
            "Requests sent upstream, by operation and result.",
            ["operation", "result"],
            registry=self._registry,
        )
        ProcessCollector(registry=self._registry)

    def count(self, exchange: RequestContext, seconds: float) -> None:
        """Count a request that is over."""
        status = "none" if exchange.status is None else str(exchange.status)
        operation = exchange.operation or "none"
        self._requests.labels(exchange.protocol, operation, status).inc()
        self._seconds.labels(exchange.protocol).observe(seconds)

    def count_upstream(self, operation: OperationName, result: str) -> None:
        """Count a request that was sent upstream."""
        self._upstream.labels(operation.value, result).inc()

    def text(self) -> bytes:
        """Write everything that was counted."""
        return generate_latest(self._registry)
