"""The figures of a run in Prometheus' text format, for the node exporter's textfile collector.

They are gauges about the last run: a run from cron is over before anybody could scrape it. The
server's own counters are elsewhere: `reconciler.adapter.telemetry`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from reconciler.execution.result import ApplyResult
from reconciler.planning.actions import ActionKind
from reconciler.planning.plan import Plan

Sample = tuple[Mapping[str, str], float]
Family = tuple[str, str, list[Sample]]
"""A name, what it means, and its values by labels."""


@dataclass
class Figures:
    """What is known of a run when it ends; `plan` is None if it did not come that far.

    `ledger` is its state, empty if it was not asked for.

    `calls` counts requests by method and HTTP status, or the code of what came instead of one.
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
    """Write every figure of one run."""
    common = {"command": figures.command, "target": figures.target}
    return families(_families(figures), common=common)


def families(found: Iterable[Family], *, common: Mapping[str, str]) -> str:
    """Write gauges with their help and type; `common` labels stand in every sample."""
    return "".join(
        f"# HELP {name} {explained}\n# TYPE {name} gauge\n{''.join(_lines(name, samples, common))}"
        for name, explained, samples in found
        if samples
    )


def _families(figures: Figures) -> Iterable[Family]:
    yield "reconcile_run_info", "The last run, by name.", [({"run": figures.run}, 1)]
    yield "reconcile_run_timestamp_seconds", "When it ended.", [({}, figures.ended_at)]
    yield "reconcile_run_duration_seconds", "How long it took.", [({}, figures.seconds)]
    yield "reconcile_run_exit_code", "Its exit code.", [({}, figures.exit_code)]
    yield (
        "reconcile_requests",
        "Requests of the last run by method and status.",
        [({"method": m, "status": s}, n) for (m, s), n in sorted(figures.calls.items())],
    )
    yield (
        "reconcile_requests_duration_seconds",
        "Time spent in requests of the last run, summed over those in flight together.",
        [({"method": m}, seconds) for m, seconds in sorted(figures.call_seconds.items())],
    )
    if figures.ledger:
        readable = int(figures.ledger != "unreachable")
        yield "reconcile_ledger_readable", "0 if the ledger is unreachable.", [({}, readable)]
    if figures.plan is not None:
        yield from _of_plan(figures.plan)
    if figures.result is not None:
        yield from _of_result(figures.result)


def _of_plan(plan: Plan) -> Iterable[Family]:
    summary = plan.summary
    yield (
        "reconcile_in_sync",
        "1 if it is certain that nothing was to be done.",
        [({}, int(plan.in_sync))],
    )
    yield "reconcile_drift_items", "Integrations that differed.", [({}, len(plan.actions))]
    yield (
        "reconcile_planned_actions",
        "Actions planned, by kind.",
        [({"action": kind.value}, summary[kind.value]) for kind in ActionKind],
    )
    yield (
        "reconcile_integrations",
        "Integrations and values by what was found about them.",
        [({"state": name}, summary[name]) for name in list(summary)[len(ActionKind) :]],
    )


def _of_result(result: ApplyResult) -> Iterable[Family]:
    counts = Counter((o.kind.value, o.status.value) for o in result.outcomes)
    yield (
        "reconcile_outcomes",
        "Actions carried out or not, by kind and status.",
        [({"action": kind, "status": status}, n) for (kind, status), n in sorted(counts.items())],
    )
    yield (
        "reconcile_not_applied",
        "Actions that failed, were skipped, or are unknown.",
        [({}, len(result.outcomes) - result.summary["applied"])],
    )


def _lines(name: str, samples: Iterable[Sample], common: Mapping[str, str]) -> Iterable[str]:
    for own, value in samples:
        labels = {**common, **own}
        pairs = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{name}{{{pairs}}} {value!r}\n"


def _escaped(text: str) -> str:
    plain = text.encode("utf-8", "replace").decode()  # a lone surrogate cannot be written
    return plain.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
