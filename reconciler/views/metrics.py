"""Metrics of a run in Prometheus' text format, for the node exporter's textfile collector.

They are gauges about the last run, since a run from cron ends before it could be scraped. The
server's counters: `reconciler.adapter.telemetry`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from reconciler.execution.result import ApplyResult
from reconciler.planning.actions import ActionKind
from reconciler.planning.plan import Plan

Sample = tuple[Mapping[str, str], float]
Family = tuple[str, str, list[Sample]]
"""Name, help text, and values by labels."""


@dataclass
class Figures:
    """Figures of a run when it ends; `plan` is None if the run failed before it had one.

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
    result: ApplyResult | None = None


def exposition(figures: Figures) -> str:
    """Return all metrics of one run."""
    common = {"command": figures.command, "target": figures.target}
    return families(_families(figures), common=common)


def families(found: Iterable[Family], *, common: Mapping[str, str]) -> str:
    """Return gauges with their help and type; every sample has the `common` labels."""
    # A family without samples is left out: zero would claim that something was counted.
    return "".join(
        f"# HELP {name} {explained}\n# TYPE {name} gauge\n{''.join(_lines(name, samples, common))}"
        for name, explained, samples in found
        if samples
    )


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
    # The summary begins with the kinds of actions, which have a metric of their own.
    yield (
        "reconcile_integrations",
        "Integrations and values, by state.",
        [({"state": name}, summary[name]) for name in list(summary)[len(ActionKind) :]],
    )


def _of_result(result: ApplyResult) -> Iterable[Family]:
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


def _lines(name: str, samples: Iterable[Sample], common: Mapping[str, str]) -> Iterable[str]:
    for own, value in samples:
        labels = {**common, **own}
        pairs = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{name}{{{pairs}}} {value!r}\n"


def _escaped(text: str) -> str:
    plain = text.encode("utf-8", "replace").decode()  # a lone surrogate cannot be written
    return plain.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
