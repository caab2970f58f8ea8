"""The metadata of the project matches its contents and its tests."""

import re
import tomllib

import yaml

from tests.architecture.source import PACKAGE, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CHANGELOG = (ROOT / ".github/CHANGELOG.md").read_text(encoding="utf-8")


def test_the_package_has_type_information() -> None:
    assert (PACKAGE / "py.typed").is_file()
    assert "Typing :: Typed" in PROJECT["classifiers"]


def test_the_declared_python_versions_are_those_that_ci_tests() -> None:
    ci = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    tested = ci["jobs"]["check"]["strategy"]["matrix"]["python"]
    named = [c.rpartition(" :: ")[2] for c in PROJECT["classifiers"] if ":: Python :: 3." in c]
    assert named == tested
    assert PROJECT["requires-python"] == f">={tested[0]}"


def test_the_project_has_authors_and_keywords_and_no_license() -> None:
    assert PROJECT["authors"]
    assert PROJECT["keywords"]
    assert "license" not in PROJECT
    assert not [c for c in PROJECT["classifiers"] if c.startswith("License")]


def test_the_changelog_has_the_unreleased_changes_and_this_version() -> None:
    versions = re.findall(r"^## \[(.+?)\](?: - \d{4}-\d\d-\d\d)?$", CHANGELOG, re.MULTILINE)
    assert versions[:2] == ["Unreleased", PROJECT["version"]]


def test_the_changelog_uses_the_groups_of_keep_a_changelog() -> None:
    names = set(re.findall(r"^### (.+)$", CHANGELOG, re.MULTILINE))
    assert names <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
