"""Run `reconcile report gitlab` and `reconcile gitlab` in this process, as a CI job does."""

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.console import Console
from reconciler.cli.main import run
from reconciler.drift.report import DriftReport
from reconciler.execution.result import ApplyResult
from reconciler.planning.plan import Plan
from tests.github.reporting import Done
from tests.gitlab.fake import JOB_TOKEN, PROJECT, TOKEN, FakeGitLab

SHA = "a" * 40
MERGE_REQUEST = {"CI_MERGE_REQUEST_IID": "3"}
DEFAULT_BRANCH = {"CI_COMMIT_BRANCH": "main"}
Document = Plan | ApplyResult | DriftReport | dict[str, Any] | str


@dataclass
class Reporter:
    """Folder for the files of a job, and the variables that a runner sets."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    gitlab: FakeGitLab
    variables: dict[str, str] = field(default_factory=dict)

    def notes(self, number: int = 3) -> list[str]:
        return [item["body"] for item in self.gitlab.notes.get(f"merge_requests/{number}", [])]

    def save(self, name: str, document: Document) -> Path:
        file = self.folder / name
        if not isinstance(document, str):
            document = json.dumps(document if isinstance(document, dict) else document.as_json())
        file.write_text(document, encoding="utf-8")
        return file

    def report(
        self,
        kind: str,
        document: Document,
        *options: str,
        environment: str = "production",
        **variables: str,
    ) -> Done:
        """Report a document in a job of a merge request; `variables` can override the job."""
        file = self.save(f"{kind}.json", document)
        given = MERGE_REQUEST | variables
        words = (f"--{kind}", str(file), "--environment", environment, *options)
        return self.run("report", "gitlab", *words, **given)

    def run(self, *words: str, **variables: str) -> Done:
        """Run a command; variables set to "" are unset."""
        defaults = {
            "GITLAB_CI": "true",
            "CI": "true",
            "CI_API_V4_URL": self.gitlab.api_url,
            "CI_PROJECT_ID": str(PROJECT),
            "CI_PROJECT_URL": "https://gitlab.example.test/acme/gateway",
            "CI_PIPELINE_URL": "https://gitlab.example.test/acme/gateway/-/pipelines/4711",
            "CI_COMMIT_SHA": SHA,
            "CI_JOB_TOKEN": JOB_TOKEN,
            "GITLAB_TOKEN": TOKEN,
            "GITLAB_USER_LOGIN": "carol",
        }
        for name, value in (defaults | self.variables | variables).items():
            self.monkeypatch.setenv(name, value)
        self.monkeypatch.chdir(self.folder)
        out, err = io.StringIO(), io.StringIO()
        code = run(words, Console(stdin=None, stdout=out, stderr=err))
        for secret in (TOKEN, JOB_TOKEN, *self.gitlab.tokens):
            assert secret not in out.getvalue() + err.getvalue()
        return Done(code, out.getvalue(), err.getvalue())
