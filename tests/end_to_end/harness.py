"""Run `reconcile` as a user does, in a separate project folder and environment."""

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

ROOT = Path(__file__).resolve().parents[2]
SECRET = "sk-canary-5e1f0b7a2c9d4438"
COMMAND = (sys.executable, "-m", "reconciler")
INSTALLED = (str(Path(sys.executable).with_name("reconcile")),)


@dataclass(frozen=True)
class Done:
    """Result of a process."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Project:
    """Project folder with desired state, and the environment of its commands."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self.files = folder / "desired-state"
        self.files.mkdir(parents=True, exist_ok=True)
        self.environment = {
            "PATH": os.defpath,
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "SECRET_KEY": SECRET,
            **variables,
        }

    @classmethod
    def with_examples(cls, folder: Path, **variables: str) -> "Project":
        """Copy the desired state of the repository, as in a fresh clone."""
        project = cls(folder, **variables)
        shutil.copytree(ROOT / "desired-state", project.files, dirs_exist_ok=True)
        return project

    def config(self, base_url: str = "simulator:", **target: Any) -> None:
        """Write reconcile.yaml with one target, `here`, which prunes undeclared integrations."""
        here = {"base_url": base_url, "prune": "all", **target}
        document = {"version": 1, "default_target": "here", "targets": {"here": here}}
        self.write("reconcile.yaml", document)

    def integration(self, slug: str, **fields: Any) -> Path:
        """Write one integration; a field set to `...` is omitted."""
        document = {
            "slug": slug,
            "name": slug.title(),
            "ai_provider_id": "openai",
            "key": "${env:SECRET_KEY}",
            **fields,
        }
        given = {key: value for key, value in document.items() if value is not ...}
        return self.write(f"integrations/{slug}.yaml", given)

    def write(self, name: str, content: str | Mapping[str, Any]) -> Path:
        """Write a file below desired-state; a mapping is written as JSON, which is YAML."""
        path = self.files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content, indent=2))
        return path

    def run(self, *arguments: object, command: tuple[str, ...] = COMMAND, **variables: str) -> Done:
        """Run one command to completion."""
        done = subprocess.run(
            [*command, *map(str, arguments)],
            cwd=self.folder,
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def serving(self, *arguments: object) -> Iterator[str]:
        """Run `reconcile simulate` on a free port and yield its URL; stop it with SIGTERM."""
        process = subprocess.Popen(
            [*COMMAND, "simulate", "--port", "0", *map(str, arguments)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.send_signal(signal.SIGTERM)
            process.stdout.close()
            process.wait(timeout=20)
