"""Every kind of error in files is reported with a code and a location, and none raises."""

from pathlib import Path

import pytest

from reconciler.desired.load import load
from reconciler.views.diagnostics import as_text
from tests.desired.building import CONFIG, OPENAI, TODAY, integration, loaded, places

A = "integrations/a.yaml"
AZURE = "slug: a\nname: A\nai_provider_id: azure-openai\n"


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        pytest.param("slug: a\nname: A\nname: B\n", "duplicate-key", 3, 1, id="duplicate key"),
        pytest.param("slug: &s a\nname: *s\n", "alias", 2, 7, id="alias"),
        pytest.param("slug: a\n<<: {name: A}\n", "merge-key", 2, 1, id="merge key"),
        pytest.param("slug: !!str a\n", "tag", 1, 7, id="standard tag"),
        pytest.param("slug: !env A\n", "tag", 1, 7, id="own tag"),
        pytest.param("slug: a\ntags:\n\tteam: b\n", "tab", 3, 1, id="tab"),
        pytest.param("slug: a\nname: A\n\tand more: b\n", "tab", 3, 1, id="tab in a value"),
        pytest.param("[" * 100_000, "too-deep", 1, 33, id="100,000 brackets"),
        pytest.param("- " * 50_000, "too-deep", 1, 65, id="50,000 dashes"),
        pytest.param("{a: " * 50_000, "too-deep", 1, 129, id="50,000 braces"),
        pytest.param("a: [" + "1," * 100_001 + "]", "too-many-nodes", 1, 199_999, id="nodes"),
        pytest.param("? [a]\n: b\n", "complex-key", 1, 3, id="a list as a key"),
        pytest.param("slug: a\nname: 'A\n", "syntax", 2, 7, id="open quote"),
        pytest.param("slug: a: b\n", "syntax", 1, 8, id="two colons"),
        pytest.param("slug: @a\n", "syntax", 1, 7, id="reserved sign"),
        pytest.param(b"slug: a\nname: \xff\n", "not-utf8", 2, 7, id="Latin-1"),
        pytest.param("slug: a\n".encode("utf-16"), "not-utf8", 1, 1, id="UTF-16"),
        pytest.param("slug: a\n".encode("utf-16-le"), "binary", 1, 2, id="UTF-16 without BOM"),
        pytest.param(b"ab\ncd\0", "binary", 2, 3, id="a zero byte"),
        pytest.param(b"slug: a\nname: \x1b[31m\n", "binary", 2, 7, id="a control character"),
        pytest.param(b"a" * (1024 * 1024 + 1), "file-too-large", 1, 1, id="over a megabyte"),
        pytest.param("", "empty-file", 1, 1, id="empty"),
        pytest.param("# all of it is a comment\n", "empty-file", 1, 1, id="only comments"),
        pytest.param("hello\n", "wrong-type", 1, 1, id="a text"),
        pytest.param("- slug: a\n", "wrong-type", 1, 1, id="a list"),
    ],
)
def test_an_unreadable_file_is_reported_with_reason_and_location(
    text: str | bytes, code: str, line: int, column: int
) -> None:
    result = loaded({A: text})
    assert result.state is None
    assert (code, A, line, column) in places(result.diagnostics)
    assert all(found.hint for found in result.diagnostics)


def test_every_conflict_is_named() -> None:
    text = "<<<<<<< HEAD\nslug: a\n=======\nslug: b\n>>>>>>> x\nname: A\n<<<<<<< HEAD\n"
    assert places(integration(text).diagnostics) == [
        ("conflict-marker", A, 1, 1),
        ("conflict-marker", A, 7, 1),
    ]


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        (OPENAI + "descripton: x\n", "unknown-field", 4, 1),
        (OPENAI + "allow_all_models: 'true'\n", "wrong-type", 4, 19),
        (OPENAI + "allow_all_models: yes\n", "wrong-type", 4, 19),
        (OPENAI + "models: {gpt-5: true}\n", "wrong-type", 4, 9),
        (OPENAI + "models:\n  - gpt-5\n", "wrong-type", 5, 5),
        (OPENAI + "models:\n  - {slug: g, enabled: 1}\n", "wrong-type", 5, 24),
        (OPENAI + "models:\n  - {slug: g}\n", "missing-field", 5, 5),
        (OPENAI + "models: [{slug: g, enabled: true, nam: x}]\n", "unknown-field", 4, 35),
        (OPENAI + "models: [{slug: '', enabled: true}]\n", "invalid-value", 4, 17),
        (
            OPENAI + "models: [{slug: g, enabled: true}, {slug: g, enabled: false}]\n",
            "duplicate-entry",
            4,
            43,
        ),
        (
            OPENAI + "workspaces: [{id: w, enabled: true, usage_limits: [{}, {}]}]\n",
            "invalid-value",
            4,
            51,
        ),
        (
            OPENAI + "workspaces: [{id: w, enabled: true, usage_limits: [{type: money}]}]\n",
            "invalid-value",
            4,
            59,
        ),
        (
            OPENAI + "workspaces: [{id: w, enabled: true, usage_limits: [{credit_limit: 0}]}]\n",
            "invalid-value",
            4,
            67,
        ),
        (
            OPENAI
            + "workspaces:\n- id: w\n  enabled: true\n  usage_limits:\n"
            + "  - {periodic_reset: weekly, periodic_reset_days: 3}\n",
            "conflicting-fields",
            8,
            5,
        ),
        (
            OPENAI + "workspaces: [{id: w, enabled: true, rate_limits: [{unit: rps}]}]\n",
            "invalid-value",
            4,
            58,
        ),
        (OPENAI + "pricing_adjustments: {multiplier: {default: -1}}\n", "invalid-value", 4, 45),
        (OPENAI + "pricing_adjustments: {multiplier: {defalt: 1}}\n", "unknown-field", 4, 36),
        (OPENAI + "pricing_adjustments: {multiplier: {default: .inf}}\n", "wrong-type", 4, 45),
        (
            OPENAI + "secret_mappings: [{target_field: name, secret_reference_id: r}]\n",
            "invalid-value",
            4,
            34,
        ),
        (OPENAI + "workspace_id: w\nworkspaces: []\n", "workspaces-not-allowed", 5, 1),
        (OPENAI + "lifecycle: {ignore: [descripton]}\n", "unknown-field", 4, 22),
        (OPENAI + "lifecycle: {ignore: ['models[']}\n", "invalid-value", 4, 22),
        (OPENAI + "lifecycle: {ignore: [slug]}\n", "unknown-field", 4, 22),
        (
            OPENAI + "lifecycle: {ignore: [{path: tags, until: 2026-11-22}]}\n",
            "expired-ignore",
            4,
            42,
        ),
        (OPENAI + "lifecycle: {ignore: [{path: tags, until: soon}]}\n", "invalid-value", 4, 42),
        (OPENAI + "lifecycle: {ignore: [{pat: tags}]}\n", "unknown-field", 4, 23),
        (OPENAI + "lifecycle: {protected: 'yes'}\n", "wrong-type", 4, 24),
        (OPENAI + "tags: [a]\n", "wrong-type", 4, 7),
        ("name: A\nai_provider_id: openai\n", "missing-field", 1, 1),
        ("slug: a\nai_provider_id: openai\n", "missing-field", 1, 1),
        ("slug: a\nname: A\n", "missing-field", 1, 1),
        ("slug:\nname: A\nai_provider_id: openai\n", "wrong-type", 1, 6),
        ("slug: a/b\nname: A\nai_provider_id: openai\n", "invalid-value", 1, 7),
        ("slug: ..\nname: A\nai_provider_id: openai\n", "invalid-value", 1, 7),
        ('slug: "a\\n"\nname: A\nai_provider_id: openai\n', "invalid-value", 1, 7),
        (f"slug: {'a' * 256}\nname: A\nai_provider_id: openai\n", "invalid-value", 1, 7),
        ("slug: a\nname: ''\nai_provider_id: openai\n", "invalid-value", 2, 7),
        (f"slug: a\nname: {'n' * 256}\nai_provider_id: openai\n", "invalid-value", 2, 7),
        (AZURE + "configurations: {}\n", "missing-field", 4, 1),
        (AZURE + "configurations: null\n", "missing-field", 4, 1),
        (AZURE + "configurations: {azure_auth_mode: entr}\n", "invalid-value", 4, 35),
        (AZURE + "configurations: {azure_auth_mode: 5}\n", "invalid-value", 4, 35),
        (AZURE + "configurations: [x]\n", "wrong-type", 4, 17),
    ],
)
def test_an_invalid_integration_is_reported_with_reason_and_location(
    text: str, code: str, line: int, column: int
) -> None:
    result = integration(text)
    assert result.state is None
    assert (code, A, line, column) in places(result.diagnostics)
    assert all(found.hint for found in result.diagnostics)


def test_all_problems_of_all_files_are_found_in_one_run() -> None:
    result = loaded(
        {
            A: OPENAI + "descripton: x\nallow_all_models: 1\nmodels: 5\n",
            "integrations/b.yaml": "slug: [",
            "integrations/c.yaml": "slug: c\n",
        },
        config="version: 1\ntargets: {s: {base_url: 'ftp://x'}}\n",
    )
    assert {(code, file) for code, file, _, _ in places(result.diagnostics)} == {
        ("unknown-field", A),
        ("wrong-type", A),
        ("syntax", "integrations/b.yaml"),
        ("missing-field", "integrations/c.yaml"),
        ("invalid-base-url", "reconcile.yaml"),
    }


def test_a_slug_in_two_files_names_both() -> None:
    result = loaded({A: OPENAI, "integrations/team/a.yaml": "\n" + OPENAI})
    assert places(result.diagnostics) == [("duplicate-slug", "integrations/team/a.yaml", 2, 7)]
    assert "desired-state/integrations/a.yaml:1" in result.diagnostics[0].summary


def test_the_value_of_a_refused_key_causes_no_other_error() -> None:
    others = "".join(f"other{number}: {{x: 1}}\n" for number in range(8))
    result = integration(OPENAI + "tags: {x: a}\ntags: {x: b}\n" + others)
    duplicates = [found for found in result.diagnostics if found.code == "duplicate-key"]
    assert len(duplicates) == 1


def test_a_duplicate_key_names_both_lines() -> None:
    result = integration("slug: a\nname: A\nai_provider_id: openai\nname: B\n")
    assert "first on line 2" in result.diagnostics[0].summary


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (OPENAI + "descripton: x\n", "did you mean `description`?"),
        ("slug: a\nname: A\nai_provider_id: opena\n", "did you mean `openai`?"),
        ("slug: a\nname: A\nai_provider_id: azure-open-ai\n", "did you mean `azure-openai`?"),
        (AZURE + "configurations: {azure_auth_mode: Entra}\n", "did you mean `entra`?"),
        (AZURE + "configurations: {azureResourceName: x}\n", "did you mean `azure_resource_name`?"),
        (OPENAI + "allow_all_models: no\n", "write `false`, without quotes"),
        (OPENAI + "pricing_adjustments: {multiplier: {default: '0.8'}}\n", "without quotes"),
    ],
)
def test_hints_suggest_the_likely_correction(text: str, hint: str) -> None:
    assert any(hint in d.hint for d in integration(text).diagnostics)


def test_an_unknown_provider_and_an_unknown_configuration_field_only_warn() -> None:
    result = loaded(
        {
            A: OPENAI + "configurations: {openai_projet: p}\n",
            "integrations/b.yaml": "slug: b\nname: B\nai_provider_id: brand-new\n",
        }
    )
    assert result.state is not None
    assert "openai_projet" in dict(result.state.integrations["a"].fields["configurations"])
    assert places(result.diagnostics) == [
        ("unknown-configuration-field", A, 4, 18),
        ("unknown-provider", "integrations/b.yaml", 3, 17),
    ]


def test_a_file_name_that_is_not_the_slug_only_warns() -> None:
    result = loaded({"integrations/b.yaml": OPENAI})
    assert result.state is not None
    assert places(result.diagnostics) == [("file-name", "integrations/b.yaml", 1, 7)]


def test_a_yaml_file_that_is_not_read_is_mentioned() -> None:
    result = loaded({"integration/a.yaml": OPENAI, "a.yaml": OPENAI, "notes/x.yaml": "a"})
    assert result.state is not None
    assert places(result.diagnostics) == [
        ("stray-file", "a.yaml", 1, 1),
        ("stray-file", "integration/a.yaml", 1, 1),
    ]


def test_an_environment_that_no_target_names_is_mentioned() -> None:
    overlays = {f"environments/{n}/1.yaml": "a: {}" for n in ("production", "prod", "other")}
    result = loaded({A: OPENAI, **overlays})
    assert places(result.diagnostics) == [
        ("stray-file", "environments/other/1.yaml", 1, 1),
        ("stray-file", "environments/prod/1.yaml", 1, 1),
    ]


def test_an_upper_case_extension_is_read(tmp_path: Path) -> None:
    (tmp_path / "integrations").mkdir()
    (tmp_path / "reconcile.yaml").write_text(CONFIG)
    (tmp_path / "integrations/a.YAML").write_text(OPENAI)
    result = load(tmp_path, target_name=None, today=TODAY)
    assert result.diagnostics == ()
    assert result.state is not None
    assert list(result.state.integrations) == ["a"]


def test_a_diagnostic_has_the_documented_format() -> None:
    result = integration("slug: a\nname: A\ndescripton: Customer traffic\nai_provider_id: openai\n")
    assert as_text(result.diagnostics) == (
        "error[unknown-field]: `descripton` is not a field of an integration\n"
        "  --> desired-state/integrations/a.yaml:3:1\n"
        "   3 │ descripton: Customer traffic\n"
        "     │ ^^^^^^^^^^\n"
        "hint: did you mean `description`?\n"
    )
