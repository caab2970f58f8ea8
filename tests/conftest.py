"""Settings shared by all tests."""

import gc
import os
import re
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.simulation.summary import pytest_terminal_summary

__all__ = ["anyio_backend", "pytest_terminal_summary"]  # found by pytest

# Deadlines measure the machine, not the code: CI machines are shared and noisy. Examples are the
# same in every run, so that the result depends only on the commit. To search for new ones, run
# `pytest --hypothesis-profile search`.
settings.register_profile(
    "reconciler",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("search", settings.get_profile("reconciler"), derandomize=False)
settings.load_profile("reconciler")

# Variables of the tool that a CI job, a Git hook or a shell may set. They are cleared, so that a
# test has the same result on every machine; a test sets those that it needs.
AMBIENT = re.compile(
    r"(ACTIONS|AWS|AZURE|CI|GIT|GITHUB|GITLAB|PORTKEY|RECONCILE|RUNNER|SECRET|SOPS|VAULT)(_.*)?"
    r"|CLICOLOR.*|COLUMNS|LINES|FORCE_COLOR|NO_COLOR"
)
for name in filter(AMBIENT.fullmatch, list(os.environ)):  # noqa: TID251  removes, and reads none
    del os.environ[name]  # noqa: TID251

# Python images set this variable. Each process then compiles every module that it imports:
# collection took 10 s of CPU in each worker instead of 3 s.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # noqa: TID251  for what a test starts


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect tests without garbage collection, and freeze the collected objects.

    All modules and tests stay until the end. Each full garbage collection would visit these 250,000
    objects again, which takes seconds of CPU time in every process.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)  # before pytest selects tests by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that need other programs as slow: `-m` replaces the one in pyproject.toml."""
    for item in items:
        if item.get_closest_marker("needs_system"):
            item.add_marker("slow")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
