"""What the README quotes is what the command says."""

import os
import subprocess
import sys

from tests.architecture.source import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
FIRST_SCREEN = README.splitlines()[:40]


def test_the_help_in_the_readme_is_the_help_of_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "reconciler", "--help"],
        cwd=ROOT,
        env={"PATH": os.defpath, "COLUMNS": "100", "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"```text\n$ reconcile --help\n{done.stdout}```\n" in README


def test_the_first_screen_holds_both_commands_for_a_fresh_machine() -> None:
    for command in (
        "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/reconcile apply --yes",
        "python3 -m venv .venv && .venv/bin/pip install -e '.[dev]' && .venv/bin/pytest",
    ):
        assert any(line.strip() == command for line in FIRST_SCREEN)
