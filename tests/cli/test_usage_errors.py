"""Command line errors: the likely correction, and the help of the right command."""

import pytest

from reconciler.cli.main import COMMANDS, reconcile, run
from reconciler.cli.usage_errors import OTHER_OPTIONS
from tests.cli.speaking import Listening


def said(*words: str) -> str:
    """Return the message of a command line that is refused."""
    listening = Listening()
    assert run(list(words), listening.console) == 3
    assert listening.out == ""
    return listening.err


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("plan", "--tagret", "x"), "--target"),
        (("plan", "-target=production"), "--target"),
        (("plan", "-out=p.json"), "--out"),
        (("plan", "-only", "a"), "--only"),
        (("apply", "-y"), "--yes"),
        (("apply", "--auto-approve"), "--yes"),
        (("apply", "-auto-approve"), "--yes"),
        (("apply", "--dry-run"), "reconcile plan"),
        (("plan", "--refresh-only"), "reconcile drift"),
        (("plan", "--concurrency", "3"), "--parallelism"),
        (("plan", "--json"), "--format json"),
        (("plan", "--verbos"), "--verbose"),
        (("serve", "--port", "1"), "--rest-port"),
    ],
)
def test_an_option_of_another_tool_or_a_typo_names_the_right_one(
    words: tuple[str, ...], meant: str
) -> None:
    err = said(*words)
    typed = words[1].partition("=")[0]
    assert f"no such option '{typed}'. Did you mean `{meant}`?" in err
    assert f"hint: run `reconcile {words[0]} --help` for usage" in err


@pytest.mark.parametrize("words", [("plan", "--xyzzy"), ("plan", "--yes"), ("plan", "-z")])
def test_an_option_that_resembles_no_other_gets_no_suggestion(words: tuple[str, ...]) -> None:
    assert "Did you mean" not in said(*words)


@pytest.mark.parametrize("name", sorted(OTHER_OPTIONS))
def test_each_suggestion_exists(name: str) -> None:
    meant = OTHER_OPTIONS[name].split()[0]
    options = {"-vv"}
    for command in ("plan", "apply", "serve"):
        found = reconcile.get_command(None, command)  # type: ignore[arg-type]  it is not used
        assert found is not None
        options |= {option for param in found.params for option in param.opts}
    assert meant in {*COMMANDS, *options}


def test_a_slug_as_an_argument_suggests_the_selector_option() -> None:
    assert "use `--only GLOB`" in said("plan", "openai-main")
    assert "use `--only GLOB`" not in said("validate", "openai-main")


@pytest.mark.parametrize("option", ["--out", "--only", "--deadline"])
def test_a_missing_value_names_the_help(option: str) -> None:
    assert "hint: run `reconcile plan --help` for usage" in said("plan", option)


@pytest.mark.parametrize(
    ("option", "kind"), [("--parallelism", "a whole number"), ("--deadline", "a number")]
)
def test_a_word_in_place_of_a_number_is_named(option: str, kind: str) -> None:
    assert f"'ten' is not {kind}" in said("plan", option, "ten")
