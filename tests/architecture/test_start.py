"""Starting is instant because nothing heavy is imported before it is needed."""

import os
import re
import subprocess
import sys

import pytest

from tests.architecture.source import ROOT

HEAVY = {
    "asyncio",
    "deepdiff",
    "httpx",
    "mcp",
    "prometheus_client",
    "pydantic",
    "rich",
    "sqlalchemy",
    "sqlite3",
    "starlette",
    "tenacity",
    "yaml",
}


def imported_by(*arguments: str) -> set[str]:
    """Run the command with the interpreter's import log and give the names of the modules."""
    environment = {"PATH": os.defpath, "LANG": "C.UTF-8"}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "reconciler", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(re.findall(r"^import time:.*\|\s*(\S+)$", done.stderr, flags=re.MULTILINE))


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_nothing_heavy(option: str) -> None:
    names = imported_by(option)
    assert "click" in names
    assert {name for name in names if name.partition(".")[0] in HEAVY} == set()
