"""Terraform state, the API that it describes, and a pull from it on the command line."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.simulator.faults import Fault
from reconciler.simulator.switches import Switches
from tests.cli.project import Here
from tests.cli.scene import Scene
from tests.end_to_end.harness import Done
from tests.end_to_end.upstream import serving
from tests.runs import World

FOLDER = Path(__file__).parent / "terraform"
STATE: dict[str, Any] = json.loads((FOLDER / "state.json").read_text())
STATE_FILE: dict[str, Any] = json.loads((FOLDER / "terraform.tfstate").read_text())
CANARIES = (b"canary", b"CANARY")
WRITE_ONLY = "sk-canary-wo-19aa02be"
VALUES = {
    "SECRET_ANTHROPIC_EU_KEY": "sk-ant-canary-eu-88ef",
    "SECRET_ANTHROPIC_US_WEST_KEY": "sk-ant-canary-us-west-88ef",
    "SECRET_BEDROCK_EU_AWS_ACCESS_KEY_ID": "AKIACANARYEU0001",
    "SECRET_BEDROCK_EU_AWS_SECRET_ACCESS_KEY": "canary/aws/eu/3b7e",
    "SECRET_BEDROCK_US_WEST_AWS_ACCESS_KEY_ID": "AKIACANARYUSWEST0001",
    "SECRET_BEDROCK_US_WEST_AWS_SECRET_ACCESS_KEY": "canary/aws/us-west/3b7e",
    "SECRET_OPENAI_LIMITED_KEY": "sk-canary-limited-7d1f0c55",
    "SECRET_OPENAI_MAIN_KEY": "sk-canary-main-5e1f0b7a",
    "SECRET_OPENAI_WRITE_ONLY_KEY": WRITE_ONLY,
    "SECRET_SPARE_0_KEY": "sk-canary-spare-0-41c9",
    "SECRET_SPARE_1_KEY": "sk-canary-spare-1-41c9",
}
"""The values behind the references that a pull writes."""


def resources(state: dict[str, Any] = STATE) -> Iterator[dict[str, Any]]:
    """Yield the managed resources in the output of `terraform show -json`."""
    modules = [state["values"]["root_module"]]
    while modules:
        module = modules.pop()
        modules += module.get("child_modules", ())
        yield from (r for r in module.get("resources", ()) if r["mode"] == "managed")


def resource(state: dict[str, Any], address: str) -> dict[str, Any]:
    """Return one resource by its address."""
    return next(found for found in resources(state) if found["address"] == address)


@dataclass
class Terraformed:
    """Project files, a Terraform state, and an API with its resources."""

    scene: Scene
    state: dict[str, Any] = field(default_factory=lambda: json.loads(json.dumps(STATE)))

    @property
    def folder(self) -> Path:
        return self.scene.project.folder

    @property
    def integrations(self) -> Path:
        return self.scene.project.files / "integrations"

    @property
    def written(self) -> list[str]:
        """Return the files of integrations by their path below integrations/."""
        found = self.integrations.rglob("*.yaml")
        return sorted(path.relative_to(self.integrations).as_posix() for path in found)

    def pull(self, *words: object, content: str | bytes | None = None) -> Done:
        """Write the state outside the project, and pull from it."""
        path = self.folder.parent / f"{self.folder.name}-state.json"
        text = json.dumps(self.state) if content is None else content
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return self.scene.run("pull", *words, "--from-terraform", path)

    def add(self, slug: str, provider: str, **values: Any) -> None:
        """Create an integration like Terraform, and add it to the state."""
        stored = json.dumps(values["configurations"]) if "configurations" in values else None
        full = {**resource(STATE, "portkey_integration.main")["values"], "description": None}
        full |= {"slug": slug, "name": slug, "ai_provider_id": provider, "key": None, **values}
        full["configurations"] = stored
        body = {"slug": slug, "name": slug, "ai_provider_id": provider, **values}
        self.scene.upstream.world.put("POST", "/integrations", body)
        full["id"] = self.scene.upstream.record(slug)["id"]
        self.state["values"]["root_module"]["resources"].append(
            {
                "address": f"portkey_integration.{slug}",
                "mode": "managed",
                "type": "portkey_integration",
                "name": slug,
                "provider_name": "registry.example.com/portkey-ai/portkey",
                "schema_version": 0,
                "values": full,
                "sensitive_values": {"key": True, "configurations": True},
            }
        )

    def plan(self, **variables: str) -> Any:
        """Plan with the values of all secrets."""
        done = self.scene.project.run("plan", "--format", "json", **{**VALUES, **variables})
        assert done.code == 0, done.err
        return done.json

    def exists(self, slug: str, **fields: Any) -> None:
        """Create an integration outside Terraform."""
        self.scene.exists(slug, **fields)

    def put(self, path: str, **body: Any) -> None:
        """Change an integration outside Terraform."""
        self.scene.upstream.world.put("PUT", f"/integrations/{path}", body)

    def leaks(self, *outputs: Done) -> list[str]:
        """Return the places where a secret of the state occurs: files, ledger, stdout, stderr."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        texts = {str(path): path.read_bytes() for path in files}
        for number, done in enumerate(outputs):
            texts |= {f"out {number}": done.out.encode(), f"err {number}": done.err.encode()}
        return [name for name, text in texts.items() if any(c in text for c in CANARIES)]


@contextmanager
def terraformed(
    folder: Path, *faults: Fault, switches: Switches = Switches()
) -> Iterator[Terraformed]:
    """Serve an API with all resources of the state."""
    folder.mkdir(exist_ok=True)
    with serving(*faults, world=World(switches=switches)) as upstream:
        at = Terraformed(Scene(Here(folder, PORTKEY_API_KEY="pk-reader"), upstream))
        at.scene.config(prune="managed")
        # Registers the slugs, so that the API also knows the workspaces by their UUIDs.
        at.exists("outside")
        for workspace in ("ws-search", "ws-support"):
            at.put("outside/workspaces", workspaces=[{"id": workspace, "enabled": True}])
        for found in resources():
            _create(at, found["type"], found["values"])
        yield at


def _create(at: Terraformed, kind: str, values: dict[str, Any]) -> None:
    slug = values.get("slug") or values.get("integration_id")
    if kind == "portkey_integration":
        body = {name: values[name] for name in ("name", "slug", "ai_provider_id")}
        body["key"] = values["key"] or (WRITE_ONLY if values["key_version"] else None)
        body["description"] = values["description"]
        if values["configurations"]:
            body["configurations"] = json.loads(values["configurations"])
        given = {name: value for name, value in body.items() if value is not None}
        at.scene.upstream.world.put("POST", "/integrations", given)
        if values["allow_all_models"] is False:
            at.put(f"{slug}/models", models=[], allow_all_models=False)
        record = at.scene.upstream.record(slug)
        at.state = json.loads(json.dumps(at.state).replace(values["id"], record["id"]))
    elif kind == "portkey_integration_model_access":
        entry = {"slug": values["model_slug"], "enabled": values["enabled"]}
        if values["is_custom"]:
            names = ("is_custom", "is_finetune", "base_model_slug")
            entry |= {name: values[name] for name in names}
            prices = values["pricing_config"]["pay_as_you_go"]
            entry["pricing_config"] = {
                "type": "static",
                "pay_as_you_go": {
                    "request_token": {"price": prices["request_token_price"]},
                    "response_token": {"price": prices["response_token_price"]},
                },
            }
        owner = "openai-limited"
        at.put(f"{owner}/models", models=[entry])
    elif kind == "portkey_integration_workspace_access":
        limits = {n: values[n] for n in ("usage_limits", "rate_limits") if values[n]}
        grant = {"id": values["workspace_id"], "enabled": values["enabled"], **limits}
        at.put(f"{slug}/workspaces", workspaces=[grant])
