"""`.ci/run`: the commands of each part, tested with programs that only record their calls."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.architecture.source import ROOT

PROGRAMS = ("age-keygen", "apt-get", "chromium", "git", "go", "python3", "sudo")
TOOLS = ("lint-imports", "mypy", "pip", "pytest", "python", "reconcile", "ruff")
README = """\
python3 -m venv .venv && .venv/bin/reconcile apply --yes
python3 -m venv .venv && .venv/bin/pytest
"""
RECORDER = """\
#!/bin/sh
echo "${{0##*/}} $*" >> {calls}
case "${{0##*/}} $*" in
    git\\ clone\\ *) cp -R . "$4" ;;
    python3\\ -m\\ venv\\ *) mkdir -p "$3/bin" && cp {tools}/* "$3/bin" ;;
esac
"""
STATIC = ["ruff format --check .", "ruff check .", "mypy ", "lint-imports --no-logo --no-cache"]


class Clone:
    """Checkout with only `.ci/run`, a README and programs that record their calls."""

    def __init__(self, folder: Path) -> None:
        self.work = folder / "work"
        self._calls = folder / "calls"
        self._programs = folder / "programs"
        shutil.copytree(ROOT / ".ci", self.work / ".ci")
        (self.work / "README.md").write_text(README)
        self._record(self._programs, PROGRAMS)
        self._record(folder / "tools", TOOLS)

    def _record(self, folder: Path, names: tuple[str, ...]) -> None:
        folder.mkdir()
        text = RECORDER.format(calls=self._calls, tools=self._calls.parent / "tools")
        for name in names:
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [".ci/run", *arguments],
            cwd=self.work,
            env={"PATH": f"{self._programs}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self, *arguments: str) -> list[str]:
        """Return the calls of a run on an installed checkout, without those of its installation."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        calls = self._calls.read_text().splitlines()
        return [
            call for call in calls if call.split()[0] not in {"apt-get", "go", "pip", "python3"}
        ]


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def test_lint_checks_format_rules_and_imports(clone: Clone) -> None:
    assert clone.calls("lint") == [STATIC[0], STATIC[1], STATIC[3]]


def test_types_runs_only_mypy(clone: Clone) -> None:
    assert clone.calls("types") == ["mypy "]


def test_tests_passes_its_arguments_to_pytest(clone: Clone) -> None:
    assert clone.calls("tests", "-k", "a and b") == ["pytest -k a and b"]


def test_fast_excludes_slow_tests(clone: Clone) -> None:
    assert clone.calls("fast", "-x") == [*STATIC, "pytest -m not slow -x"]


@pytest.mark.parametrize("arguments", [(), ("-k", "lint"), ("tests/planning", "-x")])
def test_without_a_part_everything_runs_and_pytest_gets_the_arguments(
    clone: Clone, arguments: tuple[str, ...]
) -> None:
    calls = [call for call in clone.calls(*arguments) if not call.startswith(("git", "sudo"))]
    assert calls == [
        *STATIC,
        "pytest -m needs_system",
        "python -c import sys; sys.exit(sys.version_info < (3, 14))",
        "reconcile apply --yes",
        "reconcile plan --detailed-exitcode",
        f"pytest {' '.join(arguments)}",
    ]


def test_a_part_installs_only_if_nothing_is_installed(clone: Clone) -> None:
    first = clone.run("types").stdout
    second = clone.run("types").stdout
    assert "== install" in first
    assert "== install" not in second


@pytest.mark.parametrize("part", ["quick", "test", "lint-types"])
def test_an_unknown_part_shows_the_usage(clone: Clone, part: str) -> None:
    done = clone.run(part)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"unknown part: {part}\nusage: " in done.stderr
    assert all(f".ci/run {name}" in done.stderr for name in ("lint", "types", "tests", "fast"))


@pytest.mark.parametrize("part", ["lint", "types"])
def test_a_part_without_tests_takes_no_arguments(clone: Clone, part: str) -> None:
    done = clone.run(part, "-x")
    assert done.returncode == 2
    assert "takes no arguments" in done.stderr


def test_help_shows_the_usage(clone: Clone) -> None:
    done = clone.run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ")
