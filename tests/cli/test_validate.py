"""`reconcile validate` checks the files for every target, and reports each problem once."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.project import Here

HERE = {"base_url": "simulator:"}


def validated(project: Here, *options: str) -> list[tuple[str, int]]:
    """Return the code and the line of each diagnostic."""
    done = project.run(*options, "validate", "--format", "json")
    return [(d["code"], d["line"]) for d in done.json["diagnostics"]]


def configure(project: Here, **targets: dict[str, Any]) -> None:
    project.write("reconcile.yaml", {"version": 1, "targets": targets})


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
def test_targets_of_one_environment_are_checked_each_with_its_known_fields(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    project = Here(tmp_path)
    vouching, plain = names
    known = {"known_fields": {"openai": ["region_hint"]}}
    configure(project, **{vouching: {**HERE, **known}, plain: HERE})
    project.integration("alpha", configurations={"region_hint": "${env:SECRET_KEY}"})
    # A field that a target lists in `known_fields` cannot hold a reference there.
    codes = sorted(code for code, _ in validated(project))
    assert codes == ["reference-not-allowed", "unknown-configuration-field"]
    assert [code for code, _ in validated(project, "--target", vouching)] == codes[:1]
    assert [code for code, _ in validated(project, "--target", plain)] == codes[1:]


def test_a_problem_of_all_targets_is_reported_once(tmp_path: Path) -> None:
    project = Here(tmp_path)
    for environment in ("one", "two"):
        project.write(f"environments/{environment}/alpha.yaml", "alpha: {description: x}\n")
    one, two = ({**HERE, "environment": name} for name in ("one", "two"))
    configure(project, a=one, b=two, c=HERE, d={**HERE, "known_fields": {"openai": ["zone"]}})
    project.integration("alpha", colour="red")
    assert [code for code, _ in validated(project)] == ["unknown-field"]


CONFIG = """\
version: 1
targets:
  here: {base_url: "https://api.example.com/v1", api_key: "${env:PORTKEY_API_KEY}"}
"""


@pytest.mark.parametrize(
    ("right", "wrong", "line"),
    [
        ("targets:", "target:", 2),
        ("targets:", "tragets:", 2),
        ("api_key:", "apikey:", 3),
        ("base_url:", "baseurl:", 3),
        ("version:", "versoin:", 1),
    ],
)
def test_a_misspelt_name_in_the_configuration_is_reported_once(
    tmp_path: Path, right: str, wrong: str, line: int
) -> None:
    project = Here(tmp_path)
    project.write("reconcile.yaml", CONFIG.replace(right, wrong))
    project.integration("alpha")
    assert validated(project) == [("unknown-field", line)]
    assert f"did you mean `{right.rstrip(':')}`?" in project.run("validate").out


@pytest.mark.parametrize(
    ("field", "value", "wrong"),
    [("name", "Alpha", "nmae"), ("ai_provider_id", "openai", "ai_provider_ids")],
)
def test_a_misspelt_name_in_an_integration_is_reported_once(
    tmp_path: Path, field: str, value: str, wrong: str
) -> None:
    project = Here(tmp_path)
    project.integration("alpha", **{field: ..., wrong: value})
    assert [code for code, _ in validated(project)] == ["unknown-field"]


def test_a_value_of_an_unknown_field_of_the_configuration_is_not_shown(tmp_path: Path) -> None:
    project = Here(tmp_path)
    canary = "pk-canary-0123456789abcdef"
    project.write(
        "reconcile.yaml", CONFIG.replace('api_key: "${env:PORTKEY_API_KEY}"', f"apikey: {canary}")
    )
    for style in ("text", "json", "github", "sarif"):
        done = project.run("validate", "--format", style)
        assert done.code == 3
        assert canary not in done.out + done.err


CANARY = "url-canary-4711"
URLS = (
    f"https://user:{CANARY}@models.example.com/v1",
    f"https://{CANARY}@models.example.com",
    f"https://user:{CANARY}/with@signs@models.example.com",
    f"https://models.example.com/v1?code={CANARY}",
    f"https://models.example.com/v1#{CANARY}",
)


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("indent", [None, 1])
def test_no_diagnostic_shows_a_password_in_a_url(
    tmp_path: Path, url: str, indent: int | None
) -> None:
    project = Here(tmp_path)
    target = {"base_url": url, "wrong": 1, "probe": {"gateway": {"base_url": url}, "wrong": 1}}
    config = {"version": 1, "targets": {"a": target}}
    model = {"slug": "m", "enabled": True, "is_custom": True, "wrong": 1}
    fields = {
        "configurations": {"custom_host": url},
        "wrong": 1,
        "models": [{**model, "configurations": {"custom_host": url}}],
    }
    project.write("reconcile.yaml", json.dumps(config, indent=indent))
    done = project.run("validate")
    assert done.code == 3
    assert CANARY not in done.err + done.out
    project.write("reconcile.yaml", {"version": 1, "targets": {"a": {"base_url": "simulator:"}}})
    made = {"slug": "a", "name": "A", "ai_provider_id": "openai", "key": "${env:SECRET_A}"}
    project.write("integrations/a.yaml", json.dumps({**made, **fields}, indent=indent))
    done = project.run("validate")
    assert done.code == 3
    assert "unknown-field" in done.err + done.out
    assert CANARY not in done.err + done.out
