"""Desired-state folder, and a simulator with the same integrations in a separate process."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.domain.schema import FieldSchema, any_provider_schema
from reconciler.simulator.seeds import generated_requests

RECONCILE = str(Path(sys.executable).with_name("reconcile"))
KEY = "pk-benchmark"
_CONFIG = """\
version: 1
default_target: bench
targets:
  bench: {base_url: "%s", api_key: "${env:PORTKEY_API_KEY}", prune: none}
"""


@dataclass(frozen=True)
class World:
    """Project folder that declares `count` integrations."""

    folder: Path
    count: int

    @property
    def files(self) -> Path:
        return self.folder / "desired-state"

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of a command; it writes bytecode, as an installed command does."""
        return {
            "PATH": os.defpath,
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "PORTKEY_API_KEY": KEY,
        }

    def aim(self, url: str) -> None:
        """Set the target to the simulator at a URL."""
        (self.files / "reconcile.yaml").write_text(_CONFIG % url)

    def edit(self, share: float) -> int:
        """Change the description in a fraction of the files, evenly spread; return their number."""
        paths = sorted((self.files / "integrations").iterdir())
        chosen = paths[:: max(1, round(1 / share))]
        for path in chosen:
            text = path.read_text()
            path.write_text(text.replace("description: ", "description: edited ", 1))
        return len(chosen)


def declare(folder: Path, count: int) -> World:
    """Write one file for each integration of `simulate --seed COUNT`, as a person would."""
    shutil.rmtree(folder, ignore_errors=True)
    world = World(folder, count)
    (world.files / "integrations").mkdir(parents=True)
    for request in generated_requests(count):
        if request.method == "POST":
            slug = request.body["slug"]
            (world.files / "integrations" / f"{slug}.yaml").write_text(as_yaml(request.body))
    world.aim("http://127.0.0.1:1/v1")
    return world


def declare_with_models(folder: Path, count: int, *, models: int) -> World:
    """Write files of integrations that each list some models."""
    shutil.rmtree(folder, ignore_errors=True)
    world = World(folder, count)
    (world.files / "integrations").mkdir(parents=True)
    listed = "".join(f"  - slug: gpt-{model}\n    enabled: true\n" for model in range(models))
    for number in range(count):
        text = f"slug: integration-{number:05}\nname: Integration {number}\n"
        text += f"description: number {number}\nai_provider_id: openai\n"
        text += "key: ${env:SECRET_BENCHMARK}\nallow_all_models: false\n"
        path = world.files / "integrations" / f"integration-{number:05}.yaml"
        path.write_text(f"{text}models:\n{listed}")
    world.aim("http://127.0.0.1:1/v1")
    return world


def declare_wide(folder: Path, *, models: int, workspaces: int, state: int) -> World:
    """Write one integration with many models and workspaces; a new `state` changes all of them."""
    world = World(folder, 1)
    (world.files / "integrations").mkdir(parents=True, exist_ok=True)
    lines = ["slug: wide", "name: Wide", "ai_provider_id: openai", "key: ${env:SECRET_BENCHMARK}"]
    lines += ["allow_all_models: false", "models:"]
    enabled = "true" if state else "false"
    lines += [f"  - {{slug: model-{n}, enabled: {enabled}}}" for n in range(models)]
    lines.append("workspaces:")
    limits = f"[{{type: cost, credit_limit: {5 + state}}}]"
    lines += [
        f"  - {{id: ws-{n}, enabled: true, usage_limits: {limits}}}" for n in range(workspaces)
    ]
    (world.files / "integrations/wide.yaml").write_text("\n".join(lines) + "\n")
    return world


def as_yaml(fields: Mapping[str, Any], indent: str = "", schema: FieldSchema | None = None) -> str:
    """Return fields as block-style YAML, with a reference in place of each secret."""
    lines = []
    schema = schema or any_provider_schema()
    for name, value in fields.items():
        field = schema.child(name)
        if field.facts.secret:
            lines.append(f"{indent}{name}: ${{env:SECRET_BENCHMARK}}\n")
        elif isinstance(value, Mapping):
            lines.append(f"{indent}{name}:\n{as_yaml(value, indent + '  ', field)}")
        elif isinstance(value, str) and value.replace(" ", "").isalnum():
            lines.append(f"{indent}{name}: {value}\n")
        else:
            lines.append(f"{indent}{name}: {json.dumps(value)}\n")
    return "".join(lines)


@contextmanager
def simulator(
    folder: Path,
    *,
    port: str = "0",
    seed: int = 0,
    latency_ms: float = 0,
    jitter_ms: float = 0,
    rate_limit: int | None = None,
    db: Path | None = None,
    script: Path | None = None,
) -> Iterator[str]:
    """Run `reconcile simulate` as a process and yield its URL."""
    options = ["--port", port, "--latency-ms", str(latency_ms), "--jitter-ms", str(jitter_ms)]
    options += ["--seed", str(seed)] if seed else []
    options += ["--rate-limit", str(rate_limit)] if rate_limit else []
    options += ["--db", str(db)] if db else []
    options += ["--fault", str(script)] if script else []
    process = subprocess.Popen(
        [RECONCILE, "--quiet", "simulate", *options],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGTERM)
        process.stdout.close()
        process.wait(timeout=30)
