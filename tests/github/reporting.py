"""Run `reconcile report github` in this process, as a job of GitHub Actions does."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.console import Console
from reconciler.cli.main import run
from reconciler.drift.report import DriftReport
from reconciler.execution.result import ApplyResult
from reconciler.planning.plan import Plan
from tests.github.fake import REPO, TOKEN, FakeGitHub

SHA = "a" * 40
PULL_REQUEST = {"number": 7, "pull_request": {"number": 7}}
SCHEDULE: dict[str, Any] = {"schedule": "23 5 * * *"}
ENVIRONMENT = "production"


@dataclass
class Done:
    """Result of the command."""

    code: int
    out: str
    err: str


@dataclass
class Reporter:
    """Folder for the files of a job, and the variables that a runner sets."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    github: FakeGitHub
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        return (self.folder / "summary.md").read_text(encoding="utf-8")

    @property
    def outputs(self) -> dict[str, str]:
        return read_outputs((self.folder / "output").read_text(encoding="utf-8"))

    def comments(self, number: int = 7) -> list[str]:
        return [item["body"] for item in self.github.comments.get(number, [])]

    def report(
        self,
        kind: str,
        document: Plan | ApplyResult | DriftReport | dict[str, Any] | str,
        *,
        event: dict[str, Any] = PULL_REQUEST,
        environment: str = ENVIRONMENT,
        options: tuple[str, ...] = (),
        damage: Callable[[Path], None] = lambda _file: None,
        **variables: str,
    ) -> Done:
        """Report a document; variables set to "" are unset."""
        file = self.folder / f"{kind}.json"
        text = document if isinstance(document, str) else _text(document)
        file.write_text(text, encoding="utf-8")
        damage(file)
        (self.folder / "event.json").write_text(json.dumps(event), encoding="utf-8")
        (self.folder / "output").write_text("", encoding="utf-8")
        (self.folder / "summary.md").write_text("", encoding="utf-8")
        defaults = {
            "GITHUB_API_URL": self.github.url,
            "GITHUB_TOKEN": TOKEN,
            "GITHUB_REPOSITORY": REPO,
            "GITHUB_SHA": SHA,
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_WORKFLOW_REF": f"{REPO}/.github/workflows/apply.yml@refs/heads/main",
            "GITHUB_EVENT_PATH": str(self.folder / "event.json"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
            "GITHUB_OUTPUT": str(self.folder / "output"),
        }
        for name, value in (defaults | self.variables | variables).items():
            self.monkeypatch.setenv(name, value)
        self.monkeypatch.chdir(self.folder)
        out, err = io.StringIO(), io.StringIO()
        words = ("report", "github", f"--{kind}", str(file), "--environment", environment, *options)
        code = run(words, Console(stdin=None, stdout=out, stderr=err))
        for secret in (TOKEN, *self.github.tokens):
            assert secret not in out.getvalue() + err.getvalue()
        return Done(code, out.getvalue(), err.getvalue())


def failure(
    exit_code: int = 1, plan: Plan | None = None, *found: tuple[str, str]
) -> dict[str, Any]:
    """Build the error document that a command prints instead of its result."""
    document: dict[str, Any] = {
        "format_version": "1",
        "kind": "error",
        "exit_code": exit_code,
        "diagnostics": [
            {
                "severity": "error",
                "code": code,
                "summary": summary,
                "hint": "look again",
                "file": None,
                "line": None,
                "column": None,
            }
            for code, summary in found or [("incomplete-read", "the list was short")]
        ],
    }
    if plan is not None:
        document["plan"] = plan.as_json()
    return document


def read_outputs(text: str) -> dict[str, str]:
    """Parse the file of $GITHUB_OUTPUT as the runner does."""
    found: dict[str, str] = {}
    lines = iter(text.split("\n"))
    for line in lines:
        if not line:
            continue
        name, arrow, delimiter = line.partition("<<")
        assert arrow, line
        value = []
        for inner in lines:
            if inner == delimiter:
                break
            value.append(inner)
        found[name] = "\n".join(value)
    return found


def _text(document: Plan | ApplyResult | DriftReport | dict[str, Any]) -> str:
    return json.dumps(document if isinstance(document, dict) else document.as_json())
