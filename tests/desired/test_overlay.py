"""Overlays patch integrations, and every value keeps its source location."""

from pathlib import Path

import pytest

from reconciler.desired.load import Loaded, load, load_rendered
from tests.desired.building import CONFIG, OPENAI, TODAY, files, loaded, places

A = "integrations/a.yaml"
PATCH = "environments/production/10-budget.yaml"

BASE = (
    OPENAI
    + """\
description: base
tags: {team: search, tier: gold}
workspaces:
  - {id: w1, enabled: true}
  - {id: w2, enabled: true, rate_limits: null}
  - {id: w3, enabled: true}
"""
)


def patched(patch: str, *, base: str = BASE) -> Loaded:
    return loaded({A: base, PATCH: patch}, target="production")


def fields(patch: str) -> dict[str, object]:
    result = patched(patch)
    assert result.state is not None, result.diagnostics
    return dict(result.state.integrations["a"].fields)


def test_only_the_named_environment_is_patched() -> None:
    everywhere = {A: BASE, PATCH: "a: {description: patched}\n"}
    by_target = {
        name: loaded(everywhere, target=name).state for name in ("simulator", "production")
    }
    assert {
        name: state.integrations["a"].fields["description"]
        for name, state in by_target.items()
        if state
    } == {"simulator": "base", "production": "patched"}


def test_a_map_merges_and_other_values_replace() -> None:
    assert fields("a: {tags: {team: ads}, name: B}\n") == {
        **fields("a: {}\n"),
        "name": "B",
        "tags": {"team": "ads", "tier": "gold"},
    }


def test_null_withdraws_a_declaration() -> None:
    assert "description" not in fields("a: {description: null}\n")
    assert fields("a: {tags: {team: null}}\n")["tags"] == {"tier": "gold"}


def test_null_withdraws_a_whole_integration() -> None:
    result = patched("a: null\n")
    assert result.state is not None
    assert not result.state.integrations


def test_emptiness_is_declared_by_empty_values() -> None:
    assert fields("a: {description: ''}\n")["description"] == ""
    assert fields("a: {workspaces: []}\n")["workspaces"] == []


def test_a_keyed_list_merges_by_key_and_removes_marked_entries() -> None:
    patch = """\
a:
  workspaces:
    - {id: w4, enabled: true, rate_limits: null}
    - {id: w1, $remove: true}
    - {id: w3, enabled: false}
    - {id: w2, rate_limits: null}
"""
    assert fields(patch)["workspaces"] == [
        {"id": "w2", "enabled": True},
        {"id": "w3", "enabled": False},
        {"id": "w4", "enabled": True},
    ]


def test_files_apply_in_the_order_of_their_names() -> None:
    result = loaded(
        {
            A: BASE,
            "environments/production/2.yaml": "a: {description: second, tags: null}\n",
            "environments/production/1.yaml": "a: {description: first, tags: {x: y}}\n",
        },
        target="production",
    )
    assert result.state is not None
    fields = result.state.integrations["a"].fields
    assert fields["description"] == "second"
    assert "tags" not in fields


def test_an_overlay_can_complete_an_integration() -> None:
    result = patched("a: {ai_provider_id: openai}\n", base="slug: a\nname: A\n")
    assert result.state is not None


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ("a: {nam: x}\n", ("unknown-field", PATCH, 1, 5)),
        ("a: {tags: {team: [x]}}\n", ("wrong-type", PATCH, 1, 18)),
        ("a: {name: null}\n", ("missing-field", A, 1, 1)),
        ("b: {name: x}\n", ("unknown-slug", PATCH, 1, 1)),
        ("a: {slug: b}\n", ("invalid-value", PATCH, 1, 5)),
        ("a: [x]\n", ("wrong-type", PATCH, 1, 4)),
        ("- a\n", ("wrong-type", PATCH, 1, 1)),
        ("name: x\nslug: a\ntags: {}\n", ("wrong-type", PATCH, 2, 1)),
        ("a: {workspaces: [{id: w9, $remove: true}]}\n", ("unknown-entry", PATCH, 1, 23)),
        ("a: {workspaces: [{id: w1, $remove: yes}]}\n", ("unknown-field", PATCH, 1, 27)),
        (
            "a: {workspaces: [{id: w1, $remove: true}, {id: w3, enabled: maybe}]}\n",
            ("wrong-type", PATCH, 1, 61),
        ),
        (
            "a: {workspaces: [{id: w1, $remove: true}, {id: w4}]}\n",
            ("missing-field", PATCH, 1, 43),
        ),
        ("a: {key: sk-literal}\n", ("literal-secret", PATCH, 1, 10)),
        ("a: {name: x\n", ("syntax", PATCH, 1, 4)),
    ],
)
def test_a_problem_names_the_file_that_the_value_came_from(
    patch: str, expected: tuple[str, str, int, int]
) -> None:
    result = patched(patch)
    assert result.state is None
    assert expected in places(result.diagnostics)


def test_a_base_value_keeps_its_location_when_earlier_entries_are_removed() -> None:
    base = BASE.replace("{id: w3, enabled: true}", "{id: w3, enabled: maybe}")
    result = patched("a: {workspaces: [{id: w1, $remove: true}]}\n", base=base)
    assert places(result.diagnostics) == [("wrong-type", A, 9, 23)]


def test_an_environment_without_a_folder_is_an_error_at_the_target() -> None:
    result = loaded({A: BASE}, target="production")
    assert result.state is None
    assert places(result.diagnostics) == [("missing-environment", "reconcile.yaml", 5, 103)]
    assert loaded({A: BASE}, target="simulator").state is not None


def test_a_folder_without_an_overlay_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "reconcile.yaml").write_text(CONFIG)
    (tmp_path / "environments/production").mkdir(parents=True)
    result = load(tmp_path, target_name="production", today=TODAY)
    assert result.state is not None
    assert [d.code for d in result.diagnostics] == ["missing-environment"]


def test_a_broken_file_causes_no_error_in_its_overlay() -> None:
    result = loaded({A: "slug: [", PATCH: "a: {name: x}\n"}, target="production")
    assert [d.code for d in result.diagnostics] == ["syntax"]


def test_fragments_add_workspaces_from_separate_files() -> None:
    result = loaded(
        {
            A: BASE,
            "integrations/b.yaml": OPENAI.replace("slug: a", "slug: b"),
            "access/ads.yaml": "a: {workspaces: [{id: w4, enabled: true, rate_limits: null}]}\n",
            "access/x/all.yaml": "a: {workspaces: [{id: w5, enabled: true}]}\n"
            "b: {workspaces: [{id: w4, enabled: true}]}\n",
        }
    )
    assert result.state is not None
    integrations = result.state.integrations
    assert [w["id"] for w in integrations["a"].fields["workspaces"]] == [
        "w1",
        "w2",
        "w3",
        "w4",
        "w5",
    ]
    assert integrations["a"].fields["workspaces"][3]["rate_limits"] is None
    assert [w["id"] for w in integrations["b"].fields["workspaces"]] == ["w4"]


def test_a_workspace_in_two_files_is_an_error_that_names_both() -> None:
    result = loaded(
        {
            A: BASE,
            "access/ads.yaml": "a: {workspaces: [{id: w4, enabled: true}]}\n",
            "access/search.yaml": "a: {workspaces: [{id: w4, enabled: true}]}\n",
        }
    )
    assert places(result.diagnostics) == [("duplicate-entry", "access/search.yaml", 1, 23)]
    assert "desired-state/access/ads.yaml:1" in result.diagnostics[0].summary


@pytest.mark.parametrize("path", [PATCH, "access/x.yaml"])
def test_an_overlay_written_like_an_integration_has_one_error_with_the_right_form(
    path: str,
) -> None:
    document = "slug: a\nname: x\nworkspaces: []\n"
    result = loaded({A: BASE, path: document}, target="production")
    [found] = [item for item in result.diagnostics if item.at and item.at.file.endswith(path)]
    assert found.hint == "write `a:` in place of this line, and indent the other fields below it"


@pytest.mark.parametrize(
    ("fragment", "expected"),
    [
        ("c: {workspaces: []}\n", ("unknown-slug", "access/x.yaml", 1, 1)),
        ("a: {models: []}\n", ("unknown-field", "access/x.yaml", 1, 5)),
        ("a: {workspaces: {w1: true}}\n", ("wrong-type", "access/x.yaml", 1, 17)),
        ("a: [w1]\n", ("wrong-type", "access/x.yaml", 1, 4)),
        ("slug: a\nworkspaces: []\n", ("wrong-type", "access/x.yaml", 1, 1)),
        ("a: {workspaces: [{id: w4, enabled: 1}]}\n", ("wrong-type", "access/x.yaml", 1, 36)),
    ],
)
def test_an_invalid_fragment_is_reported_at_its_location(
    fragment: str, expected: tuple[str, str, int, int]
) -> None:
    result = loaded({A: BASE, "access/x.yaml": fragment})
    assert expected in places(result.diagnostics)


def test_rendering_names_the_origin_of_each_field() -> None:
    source = files(
        {
            A: BASE,
            PATCH: "a:\n  description: patched\n  workspaces:\n    - {id: w1, $remove: true}\n"
            "    - {id: w3, enabled: false}\n",
        }
    )
    documents, diagnostics = load_rendered(source, target_name="production", today=TODAY)
    assert not diagnostics
    origins = {
        steps: f"{place.file.removeprefix('desired-state/')}:{place.line}"
        for steps, place in documents[0].origins.items()
    }
    assert origins["name",] == f"{A}:2"
    assert origins["description",] == f"{PATCH}:2"
    assert origins["workspaces", 0, "id"] == f"{A}:8"
    assert origins["workspaces", 1, "id"] == f"{A}:9"
    assert origins["workspaces", 1, "enabled"] == f"{PATCH}:5"


def test_withdrawing_an_entry_does_not_hide_that_it_is_listed_twice() -> None:
    result = loaded(
        {
            A: BASE,
            "access/ads.yaml": "a: {workspaces: [{id: w1, enabled: true}]}\n",
            PATCH: "a: {workspaces: [{id: w1, $remove: true}]}\n",
        },
        target="production",
    )
    assert places(result.diagnostics) == [("duplicate-entry", "access/ads.yaml", 1, 23)]


def test_an_entry_that_one_overlay_lists_twice_is_an_error() -> None:
    result = patched("a: {workspaces: [{id: w4, enabled: true}, {id: w4, enabled: false}]}\n")
    assert places(result.diagnostics) == [("duplicate-entry", PATCH, 1, 48)]
