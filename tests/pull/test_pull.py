"""After a pull the plan is empty, without any secret values."""

import json
from typing import Any

import pytest

from reconciler.domain.secrets import MaskVerdict, Redacted, SecretRef
from reconciler.errors import InvalidInput, Refused
from reconciler.pull.pull import PullResult
from reconciler.simulator.seeds import apply_seed
from reconciler.simulator.switches import Switches
from reconciler.views import changed_files
from tests.pull.pulling import CONFIG, IN_PRODUCTION, Repository
from tests.runs import World

NOBODY = "workspaces: [] # no workspace has access; remove this line to stop managing the list"


def declared(slug: str, **fields: str) -> str:
    """Return a file in one line that references the secret."""
    document = {"slug": slug, "name": slug.title(), "ai_provider_id": "openai", **fields}
    return json.dumps({**document, "key": "${env:SECRET_KEY}"})


def last_lines(adoption: PullResult) -> list[str]:
    """Return the last section of the output of pull, and the line with the counts."""
    lines = changed_files.pull_text(adoption, folder="desired-state", ledger="local").splitlines()
    empty = [at for at, line in enumerate(lines) if not line]
    return lines[empty[-2] + 1 :]


@pytest.mark.slow
def test_after_a_pull_of_500_integrations_of_every_kind_the_plan_is_empty() -> None:
    here = Repository()
    apply_seed(here.world.remote, "500")
    adoption = here.pull()
    assert len(adoption.slugs) == len(adoption.changed) == 500
    plan = here.plan()
    assert plan.in_sync
    assert plan.summary["no_op"] == 500
    assert plan.unmanaged == plan.undeclared == ()
    assert changed_files.pull_summary(adoption) == (
        f"500 integrations, 0 differences, {len(plan.unverified)} secrets unverified"
    )
    assert here.pull().changed == {}


@pytest.mark.parametrize(
    "answers",
    [
        {"detail_shape": "documented"},
        {"workspace_id_form": "uuid"},
        {"reference_form": "uuid"},
        {"flexbool": "bool"},
        {"server_added_fields": True},
        {"require_provider_auth_type": True},
        {"mask_aws_ids": True},
        {"list_order": "newest", "page_max": 7},
        {"configurations_put": "merge", "put_body": "empty"},
    ],
    ids=" ".join,
)
def test_the_plan_is_empty_for_every_undocumented_behaviour_of_the_api(
    answers: dict[str, object],
) -> None:
    here = Repository(World(Switches.parse(answers)))
    apply_seed(here.world.remote, "60")
    here.pull()
    assert here.plan().in_sync


def test_a_file_has_the_values_of_the_api_without_defaults() -> None:
    here = Repository()
    here.create(
        description="Traffic: yes, #1",
        configurations={"openai_project": "p"},
        tags={"team": "search"},
    )
    here.pull()
    assert here.text("integrations/alpha.yaml") == (
        "slug: alpha\n"
        "name: Alpha\n"
        "ai_provider_id: openai\n"
        'description: "Traffic: yes, #1"\n'
        "key: ${env:SECRET_ALPHA_KEY}\n"
        "configurations:\n"
        "  openai_project: p\n"
        "tags:\n"
        "  team: search\n"
        f"{NOBODY}\n"
    )


def test_an_unmasked_id_is_written_as_a_literal_and_a_masked_secret_as_a_reference() -> None:
    here = Repository()
    here.create(
        "aws-eu",
        key=...,
        ai_provider_id="bedrock",
        configurations={
            "aws_auth_type": "accessKey",
            "aws_region": "eu-west-1",
            "aws_access_key_id": "AKIAEXAMPLE",
            "aws_secret_access_key": "secret-0123456789",
        },
    )
    here.pull()
    text = here.text("integrations/aws-eu.yaml")
    assert "aws_access_key_id: AKIAEXAMPLE\n" in text
    assert "aws_secret_access_key: ${env:SECRET_AWS_EU_AWS_SECRET_ACCESS_KEY}\n" in text
    assert "secret-0123456789" not in text


def test_a_template_names_the_secrets() -> None:
    here = Repository()
    here.create()
    here.pull(template="${vault:kv/ai/{slug}#{field}}")
    assert "key: ${vault:kv/ai/alpha#key}\n" in here.text("integrations/alpha.yaml")
    assert here.plan().in_sync


@pytest.mark.parametrize(
    ("keep", "there", "not_there"),
    [(True, "secret_reference_id: r-1", "key: ${env"), (False, "key: ${env", "secret_mappings")],
)
def test_a_secret_with_a_mapping_is_written_as_one_of_both(
    keep: bool, there: str, not_there: str
) -> None:
    here = Repository()
    mapping = {"target_field": "key", "secret_reference_id": "r-1"}
    here.create(secret_mappings=[mapping])
    here.pull(keep_mappings=keep)
    text = here.text("integrations/alpha.yaml")
    assert there in text
    assert not_there not in text
    assert here.plan().in_sync


def test_a_mapping_without_a_stored_secret_is_always_written() -> None:
    here = Repository()
    here.create(key=..., secret_mappings=[{"target_field": "key", "secret_reference_id": "r-1"}])
    here.pull()
    assert "secret_reference_id: r-1" in here.text("integrations/alpha.yaml")
    assert here.plan().in_sync


def test_available_values_are_compared_with_the_masks() -> None:
    here = Repository()
    for slug, key in (("a", "sk-right-0123456789"), ("b", "sk-right-0123456789"), ("c", "sk-x")):
        here.create(slug, key=key)
    here.values = {
        SecretRef("env", "SECRET_A_KEY"): Redacted("sk-right-0123456789"),
        SecretRef("env", "SECRET_B_KEY"): Redacted("other-9876543210"),
    }
    adoption = here.pull()
    assert [(check.slug, check.verdict) for check in adoption.secrets] == [
        ("a", MaskVerdict.AGREES),
        ("b", MaskVerdict.CONTRADICTS),
        ("c", None),
    ]
    text = changed_files.pull_text(adoption, folder="desired-state", ledger="fresh")
    assert "a key: matches the mask (env:SECRET_A_KEY)" in text
    assert "b key: does not match the mask (env:SECRET_B_KEY)" in text
    assert "sk-right" not in text
    assert "other-98" not in text
    assert text.splitlines()[-1] == "3 integrations, 1 difference, 2 secrets unverified"


def test_integrations_outside_the_scope_are_pulled_only_on_request() -> None:
    scoped = CONFIG.replace('API_KEY}"', 'API_KEY}", scope: {slugs: ["ours-*"]}')
    here = Repository(config=scoped)
    here.create("ours-1")
    here.create("theirs-1")
    adoption = here.pull()
    assert adoption.slugs == ("ours-1",)
    assert [d.code for d in adoption.diagnostics] == ["not-owned"]
    assert here.pull(everything=True).slugs == ("ours-1", "theirs-1")
    assert here.plan().in_sync


def test_archived_integrations_are_never_pulled() -> None:
    here = Repository(World(Switches(delete="archived")))
    here.create("gone")
    here.world.put("DELETE", "/integrations/gone")
    adoption = here.pull(everything=True)
    assert adoption.changed == {}
    assert [d.code for d in adoption.diagnostics] == ["archived"]


def test_patterns_select_and_one_without_a_match_is_bad_input() -> None:
    here = Repository()
    here.create("a-1")
    here.create("b-1")
    assert here.pull("a-*").slugs == ("a-1",)
    with pytest.raises(InvalidInput, match="matches `c-\\*`"):
        here.pull("b-1", "c-*")


def test_declared_integrations_missing_in_the_api_are_named_as_creates() -> None:
    here = Repository()
    for number in range(7):
        here.write(f"integrations/g{number}.yaml", f"slug: g{number}\nname: G\nai_provider_id: x\n")
    here.create("alpha")
    (told,) = here.pull().diagnostics
    assert (told.code, told.severity) == ("not-in-the-api", "warning")
    assert told.summary.endswith("so the next plan creates: g0, g1, g2, g3, g4 and 2 more")
    assert {action.slug for action in here.plan().actions} == {f"g{n}" for n in range(7)}
    some = here.pull("alpha")
    assert some.diagnostics == ()
    assert last_lines(some) == [
        (
            "7 declared integrations do not exist in the API: g0, g1, g2, g3, g4, g5, g6; "
            "the next plan would create them"
        ),
        "",
        "1 integration, 7 differences, 1 secret unverified",
    ]


def test_the_last_lines_count_the_next_plan_for_any_selection() -> None:
    here = Repository(config=CONFIG.replace('"}', '", prune: all}'))
    here.create("asked", description="there")
    here.create("drifted", description="there")
    here.create("undeclared")
    for slug in ("asked", "drifted", "missing"):
        here.write(f"integrations/{slug}.yaml", declared(slug, description="here"))
    adoption = here.pull("asked")
    assert adoption.not_compared == ("drifted",)
    assert last_lines(adoption) == [
        "1 declared integration does not exist in the API: missing; the next plan would create it",
        "1 integration in the API is not declared here: undeclared; the next plan would delete it",
        "",
        "1 integration, 2 differences, 1 other not compared, 1 secret unverified",
    ]
    whole = here.pull()
    assert whole.not_compared == ()
    assert changed_files.pull_summary(whole) == "3 integrations, 1 difference, 3 secrets unverified"
    assert whole.plan.digest == here.plan().digest


def test_no_difference_is_reported_for_fields_that_were_not_compared() -> None:
    here = Repository()
    here.create("asked", description="there")
    here.create("drifted", description="there")
    for slug in ("asked", "drifted"):
        here.write(f"integrations/{slug}.yaml", declared(slug, description="here"))
    assert changed_files.pull_summary(here.pull("asked")) == (
        "1 integration, 1 other not compared, 1 secret unverified"
    )
    assert not here.plan().in_sync
    assert changed_files.pull_summary(here.pull()).startswith("2 integrations, 0 differences, ")
    assert here.plan().in_sync


UNWRITABLE: list[dict[str, Any]] = [
    {"name": "${env:SECRET_KEY}"},
    {"name": "x" * 300},
    {"ai_provider_id": "${file:/etc/passwd}"},
]


@pytest.mark.parametrize("record", UNWRITABLE, ids=str)
def test_fields_that_no_file_can_declare_are_left_out_and_named(record: dict[str, Any]) -> None:
    here = Repository()
    here.create("fine")
    here.create("odd")
    here.world.remote.integrations["odd"].update(record)
    adoption = here.pull()
    assert (adoption.slugs, adoption.left_out) == (("fine",), ("odd",))
    assert changed_files.pull_summary(adoption).endswith("; 1 left out: odd")


@pytest.mark.parametrize("asked", ["odd", "*"])
def test_a_named_slug_that_cannot_be_pulled_is_left_out(asked: str) -> None:
    here = Repository(config=CONFIG + "deletions: [{slug: odd}]\n")
    here.create("odd")
    assert here.pull(asked).left_out == (("odd",) if asked == "odd" else ())


def test_an_integration_with_a_tombstone_is_not_pulled() -> None:
    here = Repository(config=CONFIG + "deletions: [{slug: old, reason: over}]\n")
    here.create("old")
    adoption = here.pull()
    assert adoption.changed == {}
    assert [d.code for d in adoption.diagnostics] == ["tombstoned-slug"]


def test_a_slug_that_an_environment_withdraws_is_not_pulled() -> None:
    here = Repository(config=IN_PRODUCTION)
    here.create("a")
    here.write("integrations/a.yaml", "slug: a\nname: A\nai_provider_id: openai\n")
    here.write("environments/production/x.yaml", "a: null\n")
    adoption = here.pull()
    assert adoption.changed == {}
    assert [d.code for d in adoption.diagnostics] == ["withdrawn-slug"]


def test_two_slugs_that_differ_by_case_get_two_files_on_every_file_system() -> None:
    here = Repository()
    here.create("Alpha")
    here.create("alpha")
    changed = here.pull().changed
    assert len({path.casefold() for path in changed}) == 2
    assert "integrations/Alpha.yaml" in changed
    assert here.plan().in_sync


@pytest.mark.parametrize("slug", ["CON", "-", "_", "0123", "true", "null", "a" * 255])
def test_any_slug_has_a_file(slug: str) -> None:
    here = Repository()
    here.create(slug)
    (path,) = here.pull().changed
    assert len(path.rpartition("/")[2]) <= 255
    assert here.plan().in_sync


def test_a_file_with_another_slug_is_not_overwritten() -> None:
    here = Repository()
    here.create("a")
    here.create("b")
    here.write("integrations/b.yaml", "slug: a\nname: A\nai_provider_id: openai\n")
    here.pull()
    assert here.text("integrations/b.yaml") == "slug: a\nname: A\nai_provider_id: openai\n"
    assert here.plan().in_sync


def test_secrets_that_would_share_a_reference_are_reported() -> None:
    here = Repository()
    here.create("a-b")
    here.create("a_b")
    (remark,) = here.pull().diagnostics
    assert remark.code == "shared-reference"
    assert "a-b key, a_b key" in remark.summary


def test_values_that_no_file_can_contain_are_left_out_and_named() -> None:
    here = Repository()
    here.create("a", description="costs ${env:MONEY}", tags={"k": "v"})
    adoption = here.pull()
    assert "description" not in here.text("integrations/a.yaml")
    assert "team" not in here.text("integrations/a.yaml")
    (remark,) = adoption.diagnostics
    assert remark.code == "left-out"
    assert "the API's value of description cannot be written to a file" in remark.summary
    assert here.plan().in_sync


def test_force_rewrites_a_document_and_keeps_fields_that_only_files_have() -> None:
    here = Repository()
    here.create("a", name="Remote", description="there")
    here.write(
        "integrations/a.yaml",
        "# gone\nlifecycle: {protected: true}\nname: Local\nslug: a\nai_provider_id: openai\n"
        "key: ${vault:kv/a#key}\n",
    )
    here.pull(force=True)
    assert here.text("integrations/a.yaml") == (
        "slug: a\n"
        "name: Remote\n"
        "ai_provider_id: openai\n"
        "description: there\n"
        "key: ${vault:kv/a#key}\n"
        f"{NOBODY}\n"
        "lifecycle:\n"
        "  protected: true\n"
    )
    assert here.plan().in_sync


def test_force_rewrites_one_document_of_several() -> None:
    here = Repository()
    for slug in ("a", "b"):
        here.create(slug, name="Remote")
    second = "# second\nslug: b\nname: Local # mine\nai_provider_id: openai\n"
    here.write(
        "integrations/both.yaml", f"slug: a\nname: Local\nai_provider_id: openai\n---\n{second}"
    )
    here.pull("a", force=True)
    assert here.text("integrations/both.yaml").endswith(f"---\n{second}")
    assert "name: Remote" in here.text("integrations/both.yaml").partition("---")[0]


def test_force_ends_a_document_with_a_line_end() -> None:
    here = Repository()
    here.create("a", name="Remote")
    here.write("integrations/a.yaml", '{"slug": "a", "name": "Local", "ai_provider_id": "openai"}')
    here.pull("a", force=True)
    assert here.text("integrations/a.yaml").startswith("slug: a\nname: Remote\n")
    assert here.text("integrations/a.yaml").endswith("\n")


def test_force_does_not_change_access_fragments() -> None:
    here = Repository()
    here.create("a")
    granted = [{"id": "ws-a", "enabled": True}, {"id": "ws-b", "enabled": True}]
    body = {"workspaces": granted, "create_default_provider": False}
    here.world.put("PUT", "/integrations/a/workspaces", body)
    fragment = "a: {workspaces: [{id: ws-b, enabled: true}]} # theirs\n"
    here.write("integrations/a.yaml", "slug: a\nname: B\nai_provider_id: openai\n")
    here.write("access/b.yaml", fragment)
    here.pull(force=True)
    assert here.text("access/b.yaml") == fragment
    assert "ws-a" in here.text("integrations/a.yaml")
    assert "ws-b" not in here.text("integrations/a.yaml")
    assert here.plan().in_sync


def test_force_keeps_declared_default_providers_of_workspaces() -> None:
    here = Repository()
    here.create("a")
    body = {"workspaces": [{"id": "w", "enabled": True}], "create_default_provider": False}
    here.world.put("PUT", "/integrations/a/workspaces", body)
    entry = "- {id: w, enabled: true, create_default_provider: true}\n"
    text = f"slug: a\nname: B\nai_provider_id: openai\nworkspaces:\n{entry}"
    here.write("integrations/a.yaml", text)
    here.pull(force=True)
    assert entry in here.text("integrations/a.yaml")


def test_a_file_that_would_be_invalid_after_an_edit_is_unchanged() -> None:
    here = Repository()
    here.create("a", name="there", description="costs ${env:MONEY}")
    text = "slug: a\nname: here\nai_provider_id: openai\ndescription: old\n"
    here.write("integrations/a.yaml", text)
    adoption = here.pull()
    assert here.text("integrations/a.yaml") == text
    assert [d.code for d in adoption.diagnostics] == ["not-editable"]
    assert adoption.left_out == ("a",)
    assert changed_files.pull_summary(adoption) == (
        "0 integrations, 2 differences, 0 secrets unverified; 1 left out: a"
    )


@pytest.mark.parametrize("in_one_file", [False, True])
def test_integrations_that_would_be_invalid_do_not_prevent_the_others(*, in_one_file: bool) -> None:
    here = Repository()
    documents = {}
    for number in range(12):
        slug = f"s-{number:02}"
        is_bad = number % 4 != 3
        here.create(slug, name="there", description="costs ${env:MONEY}" if is_bad else "new")
        documents[slug] = f"slug: {slug}\nname: here\nai_provider_id: openai\ndescription: old\n"
    good = ["s-03", "s-07", "s-11"]
    if in_one_file:
        here.write("integrations/all.yaml", "---\n".join(documents.values()))
    else:
        for slug, text in documents.items():
            here.write(f"integrations/{slug}.yaml", text)
    adoption = here.pull()
    assert list(adoption.slugs) == good
    assert adoption.left_out == tuple(slug for slug in documents if slug not in good)
    state = here.loaded().state
    assert state is not None
    names = {slug: item.fields["name"] for slug, item in state.integrations.items()}
    assert names == {slug: "there" if slug in good else "here" for slug in documents}


def test_force_skips_an_integration_whose_overlay_would_contradict_it() -> None:
    here = Repository(config=IN_PRODUCTION)
    here.create("a", key=..., secret_mappings=[{"target_field": "key", "secret_reference_id": "r"}])
    text = "slug: a\nname: B\nai_provider_id: openai\n"
    here.write("integrations/a.yaml", text)
    here.write("environments/production/a.yaml", "a: {key: '${env:SECRET_A}'}\n")
    adoption = here.pull(force=True)
    assert here.text("integrations/a.yaml") == text
    assert [d.code for d in adoption.diagnostics] == ["not-editable"]


def test_nothing_is_pulled_from_a_different_organisation_than_before() -> None:
    here = Repository(organisation="org-of-before")
    here.create("a")
    with pytest.raises(Refused, match="but to org-of-before before"):
        here.pull()
    assert here.files == {}
