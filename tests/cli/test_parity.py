"""`parity` and `promote`: what differs, what is edited, and what a promotion never does."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.project import Here

OVERLAY = "environments/production/all.yaml"
HIDDEN = "tenant-canary-77"


def environments(folder: Path, *differs: Any, **fields: Any) -> Here:
    """Return a project with one integration, for staging and production."""
    made = Here(folder)
    targets = {
        name: {"base_url": "simulator:", "environment": name} for name in ("staging", "production")
    }
    made.write("reconcile.yaml", {"version": 1, "targets": targets, "differs": list(differs)})
    made.integration("alpha", **fields)
    for name in targets:
        overlay(made, "{}", name)
    return made


def overlay(made: Here, text: str, name: str = "production") -> Path:
    return made.write(f"environments/{name}/all.yaml", text + "\n")


def read(made: Here, name: str = OVERLAY) -> str:
    return (made.files / name).read_text()


def promoted(made: Here, *options: str) -> Any:
    done = made.run("promote", "staging", "production", "--format", "json", *options)
    assert done.code == 0, done.err or done.out
    return done.json


def codes(document: Any) -> list[str]:
    return [item["code"] for item in document["diagnostics"]]


def test_parity_shows_what_differs_and_exits_with_2(tmp_path: Path) -> None:
    made = environments(tmp_path, "key")
    overlay(made, "alpha: {description: new, key: '${env:SECRET_STAGING}'}", "staging")
    done = made.run("parity", "staging", "production")
    assert done.code == 2
    rows = [line.split() for line in done.out.splitlines()]
    assert ["alpha", "description", '"new"', "(not", "declared)"] in rows
    assert "1 difference in 1 integration, 1 expected" in done.out
    assert "SECRET_STAGING" not in done.out
    whole = made.run("-v", "parity", "staging", "production").out
    assert "${env:SECRET_STAGING}" in whole
    markdown = made.run("parity", "staging", "production", "--format", "markdown")
    assert '| `alpha` | `description` | `"new"` | `(not declared)` |' in markdown.out
    found = made.run("parity", "staging", "production", "--format", "json").json
    [item] = found["differences"]
    assert (item["slug"], item["path"], found["in_parity"]) == ("alpha", "description", False)
    assert item["from"]["line"] == 1
    assert item["from"]["file"].endswith("environments/staging/all.yaml")
    assert item["to"] == {"declared": False}


@pytest.mark.parametrize("command", ["parity", "promote"])
def test_a_target_is_not_compared_with_itself(tmp_path: Path, command: str) -> None:
    made = environments(tmp_path)
    done = made.run(command, "staging", "staging")
    assert (done.code, done.out) == (3, "")
    assert "error[usage]: `staging` cannot be compared with itself" in done.err
    assert "hint: name two environments" in done.err


def test_parity_needs_no_api_and_shows_no_hidden_value(tmp_path: Path) -> None:
    made = environments(tmp_path)
    overlay(made, f"alpha: {{configurations: {{custom_headers: {{x-t: {HIDDEN}}}}}}}", "staging")
    for style in ("text", "json", "markdown"):
        done = made.run("-vv", "parity", "staging", "production", "--format", style)
        assert (done.code, HIDDEN in done.out + done.err) == (2, False)
        assert "GET" not in done.err
    done = made.run("promote", "staging", "production")
    assert HIDDEN not in done.out + done.err
    assert HIDDEN in read(made)


def test_names_of_environments_and_targets_are_accepted(tmp_path: Path) -> None:
    made = Here(tmp_path)
    targets = {
        "dev": {"base_url": "simulator:"},
        "eu": {"base_url": "simulator:", "environment": "production"},
    }
    made.write("reconcile.yaml", {"version": 1, "targets": targets})
    made.integration("alpha")
    overlay(made, "alpha: {description: x}")
    assert made.run("parity", "dev", "production").code == 2
    assert made.run("parity", "eu", "production").code == 0
    done = made.run("parity", "dev", "prodution")
    assert (done.code, "did you mean `production`?" in done.err) == (3, True)
    # A target without overlays has no file to edit.
    done = made.run("promote", "eu", "dev")
    assert (done.code, "error[no-overlays]" in done.err) == (3, True)


@pytest.mark.parametrize(
    ("entry", "code", "text"),
    [
        ("descripton", "unknown-field", "did you mean `description`?"),
        ("configurations.azure_resource", "unknown-field", "`azure_resource_name`"),
        ("openai-*: keey", "unknown-field", "did you mean `key`?"),
        ("models[gpt-5].enable", "unknown-field", "`enabled`"),
        ("slug", "invalid-value", "cannot differ"),
        ("workspaces[ws].usage_limits.credit_limit", "invalid-value", "compared as a whole"),
        ("a b: [", "invalid-value", "must name a field"),
        ({"openai-*": "keey"}, "unknown-field", "did you mean `key`?"),
        (["key"], "wrong-type", "differs"),
    ],
)
def test_an_invalid_entry_is_reported_at_its_line(
    tmp_path: Path, entry: Any, code: str, text: str
) -> None:
    made = environments(tmp_path, "description", entry)
    done = made.run("validate", "--format", "json")
    assert done.code == 3
    [found] = done.json["diagnostics"]
    assert (found["code"], found["file"].endswith("reconcile.yaml")) == (code, True)
    assert found["column"] > 1
    assert text in found["summary"] + found["hint"]


def test_an_entry_can_be_written_as_a_pair(tmp_path: Path) -> None:
    made = environments(tmp_path, {"al*": "description"})
    overlay(made, "alpha: {description: x}")
    assert made.run("parity", "staging", "production").code == 0


@pytest.mark.parametrize(
    ("entries", "line"),
    [
        (["description", "*: name"], '"*: name"'),
        ([{"alpha": "description", "*": "name"}], '"name"'),
    ],
)
def test_an_entry_without_a_match_is_a_notice_at_its_line(
    tmp_path: Path, entries: list[Any], line: str
) -> None:
    made = environments(tmp_path, *entries)
    overlay(made, "alpha: {description: x}")
    done = made.run("parity", "staging", "production", "--format", "json")
    assert done.code == 0
    [found] = done.json["diagnostics"]
    assert (found["code"], found["severity"]) == ("differs-unused", "notice")
    assert "`*: name`" in found["summary"]
    shown = read(made, "reconcile.yaml").split("\n")[found["line"] - 1]
    assert shown[found["column"] - 1 :].startswith(line)


def test_a_promotion_edits_values_in_place(tmp_path: Path) -> None:
    made = environments(tmp_path, workspaces=[{"id": "ws-a", "enabled": True}])
    overlay(made, "alpha: {description: new, workspaces: [{id: ws-b, enabled: true}]}", "staging")
    overlay(made, "# top\nalpha: # here\n  description: 'old' # why\n  tags: {a: b}\n# end")
    base = read(made, "integrations/alpha.yaml")
    check = made.run("promote", "staging", "production", "--check")
    assert (check.code, "Nothing was written." in check.out) == (2, True)
    assert re.search("^change  desired-state/environments/", check.out, re.MULTILINE)
    assert "'old'" in read(made)
    done = made.run("promote", "staging", "production")
    assert '~ alpha: description: "old" → "new"' in done.out
    assert "changed  " in done.out
    assert read(made) == (
        "# top\nalpha: # here\n  description: 'new' # why\n"
        "  workspaces:\n    - {id: ws-b, enabled: true}\n# end\n"
    )
    assert read(made, "integrations/alpha.yaml") == base
    assert made.run("promote", "staging", "production", "--check").code == 0
    assert made.run("parity", "staging", "production").code == 0


def test_only_selected_integrations_are_promoted(tmp_path: Path) -> None:
    made = environments(tmp_path)
    made.integration("beta")
    overlay(made, "alpha: {description: x}\nbeta: {description: y}", "staging")
    assert {item["slug"] for item in promoted(made, "b*")["changes"]} == {"beta"}
    assert "alpha" not in read(made)
    done = made.run("promote", "staging", "production", "gamma")
    assert (done.code, "nothing-selected" in done.err) == (3, True)


def test_line_ends_and_json_of_an_overlay_are_kept(tmp_path: Path) -> None:
    made = environments(tmp_path)
    overlay(made, "alpha: {description: new}", "staging")
    path = made.files / OVERLAY
    path.write_bytes(b"alpha:\r\n  description: old # why\r\n  name: Prod # gone\r\n")
    promoted(made)
    assert path.read_bytes() == b"alpha:\r\n  description: new # why\r\n  name: Alpha # gone\r\n"
    path.write_bytes(b'{"alpha": {"name": "Prod"}}')
    promoted(made)
    assert path.read_bytes() == b'{"alpha": {"name": "Alpha", "description": "new"}}'


def test_a_new_patch_is_written_to_the_file_name_that_staging_uses(tmp_path: Path) -> None:
    made = environments(tmp_path)
    made.write("environments/staging/teams/a.yaml", "alpha: {description: x}\n")
    assert promoted(made)["new"] == ["environments/production/teams/a.yaml"]
    assert made.run("parity", "staging", "production").code == 0


def test_a_removal_of_an_entry_is_promoted_only_where_the_entry_is_declared(tmp_path: Path) -> None:
    entries = [{"id": "ws-a", "enabled": True}, {"id": "ws-b", "enabled": True}]
    made = environments(tmp_path, workspaces=entries)
    overlay(made, "alpha: {workspaces: [{id: ws-a, $remove: true}]}", "staging")
    overlay(made, "alpha: {workspaces: [{id: ws-b, $remove: true}, {id: ws-c, enabled: true}]}")
    promoted(made)
    assert made.run("parity", "staging", "production").code == 0
    overlay(made, "alpha: {workspaces: []}", "staging")
    promoted(made)
    assert made.run("parity", "staging", "production").code == 0


# -- credentials and hosts ---------------------------------------------------------------


AZURE = {
    "ai_provider_id": "azure-openai",
    "configurations": {
        "azure_auth_mode": "default",
        "azure_resource_name": "base-host",
        "azure_deployment_config": [
            {
                "azure_deployment_name": "d",
                "azure_api_version": "2024-10-21",
                "azure_model_slug": "gpt-4o",
                "is_default": True,
            }
        ],
    },
}
HOST = "configurations.azure_resource_name"
STAGED = "{key: '${env:SECRET_STAGING}', configurations: {azure_resource_name: staging-host}}"


@pytest.mark.parametrize(
    ("differs", "held"),
    [((HOST,), ["key"]), (("key",), [HOST]), (("alpha: key",), [HOST])],
)
def test_a_host_and_its_credential_are_promoted_together_or_not_at_all(
    tmp_path: Path, differs: tuple[str, ...], held: list[str]
) -> None:
    made = environments(tmp_path, *differs, **AZURE)
    overlay(made, f"alpha: {STAGED}", "staging")
    done = promoted(made)
    assert codes(done) == ["unpaired-credential"]
    assert [item["path"] for item in done["left"]] == held
    assert (done["changed"], read(made)) == ([], "{}\n")


def test_a_pair_is_promoted_with_a_warning(tmp_path: Path) -> None:
    made = environments(tmp_path, **AZURE)
    overlay(made, f"alpha: {STAGED}", "staging")
    assert codes(promoted(made)) == ["promotes-host"]
    assert made.run("parity", "staging", "production").code == 0


def test_a_differing_pair_is_kept_and_the_rest_is_promoted(tmp_path: Path) -> None:
    made = environments(tmp_path, HOST, "key", **AZURE)
    overlay(made, f"alpha: {{description: x, {STAGED[1:]}", "staging")
    done = promoted(made)
    assert [item["path"] for item in done["changes"]] == ["description"]
    assert (codes(done), "staging" in read(made).lower()) == ([], False)


def test_a_host_of_the_base_is_not_exposed(tmp_path: Path) -> None:
    fields = {"configurations": {"custom_host": "https://base.example/v1", "is_key_required": True}}
    made = environments(tmp_path, "configurations.custom_host", "key", **fields)
    overlay(made, "alpha: {configurations: null}")
    done = promoted(made)
    assert [item["path"] for item in done["changes"]] == ["configurations.is_key_required"]
    render = made.run("--target", "production", "render", "--format", "json").json
    assert render["integrations"][0]["fields"]["configurations"] == {"is_key_required": True}


def test_a_credential_is_not_promoted_to_another_provider(tmp_path: Path) -> None:
    made = environments(tmp_path, "key")
    overlay(made, "alpha: {ai_provider_id: anthropic, key: '${env:SECRET_S}'}", "staging")
    done = promoted(made)
    assert codes(done) == ["unpaired-credential"]
    assert [item["path"] for item in done["left"]] == ["ai_provider_id"]
    assert (done["changed"], read(made)) == ([], "{}\n")


def test_a_mapping_for_a_field_that_may_differ_is_not_copied(tmp_path: Path) -> None:
    made = environments(tmp_path, "key")
    mapping = "[{target_field: key, secret_reference_id: staging-secret}]"
    text = f"alpha: {{key: null, description: x, secret_mappings: {mapping}}}"
    overlay(made, text, "staging")
    done = promoted(made)
    assert [item["path"] for item in done["changes"]] == ["description"]
    assert "staging-secret" not in read(made)
    assert made.run("parity", "staging", "production").code == 0


MAPPED_HOST = f"secret_mappings: [{{target_field: {HOST}, secret_reference_id: ref-1}}]"
MAPPED_KEY = "key: null, secret_mappings: [{target_field: key, secret_reference_id: ref-1}]"


@pytest.mark.parametrize(
    ("differs", "staging", "production", "code"),
    [
        # A host that a mapping fills stays without the other credential, and the other way round.
        (HOST, "key: '${env:SECRET_STAGING}'", MAPPED_HOST, "unpaired-credential"),
        ("key", MAPPED_HOST, "key: '${env:SECRET_PRODUCTION}'", "unpaired-credential"),
        # A field has either a value or a mapping.
        ("secret_mappings", "description: base", MAPPED_KEY, "not-promoted"),
        ("secret_mappings", MAPPED_KEY, "description: base", "not-promoted"),
    ],
)
def test_a_mapping_counts_as_the_field_that_it_fills(
    tmp_path: Path, differs: str, staging: str, production: str, code: str
) -> None:
    made = environments(tmp_path, differs, **AZURE, description="base")
    overlay(made, f"alpha: {{{staging}}}", "staging")
    overlay(made, f"alpha: {{{production}}}")
    done = promoted(made)
    assert codes(done) == [code]
    assert done["changed"] == []
    assert len(done["left"]) == 1
    assert made.run("validate").code == 0


def test_a_promotion_that_removes_protection_warns(tmp_path: Path) -> None:
    made = environments(tmp_path)
    overlay(made, "alpha: {lifecycle: {protected: true}}")
    assert codes(promoted(made)) == ["removes-protection"]
    made = environments(tmp_path, "lifecycle.protected")
    overlay(made, "alpha: {lifecycle: {protected: true}}")
    assert codes(promoted(made)) == []
    assert "protected: true" in read(made)
    made = environments(tmp_path)
    overlay(made, "alpha: {lifecycle: {protected: true}}", "staging")
    overlay(made, "{}")
    assert codes(promoted(made)) == []
    assert "protected: true" in read(made)


# -- integrations that only one environment has ------------------------------------------


def test_an_integration_that_production_withdraws_is_declared(tmp_path: Path) -> None:
    made = environments(tmp_path)
    made.integration("beta")
    overlay(made, "# not yet\nalpha: null # soon\n# of beta\nbeta: {name: B}")
    overlay(made, "alpha: {description: x}", "staging")
    done = promoted(made, "alpha")
    assert (done["created"], done["left"]) == (["alpha"], [])
    assert read(made) == (
        "# not yet\nalpha:\n  description: x\n# soon\n# of beta\nbeta: {name: B}\n"
    )


def test_files_with_many_integrations_are_edited_in_place(tmp_path: Path) -> None:
    made = environments(tmp_path)
    slugs = [f"i-{number}" for number in range(300)]
    for slug in slugs:
        made.integration(slug)
    overlay(made, "\n".join(f"{slug}: {{description: new, tags: {{a: b}}}}" for slug in slugs))
    path = made.files / "environments/production/all.yaml"
    path.replace(made.files / "environments/staging/all.yaml")
    overlay(made, "\n".join(f"{slug}:\n  description: old # {slug}" for slug in slugs))
    promoted(made)
    assert made.run("parity", "staging", "production").code == 0
    assert all(f"description: new # {slug}\n" in read(made) for slug in slugs)


def test_a_new_integration_that_needs_separate_values_is_skipped(tmp_path: Path) -> None:
    made = environments(tmp_path, "key")
    overlay(made, "alpha: null")
    done = made.run("promote", "staging", "production")
    assert (done.code, read(made)) == (0, "alpha: null\n")
    assert "alpha: (whole integration)" in done.out
    assert "needs its own key" in done.err


def test_a_promotion_never_removes_an_integration(tmp_path: Path) -> None:
    made = environments(tmp_path)
    overlay(made, "alpha: null", "staging")
    done = promoted(made)
    assert (codes(done), done["changed"]) == (["not-promoted"], [])
    [found] = done["diagnostics"]
    assert "`alpha: null` in environments/production/" in found["hint"]
    made = environments(tmp_path, "alpha: *")
    overlay(made, "alpha: null", "staging")
    assert codes(promoted(made)) == []
    assert made.run("parity", "staging", "production").code == 0


def test_a_budget_that_may_differ_is_reported_for_a_new_workspace(tmp_path: Path) -> None:
    made = environments(tmp_path, "workspaces[*].usage_limits")
    entry = "{id: ws-a, enabled: true, usage_limits: [{type: cost, credit_limit: 5}]}"
    overlay(made, f"alpha: {{workspaces: [{entry}]}}", "staging")
    done = promoted(made)
    assert codes(done) == ["not-promoted"]
    assert [item["path"] for item in done["left"]] == ["workspaces[ws-a].usage_limits"]
    assert "usage_limits" not in read(made)


@pytest.mark.parametrize(
    ("pattern", "part"),
    [
        ("workspaces[*].enabled", "workspaces: [{id: ws-a, enabled: true, usage_limits: []}]"),
        ("models[*].enabled", "models: [{slug: gpt-5, enabled: true, is_custom: true}]"),
        (
            "global_workspace_access.enabled",
            "global_workspace_access: {enabled: true, rate_limits: []}",
        ),
    ],
)
def test_a_new_part_is_skipped_if_it_needs_a_value_that_may_differ(
    tmp_path: Path, pattern: str, part: str
) -> None:
    made = environments(tmp_path, pattern)
    overlay(made, f"alpha: {{description: new, {part}}}", "staging")
    done = promoted(made)
    assert read(made) == "alpha:\n  description: new\n"
    assert codes(done) == ["not-promoted"]
    assert len(done["left"]) == 1
    assert "with its own values" in done["diagnostics"][0]["hint"]
    assert promoted(made)["changed"] == []


def test_a_part_that_the_base_completes_is_promoted(tmp_path: Path) -> None:
    made = environments(
        tmp_path, "workspaces[*].enabled", workspaces=[{"id": "ws-a", "enabled": False}]
    )
    budget = "usage_limits: [{type: cost, credit_limit: 5}]"
    overlay(made, f"alpha: {{workspaces: [{{id: ws-a, enabled: true, {budget}}}]}}", "staging")
    overlay(made, "alpha: {workspaces: [{id: ws-a, $remove: true}]}")
    assert promoted(made)["left"] == []
    assert budget in read(made)
    assert made.run("parity", "staging", "production").code == 0


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["", "\n"])
def test_comments_of_removed_lines_stay_in_files_with_unusual_ends(
    tmp_path: Path, mark: str, end: str
) -> None:
    made = environments(tmp_path, description="two\nlines\n")
    path = made.files / OVERLAY
    text = "alpha:\n  description: |\n    two\n    lines\n  tags: {a: b} # why"
    path.write_text(f"{mark}{text}{end}")
    promoted(made)
    kept = path.read_text()
    assert (kept.count("# why"), kept.count("\ufeff")) == (1, len(mark))
    assert kept.startswith(f"{mark}alpha:")
    # Nothing is left of the first line, so the comment is at the top of the file.
    path.write_text(f"{mark}alpha: {{tags: {{a: b}}}} # why{end}")
    promoted(made)
    assert path.read_text().startswith(f"{mark}# why")
    assert made.run("parity", "staging", "production").code == 0


def test_files_that_would_not_load_are_not_written(tmp_path: Path) -> None:
    made = environments(tmp_path, "configurations.azure_auth_mode", **AZURE)
    entra = (
        "azure_auth_mode: entra, azure_entra_tenant_id: t, azure_entra_client_id: c, "
        "azure_entra_client_secret: '${env:SECRET_E}', azure_deployment_config: []"
    )
    overlay(made, f"alpha: {{configurations: {{{entra}}}}}", "staging")
    assert made.run("promote", "staging", "production").code == 3
    assert read(made) == "{}\n"


def test_an_overlay_that_is_a_link_to_another_environment_is_not_edited(tmp_path: Path) -> None:
    made = environments(tmp_path)
    overlay(made, "alpha: {description: new}", "staging")
    other = overlay(made, "alpha: {description: old}", "development")
    (made.files / OVERLAY).unlink()
    (made.files / OVERLAY).symlink_to(other)
    for options in ((), ("--check",)):
        done = made.run("promote", "staging", "production", "--format", "json", *options)
        assert (done.code, codes(done.json)) == (3, ["symlink"])
        assert other.read_text() == "alpha: {description: old}\n"


LISTS = """\
alpha:
  workspaces:
  - {id: ws-a, enabled: true}
  models:
  - slug: gpt-5
    enabled: false
"""


@pytest.mark.parametrize("value", ["null", "[]"])
def test_unindented_lists_are_edited(tmp_path: Path, value: str) -> None:
    made = environments(tmp_path, models=[{"slug": "gpt-5", "enabled": True}])
    overlay(made, LISTS)
    overlay(made, f"alpha: {{workspaces: {value}, models: {value}}}", "staging")
    promoted(made)
    assert made.run("parity", "staging", "production").code == 0
    assert made.run("validate").code == 0


@pytest.mark.parametrize("ours", ["{enabled: true}", "{enabled: false}", "null"])
@pytest.mark.parametrize("theirs", ["{enabled: true}", "{enabled: false}", "null"])
def test_both_forms_of_no_global_access_are_equal(tmp_path: Path, ours: str, theirs: str) -> None:
    made = environments(tmp_path, global_workspace_access=None)
    overlay(made, f"alpha: {{global_workspace_access: {ours}}}", "staging")
    overlay(made, f"alpha: {{global_workspace_access: {theirs}}}")
    promoted(made)
    assert made.run("parity", "staging", "production").code == 0
    before = read(made)
    promoted(made)
    assert read(made) == before


def test_access_that_the_base_declares_empty_is_off(tmp_path: Path) -> None:
    made = environments(tmp_path, global_workspace_access=None)
    overlay(made, "alpha: {global_workspace_access: {enabled: true}}")
    promoted(made)
    assert "enabled: false" in read(made)
    overlay(made, "alpha: {global_workspace_access: {enabled: false}}")
    assert made.run("parity", "staging", "production").code == 0
