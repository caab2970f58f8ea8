"""Only its field determines the type of a plain scalar."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.desired.yaml_values import Plain, infer_scalar, value_of_plain
from tests.desired.building import declared, integration

AMBIGUOUS = "123 0123 no Yes on 2024-01-02 12:30:45 1e3 0x1F 1_000 true ~ .inf -1 1.50 Null"
TEXTS = "True yes no ~ 0123 +1 .5 1. 0x1F 0o7 1_000 12:30 2024-01-02 .nan 1e999 ١"


@pytest.mark.parametrize(
    "written",
    AMBIGUOUS.split(),
)
def test_a_string_field_takes_a_plain_scalar_as_written(written: str) -> None:
    text = f"slug: a\nname: {written}\nai_provider_id: openai\ntags: {{t: {written}}}\n"
    fields = declared(text).fields
    assert (fields["name"], fields["tags"]) == (written, {"t": written})


@pytest.mark.parametrize("slug", ["123", "0123", "no", "1e3", "true"])
def test_a_slug_can_look_like_a_number(slug: str) -> None:
    text = f"slug: {slug}\nname: A\nai_provider_id: openai\n"
    assert declared(text, slug=slug).slug == slug


def test_null_is_null_in_a_string_field() -> None:
    base = "slug: a\nname: A\nai_provider_id: openai\n"
    for written in ("null", "", "# nothing"):
        assert declared(f"{base}description: {written}\n").fields["description"] is None
    assert declared(f"{base}description: 'null'\n").fields["description"] == "null"


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("false", False),
        ("0", 0),
        ("-7", -7),
        ("9" * 19, int("9" * 19)),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("-2.5E-1", -0.25),
    ],
)
def test_other_fields_use_the_json_schema_of_yaml(written: str, value: object) -> None:
    assert type(value_of_plain(written)) is Plain
    assert infer_scalar(Plain(written)) == value
    assert type(infer_scalar(Plain(written))) is type(value)


@pytest.mark.parametrize(
    "written",
    [
        *TEXTS.split(),
        "9" * 20,
        "1." + "1" * 70,
        "1e-400",
        "0.10000000000000001",
        "1e-" + "9" * 25,
        "0e" + "9" * 25,
    ],
)
def test_nothing_else_is_guessed(written: str) -> None:
    assert infer_scalar(written) == written


@pytest.mark.parametrize("written", ["0123", "'5'", "9" * 20, "1.5", "true", "1e3"])
def test_a_whole_number_is_not_read_from_anything_else(written: str) -> None:
    text = (
        "slug: a\nname: A\nai_provider_id: openai\n"
        f"workspaces: [{{id: w, enabled: true, usage_limits: [{{credit_limit: {written}}}]}}]\n"
    )
    assert {d.code for d in integration(text).diagnostics} == {"wrong-type"}


@pytest.mark.parametrize(
    ("written", "hint"),
    [("'5'", "without quotes"), ("'1.5'", "such as 500"), ("'1e3'", "such as 500")],
)
def test_the_hint_for_a_quoted_number_leads_to_a_valid_one(written: str, hint: str) -> None:
    text = (
        "slug: a\nname: A\nai_provider_id: openai\n"
        f"workspaces: [{{id: w, enabled: true, usage_limits: [{{credit_limit: {written}}}]}}]\n"
    )
    [found] = integration(text).diagnostics
    assert hint in found.hint


@given(st.decimals(allow_nan=False, allow_infinity=False, places=25))
def test_a_number_is_never_rounded(number: Decimal) -> None:
    value = infer_scalar(f"{number:f}")
    assert Decimal(str(value)) == number


@pytest.mark.parametrize(
    ("written", "summary", "hint"),
    [
        ("0.1234567890123456789", "`default` has more digits than can be stored", "0.12345678"),
        ("0.10000000000000001", "`default` has more digits than can be stored", "write `0.1`"),
        ("1e-400", "`default` has more digits than can be stored", "decimal digits"),
        ("1e-" + "9" * 25, "`default` has more digits than can be stored", "decimal digits"),
        ("1e400", "not a string", "write it in decimal digits"),
        (".nan", "not a string", "write it in decimal digits"),
        ("1:30", "not a string", "write it in decimal digits"),
        ("1_000", "not a string", "write it in decimal digits"),
        ("'0.8'", "not a string", "write it without quotes"),
        ("\u0665", "not a string", "write it in decimal digits"),
        ("true", "not true or false", "write it in decimal digits"),
    ],
)
def test_a_price_that_would_be_rounded_or_guessed_is_refused(
    written: str, summary: str, hint: str
) -> None:
    text = f"slug: a\nname: A\nai_provider_id: openai\npricing_adjustments:\n  multiplier:\n    default: {written}\n"  # noqa: E501  one document reads best
    [found] = integration(text).diagnostics
    assert (found.code, found.at.line if found.at else None) == ("wrong-type", 6)
    assert found.summary.endswith(summary)
    assert hint in found.hint
