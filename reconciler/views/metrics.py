"""Metrics of a run in Prometheus' text format, for the node exporter's textfile collector.

They are gauges about the last run, because a run from cron ends before it can be scraped. Counters
of the server: `reconciler.adapter.telemetry`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from reconciler.frozen_dataclass import dataclass
from reconciler.planning.actions import ActionKind
from reconciler.planning.plan import Plan

if TYPE_CHECKING:
    from prometheus_client.core import GaugeMetricFamily

    from reconciler.execution.result import ApplyResult

Sample = tuple[Mapping[str, str], float]
Family = tuple[str, str, list[Sample]]
"""Name, help text, and values by labels."""


@dataclass(slots=True)
class Figures:
    """Data of a run at its end; `plan` is None if the run failed before it had a plan.

    `ledger` is the state of the ledger, empty if the ledger was not read. `calls` counts requests
    by method and by HTTP status, or by the code of the failure that came instead of a status.
    """

    command: str
    target: str = ""
    run: str = ""
    exit_code: int = 0
    ledger: str = ""
    ended_at: float = 0
    seconds: float = 0
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    call_seconds: dict[str, float] = field(default_factory=dict)
    plan: Plan | None = None
    result: "ApplyResult | None" = None


def exposition(figures: Figures) -> str:
    """Return all metrics of one run."""
    common = {"command": figures.command, "target": figures.target}
    return families(_families(figures), common=common)


def families(found: Iterable[Family], *, common: Mapping[str, str]) -> str:
    """Return gauges with their help and type; every sample has the `common` labels."""
    # Imported here, because only a run with --metrics-file needs it.
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Collector(found, common))
    return generate_latest(registry).decode()


class _Collector:
    """Source of a registry's metric families."""

    def __init__(self, found: Iterable[Family], common: Mapping[str, str]) -> None:
        # A family without samples is omitted, because zero would mean that something was counted.
        self._families = [family for family in found if family[2]]
        self._common = common

    def collect(self) -> "Iterator[GaugeMetricFamily]":
        # Not `Gauge`, which writes additional files if PROMETHEUS_MULTIPROC_DIR is set.
        from prometheus_client.core import GaugeMetricFamily

        for name, explained, samples in self._families:
            # All samples of one family have the same label names.
            labels = [*self._common, *samples[0][0]]
            family = GaugeMetricFamily(name, explained, labels=labels)
            for own, value in samples:
                texts = [*self._common.values(), *own.values()]
                family.add_metric([_encodable(text) for text in texts], value)
            yield family


def _families(figures: Figures) -> Iterable[Family]:
    yield "reconcile_run_info", "Name of the last run.", [({"run": figures.run}, 1)]
    yield _single(
        "reconcile_run_timestamp_seconds",
        "Unix time at which the last run ended.",
        figures.ended_at,
    )
    yield _single(
        "reconcile_run_duration_seconds", "Duration of the last run in seconds.", figures.seconds
    )
    yield _single("reconcile_run_exit_code", "Exit code of the last run.", figures.exit_code)
    yield (
        "reconcile_requests",
        "Requests of the last run, by method and status.",
        [({"method": m, "status": s}, n) for (m, s), n in sorted(figures.calls.items())],
    )
    yield (
        "reconcile_requests_duration_seconds",
        "Seconds spent in requests of the last run, summed over concurrent requests.",
        [({"method": m}, seconds) for m, seconds in sorted(figures.call_seconds.items())],
    )
    if figures.ledger:
        yield _single(
            "reconcile_ledger_readable",
            "1 if the ledger could be read, 0 if it is unreachable.",
            int(figures.ledger != "unreachable"),
        )
    if figures.plan is not None:
        yield from _of_plan(figures.plan)
    if figures.result is not None:
        yield from _of_result(figures.result)


def _of_plan(plan: Plan) -> Iterable[Family]:
    summary = plan.summary
    yield _single(
        "reconcile_in_sync",
        "1 if the API matched the desired state with certainty, else 0.",
        int(plan.in_sync),
    )
    yield _single(
        "reconcile_drift_items",
        "Integrations that differed from the desired state.",
        len(plan.actions),
    )
    yield (
        "reconcile_planned_actions",
        "Planned actions, by kind.",
        [({"action": kind.value}, summary[kind.value]) for kind in ActionKind],
    )
    # The summary begins with the kinds of actions, which have a separate metric.
    yield (
        "reconcile_integrations",
        "Integrations and values, by state.",
        [({"state": name}, summary[name]) for name in list(summary)[len(ActionKind) :]],
    )


def _of_result(result: "ApplyResult") -> Iterable[Family]:
    counts = Counter((o.kind.value, o.status.value) for o in result.outcomes)
    yield (
        "reconcile_outcomes",
        "Actions of the last run, by kind and status.",
        [({"action": kind, "status": status}, n) for (kind, status), n in sorted(counts.items())],
    )
    yield _single(
        "reconcile_not_applied",
        "Actions of the last run that failed, were skipped, or have an unknown outcome.",
        len(result.outcomes) - result.summary["applied"],
    )


def _single(name: str, explained: str, value: float) -> Family:
    return name, explained, [({}, value)]


def _encodable(text: str) -> str:
    """Return a text without lone surrogates, which cannot be written as UTF-8."""
    return text.encode("utf-8", "replace").decode()
