"""A schemathesis run against the adapter; `conformance.sh` runs more suites."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.adapter.adapter_process import running
from tests.adapter.ports import WRITER
from tests.end_to_end.harness import Project

# The API refuses requests for reasons that a schema cannot express, such as a slug that exists.
NOT_CHECKED = "positive_data_acceptance"


@pytest.mark.slow
def test_every_answer_conforms_to_the_openapi_document(tmp_path: Path) -> None:
    project = Project.with_examples(tmp_path)
    with running(project, "--rate-limit", 100_000) as adapter:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", f"{adapter.root}/openapi.json"),
                *("--header", f"Authorization: Bearer {WRITER}"),
                *("--checks", "all", "--exclude-checks", NOT_CHECKED),
                *("--phases", "fuzzing", "--max-examples", "12", "--seed", "7"),
                "--no-color",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        adapter.end()
    assert done.returncode == 0, done.stdout
    assert '"failure"' not in "".join(adapter.lines)
    assert len(adapter.lines) > 50
