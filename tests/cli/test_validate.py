"""`reconcile validate` checks the files for every target, and reports each problem once."""

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
    # A field that one target declares plain cannot hold a reference there.
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
