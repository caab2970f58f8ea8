"""A selector without a match is invalid input, because it is usually a typo."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.project import Here
from tests.end_to_end.harness import Done


def refused(done: Done) -> list[str]:
    """Return the messages about patterns without a match; the command must not do anything else."""
    assert done.code == 3, done.out + done.err
    found: list[Any] = done.json["diagnostics"]
    assert {d["code"] for d in found} == {"nothing-selected"}
    return [d["summary"] for d in found]


@pytest.mark.parametrize("command", [("plan",), ("drift",), ("apply", "--yes")])
@pytest.mark.parametrize("others", [(), ("--only", "alpha")])
def test_a_pattern_of_only_that_matches_nothing_is_bad_input(
    tmp_path: Path, command: tuple[str, ...], others: tuple[str, ...]
) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    done = project.run(*command, *others, "--only", "zzz", "--exclude", "yyy", "--format", "json")
    assert refused(done) == ["`--only zzz` matches no integration, declared or existing"]
    assert project.slugs() == []


def test_a_pattern_from_the_environment_counts_too(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    done = project.run("plan", "--format", "json", RECONCILE_PLAN_ONLY="alpah")
    assert len(refused(done)) == 1


def test_slugs_that_only_exist_or_are_only_declared_are_matched(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    project.apply()
    project.remove("alpha")
    project.integration("beta")
    plan = project.plan("--only", "alp*", "--only", "beta", "--shard", "1/1")
    assert [action["slug"] for action in plan["actions"]] == ["beta", "alpha"]


def test_the_slug_of_a_tombstone_is_matched_although_it_is_deleted(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    document = {
        "version": 1,
        "default_target": "here",
        "targets": {"here": {"base_url": "simulator:"}},
        "deletions": [{"slug": "old", "reason": "contract ended"}],
    }
    project.write("reconcile.yaml", document)
    assert project.plan("--only", "old")["actions"] == []


@pytest.mark.parametrize("options", [(), ("--edit-files",)])
def test_an_undo_refuses_a_pattern_that_matches_nothing_in_its_run(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    project.integration("beta")
    project.apply("--only", "alpha")
    (run,) = project.run("history", "--format", "json").json["runs"]
    done = project.run("undo", run["run"], "--only", "beta", "--format", "json", *options)
    assert refused(done) == [f"`--only beta` matches no integration that run {run['run']} changed"]


@pytest.mark.parametrize(
    ("options", "partial"),
    [((), False), (("--only", "alpha"), True), (("--exclude", "b*"), True)],
)
def test_a_drift_report_states_whether_it_covers_only_a_selection(
    tmp_path: Path, options: tuple[str, ...], partial: bool
) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    report = project.run("drift", "--format", "json", *options).json
    assert report["partial"] is partial
