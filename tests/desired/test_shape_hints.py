"""Values in the wrong place or of the wrong shape: the hint shows where or how to write them."""

import pytest

from reconciler.diagnostics import Diagnostic, Severity
from tests.desired.building import CONFIG, OPENAI, integration, loaded

EACH_ON_A_LINE = "or each entry on a line that begins with `- `"


def problems_of(text: str) -> list[Diagnostic]:
    """Return the diagnostics of an OpenAI integration with these lines."""
    return list(integration(f"{OPENAI}key: ${{env:SECRET_A}}\n{text}").diagnostics)


def hint_of(text: str) -> str:
    """Return the hint of the only diagnostic of these lines."""
    (only,) = problems_of(text)
    return only.hint


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        (
            "openai_organization: org\n",
            "it is a field of `configurations`: indent it below `configurations:`",
        ),
        (
            "custom_host: h\n",
            "it is a field of `configurations`: indent it below `configurations:`",
        ),
        ("protected: true\n", "it is a field of `lifecycle`: indent it below `lifecycle:`"),
        ("ignore: [name]\n", "it is a field of `lifecycle`: indent it below `lifecycle:`"),
        ("id: ws\n", "it is a field of an entry of `workspaces`: move it there"),
        ("openai_projekt: x\n", "did you mean `openai_project`, a field of `configurations`?"),
        ("descripton: x\n", "did you mean `description`?"),
    ],
)
def test_a_field_of_another_level_is_named_with_its_path(line: str, hint: str) -> None:
    assert hint_of(line) == hint


def test_a_field_of_several_places_names_them() -> None:
    assert hint_of("usage_limits: []\n") == (
        "it is a field of `global_workspace_access` or an entry of `workspaces`: indent it there"
    )


@pytest.mark.parametrize("indent", ["", "configurations:\n  "])
def test_a_field_of_another_provider_is_identified(indent: str) -> None:
    hint = hint_of(f"{indent}aws_region: eu-central-1\n")
    assert "another provider" in hint
    assert "`reconcile explain configurations.aws_region`" in hint


def test_a_field_of_the_integration_inside_of_configurations_belongs_outside() -> None:
    assert hint_of("configurations:\n  description: x\n").startswith(
        "move it out of `configurations`"
    )


@pytest.mark.parametrize(
    ("lines", "hint"),
    [
        ("prune: none\n", "it is a field of an entry of `targets`: indent it below a name"),
        ("deletes: 4\n", "it is a field of `limits`: move it there"),
    ],
)
def test_fields_of_a_target_at_the_top_of_the_configuration(lines: str, hint: str) -> None:
    (only,) = loaded(config=CONFIG + lines).diagnostics
    assert only.hint.startswith(hint)


def test_a_limit_outside_limits() -> None:
    config = CONFIG.replace('{base_url: "simulator:"}', '{base_url: "simulator:", deletes: 9}')
    (only,) = loaded(config=config).diagnostics
    assert only.hint == "it is a field of `limits`: indent it below `limits:`"


@pytest.mark.parametrize(
    ("lines", "hint"),
    [
        ("models: [gpt-5]\n", "write the entry as `- {slug: gpt-5, enabled: true}`"),
        ("models:\n  - gpt-5\n", "write the entry as `- {slug: gpt-5, enabled: true}`"),
        ("workspaces: [ws-a]\n", "write the entry as `- {id: ws-a, enabled: true}`"),
        ("workspaces: [ws-a: {}]\n", "write the entry as `- {id: ws-a, enabled: true}`"),
        ("workspaces: [ws-a: ]\n", "write the entry as `- {id: ws-a, enabled: true}`"),
        ("models:\n- o3:\n  enabled: true\n", "write the entry as `- {slug: o3, enabled: true}`"),
        (
            "secret_mappings: [key]\n",
            "write the entry as `- {target_field: key, secret_reference_id: …}`",
        ),
        (
            "models: gpt-5\n",
            "write `models: [{slug: gpt-5, enabled: true}]`, " + EACH_ON_A_LINE,
        ),
        (
            "models: {gpt-5: {enabled: true}}\n",
            "write `models: [{slug: gpt-5, enabled: true}]`, " + EACH_ON_A_LINE,
        ),
        (
            "models: {slug: gpt-5, enabled: true}\n",
            "put `- ` before the first field, and indent the others by the same amount",
        ),
        (
            "lifecycle: {ignore: name}\n",
            "write `ignore: [name]`, " + EACH_ON_A_LINE,
        ),
    ],
)  # fmt: skip
def test_a_name_in_place_of_an_entry_or_a_list(lines: str, hint: str) -> None:
    assert hint_of(lines) == hint


@pytest.mark.parametrize("lines", ["models: [gpt-5]\n", "workspaces: [ws-a]\n"])
def test_the_suggestion_of_the_hint_is_valid(lines: str) -> None:
    entry = hint_of(lines).partition("`")[2].rstrip("`")
    name = lines.partition(":")[0]
    assert problems_of(f"{name}:\n  {entry}\n") == []


@pytest.mark.parametrize("name", ["models", "workspaces"])
def test_an_empty_mapping_is_not_turned_into_an_empty_list(name: str) -> None:
    # `models: []` disables every model, and `workspaces: []` revokes all access.
    assert "[]" not in hint_of(f"{name}: {{}}\n")


@pytest.mark.parametrize("lines", ["models: [{}]\n", "models: {}\n", "workspaces:\n- {}:\n"])
def test_a_possible_secret_is_not_part_of_the_example(lines: str) -> None:
    secret = "sk-proj-abcdefgh12345678"
    for found in problems_of(lines.format(secret)):
        assert found.severity is Severity.ERROR
        assert secret not in found.summary + found.hint


@pytest.mark.parametrize(
    ("lines", "hint"),
    [
        ("models: [gpt-5: true]\n", "write the entry as `- {slug: gpt-5, enabled: true}`"),
        ("models:\n  - gpt-5: false\n", "write the entry as `- {slug: gpt-5, enabled: true}`"),
        ("workspaces: [{name: ws-a, enabled: true}]\n", "did you mean `id`?"),
        ("workspaces: [{slug: ws-a, enabled: true}]\n", "did you mean `id`?"),
        ("workspaces: [{workspace_id: ws-a, enabled: true}]\n", "did you mean `id`?"),
        ("models: [{id: gpt-5, enabled: true}]\n", "did you mean `slug`?"),
        ("models: [{model: gpt-5, enabled: true}]\n", "did you mean `slug`?"),
        ("models: [{slgu: gpt-5, enabled: true}]\n", "did you mean `slug`?"),
        ("configurations:\n  - openai_project: p\n", "remove the `- ` before each field"),
        ("configurations: [{openai_project: p}]\n", "remove the `- ` before each field"),
        ("allow_all_models: True\n", "write `true` in lower case, without quotes"),
        ("allow_all_models: yes\n", "write `true`, without quotes"),
        ('allow_all_models: "false"\n', "write `false`, without quotes"),
        ("\u00a0\u00a0description: x\n", "replace the no-break space (U+00A0) in it"),
        ("des\u200bcription: x\n", "replace the zero width space (U+200B) in it"),
    ],
)
def test_a_name_of_another_tool_or_a_wrong_shape_is_one_error(lines: str, hint: str) -> None:
    assert hint_of(lines) == hint


def test_access_without_the_name_of_its_list_gets_a_hint() -> None:
    access = "a:\n  - {id: w, enabled: true}\n"
    (only,) = loaded({"integrations/a.yaml": OPENAI, "access/a.yaml": access}).diagnostics
    assert only.hint == "write `workspaces:` below the slug, and the list indented below it"


def test_the_simulator_without_its_colon_gets_a_hint() -> None:
    (only,) = loaded(config=CONFIG.replace('"simulator:"', "simulator")).diagnostics
    assert only.hint == 'write "simulator:"'


def test_another_version_of_the_configuration_gets_a_hint() -> None:
    (only,) = loaded(config=CONFIG.replace("version: 1", "version: 2")).diagnostics
    assert only.hint == "write 1"
