"""`drift --incremental`: few calls, the same report, and everything read in turn."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler import workflows
from reconciler.domain.state import DesiredState, Observed, ObservedState
from reconciler.drift.incremental import IncrementalRead
from reconciler.drift.report import DriftReport
from reconciler.ledger.models import SeenState
from reconciler.planning.plan import PlanOptions
from reconciler.remote.observe import WantedDetails
from reconciler.simulator.messages import Request
from tests.builders import KEY, declared, desired
from tests.cli.project import Here
from tests.runs import World

ACCESS = {"workspaces": [{"id": "ws-a", "enabled": True}]}
EVERYTHING = WantedDetails(models=True, workspaces=True)


class Watched:
    """Simulated organisation in sync with its files, and the reads of earlier checks."""

    def __init__(self, *names: str, **fields: Any) -> None:
        self.asked: list[str] = []
        self.world = World(before=self._hear)
        self.files = desired(*(declared(name, key=KEY, **fields) for name in names))
        self.world.apply(self.files)
        self.seen: dict[str, SeenState] = {}
        self.checks = 0
        self.asked.clear()

    def _hear(self, request: Request) -> None:
        self.asked.append(request.path.removeprefix("/integrations").strip("/"))

    def check(self, files: DesiredState | None = None, *, every: int = 100) -> DriftReport:
        """Run one check, and store its reads like the command."""
        self.asked.clear()
        self.checks += 1
        incremental = IncrementalRead(self.seen, every=every)
        report = self._drift(files, incremental)
        at = f"{self.checks:06}"
        self.seen |= {slug: SeenState(observed, at) for slug, observed in incremental.read.items()}
        return report

    def full(self, files: DesiredState | None = None) -> DriftReport:
        """Run one check that reads everything."""
        return self._drift(files, None)

    def _drift(
        self, files: DesiredState | None, incremental: IncrementalRead | None
    ) -> DriftReport:
        session = self.world.session(files or self.files)
        return asyncio.run(workflows.drift(session, PlanOptions(), incremental=incremental))

    @property
    def details(self) -> list[str]:
        """Return the details that the last check read, without audits."""
        return sorted(path for path in self.asked if path and not path.endswith("/models"))

    @property
    def audited(self) -> list[str]:
        """Return the integrations whose models the last check read."""
        asked = (path.partition("/") for path in self.asked)
        return sorted(slug for slug, _, part in asked if part == "models")

    def edit(self, slug: str, **fields: Any) -> None:
        """Edit an integration in the API."""
        self.world.seconds += 1
        self.world.put("PUT", f"/integrations/{slug}", fields)


def test_the_first_check_reads_everything_and_the_next_only_the_list_and_a_sample() -> None:
    watched = Watched(*"abcdefgh")
    assert watched.check().not_read == 0
    assert watched.details == list("abcdefgh")
    report = watched.check(every=8)
    assert (report.in_sync, report.not_read) == (True, 7)
    assert watched.details == ["a"]
    assert watched.asked.count("") == 1


def test_undeclared_models_are_audited_only_where_details_are_read() -> None:
    watched = Watched(*"abcd")
    watched.check()
    assert watched.audited == list("abcd")
    watched.edit("d", description="by hand")
    watched.check(every=4)
    assert watched.audited == watched.details == ["a", "d"]


def test_the_results_of_an_audit_are_in_the_next_report() -> None:
    watched = Watched(*"abcd")
    elsewhere = {"configurations": {"custom_host": "https://llm.corp.example"}}
    tune = {"slug": "tune", "enabled": True, "is_custom": True, "base_model_slug": "gpt-5"}
    watched.world.put("PUT", "/integrations/d/models", {"models": [tune | elsewhere]})
    granted = {"workspaces": [{"id": "ws-a", "enabled": True}]}
    watched.world.put("PUT", "/integrations/c/workspaces", granted)
    first, second = watched.check(), watched.check(every=4)
    assert watched.details == ["a", "c", "c/workspaces", "d"]
    assert second.not_read == 1
    assert second.plan.undeclared == first.plan.undeclared
    assert second.plan.diagnostics == first.plan.diagnostics
    assert {d.code for d in second.plan.diagnostics} == {"undeclared-access", "undeclared-host"}


def test_everything_is_read_again_within_the_given_number_of_runs() -> None:
    watched = Watched(*"abcdefg")
    watched.check()
    read: list[str] = []
    for _ in range(3):
        watched.check(every=3)
        assert len(watched.details) <= 3
        read += watched.details
    assert set(read) == set("abcdefg")


def test_changed_integrations_are_read_inside_and_outside_the_sample() -> None:
    watched = Watched(*"abcd", description="as declared")
    watched.check()
    watched.edit("d", description="by hand")
    report = watched.check(every=4)
    assert watched.details == ["a", "d"]
    assert [item.slug for item in report.items] == ["d"]


def test_a_change_in_git_is_found_without_a_read_and_with_the_digest_that_apply_expects() -> None:
    watched = Watched(*"abcd", description="old", **ACCESS)
    watched.check()
    changed = desired(
        *(declared(name, key=KEY, description="new", **ACCESS) for name in "ab"),
        *(declared(name, key=KEY, description="old", workspaces=[]) for name in "cd"),
    )
    report = watched.check(changed, every=4)
    assert report.not_read == 3
    assert [item.slug for item in report.items] == list("abcd")
    assert report.fingerprint == watched.full(changed).fingerprint


def test_a_newly_declared_sub_resource_is_read() -> None:
    watched = Watched("a", "b")
    watched.check()
    report = watched.check(desired(declared("a", key=KEY), declared("b", key=KEY, **ACCESS)))
    assert "b/workspaces" in watched.details
    assert [item.slug for item in report.items] == ["b"]


def test_a_change_without_a_new_time_is_found_by_the_sample_and_reported() -> None:
    watched = Watched("a", "b")
    watched.check()
    then = watched.seen["a"].observed
    watched.seen["a"] = SeenState(replace(then, fields={**then.fields, "key": None}), "000000")
    report = watched.check(every=2)
    assert watched.details == ["a"]
    assert [d.code for d in report.plan.diagnostics] == ["silent-change"]
    assert "silent-change" not in {d.code for d in watched.check(every=2).plan.diagnostics}


def test_a_delete_in_the_api_is_found_although_an_earlier_read_exists() -> None:
    watched = Watched(*"abc")
    watched.check()
    watched.world.put("DELETE", "/integrations/b")
    report = watched.check()
    assert [(item.slug, item.kind.value) for item in report.items] == [("b", "create")]
    assert report.not_read == 1


def test_earlier_reads_are_not_merged_with_a_list_that_changes_during_the_read() -> None:
    then = Observed("a", {"name": "A"}, id="1", created_at="t1", detailed=True)
    incremental = IncrementalRead({"a": SeenState(then, "1"), "z": SeenState(then, "0")}, every=2)
    filter_wants = incremental.filter_wants(lambda _row: WantedDetails(), ["a", "z"])
    row = replace(then, detailed=False)
    assert filter_wants(row) is None
    moved = ObservedState({"a": replace(row, last_updated_at="t2")})
    assert incremental.merge(moved) is None
    assert incremental.not_read == 0


@pytest.mark.parametrize(
    "now",
    [
        {"created_at": None},
        {"created_at": "t3"},
        {"last_updated_at": None},
        {"last_updated_at": "t2"},
        {"id": "2"},
        {"status": "archived"},
        {"workspace_count": 2},
        {"fields": {"name": "B"}},
    ],
)
def test_any_difference_in_the_list_causes_a_read(now: Mapping[str, Any]) -> None:
    row = Observed(
        "a", {"name": "A"}, "1", created_at="t0", last_updated_at="t1", workspace_count=1
    )
    then = replace(row, detailed=True, models_read=True, workspaces_read=True)
    other = replace(then, slug="z")
    incremental = IncrementalRead({"a": SeenState(then, "1"), "z": SeenState(other, "0")}, every=2)
    want = incremental.filter_wants(lambda _row: EVERYTHING, ["a", "z"])
    assert want(row) is None
    assert want(replace(row, **now)) == EVERYTHING


def edits() -> Iterator[Any]:
    """Generate edits of an integration through the API."""
    yield st.tuples(st.just("description"), st.sampled_from(["x", "y", ""]))
    yield st.tuples(st.just("name"), st.sampled_from(["N", "M"]))
    yield st.tuples(st.just("key"), st.just("sk-another-value"))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcde"), st.one_of(*edits())), max_size=8), st.data())
def test_the_report_equals_that_of_a_full_read(
    story: list[tuple[str, tuple[str, str]]], data: st.DataObject
) -> None:
    watched = Watched(*"abcde", description="as declared")
    watched.check()
    for slug, (field, value) in story:
        watched.edit(slug, **{field: value})
        if data.draw(st.booleans()):
            every = data.draw(st.integers(1, 9))
            whole = watched.full()
            assert watched.check(every=every).fingerprint == whole.fingerprint


def test_ten_thousand_take_a_hundredth_of_the_calls_of_two_reads_each() -> None:
    count, pages, every = 10_000, 100, 168
    then = {f"s-{n}": Observed(f"s-{n}", {}, created_at="t", detailed=True) for n in range(count)}
    seen = {slug: SeenState(observed, f"{n:06}") for n, (slug, observed) in enumerate(then.items())}
    want = IncrementalRead(seen, every=every).filter_wants(lambda _row: WantedDetails(), then)
    details = sum(want(replace(row, detailed=False)) is not None for row in then.values())
    assert details == -(-count // every)
    assert 2 * count / (pages + details) >= 100


def test_the_command_reads_less_once_an_apply_has_been_recorded(tmp_path: Path) -> None:
    here = Here(tmp_path)
    for slug in ("alpha", "beta", "gamma"):
        here.integration(slug)
    here.apply()
    report = here.run("-vv", "drift", "--incremental", "--format", "json")
    assert (report.code, report.json["not_read"]) == (0, 2)
    gets = [line for line in report.err.splitlines() if line.startswith("GET")]
    assert len(gets) == 3  # the list, one of three integrations, and the models that its file omits
    again = here.run("-vv", "drift", "--incremental", "--sample-every", "1")
    assert "3 unchanged." in again.out
    text = here.run("drift", "--incremental")
    assert "In sync: the API matches Git; 3 unchanged, 2 not read in detail." in text.out
    assert here.run("drift", "--format", "json").json["not_read"] == 0


def test_each_run_reads_a_different_part(tmp_path: Path) -> None:
    here = Here(tmp_path)
    for slug in ("alpha", "beta", "gamma"):
        here.integration(slug)
    here.apply()
    read = set()
    for _ in range(3):
        done = here.run("-vv", "drift", "--incremental", "--sample-every", "3")
        lines = (line.split(" ")[1] for line in done.err.splitlines() if line.startswith("GET"))
        read |= {path.rpartition("/")[2].rstrip(":") for path in lines}
    assert {"alpha", "beta", "gamma"} <= read


def test_without_a_ledger_everything_is_read_and_the_report_states_this(tmp_path: Path) -> None:
    here = Here(tmp_path)
    here.integration("alpha")
    here.run("apply", "--yes", "--no-ledger")
    done = here.run("drift", "--incremental", "--format", "json")
    assert (done.code, done.json["not_read"]) == (0, 0)
    assert "nothing-remembered" in {d["code"] for d in done.json["diagnostics"]}
    assert not (here.state / "ledger.db").exists()
