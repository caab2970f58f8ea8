"""A pull changes only the lines whose value differs; every other byte is kept."""

import pytest

from reconciler.domain.secrets import SecretRef
from tests.pull.pulling import IN_PRODUCTION, Repository, changed_lines

COMMENTED = """\
# The team's own.
ai_provider_id: openai   # first, because it matters
slug:   alpha
name: 'Alpha'            # shown to people

description: "Old"       # a note
key: ${vault:kv/alpha#key}
tags: { team: search,  tier: "1" }   # flow

# Access.
allow_all_models: false
models:
- {slug: gpt-5,   enabled: true}
- slug: gpt-5-mini     # small
  enabled: true
workspaces:
    -   id: ws-a
        enabled: true
        usage_limits: [{type: cost, credit_limit: 500}]  # money
    -   {id: ws-b, enabled: true}
configurations:
  openai_project:  proj-1
  openai_organization: org-1
lifecycle: {protected: true}
"""


def repository(text: str = COMMENTED, *, path: str = "integrations/alpha.yaml") -> Repository:
    """Return files and an API that are in sync."""
    here = Repository()
    here.create(
        description="Old",
        tags={"team": "search", "tier": "1"},
        configurations={"openai_project": "proj-1", "openai_organization": "org-1"},
    )
    models = [{"slug": s, "enabled": True} for s in ("gpt-5", "gpt-5-mini")]
    put(here, "/models", {"allow_all_models": False, "models": models})
    limit = {"type": "cost", "credit_limit": 500}
    access(here, {"id": "ws-a", "enabled": True, "usage_limits": [limit]})
    access(here, {"id": "ws-b", "enabled": True})
    here.write(path, text)
    return here


def put(here: Repository, path: str = "", body: object = None, slug: str = "alpha") -> None:
    """Change a value through the API, but not in the files."""
    assert isinstance(body, dict)
    here.world.put("PUT", f"/integrations/{slug}{path}", body)


def access(here: Repository, *workspaces: dict[str, object]) -> None:
    put(here, "/workspaces", {"workspaces": list(workspaces), "create_default_provider": False})


def pulled(here: Repository) -> list[tuple[str, str]]:
    """Pull, check that the plan is empty, and return the changed lines."""
    before = dict(here.files)
    here.pull()
    assert here.plan().in_sync
    return [
        (old.decode(), new.decode())
        for path in before
        for old, new in changed_lines(before[path], here.files[path])
    ]


@pytest.mark.parametrize(
    "text",
    [
        COMMENTED,
        COMMENTED.replace("\n", "\r\n"),
        "\ufeff" + COMMENTED,
        COMMENTED.rstrip("\n"),
        "---\n" + COMMENTED + "...\n",
    ],
    ids=["lf", "crlf", "bom", "no newline at the end", "markers"],
)
def test_files_in_sync_are_unchanged(text: str) -> None:
    here = repository(text)
    assert here.pull().changed == {}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("body", "old", "new"),
    [
        ({"name": "It's"}, "name: 'Alpha'            #", "name: 'It''s'            #"),
        ({"description": "New: #1"}, 'description: "Old"  ', 'description: "New: #1"  '),
        (
            {"tags": {"team": "ads", "tier": "2"}},
            'tags: { team: search,  tier: "1" }',
            'tags: { team: ads,  tier: "2" }',
        ),
        (
            {"configurations": {"openai_project": "p 2", "openai_organization": "org-1"}},
            "  openai_project:  proj-1",
            "  openai_project:  p 2",
        ),
    ],
)
def test_only_the_line_that_drifted_changes(
    body: dict[str, object], old: str, new: str, newline: str
) -> None:
    here = repository(COMMENTED.replace("\n", newline))
    put(here, body=body)
    ((before, after),) = pulled(here)
    assert old in before
    assert before.replace(old, new) == after


def test_a_limit_and_a_revoked_workspace_change_one_line_each() -> None:
    here = repository()
    limit = {"type": "cost", "credit_limit": 900}
    access(
        here,
        {"id": "ws-a", "enabled": True, "usage_limits": [limit]},
        {"id": "ws-b", "enabled": False},
    )
    assert pulled(here) == [
        (
            "        usage_limits: [{type: cost, credit_limit: 500}]  # money",
            "        usage_limits: [{type: cost, credit_limit: 900}]  # money",
        ),
        ("    -   {id: ws-b, enabled: true}", "    -   {id: ws-b, enabled: false}"),
    ]


def test_a_revoked_workspace_keeps_its_declared_limits() -> None:
    here = repository()
    access(here, {"id": "ws-a", "enabled": False})
    assert pulled(here) == [("        enabled: true", "        enabled: false")]


def test_a_disabled_model_changes_its_own_line() -> None:
    here = repository()
    put(here, "/models", {"models": [{"slug": "gpt-5-mini", "enabled": False}]})
    assert pulled(here) == [("  enabled: true", "  enabled: false")]


def test_the_line_of_a_removed_value_is_removed() -> None:
    here = repository()
    put(here, body={"description": ""})
    here.pull()
    assert here.text("integrations/alpha.yaml") == COMMENTED.replace(
        'description: "Old"       # a note\n', ""
    )
    assert here.plan().in_sync


def test_removing_a_field_in_flow_style_keeps_the_rest() -> None:
    here = repository()
    put(here, body={"tags": {"tier": "1"}})
    here.pull()
    assert 'tags: { tier: "1" }   # flow\n' in here.text("integrations/alpha.yaml")
    put(here, body={"tags": {}})
    here.pull()
    assert "tags" not in here.text("integrations/alpha.yaml")
    assert here.plan().in_sync


def test_a_new_entry_of_a_declared_list_gets_a_line_in_the_style_of_the_list() -> None:
    here = repository()
    put(here, "/models", {"models": [{"slug": "o1", "enabled": True}]})
    access(here, {"id": "ws-c", "enabled": True})
    here.pull()
    assert here.text("integrations/alpha.yaml") == COMMENTED.replace(
        "  enabled: true\nworkspaces", "  enabled: true\n- {slug: o1, enabled: true}\nworkspaces"
    ).replace(
        "    -   {id: ws-b, enabled: true}\n",
        "    -   {id: ws-b, enabled: true}\n    - {id: ws-c, enabled: true}\n",
    )


def test_a_new_line_has_the_line_end_of_the_others() -> None:
    here = repository(COMMENTED.replace("\n", "\r\n"))
    put(here, "/models", {"models": [{"slug": "o1", "enabled": True}]})
    here.pull()
    text = here.text("integrations/alpha.yaml")
    assert "- {slug: o1, enabled: true}\r\n" in text
    assert text.count("\n") == text.count("\r\n") == COMMENTED.count("\n") + 1


def test_removing_several_entries_keeps_the_others() -> None:
    entries = [f"- {{slug: m{n}, enabled: true, is_custom: true}} # {n}\n" for n in range(4)]
    here = repository(COMMENTED.replace("- {slug: gpt-5, ", "".join(entries) + "- {slug: gpt-5, "))
    put(here, "/models", {"models": [{"slug": "m2", "enabled": True, "is_custom": True}]})
    here.pull()
    kept = entries[2] + "- {slug: gpt-5, "
    assert here.text("integrations/alpha.yaml") == COMMENTED.replace("- {slug: gpt-5, ", kept)
    assert here.plan().in_sync


def test_the_entry_of_a_deleted_custom_model_is_removed() -> None:
    custom = "- {slug: mine, enabled: true, is_custom: true}\n"
    text = COMMENTED.replace("- {slug: gpt-5, ", custom + "- {slug: gpt-5, ")
    here = repository(text)
    here.pull()
    assert here.text("integrations/alpha.yaml") == COMMENTED
    assert here.plan().in_sync


def test_a_field_that_only_the_api_has_stays_undeclared() -> None:
    here = repository()
    put(here, body={"pricing_adjustments": {"multiplier": {"default": 0.5}}})
    assert here.pull().changed == {}
    assert [item.path for item in here.plan().undeclared] == [
        "pricing_adjustments.multiplier.default"
    ]


@pytest.mark.parametrize("empty", ["{}", "null", ""])
def test_a_field_declared_empty_gets_the_value_of_the_api(empty: str) -> None:
    text = COMMENTED.replace('{ team: search,  tier: "1" }', empty)
    here = repository(text)
    here.pull()
    assert 'tags: {team: search, tier: "1"}' in here.text("integrations/alpha.yaml")
    assert here.plan().in_sync


def test_multi_line_text_is_replaced_completely() -> None:
    block = COMMENTED.replace('"Old"       # a note', "|\n  one\n  two\n\n# below")
    here = repository(block)
    here.pull()
    assert here.text("integrations/alpha.yaml") == block.replace("|\n  one\n  two\n", "Old\n")
    assert here.plan().in_sync


def test_one_of_several_documents_is_edited_in_place() -> None:
    other = "# other\nslug: beta\nname: Beta # b\nai_provider_id: openai\n"
    here = repository(f"{other}---\n{COMMENTED}---\n", path="integrations/all.yaml")
    here.create("beta")
    put(here, body={"description": "New"})
    assert pulled(here) == [
        ('description: "Old"       # a note', 'description: "New"       # a note')
    ]


def test_json_stays_json() -> None:
    text = '{\n  "slug": "alpha",\n  "name": "Old",\n  "ai_provider_id": "openai",\n  "tags": {}\n}'
    here = repository(text)
    here.pull()
    assert here.text("integrations/alpha.yaml") == text.replace('"Old"', '"Alpha"').replace(
        '"tags": {}', '"tags": {"team": "search", "tier": "1"}'
    )


def test_a_value_from_an_overlay_is_changed_in_the_overlay() -> None:
    here = repository()
    here.config = IN_PRODUCTION
    overlay = (
        "# Production only.\n"
        "alpha:\n"
        "  description: Overlay   # note\n"
        "  workspaces:\n"
        "    - {id: ws-a, usage_limits: [{type: cost, credit_limit: 5000}]}\n"
    )
    here.write("environments/production/a.yaml", overlay)
    assert pulled(here) == [
        ("  description: Overlay   # note", "  description: Old   # note"),
        (
            "    - {id: ws-a, usage_limits: [{type: cost, credit_limit: 5000}]}",
            "    - {id: ws-a, usage_limits: [{type: cost, credit_limit: 500}]}",
        ),
    ]


def test_a_removed_value_is_withdrawn_in_its_overlay() -> None:
    here = repository()
    here.config = IN_PRODUCTION
    here.write("environments/production/a.yaml", "alpha:\n  description: Overlay # note\n")
    put(here, body={"description": ""})
    assert pulled(here) == [("  description: Overlay # note", "  description: null # note")]


def test_an_access_fragment_is_edited_in_place() -> None:
    text = COMMENTED.replace("    -   {id: ws-b, enabled: true}\n", "")
    here = repository(text)
    here.write("access/b.yaml", "alpha:\n  workspaces:\n  - id: ws-b\n    enabled: true # b\n")
    access(here, {"id": "ws-b", "enabled": False})
    assert pulled(here) == [("    enabled: true # b", "    enabled: false # b")]


def test_ignored_values_are_kept() -> None:
    text = COMMENTED.replace("protected: true", "protected: true, ignore: [description]")
    here = repository(text)
    put(here, body={"description": "New"})
    assert here.pull().changed == {}


def test_references_are_kept_and_contradicted_literals_become_references() -> None:
    here = Repository()
    here.create(configurations={"custom_headers": {"x-team": "team-0123456789"}})
    text = (
        "slug: alpha\nname: Alpha\nai_provider_id: openai\nkey: ${env:MINE}\n"
        "configurations:\n  custom_headers:\n    x-team: other-0123 # literal\n"
    )
    here.write("integrations/alpha.yaml", text)
    here.pull()
    assert here.text("integrations/alpha.yaml") == text.replace(
        "other-0123 #", "${env:SECRET_ALPHA_X_TEAM} #"
    )
    plan = here.plan()
    assert plan.in_sync
    assert {item.reference for item in plan.unverified} == {
        str(SecretRef("env", "MINE")),
        "env:SECRET_ALPHA_X_TEAM",
    }


def test_a_literal_that_matches_its_mask_is_kept() -> None:
    here = Repository()
    here.create(configurations={"custom_headers": {"x-team": "team-0123456789"}})
    text = (
        "slug: alpha\nname: Alpha\nai_provider_id: openai\n"
        "configurations: {custom_headers: {x-team: team-0123456789}}\n"
    )
    here.write("integrations/alpha.yaml", text)
    assert here.pull().changed == {}
    assert here.plan().in_sync
