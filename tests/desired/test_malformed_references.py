"""Text intended as a reference: the hint shows the correct form, and never a secret."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.diagnostics import Diagnostic
from tests.desired.building import OPENAI, integration


def diagnostic_of(value: str) -> Diagnostic:
    """Return the only problem of an integration with this key."""
    quoted = value.replace("'", "''")
    (only,) = integration(f"{OPENAI}key: '{quoted}'\n").diagnostics
    return only


@pytest.mark.parametrize(
    "written",
    [
        "${SECRET_X}",
        "${ENV:SECRET_X}",
        "${Env:SECRET_X}",
        "${ env:SECRET_X }",
        "${env: SECRET_X}",
        "${env.SECRET_X}",
        "${env:SECRET_X",
        "${SECRET_X",
        "${{ secrets.SECRET_X }}",
        "${{ env.SECRET_X }}",
        "${SECRET_X:-none}",
        "${env:SECRET_X:-none}",
        "$SECRET_X",
        "$env:SECRET_X",
        "$(SECRET_X)",
        "%SECRET_X%",
        "{{ SECRET_X }}",
        "{{ .SECRET_X }}",
        "env:SECRET_X",
        "{env:SECRET_X}",
        "os.environ/SECRET_X",
        "process.env.SECRET_X",
        "SECRET_X",
    ],
)
def test_the_hint_shows_the_intended_reference(written: str) -> None:
    found = diagnostic_of(written)
    assert found.hint.startswith("write `${env:SECRET_X}`")
    # The suggestion in the hint is valid.
    assert integration(f"{OPENAI}key: '${{env:SECRET_X}}'\n").state is not None


@pytest.mark.parametrize("written", ["${X}", "${ENV:X}", "${ env:X }", "${env:X", "$X"])
def test_a_name_outside_the_defaults_is_suggested_with_the_prefix(written: str) -> None:
    hint = diagnostic_of(written).hint
    assert "`${env:SECRET_X}`" in hint
    assert "`${env:X}` if RECONCILE_ALLOWED_SECRETS" in hint


@pytest.mark.parametrize("written", ["${env:SECRET_X", "${vault:kv/ai#key", "${ SECRET_X"])
def test_a_missing_brace_is_named(written: str) -> None:
    found = diagnostic_of(written)
    assert found.code == "invalid-reference"
    assert found.summary == "the closing brace of the reference in `key` is missing"


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("${VAULT:kv/ai#key}", "`${vault:PATH#FIELD}`"),
        ("${ aws:prod/openai#key }", "`${aws:PATH#FIELD}`"),
        ("vault:kv/ai#key", "`${vault:PATH#FIELD}`"),
        ("{file:/run/secrets/x}", "`${file:PATH}`"),
    ],
)
def test_other_schemes_are_shown_with_their_syntax(written: str, form: str) -> None:
    assert form in diagnostic_of(written).hint


@pytest.mark.parametrize("written", ["${PORTKEY_API_KEY}", "$GITHUB_TOKEN", "${ENV:RECONCILE_X}"])
def test_a_reserved_variable_is_not_suggested(written: str) -> None:
    assert diagnostic_of(written).hint == "write `${env:SECRET_…}` with the name of the variable"


SECRET = "Zk3vQ8sample0secret"


SHAPES = """{} ${{{}}} ${{{} ${{env:{} ${{ENV:{}}} $({}) %{}% {{{{{}}}}} env:{} ${}
    ${{SECRET_X:-{}}} os.environ/{} ${{{}:x}} ${{{}.x}} ${{env:a{}"""


@pytest.mark.parametrize("shape", [*SHAPES.split(), "${{ {} }}", "${{{}:x y}}", "${{x:{} y}}"])
def test_a_possible_secret_is_not_repeated(shape: str) -> None:
    found = diagnostic_of(shape.format(SECRET))
    excerpt = found.excerpt.text if found.excerpt else ""
    assert SECRET not in found.summary + found.hint + excerpt


@given(st.text("ABCDEFghij0123-_.:/#", min_size=8, max_size=40), st.sampled_from("{}$ %"))
def test_no_generated_text_is_repeated_unless_it_is_a_name(text: str, around: str) -> None:
    found = integration(f"{OPENAI}key: '${{{around}{text}{around}'\n").diagnostics
    shown = "".join(f"{d.summary} {d.hint}" for d in found)
    assert text not in shown or text.replace("_", "").isalpha()
