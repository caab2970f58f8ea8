"""Answers of policies: denials, warnings and invalid answers."""

import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.diagnostics import Severity
from reconciler.limited_process import Ended
from reconciler.planning.policy_verdict import PolicyFinding, PolicyVerdict, Verdict
from reconciler.policies.answer import MAX_FINDINGS, findings_of
from reconciler.policies.errors import PolicyProblem

SLUGS = {"openai-main", "openai", "azure-eu"}


def findings(answer: object, status: int = 0, stderr: str = "") -> tuple[PolicyFinding, ...]:
    text = answer if isinstance(answer, str) else json.dumps(answer)
    ended = Ended(status, text.encode(), stderr.encode())
    return findings_of(ended, SLUGS, lambda message: message)


def verdict(answer: object, status: int = 0) -> Verdict:
    return PolicyVerdict("rule", None, findings(answer, status)).verdict


def denial(message: str, slug: str | None = None) -> PolicyFinding:
    return PolicyFinding(Severity.ERROR, "policy", message, slug)


@pytest.mark.parametrize(
    ("answer", "status", "expected"),
    [
        ("", 0, Verdict.PASSED),
        (" \n", 0, Verdict.PASSED),
        ([{"successes": 3}], 0, Verdict.PASSED),
        ([{"successes": [{"msg": ""}]}], 0, Verdict.PASSED),
        # A custom program need not count passed rules.
        ([{"failures": []}], 0, Verdict.PASSED),
        ([{"failures": None, "successes": 1}], 0, Verdict.PASSED),
        ([{"skipped": [], "exceptions": None, "successes": 1}], 0, Verdict.PASSED),
        (
            [{"errors": [], "failed": 0, "queries": [{"query": "q"}], "successes": 1}],
            0,
            Verdict.PASSED,
        ),
        ([{"successes": 0, "namespace": "a"}, {"successes": 1}], 0, Verdict.PASSED),
        ([{"warnings": [{"msg": "w"}]}], 0, Verdict.WARNED),
        ([{"failures": [{"msg": "f"}]}], 1, Verdict.DENIED),
        # `--no-fail` changes only the status, not the findings.
        ([{"failures": [{"msg": "f"}]}], 0, Verdict.DENIED),
        ([{"warnings": [{"msg": "w"}]}], 1, Verdict.DENIED),
        ([{"successes": 1}], 2, Verdict.DENIED),
        ("no", 1, Verdict.DENIED),
        ("no", 125, Verdict.DENIED),
        ("[not JSON", 1, Verdict.DENIED),
    ],
)
def test_the_meaning_of_an_answer(answer: Any, status: int, expected: Verdict) -> None:
    assert verdict(answer, status) is expected


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("ok", 0),
        ("[not JSON", 0),
        ("null", 0),
        ({}, 0),
        ({"failures": []}, 0),
        ([], 0),
        ([None], 0),
        ([{}], 0),
        ([{"successes": 0}], 0),
        ([{"successes": True}], 0),
        ([{"successes": -1}], 0),
        ([{"successes": "3"}], 0),
        ([{"successes": 1, "exceptions": [{"msg": "e"}]}], 0),
        ([{"successes": 1, "skipped": [{"msg": "s"}]}], 0),
        ([{"successes": 1}, {"successes": 2, "skipped": [{"msg": "s"}]}], 0),
        ([{"successes": 1, "skipped": True}], 0),
        # Denials under a name that conftest does not have.
        ([{"successes": 1, "Failures": [{"msg": "f"}]}], 0),
        ([{"successes": 1, "failure": [{"msg": "f"}]}], 0),
        ([{"successes": 1, "failed": 3}], 0),
        ([{"successes": 1, "deny": ["no"]}], 0),
        ([{"successes": 1, "denials": ["no"]}], 0),
        ([{"successes": 1, "violations": [{}]}], 0),
        ([{"successes": 1, "errors": ["no"]}], 0),
        ([{"successes": 1, "WARNINGS": [{"msg": "w"}]}], 0),
        ("\ufeff[]", 0),
        ("[]\n[]", 0),
        ([{"failures": ["f"]}], 1),
        ([{"failures": [{"msg": 1}]}], 1),
        ([{"failures": "f"}], 1),
        ([{"successes": 1, "failures": 0}], 0),
        ([{"successes": 1, "failures": ""}], 0),
        ([{"successes": 1, "warnings": False}], 0),
        ([{"successes": 1, "exceptions": {}}], 0),
        ("", 1),
        ("no", 126),
        ("no", 127),
        ("no", 137),
        ("no", -9),
        ([{"successes": 1}], -15),
        ("[" * 100_000, 0),
        ('[{"failures": [{"msg": "f"}], "failures": [], "successes": 1}]', 0),
        ('[{"successes": 1, "warnings": [{"msg": "w", "msg": "v"}]}]', 0),
    ],
)
def test_invalid_answers(answer: Any, status: int) -> None:
    with pytest.raises(PolicyProblem):
        findings(answer, status)


@given(text=st.text(min_size=1), status=st.integers(-70, 300))
def test_text_never_passes(text: str, status: int) -> None:
    """Only an empty answer or results with status 0 can pass, whatever is printed."""
    ended = Ended(status, text.encode("utf-8", "replace"), b"")
    try:
        found = findings_of(ended, SLUGS, lambda message: message)
    except PolicyProblem:
        return
    denied = PolicyVerdict("rule", None, found).verdict is Verdict.DENIED
    assert denied or (status == 0 and not text.strip())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(string.ascii_letters, max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["failures", "warnings", "successes", "msg", "metadata", "slug"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_a_failure_in_any_json_is_found(document: Any) -> None:
    """Whatever JSON a program prints, a result with a failure never passes."""
    try:
        found = findings(document)
    except PolicyProblem:
        return
    failures = [r.get("failures") for r in document if isinstance(r, dict)]
    denied = PolicyVerdict("rule", None, found).verdict is Verdict.DENIED
    assert denied == any(failures)


def test_each_line_of_a_text_names_its_own_action() -> None:
    answer = "openai-main is global\n\n  azure-eu: no description \nopenai and azure-eu differ\n"
    assert set(findings(answer, 1)) == {
        denial("openai-main is global", "openai-main"),
        denial("azure-eu: no description", "azure-eu"),
        denial("openai and azure-eu differ"),
    }


def test_metadata_takes_precedence_over_the_message() -> None:
    entry = {"msg": "openai is meant", "metadata": {"slug": "azure-eu"}}
    assert findings([{"failures": [entry]}], 1) == (denial("openai is meant", "azure-eu"),)
    # A slug without an action is ignored.
    entry = {"msg": "gone", "metadata": {"slug": "elsewhere"}}
    assert findings([{"failures": [entry]}], 1) == (denial("gone"),)


def test_findings_do_not_depend_on_the_order_of_the_program() -> None:
    lines = ["b", "a", "c", "a"]
    assert findings("\n".join(lines), 1) == findings("\n".join(reversed(lines)), 1)


def test_many_findings_are_counted() -> None:
    found = findings("\n".join(f"denial {n:04}" for n in range(1000)), 1)
    assert len(found) == MAX_FINDINGS + 1
    assert found[-1] == denial("and 900 more findings")


def test_a_long_message_is_shortened_after_secrets_were_hidden() -> None:
    secret = "s" * 300
    message = "x" * 100 + secret + "y" * 1000
    ended = Ended(1, message.encode(), b"")
    [found] = findings_of(ended, SLUGS, lambda text: text.replace(secret, "[redacted]"))
    assert "[redacted]" in found.message
    assert "sss" not in found.message
    assert len(found.message) <= 500
