"""Repository of a team and the jobs of a CI system, whose shell lines bash runs in clones."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.end_to_end.harness import Done, Project
from tests.git.repositories import git
from tests.workflows.acting import write_program

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / ".github/examples"
KEY = "pk-canary-example-3b1d"
VALUE = "sk-canary-example-77aa"


@dataclass
class Team:
    """Repository of a team, the repository of `reconcile`, and a simulator of the API at `url`."""

    folder: Path
    url: str
    commits: list[str] = field(default_factory=list)

    @property
    def tool(self) -> Path:
        return self.folder / "tool"

    @property
    def home(self) -> Path:
        return self.folder / "team"

    @property
    def installed(self) -> list[str]:
        log = self.folder / "installed.log"
        return log.read_text().splitlines() if log.exists() else []

    def integration(self, slug: str, **fields: object) -> None:
        """Write a file of the repository; see `Project.integration`."""
        Project(self.home).integration(slug, **fields)

    def commit(self, subject: str) -> str:
        """Commit all files, and return the commit."""
        git(self.home, "add", "--all")
        git(self.home, "commit", "--quiet", "--allow-empty", "-m", subject)
        return git(self.home, "rev-parse", "HEAD")

    def slugs(self) -> set[str]:
        """Return the integrations in the API."""
        answer = httpx.get(f"{self.url}/integrations", headers={"x-portkey-api-key": KEY})
        return {item["slug"] for item in answer.json()["data"]}

    def clone(self, name: str, commit: str, depth: int) -> Path:
        """Clone like a runner: a shallow clone with one commit checked out."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        git(folder, "init", "--quiet")
        git(folder, "remote", "add", "origin", self.home.as_uri())
        git(folder, "fetch", "--quiet", "--depth", str(depth), "origin", commit)
        git(folder, "checkout", "--quiet", "--detach", commit)
        return folder

    def bash(self, lines: Sequence[str], folder: Path, **variables: str) -> Done:
        """Run shell lines in order like a runner: the first failure ends the job."""
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", "\n".join(lines)],
            cwd=folder,
            env={
                "PATH": f"{self.folder}/programs:{os.defpath}",
                "HOME": str(self.folder),
                "LANG": "C.UTF-8",
                "CI": "true",
                "PORTKEY_API_KEY": KEY,
                **variables,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        for secret in (KEY, VALUE):
            assert secret not in done.stdout + done.stderr
        return Done(done.returncode, done.stdout, done.stderr)


@contextmanager
def team(folder: Path) -> Iterator[Team]:
    """Create the repositories and the programs of a job, and serve a simulator."""
    project = Project(folder / "team")
    with project.serving() as url:
        made = Team(folder, url)
        project.write(
            "reconcile.yaml",
            f"""version: 1
targets:
  production:
    base_url: {url}
    api_key: ${{env:PORTKEY_API_KEY}}
    prune: managed
    limits: {{delete_ratio: 1}}
""",
        )
        (made.home / ".gitignore").write_text(".reconcile/\n*.json\n")
        git(made.home, "init", "--quiet", "--initial-branch=main")
        _programs(folder)
        shutil.copytree(ROOT / ".github/actions", made.tool / ".github/actions")
        git(made.tool, "init", "--quiet", "--initial-branch=main")
        git(made.tool, "add", "--all")
        git(made.tool, "commit", "--quiet", "-m", "The tool")
        yield made


def _programs(folder: Path) -> None:
    """Write a `python3` that records installations, and the command that it installs."""
    programs, installed = folder / "programs", folder / "installed"
    write_program(
        programs / "python3",
        f'echo "$@" >> {folder}/installed.log',
        f'[ "$2" != venv ] || cp -r {installed} "$3/bin"',
    )
    write_program(installed / "python", f'exec {programs}/python3 "$@"')
    write_program(
        installed / "reconcile",
        f'PYTHONPATH={ROOT} exec {sys.executable} -P -m reconciler "$@"',
    )
