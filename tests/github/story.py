"""Repository with its GitHub and gateway, and the jobs of the workflows as functions.

The commands are those of `.github/workflows`; `tests/workflows` runs the workflow files.
"""

import io
import json
import os
import subprocess
import zipfile
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from reconciler.cli.console import Console
from reconciler.cli.main import run
from tests.end_to_end.harness import Done, Project
from tests.github.fake import REPO, TOKEN, FakeGitHub
from tests.github.reporting import read_outputs

ENVIRONMENT = "production"
ARTIFACT = f"reconcile-plan-{ENVIRONMENT}"
APPLIED = f"reconcile-applied-{ENVIRONMENT}"
FORK = "mallory/gateway"
PORTKEY_KEY = "pk-canary-story"


@dataclass
class Job:
    """Output and files of a job."""

    done: Done
    report: Done
    outputs: dict[str, str]


@dataclass
class Story:
    """Complete setup with the real git, a fake GitHub and a simulated gateway."""

    project: Project
    github: FakeGitHub
    gateway: str
    values: dict[str, str] = field(default_factory=dict)
    pulls: int = 6

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-c", "user.name=dev", "-c", "user.email=dev@example.com", *arguments],
            cwd=self.project.folder,
            env={
                "PATH": os.defpath,
                "GIT_CONFIG_GLOBAL": os.devnull,
                "GIT_CONFIG_SYSTEM": os.devnull,
            },
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def begin(self) -> None:
        """Commit the files to main, and apply them manually."""
        (self.project.folder / ".gitignore").write_text("/*\n!/desired-state\n!/.gitignore\n")
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit("begin")
        self.github.history.append(self.git("rev-parse", "HEAD"))
        done = self.run("apply", "--yes", GITHUB_SHA=self.github.history[-1], **self.values)
        assert done.code == 0, done.err

    def commit(self, message: str) -> str:
        self.git("add", ".gitignore", "desired-state")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")

    def run(self, *words: object, **variables: str) -> Done:
        """Run a command in this process, because forty processes would take most of a minute."""
        out, err = io.StringIO(), io.StringIO()
        arguments = ["--dir", "desired-state", "--target", "here", *map(str, words)]
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.project.folder)
            for name, value in {**self.project.environment, **variables}.items():
                patch.setenv(name, value)
            code = run(arguments, Console(stdin=None, stdout=out, stderr=err))
        return Done(code, out.getvalue(), err.getvalue())

    def open(self, branch: str) -> int:
        """Open a pull request with the files of the working tree."""
        self.git("checkout", "--quiet", "-b", branch)
        self.pulls += 1
        self.github.pulls[self.pulls] = {
            "number": self.pulls,
            "merged_at": None,
            "merge_commit_sha": None,
            "head": {"ref": branch, "sha": ""},
            "base": {"ref": "main"},
            "user": {"login": f"author-of-{branch}"},
        }
        self.push(self.pulls)
        return self.pulls

    def push(self, number: int) -> None:
        """Commit the working tree to the branch of a pull request."""
        branch = self.github.pulls[number]["head"]["ref"]
        if self.git("branch", "--show-current") != branch:
            self.git("checkout", "--quiet", branch)
        self.github.pulls[number]["head"]["sha"] = self.commit(branch)
        self.git("checkout", "--quiet", "main")

    def comment(self, number: int, body: str, author: str) -> Job:
        """Run plan.yml for a comment on a pull request of a fork, as the plan action does."""
        pull = self.github.pulls[number]
        base, merge = self._merge_commit(number)
        self.git("checkout", "--quiet", "main")
        pull |= {"state": "open", "mergeable": True, "merge_commit_sha": merge}
        pull["head"]["repo"] = {"full_name": FORK, "pushed_at": "2026-11-23T06:00:00Z"}
        self.github.commits[merge] = {
            "sha": merge,
            "parents": [{"sha": base}, {"sha": pull["head"]["sha"]}],
        }
        event = {
            "action": "created",
            "issue": {"number": number, "pull_request": {}},
            "comment": {
                "id": 1,
                "body": body,
                "user": {"login": author},
                "created_at": "2026-11-23T07:00:00Z",
            },
        }
        words = ("github", "check-comment", "--environment", ENVIRONMENT)
        checked = self.run(*words, **self.job_variables(event, base))
        found = self._outputs()
        if not found.get("merge"):
            return Job(checked, checked, found)
        self.git("checkout", "--quiet", "--detach", found["merge"])
        done = self._plan(found["base"], found["merge"])
        job = self._report("plan", done, event=event, sha=base, commit=found["head"])
        if done.code == 0:
            plan = (self.project.folder / "plan.json").read_bytes()
            name = f"{ARTIFACT}-{found['head']}-pull-request-{number}"
            run = {"event": "issue_comment", "head_sha": base, "head_branch": "main"}
            self.upload(plan, pull, name=name, **run)
        self.git("checkout", "--quiet", "main")
        return job

    def _merge_commit(self, number: int) -> tuple[str, str]:
        """Check out a pull request merged into main; return the commit of main and the merge."""
        base = self.git("rev-parse", "main")
        self.git("checkout", "--quiet", "--detach", "main")
        self.git(
            "merge", "--quiet", "--no-edit", "--no-ff", self.github.pulls[number]["head"]["ref"]
        )
        return base, self.git("rev-parse", "HEAD")

    def _plan(self, base: str, merge: str) -> Done:
        words = ("plan", "--base", base, "--values", "none", "--format", "json")
        return self._into("plan.json", *words, GITHUB_SHA=merge)

    def plan(self, number: int, *, fork: bool = False) -> Job:
        """Run plan.yml for a pull request, on its merge commit and without secrets."""
        pull = self.github.pulls[number]
        base, merge = self._merge_commit(number)
        done = self._plan(base, merge)
        event = {
            "number": number,
            "pull_request": {"number": number, "head": {"sha": pull["head"]["sha"]}},
        }
        job = self._report("plan", done, event=event, sha=merge)
        if done.code == 0:
            repository = FORK if fork else REPO
            plan = (self.project.folder / "plan.json").read_bytes()
            self.upload(plan, pull, head_repository={"full_name": repository})
        self.git("checkout", "--quiet", "main")
        return job

    def upload(
        self, plan: bytes, pull: dict[str, Any], *, name: str | None = None, **facts: Any
    ) -> None:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("plan.json", plan)
        head, run, number = pull["head"]["sha"], self.github.new_id(), self.github.new_id()
        self.github.runs[run] = {
            "id": run,
            "event": "pull_request",
            "path": ".github/workflows/plan.yml@refs/heads/main",
            "head_sha": head,
            "conclusion": "success",
            "head_repository": {"full_name": REPO},
            **facts,
        }
        self.github.artifacts[number] = {
            "id": number,
            "name": name or f"{ARTIFACT}-{head}",
            "expired": False,
            "size_in_bytes": len(content.getvalue()),
            "workflow_run": {"id": run, "head_sha": head},
        }
        self.github.archives[number] = content.getvalue()

    def merge(self, number: int, how: str) -> None:
        """Merge a pull request with one of GitHub's three methods."""
        pull = self.github.pulls[number]
        branch = pull["head"]["ref"]
        before = self.git("rev-parse", "main")
        if how == "squash":
            self.git("merge", "--quiet", "--squash", branch)
            self.git("commit", "--quiet", "--message", f"{branch} (#{number})")
        elif how == "rebase":
            for commit in self.git("rev-list", "--reverse", f"main..{branch}").split():
                self.git("cherry-pick", commit)
        else:
            self.git("merge", "--quiet", "--no-ff", "--no-edit", branch)
        new = self.git("rev-list", "--reverse", f"{before}..main").split()
        self.github.history += [commit for commit in new if commit not in self.github.history]
        pull |= {"merged_at": "2026-11-23T08:00:00Z", "merge_commit_sha": new[-1]}
        for commit in new:
            self.github.merged_by_commit.setdefault(commit, []).append(number)
        self.github.merged_by_commit.setdefault(pull["head"]["sha"], []).append(number)

    def apply(
        self,
        *,
        digest: str = "",
        pushed: bool = True,
        commit: str | None = None,
        before: str | None = None,
        **values: str,
    ) -> Job:
        """Run the apply job of apply.yml, after a push to main or dispatched manually.

        With a commit, this is the repeated job of that older push. `before` is the previous commit
        of main.
        """
        tip = self.git("rev-parse", "main")
        head = commit or tip
        self.github.branches["main"] = tip
        self.git("checkout", "--quiet", head if commit else "main")
        try:
            return self._apply(head, digest=digest, pushed=pushed, before=before, **values)
        finally:
            self.git("checkout", "--quiet", "main")

    def _apply(
        self, head: str, *, digest: str, pushed: bool, before: str | None, **values: str
    ) -> Job:
        event: dict[str, Any] = {"inputs": {"digest": digest}}
        if pushed:
            event = {"after": head} if before is None else {"before": before, "after": head}
        checked = self._into(
            "result.json",
            "github",
            "check-commit",
            "--format",
            "json",
            **self.job_variables(event, head),
        )
        if checked.code:
            return self._report("result", checked, event=event, sha=head)
        found = self.run(
            "github", "find-base", "--artifact", APPLIED, **self.job_variables(event, head)
        )
        assert found.code == 0, found.err
        base = self._outputs()["base"]
        assert found.out.strip() == base
        on_base = ["--base", base] if base else []
        variables = {**self.values, **values, "GITHUB_SHA": head}
        approval = ["--expect-digest", digest]
        audit: dict[str, str] = {}
        if not digest:
            fresh = self._into("fresh.json", "plan", *on_base, "--format", "json", **variables)
            assert fresh.code == 0, fresh.err
            gathered = self._into(
                "result.json",
                *("github", "gather-plans", "--plan", "fresh.json", "--out", "approved"),
                *("--artifact", ARTIFACT, "--format", "json"),
                *(("--since", base) if base else ()),
                **self.job_variables(event, head),
            )
            if gathered.code:
                return self._report("result", gathered, event=event, sha=head)
            outputs = self._outputs()
            audit = {
                "RECONCILE_PULL_REQUEST": outputs["pull_request"],
                "RECONCILE_APPROVER": outputs["approver"],
                "RECONCILE_AUTHOR": outputs["author"],
                "RECONCILE_ENVIRONMENT": ENVIRONMENT,
            }
            folder = self.project.folder / "approved"
            approval = [str(file) for file in sorted(folder.glob("*.json"))]
        done = self._into(
            "result.json", "apply", *on_base, *approval, "--format", "json", **variables, **audit
        )
        if done.code == 0:
            self.remember_applied(head)
        for file in (self.project.folder / "approved").glob("*.json"):
            file.unlink()
        return self._report("result", done, event=event, sha=head)

    def remember_applied(self, commit: str, **run: Any) -> None:
        """Upload the artifact of a complete apply; only the commit of its run matters."""
        number = self.github.new_id()
        self.github.runs[number] = {
            "id": number,
            "event": "push",
            "path": ".github/workflows/apply.yml@refs/heads/main",
            "head_sha": commit,
            "head_branch": "main",
            "head_repository": {"full_name": REPO},
            **run,
        }
        upload = {"id": number + 1, "name": APPLIED, "workflow_run": {"id": number}}
        self.github.artifacts[self.github.new_id()] = upload

    def drift(self, *, values: bool = True, **variables: str) -> Job:
        """Run drift.yml, with or without the values in its environment."""
        words = ("drift", "--format", "json")
        known = self.values if values else {}
        done = self._into("drift.json", *words, **{**known, **variables})
        return self._report("drift", done, event={"schedule": "23 5 * * *"}, sha="")

    def adopt(self) -> Done:
        """Run the adopt job of drift.yml."""
        slugs = self.run("github", "moved", "drift.json").out.split()
        assert self.run("pull", *slugs, **self.values).code == 0
        words = ("github", "propose", "--drift", "drift.json", "--environment", ENVIRONMENT)
        head = self.git("rev-parse", "main")
        return self.run(*words, **self.job_variables({"inputs": {"adopt": True}}, head))

    def by_hand(self, slug: str, **fields: Any) -> None:
        """Edit an integration in the gateway, outside Git."""
        answer = httpx.put(
            f"{self.gateway}/integrations/{slug}",
            json=fields,
            headers={"x-portkey-api-key": PORTKEY_KEY},
        )
        assert answer.status_code == 200

    @property
    def checks(self) -> dict[str, tuple[str, str]]:
        """Return the title and conclusion of the check run of each commit."""
        found = self.github.check_runs.values()
        assert {item["name"] for item in found} == {f"reconcile / {ENVIRONMENT}"}
        return {item["head_sha"]: (item["output"]["title"], item["conclusion"]) for item in found}

    def remote(self, slug: str) -> dict[str, Any]:
        answer = httpx.get(
            f"{self.gateway}/integrations/{slug}", headers={"x-portkey-api-key": PORTKEY_KEY}
        )
        found: dict[str, Any] = answer.json()
        return found

    def _into(self, file: str, *words: object, **variables: str) -> Done:
        done = self.run(*words, **variables)
        (self.project.folder / file).write_text(done.out, encoding="utf-8")
        return done

    def _report(
        self, kind: str, done: Done, *, event: dict[str, Any], sha: str, commit: str | None = None
    ) -> Job:
        variables = self.job_variables(event, sha)
        words = ("report", "github", f"--{kind}", f"{kind}.json", "--environment", ENVIRONMENT)
        if kind != "drift":
            words += ("--check-run",)
        if commit is not None:
            words += ("--commit", commit)
        report = self.run(*words, **variables)
        assert report.code == 0, report.err
        return Job(done, report, self._outputs())

    def job_variables(self, event: dict[str, Any], sha: str) -> dict[str, str]:
        folder = self.project.folder
        (folder / "event.json").write_text(json.dumps(event), encoding="utf-8")
        for name in ("output", "summary.md"):
            (folder / name).write_text("", encoding="utf-8")
        return {
            "GITHUB_API_URL": self.github.url,
            "GITHUB_TOKEN": TOKEN,
            "GITHUB_REPOSITORY": REPO,
            "GITHUB_SHA": sha,
            "GITHUB_REF_NAME": "main",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_WORKFLOW_REF": f"{REPO}/.github/workflows/apply.yml@refs/heads/main",
            "GITHUB_EVENT_PATH": str(folder / "event.json"),
            "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
            "GITHUB_OUTPUT": str(folder / "output"),
        }

    def _outputs(self) -> dict[str, str]:
        return read_outputs((self.project.folder / "output").read_text(encoding="utf-8"))
