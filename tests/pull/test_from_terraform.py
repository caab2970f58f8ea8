"""`pull --from-terraform`: files for the resources of a Terraform state, and ledger records."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from reconciler.ledger.location import TargetKey
from reconciler.ledger.lock import file_lock
from reconciler.ledger.models import Holder
from reconciler.simulator.faults import Fault, FaultKind
from reconciler.simulator.switches import Switches
from tests.end_to_end.harness import COMMAND
from tests.pull.terraforming import FOLDER, STATE_FILE, VALUES, resource, terraformed

FILES = [
    "openai-limited.yaml",
    "openai-main.yaml",
    "openai-write-only.yaml",
    "spare-0.yaml",
    "spare-1.yaml",
    "team/eu/anthropic-eu.yaml",
    "team/eu/private/bedrock-eu.yaml",
    "team/us-west/anthropic-us-west.yaml",
    "team/us-west/private/bedrock-us-west.yaml",
]
MAIN = """\
slug: openai-main
name: OpenAI main
ai_provider_id: openai
description: For all teams
key: ${env:SECRET_OPENAI_MAIN_KEY}
workspaces:
  - id: ws-search
    enabled: true
    usage_limits:
      - {type: cost, credit_limit: 100, alert_threshold: 80, periodic_reset: monthly}
    rate_limits:
      - {type: requests, unit: rpm, value: 1000}
  - {id: ws-support, enabled: true}
"""
BEDROCK = """\
slug: bedrock-eu
name: Bedrock eu
ai_provider_id: bedrock
configurations:
  aws_auth_type: accessKey
  aws_region: eu-central-1
  aws_access_key_id: ${env:SECRET_BEDROCK_EU_AWS_ACCESS_KEY_ID}
  aws_secret_access_key: ${env:SECRET_BEDROCK_EU_AWS_SECRET_ACCESS_KEY}
"""


def unverified(plan: dict[str, object]) -> list[str]:
    """Return the slugs of the secrets that a plan could not verify."""
    found = plan["unverified"]
    assert isinstance(found, list)
    return [item["slug"] for item in found]


def test_terraform_resources_are_in_files_by_module_and_the_plan_is_empty(
    tmp_path: Path,
) -> None:
    with terraformed(tmp_path / "here") as at:
        done = at.pull()
        assert done.code == 0, done.err
        assert at.written == FILES
        assert (at.integrations / "openai-main.yaml").read_text() == MAIN
        assert (at.integrations / "team/eu/private/bedrock-eu.yaml").read_text() == BEDROCK
        assert done.out.endswith("\n9 integrations, 0 differences, 1 secret unverified\n")
        plan = at.plan()
        assert plan["actions"] == []
        assert unverified(plan) == ["openai-write-only"]
        assert at.leaks(done) == []


def test_secrets_of_the_state_are_in_sync_without_a_push_and_a_rotation_is_detected(
    tmp_path: Path,
) -> None:
    with terraformed(tmp_path / "here") as at:
        assert at.pull().code == 0
        before = len(at.scene.upstream.writes)
        applied = at.scene.project.run("apply", "--yes", "--format", "json", **VALUES)
        assert applied.code == 0, applied.err
        assert len(at.scene.upstream.writes) == before
        # The mask of this one is equal, so only the fingerprint shows the change.
        rotated = at.plan(SECRET_OPENAI_MAIN_KEY="sk-canary-MAIN-5e1f0b7a")
        assert [action["slug"] for action in rotated["actions"]] == ["openai-main"]
        assert [c["op"] for c in rotated["actions"][0]["changes"]] == ["rotate"]


def test_a_ledger_with_records_from_terraform_verifies_and_keeps_them(
    tmp_path: Path,
) -> None:
    with terraformed(tmp_path / "here") as at:
        assert at.pull().code == 0
        first = (at.folder / ".reconcile/ledger.db.pepper").read_text()
        assert at.pull().code == 0
        assert (at.folder / ".reconcile/ledger.db.pepper").read_text() == first
        assert at.scene.run("history", "--verify").code == 0
        # No file has been applied yet, so a removed file withdraws nothing.
        (at.integrations / "spare-1.yaml").unlink()
        assert at.plan()["actions"] == []


def test_a_state_file_leads_to_the_same_files_as_terraform_show(tmp_path: Path) -> None:
    with terraformed(tmp_path / "shown") as shown:
        assert shown.pull().code == 0
        expected = {n: (shown.integrations / n).read_bytes() for n in shown.written}
    with terraformed(tmp_path / "stored") as stored:
        done = stored.pull(content=json.dumps(STATE_FILE))
        assert done.code == 0, done.err
        assert {n: (stored.integrations / n).read_bytes() for n in stored.written} == expected
        # The ids belong to another organisation, so the secrets prove nothing.
        assert done.err.count("warning[terraform-other-object]") == 1
        assert all(f"  {Path(name).stem}\n" in done.err for name in FILES)
        assert "11 secrets unverified" in done.out
        assert stored.leaks(done) == []


def test_it_reads_the_standard_input_also_with_a_byte_order_mark(tmp_path: Path) -> None:
    with terraformed(tmp_path / "here") as at:
        done = subprocess.run(
            [*COMMAND, "pull", "spare-0", "--from-terraform", "-"],
            input=b"\xef\xbb\xbf" + json.dumps(at.state).encode(),
            cwd=at.folder,
            env=at.scene.project.environment,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, at.written) == (0, ["spare-0.yaml"]), done.stderr
        assert b"--> <stdin>:1:" in done.stderr


def test_an_error_of_the_api_does_not_quote_a_secret_of_the_state(tmp_path: Path) -> None:
    message = "the key sk-canary-main-5e1f0b7a is not accepted"
    fault = Fault(kind=FaultKind.STATUS, status=403, code="AB03", message=message)
    with terraformed(tmp_path / "here", fault) as at:
        done = at.pull()
        assert done.code == 1
        assert "is not accepted" in done.err
        assert at.leaks(done) == []


def test_with_the_lock_held_nothing_is_changed(tmp_path: Path) -> None:
    with terraformed(tmp_path / "here") as at:
        assert at.pull("spare-0").code == 0
        key = TargetKey.of(name="here", base_url=at.scene.upstream.url, organisation=None)
        holder = Holder(pid=1, host="elsewhere", since="2026-11-29T10:00:00Z", run="R1")
        with file_lock(at.folder / ".reconcile", key, holder):
            done = at.pull()
        assert done.code == 4
        assert "error[locked]" in done.err
        assert at.written == ["spare-0.yaml"]


def test_the_removed_blocks_name_every_resource_that_was_pulled_without_keys(
    tmp_path: Path,
) -> None:
    with terraformed(tmp_path / "here") as at:
        done = at.pull()
    assert re.findall(r"^  from = (.+)$", done.out, re.MULTILINE) == [
        "module.team.module.private.portkey_integration.bedrock",
        "module.team.portkey_integration.anthropic",
        "module.team.portkey_integration_workspace_access.anthropic",
        "portkey_integration.limited",
        "portkey_integration.main",
        "portkey_integration.spare",
        "portkey_integration.written_only",
        "portkey_integration_model_access.base",
        "portkey_integration_model_access.tuned",
        "portkey_integration_workspace_access.main_search",
        "portkey_integration_workspace_access.main_support",
    ]
    assert done.out.count("    destroy = false\n") == 11
    assert "Terraform keeps what reconcile does not manage: 2 × portkey_workspace\n" in done.out
    assert "reconcile --target here plan\n" in done.out
    assert "delete the copy of the state: it contains secrets in clear text" in done.out


def test_a_resource_with_an_unpulled_instance_stays_in_terraform(
    tmp_path: Path,
) -> None:
    with terraformed(tmp_path / "here") as at:
        done = at.pull("spare-0", "anthropic-*")
    assert re.findall(r"^  from = (.+)$", done.out, re.MULTILINE) == [
        "module.team.portkey_integration.anthropic",
        "module.team.portkey_integration_workspace_access.anthropic",
    ]
    held = next(line for line in done.out.splitlines() if "These stay with Terraform" in line)
    assert "portkey_integration.spare" in held


def test_every_reference_whose_value_must_be_stored_is_listed(tmp_path: Path) -> None:
    with terraformed(tmp_path / "here") as at:
        lines = at.pull().out.splitlines()
    assert f"1. Store the values of {len(VALUES)} references:" in lines
    assert [line for line in lines if line.startswith("   env:")] == [
        f"   env:{name}" for name in sorted(VALUES)
    ]


def test_remaining_resources_that_refer_to_a_released_one_are_named(tmp_path: Path) -> None:
    with terraformed(tmp_path / "here") as at:
        at.state["values"]["root_module"]["resources"].append(
            {
                "address": "portkey_provider.main",
                "mode": "managed",
                "type": "portkey_provider",
                "name": "main",
                "provider_name": "mirror.example.com/portkey-ai/portkey",
                "values": {"name": "main", "integration_id": "openai-main"},
                "sensitive_values": {},
                "depends_on": ["portkey_integration.main"],
            }
        )
        done = at.pull()
    assert "the released resources with slugs: portkey_provider.main\n" in done.out
    assert "1 × portkey_provider" in done.out


def test_resources_of_only_one_side_are_reported(tmp_path: Path) -> None:
    with terraformed(tmp_path / "here") as at:
        at.scene.upstream.world.put("DELETE", "/integrations/spare-0")
        at.put("spare-1/workspaces", workspaces=[{"id": "ws-search", "enabled": True}])
        at.put("openai-main", name="Renamed in the UI")
        done = at.pull()
        assert done.code == 5
        assert "spare-0.yaml" not in at.written
        assert "name: Renamed in the UI\n" in (at.integrations / "openai-main.yaml").read_text()
        assert "workspaces" not in (at.integrations / "spare-1.yaml").read_text()
    assert "warning[terraform-not-in-the-api]: in the state and not in the API" in done.err
    assert "notice[not-in-terraform]: in the API and not in the state, so not pulled: outside" in (
        done.err
    )
    assert "stay undeclared: ws-search" in done.err
    assert "warning[terraform-value-differs]: openai-main: name is not as in the state" in done.err
    assert "spare-0" in done.out.splitlines()[-1]


def test_a_secret_changed_outside_terraform_is_not_recorded_as_that_of_the_state(
    tmp_path: Path,
) -> None:
    with terraformed(tmp_path / "here") as at:
        at.put("openai-main", key="zz-rotated-in-the-ui")
        done = at.pull()
        assert done.code == 0
        assert "warning[terraform-secret-differs]: openai-main: the API's key" in done.err
        assert unverified(at.plan(SECRET_OPENAI_MAIN_KEY="")) == [
            "openai-main",
            "openai-write-only",
        ]


def test_an_integration_that_was_replaced_proves_nothing_about_its_secrets(
    tmp_path: Path,
) -> None:
    with terraformed(tmp_path / "here") as at:
        resource(at.state, "portkey_integration.main")["values"]["id"] = "another"
        done = at.pull()
        assert "warning[terraform-other-object]: openai-main: " in done.err
        assert done.out.endswith("2 secrets unverified\n")


@pytest.mark.parametrize("hidden", ["(sensitive value)", "REDACTED", "<redacted>", "*****"])
def test_a_placeholder_is_not_fingerprinted(tmp_path: Path, hidden: str) -> None:
    with terraformed(tmp_path / "here") as at:
        resource(at.state, "portkey_integration.main")["values"]["key"] = hidden
        done = at.pull()
        assert "warning[terraform-value-hidden]: openai-main: " in done.err
        assert done.out.endswith("2 secrets unverified\n")
        assert at.plan()["actions"] == []


def test_configurations_that_are_not_json_are_never_shown(tmp_path: Path) -> None:
    with terraformed(tmp_path / "here") as at:
        address = 'module.team["eu"].module.private.portkey_integration.bedrock'
        resource(at.state, address)["values"]["configurations"] = '{"aws_secret": "canary'
        done = at.pull()
        assert done.code == 0
        assert "does not contain the value of configurations" in done.err
        assert (at.integrations / "team/eu/private/bedrock-eu.yaml").read_text() == BEDROCK
        assert at.leaks(done) == []


def test_a_name_that_is_sensitive_in_the_state_keeps_its_integration_out(tmp_path: Path) -> None:
    with terraformed(tmp_path / "here") as at:
        resource(at.state, "portkey_integration.main")["sensitive_values"]["name"] = True
        done = at.pull()
        assert done.code == 5
        assert "warning[terraform-sensitive-field]: openai-main: name" in done.err
        assert "a file requires it; not pulled" in done.err
        assert "openai-main.yaml" not in at.written
    assert "from = portkey_integration.main\n" not in done.out


def test_a_description_that_is_sensitive_in_the_state_is_not_managed(tmp_path: Path) -> None:
    with terraformed(tmp_path / "here") as at:
        done = at.pull("spare-*")
        assert "description" not in (at.integrations / "spare-0.yaml").read_text()
        assert at.leaks(done) == []


def test_a_file_that_exists_gets_no_value_that_is_sensitive_in_the_state(tmp_path: Path) -> None:
    with terraformed(tmp_path / "here") as at:
        at.pull("spare-*")
        forced = at.pull("--force", "spare-*")
        assert forced.code == 0, forced.err
        assert at.leaks(forced) == []
        path = at.integrations / "spare-0.yaml"
        path.write_text(path.read_text() + "description: another one\n")
        edited = at.pull("spare-0")
        assert edited.code == 0
        assert "warning[terraform-sensitive-field]: spare-0: description" in edited.err
        assert at.leaks(edited) == []
        assert at.plan()["actions"] == []
        # A value that the file already has is not removed.
        note = "description: canary note of the platform team\n"
        path.write_text(path.read_text() + note)
        assert at.pull("spare-0").code == 0
        assert path.read_text().endswith(note)


def test_a_file_that_exists_gets_no_required_value_that_is_sensitive(tmp_path: Path) -> None:
    with terraformed(tmp_path / "here") as at:
        at.pull("spare-0")
        path = at.integrations / "spare-0.yaml"
        resource(at.state, "portkey_integration.spare[0]")["sensitive_values"]["name"] = True
        assert at.pull("spare-0").code == 0
        at.put("spare-0", name="canary name")
        before = path.read_text()
        done = at.pull("spare-0")
        assert done.code == 5
        assert "spare-0: name is sensitive in the state" in done.err
        assert path.read_text() == before


def test_a_file_that_exists_gets_no_entry_whose_identity_is_sensitive(tmp_path: Path) -> None:
    with terraformed(tmp_path / "here") as at:
        at.pull("openai-limited")
        path = at.integrations / "openai-limited.yaml"
        document = yaml.safe_load(path.read_text())
        document["models"] = [m for m in document["models"] if m["slug"] != "gpt-4o-mini"]
        path.write_text(yaml.safe_dump(document))
        address = 'portkey_integration_model_access.base["gpt-4o-mini"]'
        resource(at.state, address)["sensitive_values"] = {"model_slug": True}
        for words in (["openai-limited"], ["--force", "openai-limited"]):
            done = at.pull(*words)
            assert done.code == 0, done.err
            assert "its identity is sensitive in the state; left unmanaged" in done.err
            pulled = yaml.safe_load(path.read_text())["models"]
            assert [m["slug"] for m in pulled] == [m["slug"] for m in document["models"]]


def test_an_entry_whose_identity_is_sensitive_is_not_named_as_missing_in_the_state(
    tmp_path: Path,
) -> None:
    with terraformed(tmp_path / "here") as at:
        marks = resource(at.state, "portkey_integration_workspace_access.main_search")
        marks["sensitive_values"] = {"workspace_id": True}
        done = at.pull("openai-main")
        assert done.code == 0, done.err
        assert "its identity is sensitive in the state; left unmanaged" in done.err
        assert "ws-search" not in done.out + done.err
        assert "ws-search" not in (at.integrations / "openai-main.yaml").read_text()


def test_workspaces_that_cannot_be_distinguished_are_all_written(tmp_path: Path) -> None:
    with terraformed(tmp_path / "here") as at:
        both = [{"id": i, "enabled": True} for i in ("ws-search", "ws-support")]
        at.put("anthropic-eu/workspaces", workspaces=both)
        at.put("openai-main/workspaces", workspaces=[{"id": "ws-third", "enabled": True}])
        root = at.state["values"]["root_module"]["resources"]
        root[:] = [r for r in root if not r["address"].endswith("main_search")]
        done = at.pull("openai-main", "anthropic-eu")
        assert done.code == 0
        assert at.plan()["actions"] == []
        assert "ws-third" not in (at.integrations / "openai-main.yaml").read_text()
        # Only ws-support matches in both integrations.
        assert "ws-search" not in (at.integrations / "team/eu/anthropic-eu.yaml").read_text()


def test_an_ambiguous_workspace_is_reported_and_changes_nothing(tmp_path: Path) -> None:
    with terraformed(tmp_path / "here") as at:
        at.put("anthropic-eu/workspaces", workspaces=[{"id": "ws-search", "enabled": True}])
        done = at.pull("anthropic-eu")
        assert "warning[terraform-workspace-ambiguous]" in done.err
        text = (at.integrations / "team/eu/anthropic-eu.yaml").read_text()
        assert "ws-search" in text
        assert "ws-support" in text
        assert at.plan()["actions"] == []


def test_workspaces_are_matched_if_the_api_shows_uuids(tmp_path: Path) -> None:
    with terraformed(tmp_path / "here", switches=Switches(workspace_id_form="uuid")) as at:
        assert at.pull().code == 0
        text = (at.integrations / "openai-main.yaml").read_text()
        assert text.count("enabled: true") == 2
        assert at.plan()["actions"] == []


def test_a_file_that_exists_is_edited_in_place(tmp_path: Path) -> None:
    with terraformed(tmp_path / "here") as at:
        at.scene.file("openai-main", name="Old", key="${env:SECRET_OPENAI_MAIN_KEY}")
        path = at.integrations / "openai-main.yaml"
        path.write_text("# mine\nslug: openai-main\nname: Old # why\nai_provider_id: openai\n")
        done = at.pull("openai-main")
        assert done.code == 0
        assert path.read_text() == (
            "# mine\nslug: openai-main\nname: OpenAI main # why\nai_provider_id: openai\n"
        )


def test_integrations_outside_the_scope_stay_in_terraform(tmp_path: Path) -> None:
    with terraformed(tmp_path / "here") as at:
        at.scene.config(prune="managed", scope={"slugs": ["openai-*"]})
        done = at.pull()
        assert done.code == 5
        assert at.written == FILES[:3]
        assert "from = portkey_integration.spare" not in done.out


def test_a_delete_by_the_next_apply_is_a_warning(tmp_path: Path) -> None:
    with terraformed(tmp_path / "here") as at:
        assert "notice[not-in-terraform]: in the API" in at.pull("--force").err
        at.scene.config(prune="all")
        done = at.pull()
        assert "warning[not-in-terraform]: in the API and not in the state" in done.err
        assert "outside; `prune: all` makes the next apply delete them" in done.err
        assert "hint: set `prune: managed` for the target, or pull them by name" in done.err


def test_a_pattern_selects_from_the_state(tmp_path: Path) -> None:
    with terraformed(tmp_path / "here") as at:
        done = at.pull("outside")
        assert done.code == 3
        assert "no integration of the Terraform state has a slug that matches `outside`" in done.err


def test_a_runner_without_a_pepper_records_nothing_and_reports_it(tmp_path: Path) -> None:
    with terraformed(tmp_path / "here") as at:
        at.scene.project.environment["GITHUB_ACTIONS"] = "true"
        done = at.pull()
        assert done.code == 0, done.err
        assert "warning[no-pepper]" in done.err
        assert "no fingerprint was recorded" in done.out
        # The API shows two AWS key ids in clear text, so they are compared without a ledger.
        assert done.out.endswith("9 secrets unverified\n")


def test_with_a_read_only_ledger_nothing_is_changed(tmp_path: Path) -> None:
    with terraformed(tmp_path / "here") as at:
        (at.folder / ".reconcile").write_text("a file in place of the folder")
        done = at.pull()
        assert done.code == 4
        assert at.written == []
        assert at.scene.upstream.requests == []


def test_every_sensitive_value_of_configurations_is_a_reference(tmp_path: Path) -> None:
    headers = {"x-team": "canary-team", "authorization": "Bearer canary-token"}
    with terraformed(tmp_path / "here") as at:
        at.add(
            "hosted",
            "mistral-ai",
            key="sk-canary-hosted-77aa",
            configurations={
                "custom_host": "https://models.example.com/v1",
                "custom_headers": headers,
                "field_of_tomorrow": "canary-tomorrow",
                "list_of_tomorrow": ["canary-one", "canary-two"],
            },
        )
        done = at.pull("hosted")
        assert done.code == 0, done.err
        text = (at.integrations / "hosted.yaml").read_text()
        assert "custom_host: https://models.example.com/v1\n" in text
        assert "x-team: ${env:SECRET_HOSTED_X_TEAM}\n" in text
        assert "authorization: ${env:SECRET_HOSTED_AUTHORIZATION}\n" in text
        assert "field_of_tomorrow: ${env:SECRET_HOSTED_FIELD_OF_TOMORROW}\n" in text
        assert "list_of_tomorrow" not in text
        assert "configurations.list_of_tomorrow is sensitive in the state" in done.err
        assert done.out.endswith("1 integration, 0 differences, 0 secrets unverified\n")
        assert at.leaks(done) == []


@pytest.mark.parametrize("is_text", [True, False])
def test_a_service_account_is_fingerprinted_in_any_notation(
    tmp_path: Path, *, is_text: bool
) -> None:
    account = {"private_key": "canary-private-key", "client_email": "canary@example.com", "é": 1}
    configurations = {
        "vertex_auth_type": "serviceAccount",
        "vertex_project_id": "project",
        "vertex_region": "europe-west4",
        "vertex_service_account_json": json.dumps(account, indent=2) if is_text else account,
    }
    with terraformed(tmp_path / "here") as at:
        at.add("vertex", "vertex-ai", configurations=configurations)
        done = at.pull("vertex")
        assert done.code == 0, done.err
        assert "1 integration, 0 differences, 0 secrets unverified" in done.out
        for text in (json.dumps(account), json.dumps(account, sort_keys=True, indent=4)):
            plan = at.plan(SECRET_VERTEX_VERTEX_SERVICE_ACCOUNT_JSON=text)
            assert (plan["actions"], plan["unverified"]) == ([], [])
        other = json.dumps({**account, "private_key": "canary-another-key"})
        [action] = at.plan(SECRET_VERTEX_VERTEX_SERVICE_ACCOUNT_JSON=other)["actions"]
        assert [c["op"] for c in action["changes"]] == ["rotate"]
        assert at.leaks(done) == []


def test_configurations_stored_as_an_object_are_read(tmp_path: Path) -> None:
    with terraformed(tmp_path / "here") as at:
        address = 'module.team["eu"].module.private.portkey_integration.bedrock'
        values = resource(at.state, address)["values"]
        values["configurations"] = json.loads(values["configurations"])
        done = at.pull("bedrock-eu")
        assert done.code == 0, done.err
        assert "1 integration, 0 differences, 0 secrets unverified" in done.out
        assert at.plan()["unverified"] == []
        assert at.leaks(done) == []


def test_secret_mappings_of_terraform_are_kept_in_the_file(tmp_path: Path) -> None:
    mapping = {"target_field": "key", "secret_reference_id": "vault-openai"}
    with terraformed(tmp_path / "here") as at:
        at.add("mapped", "openai", secret_mappings=[mapping])
        at.add("scoped", "openai", key="sk-canary-scoped-1b", workspace_id="ws-search")
        done = at.pull("mapped", "scoped")
        assert done.code == 0, done.err
        text = (at.integrations / "mapped.yaml").read_text()
        assert "secret_reference_id: vault-openai" in text
        assert "\nkey:" not in text
        assert "workspace_id: ws-search\n" in (at.integrations / "scoped.yaml").read_text()
        assert done.out.endswith("2 integrations, 0 differences, 0 secrets unverified\n")


def test_a_secret_that_the_api_shows_in_another_field_is_never_written(tmp_path: Path) -> None:
    with terraformed(tmp_path / "here") as at:
        at.put("openai-main", description="the key is sk-canary-main-5e1f0b7a")
        done = at.pull()
        assert done.code == 3
        assert "error[terraform-secret-in-file]: integrations/openai-main.yaml" in done.err
        assert at.written == []
        assert at.leaks(done) == []


@pytest.mark.parametrize(
    "ending", ['"quoted"', "back\\slash", "two\nlines", "a\ttab", "a\u2028line"]
)
def test_a_secret_that_yaml_writes_with_escapes_is_found(tmp_path: Path, ending: str) -> None:
    with terraformed(tmp_path / "here") as at:
        key = f"sk-canary-{ending}"
        resource(at.state, "portkey_integration.main")["values"]["key"] = key
        at.put("openai-main", key=key, description=f"the key is {key}")
        done = at.pull("openai-main")
        assert done.code == 3
        assert "error[terraform-secret-in-file]: integrations/openai-main.yaml" in done.err
        assert at.written == []


def test_the_guide_shows_the_output_of_the_command(tmp_path: Path) -> None:
    guide = (FOLDER.parents[2] / "desired-state/README.md").read_text()
    chapter = guide.partition("## Coming from Terraform")[2].partition("\n## ")[0]
    commands = re.findall(r"^ *(reconcile .+)$", chapter, re.MULTILINE)
    assert len(commands) >= 3
    with terraformed(tmp_path / "here") as at:
        (at.folder / "state.json").write_text(json.dumps(at.state))
        at.scene.project.environment |= VALUES
        for command in commands:
            words = command.replace("production", "here").split()[1:]
            done = at.scene.run(*words)
            assert done.code == 0, (command, done.err)
        assert at.written == FILES
