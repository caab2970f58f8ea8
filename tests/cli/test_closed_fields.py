"""Unknown fields: never shown, and never a way to send a stored credential to another host."""

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.domain.schema import any_provider_schema
from tests.cli.project import Here, actions, writes

CANARY = "canary-4e8b1d"

DOCUMENTED_SECRETS = (
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "aws_external_id",
    "azure_entra_client_secret",
    "azure_ad_token",
    "oracle_private_key",
    "oracle_key_passphrase",
)
GENERATED_NAMES = tuple(
    f"{vendor}_{noun}"
    for vendor in ("acme", "newvendor", "x", "databricks_next")
    for noun in (
        "jwt",
        "bearer",
        "client_pem",
        "sas_url",
        "pat",
        "endpoint",
        "api_host",
        "hint",
        "base_url",
        "thing",
    )
)
NAMES = (*DOCUMENTED_SECRETS, *GENERATED_NAMES)


def unknown(names: tuple[str, ...], value: str) -> dict[str, Any]:
    """Return fields with each name: as text, inside a mapping and inside a list."""
    fields: dict[str, Any] = {}
    for number, name in enumerate(names):
        forms = (value, {"inner": {"name": value}}, [value, {"slug": value}])
        fields[name] = f"{value}" if name in DOCUMENTED_SECRETS else forms[number % 3]
    return fields


def everything(project: Here) -> str:
    """Return the bytes of all files of the project except the YAML and the simulator."""
    kept = (
        path
        for path in project.folder.rglob("*")
        if path.is_file() and "simulator" not in path.name and path.suffix != ".yaml"
    )
    return "\n".join(path.read_bytes().decode("latin-1") for path in kept)


@pytest.mark.slow
@pytest.mark.parametrize("provider", ["acme-ai", "openai"])
def test_their_values_are_in_no_output_plan_ledger_or_report(tmp_path: Path, provider: str) -> None:
    project = Here(tmp_path)
    project.config(limits={"credential_changes": 100})
    # A known secret field takes only a reference; these names are unknown.
    names = tuple(name for name in NAMES if not name.startswith(("aws_", "azure_")))
    said: list[str] = []

    def run(*words: object, codes: tuple[int, ...] = (0,)) -> str:
        done = project.run("-vv", *words)
        assert done.code in codes, done.err
        said.append(done.out + done.err)
        return done.out

    for value, changed in ((CANARY, "first"), (f"{CANARY}-2", "second")):
        project.integration(
            "alpha",
            ai_provider_id=provider,
            description=changed,
            configurations=unknown(names, value),
            models=[{"slug": "m", "enabled": True, "configurations": {"region_hint": value}}],
        )
        run("validate", "--format", "json")
        run("validate", "--format", "sarif")
        for style in ("text", "json", "markdown", "html"):
            run("plan", "--out", tmp_path / "plan.json", "--format", style)
            run("show", tmp_path / "plan.json", "--format", style)
        run("render")
        run("render", "--format", "json")
        run("drift", codes=(2,))
        run("drift", "--format", "html", codes=(2,))
        run("apply", "--yes")
        for style in ("text", "json", "yaml"):
            run("get", "alpha", "--format", style)
            run("list", "--format", style)
        run("history", "--format", "json")
        run("plan", "--detailed-exitcode")
    runs = json.loads(run("history", "--format", "json"))["runs"]
    run("undo", runs[-1]["run"], "--out", tmp_path / "undo.json", codes=(0, 4))
    assert CANARY not in "".join(said)
    assert CANARY not in everything(project)
    assert "(not shown: unknown field)" in "".join(said)


@pytest.mark.slow
def test_a_change_of_one_is_shown_and_applied(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha", ai_provider_id="acme-ai", configurations={"region_hint": "eu"})
    project.apply()
    assert actions(project.plan()) == {}
    for value in ("us", 5, True, ["us"], {"zone": "us"}, "5", {"zone": {"a": [1]}}, [1], "eu"):
        project.integration(
            "alpha", ai_provider_id="acme-ai", configurations={"region_hint": value}
        )
        planned = project.plan()
        assert planned["max_risk"] == "credential"
        project.apply()
        assert actions(project.plan()) == {}


def test_one_can_hold_a_reference_that_rotates(tmp_path: Path) -> None:
    project = Here(tmp_path)
    fields = {"acme_jwt": "${env:SECRET_JWT}", "nested": {"pat": "${env:SECRET_JWT}"}}
    project.integration("alpha", ai_provider_id="acme-ai", configurations=fields)
    project.apply(SECRET_JWT="first-value-of-it")
    assert actions(project.plan(SECRET_JWT="first-value-of-it")) == {}
    planned = project.plan(SECRET_JWT="second-value-of-it")
    changed = {change["path"]: change["op"] for change in planned["actions"][0]["changes"]}
    assert changed == {
        "configurations.acme_jwt": "rotate",
        "configurations.nested.pat": "rotate",
        "key": "resend",  # an unknown field may be a host, so the credential is sent with it
    }


HOSTS = [
    (provider, ".".join(path))
    for provider, path in (
        ("azure-openai", ("configurations", "azure_resource_name")),
        ("azure-ai", ("configurations", "azure_foundry_url")),
        ("huggingface", ("configurations", "huggingface_base_url")),
        ("cortex", ("configurations", "snowflake_account")),
        ("openai", ("configurations", "custom_host")),
    )
]


def test_the_documented_hosts_are_hosts() -> None:
    for _, path in HOSTS:
        assert any_provider_schema().at(tuple(path.split("."))).facts.host


NOT_URLS = {
    "snowflake_account",
    "databricks_workspace",
    "azure_endpoint_name",
    "workers_ai_account_id",
    "fireworks_account_id",
}


MOVED = [
    *((provider, path.rpartition(".")[2]) for provider, path in HOSTS[1:]),
    *(("newvendor", name) for name in GENERATED_NAMES[:20]),
    ("databricks", "databricks_workspace"),
    ("azure-ai", "azure_endpoint_name"),
    ("workers-ai", "workers_ai_account_id"),
    ("fireworks-ai", "fireworks_account_id"),
]


def test_a_new_value_does_not_move_a_stored_credential(tmp_path: Path) -> None:
    def configurations(provider: str, name: str, value: str) -> dict[str, Any]:
        url = value if name in NOT_URLS else f"https://{value}.example"
        required: dict[str, Any] = {}
        if provider == "azure-ai":
            required = {
                "azure_auth_mode": "default",
                "azure_foundry_url": "https://a.services.ai.azure.com/models",
            }
        return {**required, name: url}

    project = Here(tmp_path)
    slugs = {f"{provider}--{name}".replace("_", "-"): (provider, name) for provider, name in MOVED}
    for slug, (provider, name) in slugs.items():
        fields = configurations(provider, name, "mine")
        project.integration(slug, ai_provider_id=provider, configurations=fields)
    project.apply()
    for slug, (provider, name) in slugs.items():
        fields = configurations(provider, name, "evil")
        project.integration(slug, ai_provider_id=provider, configurations=fields, key=...)
    done = project.run("plan", "--format", "json")
    assert done.code == 0, done.err
    blocked = {item["slug"]: item["blocked_by"] for item in done.json["actions"]}
    assert blocked.keys() == slugs.keys()
    assert [s for s, codes in blocked.items() if "credential-retarget" not in codes] == []
    # Each blocks the apply by itself.
    for chosen in ((), ("--only", min(slugs))):
        refused = project.run("-vv", "apply", "--yes", *chosen)
        assert (refused.code, writes(refused)) == (4, [])
