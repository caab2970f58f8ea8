"""`reconcile explain` describes every field, from the schema."""

import io
import json
from pathlib import Path

import pytest

from reconciler.cli.console import Console
from reconciler.cli.main import run
from reconciler.domain.providers import PROVIDERS
from reconciler.domain.schema import any_provider_schema
from tests.cli.speaking import Listening


def explain(*words: str, code: int = 0) -> str:
    listening = Listening()
    assert run(["explain", *words], listening.console) == code, listening.err
    return listening.out if code == 0 else listening.err


def fields(*words: str) -> list[str]:
    members = json.loads(explain(*words, "--format", "json"))["fields"]
    return [member["path"] for member in members]


def test_without_a_path_the_fields_of_an_integration_are_listed() -> None:
    assert fields() == list(any_provider_schema().fields)
    assert "slug <string>  [required; identity]" in explain()


@pytest.mark.parametrize("path", [(), ("workspaces",), ("description",), ("workspaces.id",)])
def test_parts_of_an_explanation_are_separated_by_one_empty_line(path: tuple[str, ...]) -> None:
    assert "\n\n\n" not in explain(*path)


def test_the_keys_of_entries_are_optional() -> None:
    for path in ("models.pricing_config", "models[gpt-5].pricing_config"):
        assert fields(path) == ["models.pricing_config.type", "models.pricing_config.pay_as_you_go"]


def test_a_field_states_the_effect_of_a_change() -> None:
    shown = json.loads(explain("configurations.azure_resource_name", "--format", "json"))
    assert shown["host"] is True
    assert shown["risk"] == "credential"
    assert shown["providers"] == ["azure-openai"]
    key = json.loads(explain("key", "--format", "json"))
    assert (key["secret"], key["type"]) == (True, "secret reference")
    assert json.loads(explain("workspace_id", "--format", "json"))["immutable"] is True


def test_a_field_states_when_it_is_required() -> None:
    role = explain("configurations.aws_role_arn", "--provider", "bedrock")
    assert "required: with aws_auth_type: assumedRole" in role
    assert "[required; host]" in explain("configurations", "--provider", "azure-openai")


def test_a_deprecated_field_names_its_replacement() -> None:
    shown = explain("configurations.azure_endpoint_name", "--provider", "azure-ai")
    assert "replaced by: azure_foundry_url" in shown


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_the_fields_of_each_provider_are_listed(provider: str) -> None:
    listed = fields("configurations", "--provider", provider)
    assert listed == [f"configurations.{name}" for name in PROVIDERS[provider].model_fields]


def test_recursively_every_field_is_explained() -> None:
    table = explain("--recursive", "--format", "markdown")
    listed = set()
    for row in table.splitlines():
        if not row.startswith("| `"):
            continue
        names, kind = row.removeprefix("| ").split(" | ")[:2]
        # Fields with the same description share a row, in which only the first has its full path.
        first, *others = (name.strip("`") for name in names.split(", "))
        parent = first.rpartition(".")[0]
        listed.add((first, kind))
        listed.update((f"{parent}.{other}", kind) for other in others)
    for path, field in any_provider_schema().walk():
        assert (".".join(path), field.type_name) in listed


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["modls"], "did you mean `models`?"),
        (["models.enabld"], "did you mean `enabled`?"),
        (["name.first"], "`first` is not a field of name"),
        (["configurations", "--provider", "bedrok"], "did you mean `bedrock`?"),
        (["configurations", "--provider", "aws-bedrock"], "did you mean `bedrock`?"),
        (["configurations", "--provider", "gorq"], "did you mean `groq`?"),
    ],
)
def test_an_unknown_field_or_provider_is_bad_input_with_a_hint(words: list[str], hint: str) -> None:
    assert hint in explain(*words, code=3)


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("aws_role_arn", "did you mean `configurations.aws_role_arn`?"),
        ("aws_rol_arn", "did you mean `configurations.aws_role_arn`?"),
        ("configuratons.aws_region", "did you mean `configurations.aws_region`?"),
        (
            "credit_limit",
            "`global_workspace_access.usage_limits.credit_limit` or `workspaces.usage_limits.",
        ),
        ("models.pricing_confg", "did you mean `pricing_config`?"),
        ("models.credit_limit", "`workspaces.usage_limits.credit_limit`?"),
        ("slug.x", "`slug` has no fields"),
        ("tags.team", "run `reconcile explain tags`; names inside are free"),
        (
            "configurations.custom_headers.authorization",
            "run `reconcile explain configurations.custom_headers`",
        ),
        ("nope", "one of `slug`, "),
    ],
)
def test_an_invalid_path_gets_a_suggestion(path: str, hint: str) -> None:
    assert hint in explain(path, code=3)


def test_a_field_of_another_provider_names_it() -> None:
    shown = explain("configurations.vertex_region", "--provider", "bedrock", code=3)
    assert "hint: it is a field of vertex-ai" in shown


def test_a_path_can_begin_at_the_integration_as_in_output() -> None:
    assert explain("integration") == explain()
    assert explain("integration.models.slug") == explain("models.slug")


@pytest.mark.parametrize(
    "typed", ["unknown-field", "Unknown-Field", "error[unknown-field]", "error[unknown-field]:"]
)
def test_a_code_is_explained_in_any_typed_or_pasted_form(typed: str) -> None:
    shown = explain(typed)
    assert shown.startswith("CODE: unknown-field\n")
    assert "EXAMPLE:" in shown
    assert "FIX:" in shown


def test_a_code_is_explained_in_every_format() -> None:
    document = json.loads(explain("tab", "--format", "json"))
    assert {"code", "group", "meaning", "example", "fix"} <= set(document)
    assert (document["kind"], document["code"]) == ("diagnostic_code", "tab")
    assert explain("tab", "--format", "markdown").startswith("# tab\n")


def test_codes_lists_all_of_them() -> None:
    listed = json.loads(explain("codes", "--format", "json"))["codes"]
    assert {"unknown-field", "too-many-deletes", "ledger-busy"} <= {e["code"] for e in listed}
    lines = explain("codes").splitlines()
    assert sum(line.startswith("  ") for line in lines) == len(listed)
    assert explain("codes", "--format", "markdown").startswith("# Diagnostics\n")


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("unknwon-field", "did you mean `unknown-field`?"),
        ("too-many-delete", "did you mean `too-many-deletes`?"),
        ("error[alais]", "did you mean `alias`?"),
        ("zzz-qqq", "run `reconcile explain codes` to list them"),
        ("AB07", "it is a code of the API"),
        ("http-503", "it is a code of the API"),
    ],
)
def test_an_unknown_code_gets_a_suggestion(typed: str, hint: str) -> None:
    shown = explain(typed, code=3)
    assert "error[unknown-code]" in shown
    assert f"hint: {hint}" in shown


def test_a_field_wins_over_a_code_and_a_path_is_never_a_code() -> None:
    # `protected` is a code; the field of that name is inside `lifecycle`.
    assert explain("protected").startswith("CODE: protected\n")
    assert explain("lifecycle.protected").startswith("FIELD: lifecycle.protected ")
    for name in any_provider_schema().fields:
        assert explain(name).startswith(f"FIELD: {name} ")


@pytest.mark.parametrize("option", [("--recursive",), ("--provider", "openai")])
def test_options_for_fields_are_refused_with_a_code(option: tuple[str, ...]) -> None:
    assert "only be used with a field, not with a code" in explain("tab", *option, code=3)


class Terminal(io.StringIO):
    """Stream that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("command", ["validate", "plan"])
@pytest.mark.parametrize(
    ("on_terminal", "options", "named"),
    [(True, (), True), (True, ("--quiet",), False), (False, (), False)],
)
def test_a_terminal_shows_the_command_once(
    tmp_path: Path, command: str, on_terminal: bool, options: tuple[str, ...], named: bool
) -> None:
    (tmp_path / "reconcile.yaml").write_text("version: 1\ntarget: {}\nverison: 1\n")
    err = Terminal() if on_terminal else io.StringIO()
    console = Console(stdin=None, stdout=io.StringIO(), stderr=err)
    assert run(["--dir", str(tmp_path), *options, command], console) == 3
    assert err.getvalue().count("run: reconcile explain unknown-field\n") == int(named)


def test_a_message_that_names_a_command_gets_no_second_one() -> None:
    err = Terminal()
    assert run(["plna"], Console(stdin=None, stdout=None, stderr=err)) == 3
    assert "reconcile explain" not in err.getvalue()
