"""SECRET_VALUES in bash: every value is set byte for byte, or the step fails."""

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workflows.test_rules import GITHUB

SCRIPT = GITHUB / "actions/setup-reconcile/secret-values.sh"
DUMP = f"{sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq==\n-----END PRIVATE KEY-----"
CHAIN = PEM + "\n" + PEM.replace("PRIVATE KEY", "CERTIFICATE")
VERTEX = json.dumps({"type": "service_account", "private_key": f"{PEM}\n", "n": [{}, "]}\\"]})


def sourced(values: str, *, options: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", f"-{options}c", f"source {SCRIPT}; {DUMP}"],
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "SECRET_VALUES": values},
        capture_output=True,
        text=True,
        check=False,
    )


def read(values: str) -> dict[str, str]:
    """Return the variables of a step; the test fails if the step does."""
    done = sourced(values, options="eu")
    assert (done.returncode, done.stderr) == (0, "")
    environment: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return {k: v for k, v in environment.items() if k.startswith("SECRET_")}


def masks(values: str) -> list[str]:
    """Return the values that the runner masks, decoded from its commands."""
    told = [line.partition("::add-mask::") for line in sourced(values).stdout.splitlines()]
    coded = [value for before, command, value in told if command and not before]
    return [text.replace("%0D", "\r").replace("%25", "%") for text in coded]


ONE_LINE = {
    "padding": "c2stcHJvai1hYmNkZWY=",
    "more padding": "c2stcHJvai1hYmNkZQ==",
    "quotes": "\"double\" 'single' `back`",
    "percent": "abc%25def%0Aghi%",
    "dollar": "$HOME ${HOME} $(id) $'x'",
    "backslashes": "\\n\\\\server\\share\\",
    "spaces": "  leading and trailing \t ",
    "unicode": "pässwörd-🔑-\u202e",
    "empty": "",
    "number sign": "#not a comment # at all",
    "glob": "*?[a-z]",
    "like a heredoc": "<<EOF",
    "like another line": "SECRET_OTHER=1",
    "one line of JSON": VERTEX,
    "no JSON": "{x9[",
    "a PEM of one line": PEM.replace("\n", "\\n"),
    "an option": "-n",
}
BLOCKS = {
    "PEM": PEM,
    "a chain of PEM blocks": CHAIN,
    "JSON": json.dumps(json.loads(VERTEX), indent=2),
    "a JSON list": json.dumps([1, {"a": "}\n"}], indent="\t"),
}


@pytest.mark.parametrize("value", (ONE_LINE | BLOCKS).values(), ids=(ONE_LINE | BLOCKS).keys())
def test_an_unusual_value_is_set_byte_for_byte(value: str) -> None:
    around = f"SECRET_BEFORE=1\nSECRET_VALUE={value}\n\nSECRET_after=2"
    assert read(around) == {"SECRET_BEFORE": "1", "SECRET_VALUE": value, "SECRET_after": "2"}


@pytest.mark.parametrize("value", [*ONE_LINE.values(), *BLOCKS.values(), "a\n\n\nb\r\n", "\n"])
def test_every_value_fits_between_delimiters(value: str) -> None:
    assert read(f"SECRET_VALUE<<END\n{value}\nEND\nSECRET_X=1")["SECRET_VALUE"] == value


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40)


@settings(max_examples=10, deadline=None)
@given(st.lists(TEXT, min_size=20, max_size=40))
def test_any_text_fits_between_delimiters(texts: list[str]) -> None:
    values = {f"SECRET_{number}": text for number, text in enumerate(texts)}
    assert read("".join(f"{k}<<END-7c1f\n{v}\nEND-7c1f\n" for k, v in values.items())) == values


@pytest.mark.parametrize("value", ["abc", "a=", PEM, BLOCKS["JSON"]])
def test_windows_line_ends_are_not_part_of_a_value(value: str) -> None:
    text = f"SECRET_A={value}\nSECRET_B<<END\n{value}\nEND\n".replace("\n", "\r\n")
    assert read(text) == {"SECRET_A": value, "SECRET_B": value}


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ("SECRET_A=1\ncanary", 2),
        ("SECRET_A=1\nY2FuYXJ5canary==", 2),
        ("PATH=/canary", 1),
        ("PORTKEY_API_KEY=canary", 1),
        ("# canary\nSECRET_A=1", 1),
        ("SECRET_=canary", 1),
        ("SECRET_A =canary", 1),
        ("export SECRET_A=canary", 1),
        ("SECRET_A=1\n\nSECRET_A=canary", 3),
        ("SECRET_A=1\nSECRET_B=-----BEGIN KEY-----\ncanary", 2),
        ("SECRET_B=-----BEGIN KEY-----\ncanary\nSECRET_A=1", 1),
        ('\nSECRET_A={\n"canary": 1\nSECRET_B=2', 2),
        ("SECRET_A<<\ncanary", 1),
        ("SECRET_A<<END\ncanary\n END\nEND ", 1),
    ],
)
@pytest.mark.parametrize("options", ["", "eu"])
def test_an_invalid_line_ends_the_step_with_its_number(
    values: str, line: int, options: str
) -> None:
    done = sourced(values, options=options)
    assert done.returncode == 1
    assert f"::line {line} " in done.stderr
    assert "canary" not in done.stderr
    assert "PATH" not in done.stdout


def test_only_the_secrets_remain_set() -> None:
    done = sourced("SECRET_A=1", options="eu")
    assert "SECRET_VALUES" not in done.stdout
    left = subprocess.run(
        ["bash", "-c", f"source {SCRIPT} >/dev/null; declare -F; echo ${{SECRET_VALUES-unset}}"],
        env={"PATH": "/usr/bin:/bin", "SECRET_VALUES": "SECRET_A=1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert left.stdout == "unset\n"


@pytest.mark.parametrize("value", ["sk=1==", "abc%25def", "100%", "a\rb", " padded "])
def test_a_value_is_masked(value: str) -> None:
    assert masks(f"SECRET_A={value}") == [value.strip()]


def test_each_line_of_a_value_is_masked() -> None:
    value = f"{PEM}\n\n  indented line\n{{"
    assert masks(f"SECRET_A<<END\n{value}\nEND") == [*PEM.split("\n"), "indented line"]
    assert masks("SECRET_EMPTY=\nSECRET_BLANK=  ") == []
