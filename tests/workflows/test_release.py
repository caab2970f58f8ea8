"""Release: the notes of its version, and the files that are built, attested and attached."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.workflows.test_rules import GITHUB, ROOT, load

SCRIPT = GITHUB / "release_notes.py"
CHANGELOG = (GITHUB / "CHANGELOG.md").read_text(encoding="utf-8")
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
ODD = """# Changelog

## [Unreleased]

### Added

- Not yet.

## [1.10.0] - 2026-12-01

### Fixed

- `## [1.1.0] - 2026-01-01` within a line is no heading.

## [1.1.0] - 2026-11-30

Only text.

## [1.0.0] - 2026-11-29
## [0.9.0] - 2026-11-28

- First.

## [0.8.0] - 2026-11-27

- Once.

## [0.8.0] - 2026-11-26

- Twice.
"""


def notes(version: str, changelog: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    script = folder / SCRIPT.name
    script.write_text(SCRIPT.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "CHANGELOG.md").write_text(changelog, encoding="utf-8")
    return subprocess.run(
        [sys.executable, str(script), version], capture_output=True, text=True, check=False
    )


def test_the_notes_of_this_version_are_its_section(tmp_path: Path) -> None:
    done = notes(VERSION, CHANGELOG, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()
    assert done.stdout in CHANGELOG
    assert "\n## " not in done.stdout


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (
            "1.10.0",
            "### Fixed\n\n- `## [1.1.0] - 2026-01-01` within a line is no heading.\n",
        ),
        ("1.1.0", "Only text.\n"),
        ("0.9.0", "- First.\n"),
    ],
)
def test_notes_end_where_the_next_version_begins(
    tmp_path: Path, version: str, expected: str
) -> None:
    assert notes(version, ODD, tmp_path).stdout == expected


@pytest.mark.parametrize(
    "version", ["1.0.0", "0.8.0", "2.0.0", "1.1", "1.1.0rc1", "1.1x0", "Unreleased", ""]
)
def test_a_version_without_notes_is_not_released(tmp_path: Path, version: str) -> None:
    done = notes(version, ODD, tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "CHANGELOG.md has" in done.stderr
    assert "Traceback" not in done.stderr


def test_attached_files_are_built_once_and_attested() -> None:
    jobs = load(GITHUB / "workflows/release.yml")["jobs"]
    attested = next(s for s in jobs["attest"]["steps"] if s.get("id") == "attest")
    assert attested["with"]["subject-path"].split() == ["dist/*", "sbom/sbom.cdx.json"]
    create = jobs["release"]["steps"][-1]["run"]
    attached = re.findall(r"dist/\*|\S+\.cdx\.json|\S+\.intoto\.jsonl", create)
    assert attached == ["dist/*", "sbom/sbom.cdx.json", "provenance.intoto.jsonl"]
    assert "--notes-file release-notes.txt" in create
    assert {"build", "attest"} <= set(jobs["release"]["needs"])
    build = [step.get("run", "") for step in jobs["build"]["steps"]]
    assert any("release_notes.py" in run for run in build)
    for job in ("attest", "release", "publish"):
        assert not any("checkout" in s.get("uses", "") for s in jobs[job]["steps"]), job
