"""Metrics of a fleet's run for Prometheus; those of one run: `reconciler.views.metrics`."""

from collections.abc import Iterable, Sequence

from reconciler.fleet.outcome import FleetResult, MemberOutcome
from reconciler.views.metrics import Family, Figures, Sample, families

_DIFFERING = ("create", "update", "replace", "delete")


def figures_of(figures: Figures, result: FleetResult | None) -> str:
    """Return the metrics of a run; without a result these are its exit code and times."""
    return families(_families(figures, result), common={"command": figures.command})


def _families(figures: Figures, result: FleetResult | None) -> Iterable[Family]:
    yield "reconcile_fleet_timestamp_seconds", "When it ended.", [({}, figures.ended_at)]
    yield (
        "reconcile_fleet_duration_seconds",
        "Duration of the run in seconds.",
        [({}, figures.seconds)],
    )
    yield "reconcile_fleet_exit_code", "Worst exit code of all members.", [({}, figures.exit_code)]
    if result is None:
        return
    by_status: list[Sample] = [({"status": s}, number) for s, number in result.summary.items()]
    yield "reconcile_fleet_members", "Members by status.", by_status
    yield (
        "reconcile_member_exit_code",
        "Exit code of each member.",
        _each(result.members, [member.exit_code for member in result.members]),
    )
    yield (
        "reconcile_member_duration_seconds",
        "Duration of each member in seconds.",
        _each(result.members, [member.duration_ms / 1000 for member in result.members]),
    )
    # A member that failed early has no counts; a 0 would mean that nothing differs.
    planned = [member for member in result.members if "create" in member.summary]
    yield (
        "reconcile_member_drift_items",
        "Integrations of each member that differed.",
        _each(planned, [sum(m.summary.get(kind, 0) for kind in _DIFFERING) for m in planned]),
    )


def _each(members: Sequence[MemberOutcome], values: Sequence[float]) -> list[Sample]:
    return [
        ({"member": member.member, "target": member.target or ""}, value)
        for member, value in zip(members, values, strict=True)
    ]
