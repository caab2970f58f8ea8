"""Selection by marker: fast tests need only pip packages, and CI runs every test."""

import subprocess
import sys

import pytest

from tests.architecture.source import ROOT

pytestmark = pytest.mark.slow

ALL_NEED_PROGRAMS = "tests/git/test_base_commit.py"
ALL_SLOW = "tests/benchmarks"


def collected(*arguments: str) -> list[str]:
    """Return the tests that pytest would run."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n0", "--collect-only", "-qq", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {0, 5}, done.stdout  # 5: no test was selected
    return [line for line in done.stdout.splitlines() if line.startswith("tests/")]


def test_the_fast_tests_exclude_slow_tests_and_those_that_need_other_programs() -> None:
    assert collected("-m", "not slow", ALL_NEED_PROGRAMS, ALL_SLOW) == []


def test_slow_tests_run_by_default() -> None:
    assert [line.partition(":")[0] for line in collected(ALL_NEED_PROGRAMS, ALL_SLOW)] == [
        "tests/benchmarks/test_quick.py"
    ]
