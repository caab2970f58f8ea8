"""The environment decides which references files can use; some are never permitted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.desired.references import is_forbidden
from reconciler.diagnostics import Severity
from reconciler.domain.secrets import SecretRef
from reconciler.errors import InvalidInput
from reconciler.secrets.allowlist import SCHEMES, AllowList, api_key_problem
from reconciler.secrets.registry import BUILT_IN


def allowed(ref: str, *, by: str | None = None) -> bool:
    return AllowList.parse(by).permits(SecretRef.parse(ref))


@pytest.mark.parametrize("ref", ["env:SECRET_A", "file:/run/secrets/a", "file:/run/secrets/x/a"])
def test_permitted_by_default(ref: str) -> None:
    assert allowed(ref)


@pytest.mark.parametrize(
    "ref",
    [
        "env:HOME",
        "env:MY_SECRET_A",
        "file:/etc/passwd",
        "file:/run/secrets",
        "file:/run/secrets/../x",
        "file:/run/secrets/a/../../../etc/passwd",
        "file:/run/secrets/..",
        "file:/run/secrets/a#/../../etc/passwd",
        "file:/run/secrets/..\\x",
        "vault:kv/a#b",
        "aws:name#key",
        "sops:secrets.yaml#a",
        "env:secret_a",
    ],
)
def test_not_permitted_by_default(ref: str) -> None:
    assert not allowed(ref)


@pytest.mark.parametrize(
    ("ref", "by"),
    [
        ("vault:kv/ai/main#key", "vault:kv/ai/*"),
        ("vault:kv/ai/main#key", "vault:kv/ai/main"),
        ("vault:kv/ai/main#key", "vault:kv/ai/main#key"),
        ("aws:prod/openai#key", " env:TEAM_* , aws:prod/* "),
        ("sops:secrets/prod.yaml#a.b", "sops:secrets/*.yaml"),
        ("env:SECRET_A", "env:TEAM_*"),
    ],
)
def test_the_variable_adds_to_the_defaults(ref: str, by: str) -> None:
    assert allowed(ref, by=by)


@pytest.mark.parametrize(
    ("ref", "by"),
    [
        ("vault:kv/ai/main#other", "vault:kv/ai/main#key"),
        ("vault:kv/ai/../admin#key", "vault:kv/ai/*"),
        ("aws:kv/ai/main#key", "vault:kv/ai/*"),
    ],
)
def test_a_pattern_permits_only_its_matches(ref: str, by: str) -> None:
    assert not allowed(ref, by=by)


@pytest.mark.parametrize(
    "ref",
    [
        "env:PORTKEY_API_KEY",
        "env:GITHUB_TOKEN",
        "env:ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "env:RECONCILE_LEDGER_PEPPER",
        "env:portkey_api_key",
        "file:/proc/self/environ",
        "file://proc/self/environ",
        "file:/./proc/1/environ",
        "file:/sys/x",
        "file:/dev/stdin",
    ],
)
def test_some_names_are_never_permitted(ref: str) -> None:
    everything = AllowList.parse("env:*,file:*")
    (problem,) = everything.problems([SecretRef.parse(ref)])
    assert problem.never
    assert problem.as_diagnostic().severity is Severity.ERROR


def test_a_reference_outside_the_list_is_a_warning_unless_strict() -> None:
    (problem,) = AllowList.parse(None).problems([SecretRef.parse("vault:kv/ai/main#key")] * 2)
    assert problem.as_diagnostic().severity is Severity.WARNING
    assert problem.as_diagnostic(strict=True).severity is Severity.ERROR
    assert "'vault:kv/ai/main'" in problem.hint
    assert "${vault:kv/ai/main#key}" in str(problem.as_error())
    assert problem.as_error().exit_code == 3


def test_the_pattern_in_the_hint_permits_the_reference() -> None:
    ref = SecretRef.parse("vault:kv/ai/main#key")
    (problem,) = AllowList.parse(None).problems([ref])
    assert AllowList.parse(problem.hint.split("'")[1]).permits(ref)


def test_a_similar_scheme_is_treated_as_a_typing_error() -> None:
    assert set(SCHEMES) == set(BUILT_IN)
    (problem,) = AllowList.parse(None).problems([SecretRef.parse("evn:SECRET_A")])
    assert problem.hint == "did you mean `env`?"


@pytest.mark.parametrize("text", ["SECRET_*", "env:", ":x", "env: ,ok:*,*"])
def test_an_unreadable_list_is_bad_input(text: str) -> None:
    with pytest.raises(InvalidInput) as stop:
        AllowList.parse(text)
    assert stop.value.code == "bad-allow-list"
    assert stop.value.exit_code == 3


@pytest.mark.parametrize("text", [None, "", " , ,"])
def test_an_unset_variable_means_the_defaults(text: str | None) -> None:
    assert AllowList.parse(text) == AllowList()


@pytest.mark.parametrize("ref", ["env:PORTKEY_API_KEY", "vault:kv/p#k", "aws:p", "sops:a.yaml#b"])
def test_permitted_sources_of_a_target_key(ref: str) -> None:
    assert api_key_problem(SecretRef.parse(ref)) is None


@pytest.mark.parametrize("ref", ["env:SECRET_A", "env:GITHUB_TOKEN", "file:/run/secrets/a"])
def test_refused_sources_of_a_target_key(ref: str) -> None:
    problem = api_key_problem(SecretRef.parse(ref))
    assert problem is not None
    assert problem.code == "api-key-not-allowed"


@given(st.sampled_from(["PORTKEY_", "GITHUB_", "ACTIONS_", "RECONCILE_"]), st.text(max_size=9))
def test_no_list_overrules_the_refused_prefixes(prefix: str, rest: str) -> None:
    ref = SecretRef("env", prefix + rest)
    assert is_forbidden(ref)
    assert not AllowList(patterns=("env:*",)).permits(ref)


@given(st.lists(st.sampled_from(["a", "..", ".", "", "proc", "#"]), min_size=1, max_size=6))
def test_a_path_with_parent_steps_is_never_permitted(parts: list[str]) -> None:
    locator = "/run/secrets/" + "/".join(parts)
    assert not (".." in parts and AllowList().permits(SecretRef("file", locator)))
