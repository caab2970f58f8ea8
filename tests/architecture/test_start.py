"""Starting is instant because nothing heavy is imported before it is needed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import ROOT
from tests.end_to_end.harness import Project

HEAVY = {
    "asyncio",
    "deepdiff",
    "httpx",
    "jinja2",
    "markupsafe",
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
    return names_in(done.stderr)


def names_in(log: str) -> set[str]:
    return set(re.findall(r"^import time:.*\|\s*(\S+)$", log, flags=re.MULTILINE))


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_nothing_heavy(option: str) -> None:
    names = imported_by(option)
    assert "click" in names
    assert {name for name in names if name.partition(".")[0] in HEAVY} == set()


@pytest.mark.parametrize(
    ("output_format", "is_loaded"), [("text", False), ("json", False), ("html", True)]
)
def test_only_an_html_report_loads_the_template_engine(
    tmp_path: Path, output_format: str, *, is_loaded: bool
) -> None:
    project = Project.with_examples(tmp_path)
    logging = (sys.executable, "-X", "importtime", "-m", "reconciler")
    done = project.run("plan", "--format", output_format, command=logging)
    assert done.code == 0
    assert ("jinja2" in names_in(done.err)) is is_loaded
