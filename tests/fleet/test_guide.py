"""The examples of the guide for several machines work as described."""

import re
import sys
from pathlib import Path

import pytest
import yaml

from reconciler.fleet.config import read_fleet
from tests.cli.project import Here
from tests.end_to_end.harness import ROOT, Project

GUIDE = (ROOT / ".github/workflows/README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", GUIDE.partition("## More than one machine")[2], re.DOTALL)


def block(mark: str) -> str:
    (found,) = (text for text in BLOCKS if mark in text)
    return str(found)


def test_the_fleet_of_the_guide_can_be_read() -> None:
    fleet, found = read_fleet(block("# fleet.yaml").encode(), path=Path("fleet.yaml"))
    assert found == ()
    assert fleet is not None
    assert [member.name for member in fleet.members] == [
        "acme.staging",
        "acme.production",
        "globex.production",
        "initech.staging",
        "initech.production",
    ]


@pytest.mark.slow
def test_the_indexed_job_applies_every_shard_once(tmp_path: Path) -> None:
    job = yaml.safe_load(block("kind: Job"))
    (container,) = job["spec"]["template"]["spec"]["containers"]
    project = Project(tmp_path)
    targets = {"production": {"base_url": "simulator:", "prune": "all"}}
    project.write("reconcile.yaml", {"version": 1, "targets": targets})
    slugs = [f"i-{number}" for number in range(12)]
    for slug in slugs:
        project.integration(slug)
    (tmp_path / "reconcile").write_text('#!/bin/sh\nexec "$PYTHON" -m reconciler "$@"\n')
    (tmp_path / "reconcile").chmod(0o755)
    path = f"{tmp_path}:{project.environment['PATH']}"
    for index in range(job["spec"]["completions"]):
        done = project.run(
            command=tuple(container["command"]),
            JOB_COMPLETION_INDEX=str(index),
            PATH=path,
            PYTHON=sys.executable,
            RECONCILE_APPLY_FORMAT="json",
        )
        assert done.code == 0, done.err
        (tmp_path / f"shard-{index + 1}.json").write_text(done.out)
    results = sorted(tmp_path.glob("shard-*.json"))
    merged = project.run("merge-results", *results, "--format", "json")
    assert merged.code == 0
    assert [item["slug"] for item in merged.json["outcomes"]] == sorted(slugs)


@pytest.mark.parametrize("index", [1, 2, 3, 4])
def test_the_matrix_names_shards_that_exist(tmp_path: Path, index: int) -> None:
    jobs = yaml.safe_load(block("matrix"))["jobs"]
    assert index in jobs["apply"]["strategy"]["matrix"]["shard"]
    command = jobs["apply"]["steps"][0]["run"].replace("${{ matrix.shard }}", str(index))
    words = command.replace("--target production ", "").partition(" > ")[0].split()[1:]
    done = Here(tmp_path).run(*words)
    assert (done.code, done.json["kind"]) == (0, "apply_result")
