"""A secret that is missing or not allowed is reported at the line that names it."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.project import Here

TWO_DOCUMENTS = """\
slug: first
name: First
ai_provider_id: openai
key: ${env:SECRET_KEY}
---
# The second one uses headers.
slug: second
name: Second
ai_provider_id: openai
configurations:
  custom_headers: {x-team: blue, authorization: '%s'}
key: ${env:SECRET_KEY}
"""
MISSING, FORBIDDEN = "${file:/run/secrets/not-there}", "${vault:kv/other#key}"
CONFIG = """\
version: 1
default_target: here
targets:
  here:
    base_url: "simulator:"
    environment: production
"""


def diagnostic(done: Any, code: str) -> tuple[str, int, int]:
    """Return file, line and column of the only diagnostic with a code."""
    (only,) = [d for d in done.json["diagnostics"] if d["code"] == code]
    return only["file"], only["line"], only["column"]


@pytest.fixture
def here(tmp_path: Path) -> Here:
    project = Here(tmp_path)
    (project.files / "integrations").mkdir(exist_ok=True)
    return project


def test_a_missing_value_is_reported_at_its_reference(here: Here) -> None:
    (here.files / "integrations/both.yaml").write_text(TWO_DOCUMENTS % MISSING)
    for command in (("plan", "--require-secrets"), ("apply", "--yes")):
        done = here.run(*command, "--format", "json")
        assert done.code == 3
        place = diagnostic(done, "secret-file-missing")
        assert place == ("desired-state/integrations/both.yaml", 11, 49)


def test_a_reference_that_is_not_allowed_is_reported_at_its_line(here: Here) -> None:
    (here.files / "integrations/both.yaml").write_text(TWO_DOCUMENTS % FORBIDDEN)
    place = ("desired-state/integrations/both.yaml", 11, 49)
    refused = here.run("apply", "--yes", "--format", "json")
    assert (refused.code, diagnostic(refused, "secret-not-allowed")) == (3, place)
    # A plan shows the same place, as `validate` does.
    assert diagnostic(here.run("plan", "--format", "json"), "secret-not-allowed") == place
    assert diagnostic(here.run("validate", "--format", "json"), "secret-not-allowed") == place


def test_a_reference_of_an_overlay_is_reported_in_the_overlay(here: Here) -> None:
    (here.files / "reconcile.yaml").write_text(CONFIG)
    (here.files / "integrations/first.yaml").write_text(TWO_DOCUMENTS.partition("---")[0])
    (here.files / "environments/production").mkdir(parents=True)
    overlay = here.files / "environments/production/keys.yaml"
    overlay.write_text(f"first:\n  name: Other\n  key: {MISSING}\n")
    done = here.run("plan", "--require-secrets", "--format", "json")
    assert diagnostic(done, "secret-file-missing") == (
        "desired-state/environments/production/keys.yaml",
        3,
        8,
    )


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        ("${env:PORTKEY_API_KEY}", "unset-variable"),
        ("${vault:kv/portkey#key}", "secret-not-allowed"),
    ],
)
def test_a_missing_api_key_is_reported_in_the_configuration(
    here: Here, reference: str, code: str
) -> None:
    target = f'  there: {{base_url: "http://127.0.0.1:9", api_key: "{reference}"}}\n'
    (here.files / "reconcile.yaml").write_text(f"version: 1\ntargets:\n{target}")
    done = here.run("--target", "there", "plan", "--format", "json")
    assert done.code == 3
    column = target.index('"${') + 1
    assert diagnostic(done, code) == ("desired-state/reconcile.yaml", 3, column)
