"""Temporary clone in which act runs the workflows, without Docker.

Third-party actions are stubs with only the required local behaviour: caches and uploads are
folders. `python3` is also a stub, which records installations instead of running them.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.desired.init_files import UNKNOWN_SOURCE, workflows
from tests.github.fake import REPO, FakeGitHub

ROOT = Path(__file__).resolve().parents[2]
ACT = Path(sys.executable).with_name("act")
TOKEN = "ghs_canary_act"
VALUE = "sk-canary-act-5f1c"
_PIN = re.compile(r"uses: ([\w.-]+/[\w.-]+)(?:/[\w./-]+)?@([0-9a-f]{40})")
_RESTORE = 'if [ -d "$STORE/cache" ]; then cp -a "$STORE/cache" .reconcile; fi'
_SAVE = 'rm -rf "$STORE/cache"; mkdir -p .reconcile; cp -a .reconcile "$STORE/cache"'
_UPLOAD = 'mkdir -p "$STORE/$NAME"; cp plan.json "$STORE/$NAME"'


@dataclass
class Scratch:
    """Clone with its stubs, and a fake GitHub."""

    folder: Path
    github: FakeGitHub
    installed: list[str] = field(default_factory=list)

    @property
    def repository(self) -> Path:
        return self.folder / "repository"

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def prepare(self) -> None:
        """Create a repository with the product, its workflows and the callers of `init`."""
        shutil.copytree(ROOT / ".github", self.repository / ".github")
        for file in (self.repository / ".github/workflows").glob("*.yml"):
            # act does not support these yet: the repository of the workflow, and queues.
            text = file.read_text().replace("uses: $/", "uses: ./")
            file.write_text(re.sub(r"\n +queue: max", "", text))
        for name, text in workflows("desired-state", UNKNOWN_SOURCE).items():
            (self.repository / ".github/workflows" / name).write_text(self._local(text))
        self._begin()

    def prepare_other(self, name: str, workflow: str) -> None:
        """Create a repository with a workflow that calls actions of the product."""
        file = self.repository / ".github/workflows" / name
        file.parent.mkdir(parents=True)
        file.write_text(workflow.replace("target: production\n", "target: simulator\n"))
        # The runner downloads the complete repository of an action.
        shutil.copytree(ROOT / ".github", self._product / ".github")
        self._begin()

    @property
    def _product(self) -> Path:
        return self.folder / "product"

    def _begin(self) -> None:
        self.store.mkdir()
        shutil.copytree(ROOT / "desired-state", self.repository / "desired-state")
        (self.repository / ".gitignore").write_text("/*\n!/.github\n!/desired-state\n")
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("remote", "add", "origin", f"https://github.com/{REPO}.git")
        self.commit()
        self._stubs()

    @staticmethod
    def _local(caller: str) -> str:
        """Change a caller to use the local workflows and the simulator."""
        called = caller.replace(f"{UNKNOWN_SOURCE.repository}/", "./")
        called = called.replace(f"@{UNKNOWN_SOURCE.commit}", "")
        return called.replace(": production\n", ": simulator\n")

    def commit(self) -> str:
        self.git("add", ".")
        self.git("commit", "--quiet", "--allow-empty", "--message", "change")
        return self.git("rev-parse", "HEAD")

    def push(self) -> str:
        """Commit to main, and update the fake GitHub."""
        self.github.branches["main"] = self.commit()
        return self.github.branches["main"]

    def git(self, *arguments: str) -> str:
        nowhere = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        done = subprocess.run(
            ["git", "-c", "user.name=dev", "-c", "user.email=dev@example.com", *arguments],
            cwd=self.repository,
            env={"PATH": os.defpath, **nowhere},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def act(self, event_name: str, workflow: str, event: dict[str, Any]) -> tuple[int, str]:
        """Run one workflow for one event; return the exit code and the log."""
        (self.folder / "event.json").write_text(json.dumps(event))
        words = [
            *(str(ACT), event_name, "-W", f".github/workflows/{workflow}.yml"),
            *("-P", "ubuntu-24.04=-self-hosted", "-P", "self-hosted=-self-hosted"),
            *("-e", str(self.folder / "event.json")),
            *("-s", f"GITHUB_TOKEN={TOKEN}", "-s", f"SECRET_VALUES=SECRET_OPENAI_KEY={VALUE}"),
            *("--env", f"GITHUB_API_URL={self.github.url}", "--no-cache-server"),
            *("--env", f"RUNNER_TEMP={self.folder}", "--no-skip-checkout"),
        ]
        for pin, folder in self._pins().items():
            words += ["--local-repository", f"{pin}={folder}"]
        done = subprocess.run(
            words,
            cwd=self.repository,
            env={"PATH": os.defpath, "HOME": str(self.folder), "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout

    def _pins(self) -> dict[str, Path]:
        files = (ROOT / ".github").rglob("*.yml")
        pins = {match for file in files for match in _PIN.findall(file.read_text())}
        stubs = self.folder / "stubs"
        found = {
            f"{repository}@{sha}": stubs / repository.partition("/")[2]
            for repository, sha in pins
            if (stubs / repository.partition("/")[2]).is_dir()
        }
        return found | {str(UNKNOWN_SOURCE): self._product}

    def _stubs(self) -> None:
        tools, installed = self.folder / "tools", self.folder / "installed"
        # The virtual environment that it creates is the other folder, which contains the command.
        write_program(
            tools / "python3",
            f'[ "$1" != -I ] || exec {sys.executable} "$@"',  # a script, which installs nothing
            f'echo "$@" >> {self.folder}/installed.log',
            f'[ "$2" != venv ] || cp -r {installed} "$3/bin"',
        )
        write_program(installed / "python", f'exec {tools}/python3 "$@"')
        write_program(
            installed / "reconcile",
            f'PYTHONPATH={ROOT} exec {sys.executable} -P -m reconciler "$@"',
        )
        self._stub(
            "checkout",
            f'cp -a {self.repository}/. .; [ -z "$REF" ] || git checkout --quiet --detach "$REF"',
        )
        self._stub("setup-python", f'echo {tools} >> "$GITHUB_PATH"')
        self._stub("cache/restore", _RESTORE)
        self._stub("cache/save", _SAVE)
        self._stub("upload-artifact", _UPLOAD)

    def _stub(self, name: str, script: str) -> None:
        file = self.folder / "stubs" / name / "action.yml"
        file.parent.mkdir(parents=True)
        step = {
            "shell": "bash",
            "run": script,
            "env": {
                "STORE": str(self.store),
                "NAME": "${{ inputs.name }}",
                "REF": "${{ inputs.ref }}",
            },
        }
        action = {
            "name": name,
            "inputs": {"name": {}, "ref": {}},
            "runs": {"using": "composite", "steps": [step]},
        }
        file.write_text(json.dumps(action))


def write_program(file: Path, *lines: str) -> None:
    """Write a shell script as a program."""
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    file.chmod(0o755)
