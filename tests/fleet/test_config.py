"""fleet.yaml is validated strictly, and every error has a location."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.diagnostics import Diagnostic
from reconciler.fleet.config import Fleet, Member, read_fleet

FILE = Path("company/fleet.yaml")


def read(text: str) -> tuple[Fleet | None, tuple[Diagnostic, ...]]:
    return read_fleet(text.encode(), path=FILE)


def members(text: str) -> dict[str, tuple[str, str | None]]:
    fleet, found = read(text)
    assert fleet is not None, found
    return {m.name: (str(m.dir), m.target) for m in fleet.members}


def problem(text: str) -> tuple[str, str]:
    """Return the code and position of the only diagnostic."""
    fleet, (found,) = read(text)
    assert fleet is None
    assert found.at is not None
    return found.code, f"{found.at.file}:{found.at.line}"


def test_paths_of_members_are_relative_to_the_fleet_file() -> None:
    assert members(
        """
        version: 1
        members:
          - name: acme
            dir: acme/desired-state
            target: production
          - name: globex
            dir: /srv/globex
        """
    ) == {
        "acme": ("company/acme/desired-state", "production"),
        "globex": ("/srv/globex", None),
    }


def test_defaults_apply_to_members_without_own_settings() -> None:
    text = """
        version: 1
        defaults: {dir: shared, targets: [eu, us], variables: {SECRET_A: SECRET_B}}
        members:
          - name: acme
          - {name: globex, target: globex, variables: {SECRET_C: SECRET_D}}
        """
    assert members(text) == {
        "acme.eu": ("company/shared", "eu"),
        "acme.us": ("company/shared", "us"),
        "globex": ("company/shared", "globex"),
    }
    fleet, _ = read(text)
    assert fleet is not None
    assert dict(fleet.members[2].variables) == {"SECRET_A": "SECRET_B", "SECRET_C": "SECRET_D"}


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("version: 2\nmembers: [{name: a}]", "invalid-value", 1),
        ("version: 1\nmembers: []", "missing-field", 2),
        ("version: 1\nmembers:\n- name: a\n  directory: x", "unknown-field", 4),
        ("version: 1\nmembers:\n- {name: a, dir: x}\n- {name: a, dir: y}", "duplicate-entry", 4),
        ("version: 1\nmembers:\n- {name: a, dir: x}\n- {name: b, dir: x}", "duplicate-target", 4),
        ("version: 1\nmembers: [{name: a/b}]", "invalid-value", 2),
        (
            "version: 1\nmembers:\n- {name: a, dir: x, targets: [b]}\n- {name: a.b, dir: y}",
            "duplicate-entry",
            4,
        ),
        (
            "version: 1\nmembers:\n- {name: a.b, dir: y}\n- {name: a, dir: x, targets: [b]}",
            "duplicate-entry",
            4,
        ),
        (
            "version: 1\nmembers:\n- {name: a, dir: x}\n- {name: b, dir: y/../x}",
            "duplicate-target",
            4,
        ),
        ("version: 1\nmembers:\n- name: a\n  dir: ''", "invalid-value", 4),
        ('version: 1\nmembers:\n- name: a\n  dir: "x\\0y"', "invalid-value", 4),
        ('version: 1\ndefaults: {dir: "\\u202Ex"}\nmembers: [{name: a}]', "invalid-value", 2),
        ("version: 1\nmembers: [{name: ../up}]", "invalid-value", 2),
        ("version: 1\nmembers:\n- name: a\n  target: x\n  targets: [y]", "conflict", 5),
        ("version: 1\nmembers:\n- name: a\n  targets: []", "missing-field", 4),
        ("version: 1\nmembers:\n- name: a\n  targets: [x, x]", "duplicate-entry", 4),
        ("version: 1\nmembers:\n- name: a\nmembers: []", "duplicate-key", 4),
        ("version: 1\nmembers: &all\n- name: a\n- *all", "alias", 4),
        ("version: 1\nmembers: [\n", "syntax", 3),
        ("version: 1\nmembers: [{name: a}]\n---\nversion: 1", "wrong-type", 4),
    ],
)
def test_an_error_is_reported_at_its_location(text: str, code: str, line: int) -> None:
    assert problem(text) == (code, f"company/fleet.yaml:{line}")


@pytest.mark.parametrize(
    ("name", "origin"),
    [
        ("SECRET_KEY", "GITHUB_TOKEN"),
        ("SECRET_KEY", "RECONCILE_LEDGER_PEPPER"),
        ("SECRET_KEY", "PORTKEY_API_KEY"),
        ("PORTKEY_API_KEY", "SECRET_KEY"),
        ("PORTKEY_BASE_URL", "PORTKEY_ELSEWHERE"),
        ("PORTKEY_API_KEY", "PORTKEY_BASE_URL"),
        ("PATH", "SECRET_PATH"),
        ("SECRET_KEY", "sk-a-value-by-mistake"),
    ],
)
def test_a_fleet_file_cannot_expose_other_variables(name: str, origin: str) -> None:
    text = f"version: 1\nmembers:\n- name: a\n  variables:\n    {name}: {origin}"
    assert problem(text) == ("reference-forbidden", "company/fleet.yaml:5")


def test_a_member_with_variables_sees_only_its_own_secrets() -> None:
    variables = {"SECRET_KEY": "SECRET_ACME", "PORTKEY_API_KEY": "PORTKEY_ACME"}
    whole = {
        "PATH": "/bin",
        "SECRET_ACME": "a",
        "SECRET_GLOBEX": "g",
        "PORTKEY_ACME": "pa",
        "PORTKEY_API_KEY": "somebody-else",
        "PORTKEY_BASE_URL": "http://127.0.0.1:1/v1",
    }
    assert Member("acme", Path("x"), None, variables).environment(whole) == {
        "PATH": "/bin",
        "SECRET_KEY": "a",
        "PORTKEY_API_KEY": "pa",
        "PORTKEY_BASE_URL": "http://127.0.0.1:1/v1",
    }
    assert Member("acme", Path("x")).environment(whole) == whole


def test_an_unset_variable_is_missing_and_not_taken_from_another_member() -> None:
    member = Member("acme", Path("x"), None, {"SECRET_KEY": "SECRET_ACME"})
    assert member.environment({"SECRET_KEY": "of somebody else"}) == {}


@given(st.binary(max_size=200))
def test_no_file_makes_the_reader_fail(data: bytes) -> None:
    fleet, found = read_fleet(data, path=FILE)
    assert (fleet is None) == bool([d for d in found if d.severity == "error"])
