"""Usage of integrations: what a plan shows and blocks, and how incomplete reads count."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reconciler.simulator.faults import Fault, FaultKind
from reconciler.simulator.messages import Request
from reconciler.simulator.seeds import apply_seed
from reconciler.simulator.switches import Switches
from tests.cli.project import Here
from tests.cli.scene import Scene
from tests.end_to_end.upstream import serving
from tests.runs import World

LINE = "used by 3 providers in 2 workspaces (ws-search, ws-support), 5 configs"
USERS = ("/admin/workspaces", "/providers", "/configs")
CANARY = "sk-canary-5e1f0b7a2c9d4438"
BEDROCK = {
    "name": "Bedrock",
    "ai_provider_id": "bedrock",
    "key": ...,
    "configurations": {
        "aws_auth_type": "assumedRole",
        "aws_region": "us-east-1",
        "aws_role_arn": "arn:aws:iam::000000000003:role/gateway",
    },
}
ANTHROPIC = {
    "name": "Anthropic",
    "ai_provider_id": "anthropic",
    "key": ...,
    "tags": {"cost-center": "2"},
    "pricing_adjustments": {"multiplier": {"default": 0.9}},
}


@contextmanager
def graph(folder: Path, *faults: Fault, **switches: Any) -> Iterator[Scene]:
    """Serve the seed `usage`; the files declare two of its integrations unchanged."""
    world = World(switches=Switches.parse(switches))
    apply_seed(world.remote, "usage")
    config = {"name": "Canary", "workspace_id": "ws-search", "config": {"api_key": CANARY}}
    world.put("POST", "/configs", config)
    with serving(*faults, world=world) as upstream:
        scene = Scene(Here(folder, PORTKEY_API_KEY="pk-canary"), upstream)
        scene.config(usage=True)
        scene.file("anthropic-eu", **ANTHROPIC)
        scene.file("bedrock-us", **BEDROCK)
        yield scene


def without_access(scene: Scene, *workspaces: str) -> None:
    """Declare that these workspaces lose their access to `anthropic-eu`."""
    revoked = [{"id": workspace, "enabled": False} for workspace in workspaces]
    scene.file("anthropic-eu", **ANTHROPIC, workspaces=revoked)


def planned(scene: Scene, *options: str) -> Any:
    done = scene.run("plan", "--format", "json", *options)
    assert done.code == 0, done.err
    return done.json


def action(plan: Any, slug: str) -> Any:
    [found] = [item for item in plan["actions"] if item["slug"] == slug]
    return found


def codes(plan: Any) -> list[str]:
    return [item["code"] for item in plan["diagnostics"]]


def asked(scene: Scene) -> list[Request]:
    """Return the requests for users so far."""
    return [r for r in scene.upstream.requests if r.path.startswith(USERS)]


def test_a_plan_shows_the_users_of_deleted_integrations(tmp_path: Path) -> None:
    with graph(tmp_path) as scene:
        text = scene.run("plan")
        assert f"    {LINE}\n" in text.out
        assert f"`{LINE}`" in scene.run("plan", "--format", "markdown").out
        assert f"<p>{LINE}</p>" in scene.run("plan", "--format", "html").out
        plan = planned(scene, "--out", "plan.json")
        used_by = action(plan, "openai-main")["used_by"]
        assert used_by["workspaces"] == ["ws-search", "ws-support"]
        assert [(p["workspace"], p["slug"]) for p in used_by["providers"]] == [
            ("ws-search", "openai"),
            ("ws-search", "openai-batch"),
            ("ws-support", "openai"),
        ]
        assert len(used_by["configs"]) == 5
        assert not any(config["possible"] for config in used_by["configs"])
        assert LINE in scene.run("show", "plan.json").out
        schema = scene.run("schema", "--kind", "plan").json
        jsonschema.Draft202012Validator(schema).validate(plan)


def test_only_the_slug_of_a_config_is_shown(tmp_path: Path) -> None:
    with graph(tmp_path) as scene:
        scene.config(usage=True, limits={"used_removals": 9})
        shown = []
        for words in (
            ("-vv", "plan"),
            ("-vv", "plan", "--format", "json", "--out", "plan.json"),
            ("plan", "--format", "html"),
            ("-vv", "get", "openai-main", "--used-by"),
            ("-vv", "doctor"),
            ("-vv", "apply", "--yes", "--format", "json"),
            ("--log-format", "json", "plan"),
        ):
            done = scene.run(*words)
            shown += [done.out, done.err]
        files = [p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()]
        for secret in (CANARY, "sk-seed-00004"):
            assert not any(secret in text for text in shown)
            assert not any(secret.encode() in content for content in files)


def test_usage_is_not_read_without_the_setting_or_without_a_removal(tmp_path: Path) -> None:
    with graph(tmp_path) as scene:
        scene.config()
        off = planned(scene)
        assert asked(scene) == []
        assert "used_by" not in action(off, "openai-main")
        scene.config(usage=True, prune="none")
        assert planned(scene)["actions"] == []
        scene.file("anthropic-eu", **{**ANTHROPIC, "name": "Renamed"})
        assert "used_by" not in action(planned(scene), "anthropic-eu")
        assert asked(scene) == []


def test_a_removal_of_a_used_integration_is_blocked_unless_allowed(tmp_path: Path) -> None:
    with graph(tmp_path) as scene:
        plan = planned(scene)
        assert action(plan, "openai-main")["blocked_by"] == ["in-use"]
        done = scene.run("apply", "--yes")
        assert (done.code, scene.upstream.writes) == (4, [])
        assert "error[in-use]" in done.err
        assert "openai-main (3 providers, 5 configs)" in " ".join(done.err.split())
        assert "--allow-used" in done.err
        allowed = planned(scene, "--allow-used")
        assert action(allowed, "openai-main")["blocked_by"] == []
        assert "apply --allow-used" in scene.run("plan", "--allow-used").out
        assert allowed["digest"] == plan["digest"]
        assert scene.run("apply", "--yes", "--allow-used").code == 0
        assert "openai-main" not in scene.upstream.remote.integrations


@pytest.mark.parametrize(("limit", "blocked"), [(0, True), (1, True), (2, False)])
def test_the_limit_counts_removals_of_used_integrations(
    tmp_path: Path, limit: int, *, blocked: bool
) -> None:
    with graph(tmp_path) as scene:
        without_access(scene, "ws-support", "ws-idle")
        scene.config(usage=True, limits={"used_removals": limit})
        plan = planned(scene)
        # One delete, and one of the two revokes: nothing in ws-idle uses the integration.
        assert [a["slug"] for a in plan["actions"] if a["blocked_by"]] == (
            ["anthropic-eu", "openai-main"] if blocked else []
        )
        assert ("in-use" in codes(plan)) == blocked


def test_the_limit_alone_is_enough(tmp_path: Path) -> None:
    with graph(tmp_path) as scene:
        scene.config(limits={"used_removals": 0})
        plan = planned(scene)
        assert action(plan, "openai-main")["blocked_by"] == ["in-use"]
        assert "usage" in scene.run("doctor").out


def test_access_that_nothing_uses_can_be_removed(tmp_path: Path) -> None:
    with graph(tmp_path) as scene:
        scene.config(usage=True, prune="none")
        without_access(scene, "ws-idle")
        plan = planned(scene)
        assert action(plan, "anthropic-eu")["blocked_by"] == []
        assert action(plan, "anthropic-eu")["used_by"]["workspaces"] == ["ws-support"]
        without_access(scene, "ws-support")
        assert action(planned(scene), "anthropic-eu")["blocked_by"] == ["in-use"]


@pytest.mark.parametrize("form", ["slug", "uuid"])
def test_workspaces_are_compared_in_both_forms(tmp_path: Path, form: str) -> None:
    with graph(tmp_path, workspace_id_form=form) as scene:
        scene.config(usage=True, prune="none")
        listed = scene.run("get", "anthropic-eu", "--format", "json").json["workspaces"]
        for entry in listed:
            scene.file("anthropic-eu", **ANTHROPIC, workspaces=[{**entry, "enabled": False}])
            found = action(planned(scene), "anthropic-eu")
            scene.file("anthropic-eu", **ANTHROPIC)
            is_used = entry["usage_limits"] and found["blocked_by"] == ["in-use"]
            is_support = entry["id"] in {"ws-support", "05acd4d1-8da1-8ea6-fa9e-17f0273a552d"}
            assert is_used == is_support


@pytest.mark.parametrize(
    ("fields", "blocked"),
    [
        ({"models": [{"slug": "gpt-5", "enabled": False}]}, ["in-use"]),
        ({"models": [{"slug": "gpt-5", "enabled": True}]}, []),
        ({"key": "${env:SECRET_KEY}"}, []),
    ],
    ids=["model disabled", "model kept", "credential"],
)
def test_a_disabled_model_is_a_removal_and_a_rotation_is_only_shown(
    tmp_path: Path, fields: dict[str, Any], blocked: list[str]
) -> None:
    with graph(tmp_path) as scene:
        scene.file("openai-main", **{"name": "OpenAI", "key": ..., **fields})
        plan = planned(scene)
        found = action(plan, "openai-main") if plan["actions"] else {"blocked_by": []}
        assert found["blocked_by"] == blocked
        if "key" in fields or blocked:
            assert len(found["used_by"]["providers"]) == 3
        else:
            assert "used_by" not in found


def test_a_replace_counts_as_a_removal(tmp_path: Path) -> None:
    with graph(tmp_path) as scene:
        # The provider of an integration is immutable.
        scene.file("anthropic-eu", **{**ANTHROPIC, "ai_provider_id": "openai"}, prune=...)
        plan = planned(scene, "--allow-replace")
        assert action(plan, "anthropic-eu")["action"] == "replace"
        assert "in-use" in action(plan, "anthropic-eu")["blocked_by"]


# Each path and each status once; tests/remote/test_usage.py tests all pairs.
DENIALS = list(zip(USERS, (401, 403, 404), strict=True))


@pytest.mark.parametrize(("path", "status"), DENIALS)
def test_without_the_scope_a_plan_has_one_more_notice(
    tmp_path: Path, path: str, status: int
) -> None:
    fault = Fault(kind=FaultKind.STATUS, path=f"^{path}$", status=status, code="AB03", times=-1)
    with graph(tmp_path, fault) as scene:
        without_access(scene, "ws-support")
        scene.config()
        off = scene.run("plan", "--format", "json").json
        scene.config(usage=True)
        on = scene.run("plan", "--format", "json").json
        [found] = [d for d in on["diagnostics"] if d["code"] == "usage-unknown"]
        assert found["severity"] == "notice"
        on["diagnostics"].remove(found)
        assert off.pop("created_at") <= on.pop("created_at")
        assert on == off
        assert scene.run("plan").out.count("usage-unknown") == 1
        assert len(asked(scene)) <= 10
        assert scene.run("apply", "--yes").code == 0


@pytest.mark.parametrize(
    "scope", ["workspaces.list", "providers.list", "configs.list"], ids=lambda scope: scope
)
def test_get_used_by_names_a_missing_scope(tmp_path: Path, scope: str) -> None:
    with graph(tmp_path, denied_scopes=scope) as scene:
        done = scene.run("get", "openai-main", "--used-by", "--format", "json")
        assert done.code == 0
        assert done.json["used_by"] is None
        assert f"the key is not allowed to list {scope.partition('.')[0]}: HTTP 403" in done.err
        assert "notice[usage-unknown]" in done.err
        checks = scene.run("doctor", "--format", "json").json["checks"]
        [check] = [item for item in checks if item["name"] == "usage"]
        assert check["status"] == "warn"
        assert scope in check["hint"]


# None of these is retried; tests/remote/test_usage.py tests the others in virtual time.
FAULTS = [
    *(Fault(kind=FaultKind.WRONG_TOTAL, path=f"^{path}$", times=-1) for path in USERS),
    Fault(kind=FaultKind.EDIT, path="^/providers$", times=-1, merge={"data": [{"slug": "x"}]}),
    Fault(kind=FaultKind.EDIT, path="^/configs$", times=-1, merge={"data": "none"}),
    Fault(kind=FaultKind.STATUS, path="^/providers$", times=-1, status=400, code="AB01"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f"{f.kind.value}{f.status or ''}{f.path}")
def test_an_incomplete_read_never_counts_as_unused(tmp_path: Path, fault: Fault) -> None:
    with graph(tmp_path, fault) as scene:
        (scene.project.files / "integrations" / "bedrock-us.yaml").unlink()
        plan = planned(scene)
        assert "usage-incomplete" in codes(plan)
        for slug in ("openai-main", "bedrock-us"):
            assert action(plan, slug)["used_by"]["complete"] is False
            assert action(plan, slug)["blocked_by"] == ["in-use"]
        text = scene.run("plan").out
        assert "not used by any provider" not in text
        assert "could not be read completely" in " ".join(text.split())
        assert scene.run("apply", "--yes").code == 4
        assert scene.upstream.writes == []


def test_one_workspace_that_is_denied_is_a_gap(tmp_path: Path) -> None:
    # The other workspaces show that the key can list providers.
    fault = Fault(kind=FaultKind.STATUS, path="^/providers$", status=403, code="AB03")
    with graph(tmp_path, fault) as scene:
        plan = planned(scene)
        assert "usage-unknown" not in codes(plan)
        assert "usage-incomplete" in codes(plan)
        assert action(plan, "openai-main")["blocked_by"] == ["in-use"]


def test_a_list_that_fails_once_is_read_again(tmp_path: Path) -> None:
    faults = [Fault(kind=FaultKind.WRONG_TOTAL, path=f"^{path}$") for path in USERS]
    with graph(tmp_path, *faults) as scene:
        assert action(planned(scene), "openai-main")["used_by"]["complete"] is True


def test_new_users_do_not_void_an_approval_but_trigger_the_guard(tmp_path: Path) -> None:
    with graph(tmp_path) as scene:
        (scene.project.files / "integrations" / "bedrock-us.yaml").unlink()
        scene.file("openai-main", name="OpenAI", key=...)
        plan = planned(scene, "--out", "plan.json")
        assert action(plan, "bedrock-us")["blocked_by"] == []
        provider = {"name": "new", "integration_id": "bedrock-us", "workspace_id": "ws-idle"}
        scene.upstream.world.put("POST", "/providers", provider)
        again = planned(scene)
        assert again["digest"] == plan["digest"]
        assert len(action(again, "bedrock-us")["used_by"]["providers"]) == 1
        refused = scene.run("apply", "plan.json")
        assert refused.code == 4
        assert "error[in-use]" in refused.err
        # The saved plan still approves the delete itself.
        assert scene.run("apply", "plan.json", "--allow-used").code == 0
        assert "bedrock-us" not in scene.upstream.remote.integrations


def test_get_lists_the_users(tmp_path: Path) -> None:
    with graph(tmp_path) as scene:
        assert "used_by" not in scene.run("get", "openai-main", "--format", "json").json
        assert asked(scene) == []
        shown = scene.run("get", "openai-main", "--used-by")
        assert LINE in shown.out
        assert "- slug: openai-batch\n" in shown.out
        found = scene.run("get", "openai-main", "--used-by", "--format", "json").json
        assert len(found["used_by"]["configs"]) == 5
        yaml = scene.run("get", "bedrock-us", "--used-by", "--format", "yaml").out
        assert "used_by:\n  complete: true\n  providers: []\n" in yaml
        assert (
            "not used by any provider or config" in scene.run("get", "bedrock-us", "--used-by").out
        )


def test_doctor_checks_the_scopes_only_where_they_are_needed(tmp_path: Path) -> None:
    with graph(tmp_path) as scene:
        assert "the key can list providers and configs, and read a config" in (
            scene.run("doctor").out
        )
        scene.config()
        before = len(asked(scene))
        assert "usage" not in scene.run("doctor").out
        assert len(asked(scene)) == before


def test_unreadable_configs_count_as_possible_users(tmp_path: Path) -> None:
    with graph(tmp_path, denied_scopes="configs.read") as scene:
        line = "used by 3 providers in 2 workspaces (ws-search, ws-support), possibly 7 configs"
        assert line in scene.run("plan").out
        found = action(planned(scene), "openai-main")
        assert all(config["possible"] for config in found["used_by"]["configs"])
        [check] = [
            item
            for item in scene.run("doctor", "--format", "json").json["checks"]
            if item["name"] == "usage"
        ]
        assert check["status"] == "warn"
        assert "configs.read" in check["hint"]


@pytest.mark.parametrize(
    ("setting", "line"),
    [('"yes"', "usage"), ("1", "usage"), ("null", "usage"), ('{"on": true}', "usage")],
)
def test_a_setting_that_is_not_a_boolean_is_an_error_at_its_line(
    tmp_path: Path, setting: str, line: str
) -> None:
    project = Here(tmp_path)
    project.config(usage="X")
    path = project.files / "reconcile.yaml"
    path.write_text(path.read_text().replace('"X"', setting))
    done = project.run("validate")
    assert done.code == 3
    assert f'"{line}": {setting}' in done.out + done.err
    assert "hint:" in done.out + done.err


@pytest.mark.parametrize("limit", ["-1", "true", "1.5", '"2"'])
def test_a_limit_that_is_not_a_count_is_an_error(tmp_path: Path, limit: str) -> None:
    project = Here(tmp_path)
    project.config(usage=True, limits={"used_removals": "X"})
    path = project.files / "reconcile.yaml"
    path.write_text(path.read_text().replace('"X"', limit))
    done = project.run("validate")
    assert done.code == 3
    assert "used_removals" in done.out + done.err


def test_the_log_names_the_calls(tmp_path: Path) -> None:
    with graph(tmp_path) as scene:
        done = scene.run("--log-format", "json", "plan")
        lines = [json.loads(line) for line in done.err.splitlines()]
        operations = {line.get("operation") for line in lines if line["event"] == "request"}
        assert operations >= {"list-workspaces", "list-providers", "list-configs", "get-config"}
