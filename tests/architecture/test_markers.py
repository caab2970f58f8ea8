"""What `-m` selects: the inner loop needs nothing but pip, and no marker hides a test from CI."""

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
    assert done.returncode in {0, 5}, done.stdout  # 5: nothing is left
    return [line for line in done.stdout.splitlines() if line.startswith("tests/")]


def test_the_inner_loop_leaves_out_what_is_slow_or_needs_other_programs() -> None:
    assert collected("-m", "not slow", ALL_NEED_PROGRAMS, ALL_SLOW) == []


def test_slow_tests_run_by_default() -> None:
    assert [line.partition(":")[0] for line in collected(ALL_NEED_PROGRAMS, ALL_SLOW)] == [
        "tests/benchmarks/test_quick.py"
    ]
