"""`reconcile merge-results`: shards apply separately and are reported as one run."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.project import Here, built_once
from tests.end_to_end.harness import Done

SLUGS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")
SHARDS = 3


def project(folder: Path) -> Here:
    here = Here(folder, prune="all")
    for slug in SLUGS:
        here.integration(slug)
    return here


@built_once
def all_applied(folder: Path) -> Here:
    """Apply every shard, the last one first."""
    here = project(folder)
    for index in (3, 1, 2):
        applied(here, index)
    return here


def result(here: Here, index: int) -> Path:
    """Return the output of applying one shard."""
    return here.folder / f"shard-{index}.json"


def applied(here: Here, index: int, *options: str) -> Path:
    """Apply one shard and save its output."""
    done = here.run("apply", "--yes", "--format", "json", "--shard", f"{index}/{SHARDS}", *options)
    file = result(here, index)
    file.write_text(done.out)
    return file


def edited(file: Path, **change: Any) -> Path:
    document = json.loads(file.read_text())
    file.write_text(json.dumps({**document, **change}))
    return file


def merged(here: Here, *files: object, style: str = "json") -> Done:
    return here.run("merge-results", *files, "--format", style)


def test_the_shards_of_an_apply_become_one_result(tmp_path: Path) -> None:
    here = all_applied(tmp_path)
    files = [result(here, index) for index in (3, 1, 2)]
    runs = [json.loads(file.read_text())["run"] for file in files]
    done = merged(here, *files)
    assert done.code == 0
    assert done.json["kind"] == "apply_result"
    assert "shard" not in done.json
    assert done.json["run"] == "+".join(runs)
    assert done.json["target"]["name"] == "here"
    assert done.json["summary"] == {"applied": 6, "failed": 0, "skipped": 0, "unknown": 0}
    assert [item["slug"] for item in done.json["outcomes"]] == sorted(SLUGS)
    assert here.plan()["actions"] == []


def test_a_single_result_is_unchanged(tmp_path: Path) -> None:
    here = all_applied(tmp_path)
    file = result(here, 1)
    assert merged(here, file).json == json.loads(file.read_text())
    assert merged(here, file).json["shard"] == "1/3"


@pytest.mark.parametrize("style", ["text", "markdown"])
def test_the_merged_result_is_shown_as_text(tmp_path: Path, style: str) -> None:
    here = all_applied(tmp_path)
    done = merged(here, result(here, 1), result(here, 2), result(here, 3), style=style)
    assert done.code == 0
    assert "6 applied" in done.out
    assert all(slug in done.out for slug in SLUGS)


def test_one_failed_outcome_is_exit_5_as_in_a_single_run(tmp_path: Path) -> None:
    here = all_applied(tmp_path)
    files = [result(here, index) for index in (1, 2, 3)]
    outcomes = json.loads(files[1].read_text())["outcomes"]
    outcomes[0]["status"] = "unknown"
    done = merged(here, files[0], edited(files[1], outcomes=outcomes), files[2])
    assert done.code == 5
    assert done.json["summary"]["unknown"] == 1


def test_an_aborted_shard_is_reported_and_counted(tmp_path: Path) -> None:
    here = project(tmp_path)
    good = applied(here, 1)
    refused = applied(here, 2, "--expect-digest", "sha256:00")
    assert json.loads(refused.read_text())["kind"] == "error"
    done = merged(here, good, refused)
    assert done.code == 5
    assert done.json["kind"] == "apply_result"
    assert "digest-mismatch" in done.err


def test_the_exit_code_of_aborted_shards_is_the_worst(tmp_path: Path) -> None:
    here = project(tmp_path)
    refused = applied(here, 1, "--expect-digest", "sha256:00")
    done = merged(here, refused)
    assert done.code == 4
    assert (done.json["kind"], done.json["exit_code"]) == ("error", 4)
    assert [item["code"] for item in done.json["diagnostics"]] == ["digest-mismatch"]
    text = merged(here, refused, style="text")
    assert (text.code, text.out) == (4, "")
    assert "digest-mismatch" in text.err


def test_a_slug_in_two_results_is_an_error(tmp_path: Path) -> None:
    here = all_applied(tmp_path)
    file = edited(result(here, 1), shard=None)
    done = merged(here, file, file)
    assert done.code == 3
    assert {item["code"] for item in done.json["diagnostics"]} == {"duplicate-outcome"}


def test_a_shard_in_two_results_is_an_error(tmp_path: Path) -> None:
    here = all_applied(tmp_path)
    file = edited(result(here, 1), outcomes=[])
    done = merged(here, file, file)
    assert done.code == 3
    (problem,) = done.json["diagnostics"]
    assert (problem["code"], problem["summary"]) == (
        "duplicate-outcome",
        "shard 1/3 occurs in 2 results",
    )


def test_shards_with_different_totals_are_not_merged(tmp_path: Path) -> None:
    here = all_applied(tmp_path)
    files = [result(here, 1), edited(result(here, 2), shard="2/10")]
    done = merged(here, *files)
    assert done.code == 3
    (problem,) = done.json["diagnostics"]
    assert (problem["code"], problem["summary"]) == (
        "different-shards",
        "the results are of runs with different numbers of shards: 3 and 10",
    )


def test_a_shard_without_a_result_is_reported_as_missing(tmp_path: Path) -> None:
    here = all_applied(tmp_path)
    done = merged(here, result(here, 3), result(here, 1))
    assert done.code == 5
    assert done.json["kind"] == "apply_result"
    assert "error[missing-shard]: the result of shard 2/3 is missing" in done.err
    assert "hint: " in done.err


def test_the_result_is_not_applied_while_a_shard_is_missing(tmp_path: Path) -> None:
    here = all_applied(tmp_path)
    files = [result(here, index) for index in (1, 2, 3)]
    whole, part = (here.run("merge-results", *some) for some in (files, files[:2]))
    assert "All actions of the plan were applied." in whole.out
    assert "All actions" not in part.out
    assert "The outcome of other shards is unknown" in part.out


def test_a_missing_shard_is_bad_input_if_there_was_nothing_to_do(tmp_path: Path) -> None:
    here = all_applied(tmp_path)
    files = [edited(result(here, index), outcomes=[]) for index in (1, 2)]
    assert merged(here, *files).code == 3


def test_an_aborted_run_can_be_any_of_the_missing_shards(tmp_path: Path) -> None:
    here = project(tmp_path)
    first, refused = applied(here, 1), applied(here, 2, "--expect-digest", "sha256:00")
    assert "the result of shard 1 of 2/3, 3/3 is missing" in merged(here, first, refused).err
    assert "missing-shard" not in merged(here, first, refused, applied(here, 3)).err


def test_the_first_of_a_thousand_missing_shards_are_named(tmp_path: Path) -> None:
    here = all_applied(tmp_path)
    file = edited(result(here, 2), shard="2/1000000000000")
    err = merged(here, file).err
    named = ", ".join(f"{index}/1000000000000" for index in (1, 3, 4, 5, 6))
    assert f"the result of shard {named} …" in " ".join(err.split())


@pytest.mark.parametrize("shard", ["0/3", "4/3", "1", "a/b", 1, ["1/3"], ""])
def test_an_invalid_shard_has_no_result(tmp_path: Path, shard: Any) -> None:
    here = all_applied(tmp_path)
    done = merged(here, edited(result(here, 1), shard=shard))
    assert [item["code"] for item in done.json["diagnostics"]] == ["unreadable-result"]


@pytest.mark.parametrize(
    "target",
    [
        {"name": "other", "base_url": "simulator:", "organisation_id": None},
        {"name": "here", "base_url": "https://api.example", "organisation_id": None},
        {"name": "here", "base_url": "simulator:", "organisation_id": "somebody-elses"},
    ],
)
def test_results_of_different_targets_are_not_merged(
    tmp_path: Path, target: dict[str, Any]
) -> None:
    here = all_applied(tmp_path)
    first = {"name": "here", "base_url": "simulator:", "organisation_id": "ours"}
    files = [edited(result(here, 1), target=first), edited(result(here, 2), target=target)]
    done = merged(here, *files)
    assert done.code == 3
    assert [item["code"] for item in done.json["diagnostics"]] == ["different-targets"]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"kind": "plan"}', '{"kind": "error"}', '{"kind": "apply_result"}']
)
def test_a_file_that_is_not_a_result_is_bad_input(tmp_path: Path, text: str) -> None:
    here = project(tmp_path)
    (tmp_path / "bad.json").write_text(text)
    done = merged(here, "bad.json")
    assert done.code == 3
    assert [item["code"] for item in done.json["diagnostics"]] == ["unreadable-result"]
