"""Telemetry of requests: lines of the access log, and metrics in Prometheus format.

Neither contains a secret. A line is JSON in ASCII, which escapes every control character, so that a
caller cannot forge one. Metric labels do not contain slugs or text that a caller chose.
"""

import json
import traceback
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

from reconciler.adapter.request_context import RequestContext
from reconciler.domain.calls import OperationName

METRICS_MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_MAX_FRAMES: Final = 12
_BUCKETS: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


def request_line(context: RequestContext, *, time: str, seconds: float) -> str:
    """Return the line of a finished request; `status` is null if the client disconnected."""
    return json.dumps(
        {
            "time": time,
            "id": context.id,
            "protocol": context.protocol,
            "client": context.client,
            "principal": context.principal.name if context.principal else None,
            "operation": context.operation,
            "slug": context.slug,
            "status": context.status,
            "duration_ms": round(seconds * 1000, 3),
        }
    )


def failure_line(request_id: str, error: BaseException, *, time: str) -> str:
    """Return the log line of an internal error, without its message, which may quote input."""
    # A negative limit keeps the innermost frames, where the defect is.
    frames = traceback.extract_tb(error.__traceback__, limit=-_MAX_FRAMES)
    return json.dumps(
        {
            "time": time,
            "id": request_id,
            "failure": type(error).__name__,
            "at": [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames],
        }
    )


class Metrics:
    """The metrics of one adapter."""

    def __init__(self) -> None:
        # The library's default registry is global, and a second adapter could not register there.
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "reconcile_adapter_requests",
            "Completed requests, by port, operation and status.",
            ["protocol", "operation", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "reconcile_adapter_request_seconds",
            "Time from the head of a request to its response.",
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

    def count(self, context: RequestContext, seconds: float) -> None:
        """Count a finished request."""
        status = "none" if context.status is None else str(context.status)
        # Unknown paths share one label; otherwise, a scanner would create a time series for each
        # path.
        operation = context.operation or "none"
        self._requests.labels(context.protocol, operation, status).inc()
        self._seconds.labels(context.protocol).observe(seconds)

    def count_upstream(self, operation: OperationName, result: str) -> None:
        """Count a request that was sent upstream."""
        self._upstream.labels(operation.value, result).inc()

    def text(self) -> bytes:
        """Return all metrics in the text format."""
        return generate_latest(self._registry)
