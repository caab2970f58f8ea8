"""The job that reports, as GitHub Actions describes it in variables and in the event's file.

Nothing here reads the environment: `reconciler.cli` hands it in.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from reconciler.diagnostics import Diagnostic, error
from reconciler.domain.rejection import InvalidInput
from reconciler.domain.secrets import Redacted

PUBLIC_API = "https://api.github.com"
ACTIONS_LOGIN = "github-actions[bot]"
"""Whose name the comments bear that are written with a job's own token."""

_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}")
_HEADER = re.compile(r"[\x21-\x7e]+")
_QUEUED = re.compile(r"/pr-(\d{1,18})-[0-9a-f]{7,64}\Z")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_MAX_EVENT_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Job:
    """Where a report goes. `login` is the author of earlier comments if GitHub will not say it."""

    api_url: str = PUBLIC_API
    repository: str | None = None
    token: Redacted | None = None
    event: Mapping[str, Any] = field(default_factory=dict, repr=False)
    commit: str | None = None
    branch: str | None = None
    workflow_url: str | None = None
    summary: Path | None = None
    output: Path | None = None
    login: str = ACTIONS_LOGIN

    @property
    def pull_request(self) -> int | None:
        """Give the number of the pull request that the event is about, if it names one."""
        named = self.event.get("pull_request")
        if isinstance(named, dict):
            number = named.get("number", self.event.get("number"))
            return number if isinstance(number, int) else None
        queue = self.event.get("merge_group")
        head = queue.get("head_ref") if isinstance(queue, dict) else None
        found = _QUEUED.search(head) if isinstance(head, str) else None
        return int(found[1]) if found else None

    @property
    def merged_commit(self) -> str | None:
        """Give the commit that a push brought to a branch, or that a dispatched job works on."""
        pushed = self.event.get("after")
        candidate = pushed if isinstance(pushed, str) else self.commit
        return candidate if candidate and _COMMIT.fullmatch(candidate) else None

    def required_commit(self) -> str:
        """Give the commit that the job works on, or raise `InvalidInput`."""
        if self.merged_commit is None:
            raise _unusable("GITHUB_SHA", "it names no commit")
        return self.merged_commit

    def required_token(self) -> Redacted:
        """Give the token, or raise `InvalidInput`."""
        if self.token is None:
            raise _unusable("GITHUB_TOKEN", "it is not set", "pass ${{ github.token }} to the step")
        return self.token

    def required_repository(self) -> str:
        """Give the repository, or raise `InvalidInput`."""
        if self.repository is None:
            raise _unusable("GITHUB_REPOSITORY", "it is not set", "write owner/name")
        return self.repository


def job_of(environment: Mapping[str, str]) -> Job:
    """Read the job's variables and its event; raises `InvalidInput` for what cannot be meant."""

    def text(name: str) -> str | None:
        return environment.get(name, "").strip() or None

    def path(name: str) -> Path | None:
        value = text(name)
        return Path(value) if value else None

    token, repository = text("GITHUB_TOKEN"), text("GITHUB_REPOSITORY")
    if token is not None and not _HEADER.fullmatch(token):
        raise _unusable("GITHUB_TOKEN", "it holds characters that no token has")
    if repository is not None and not _is_repository(repository):
        raise _unusable("GITHUB_REPOSITORY", "it is not owner/name")
    return Job(
        api_url=_checked(text("GITHUB_API_URL") or PUBLIC_API),
        repository=repository,
        token=Redacted(token) if token else None,
        event=_event(path("GITHUB_EVENT_PATH")),
        commit=text("GITHUB_SHA"),
        branch=text("GITHUB_REF_NAME"),
        workflow_url=_workflow(text("GITHUB_SERVER_URL"), text("GITHUB_WORKFLOW_REF")),
        summary=path("GITHUB_STEP_SUMMARY"),
        output=path("GITHUB_OUTPUT"),
        login=text("RECONCILE_GITHUB_LOGIN") or ACTIONS_LOGIN,
    )


def _is_repository(text: str) -> bool:
    return bool(_REPOSITORY.fullmatch(text)) and not {".", ".."} & set(text.split("/"))


def _checked(url: str) -> str:
    """Insist on an address that a token may be sent to."""
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        raise _unusable("GITHUB_API_URL", "it is not a URL") from None
    safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if not (safe and port_is_fine and parts.hostname):
        raise _unusable("GITHUB_API_URL", "it is neither https:// nor on this machine")
    if parts.username is not None or parts.query or parts.fragment:
        raise _unusable("GITHUB_API_URL", "it holds more than a host and a path")
    return url


def _event(file: Path | None) -> Mapping[str, Any]:
    if file is None:
        return {}
    try:
        with file.open("rb") as stream:
            content = stream.read(_MAX_EVENT_BYTES + 1)
        event = json.loads(content) if len(content) <= _MAX_EVENT_BYTES else None
    except (OSError, ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise _unusable("GITHUB_EVENT_PATH", "it names no file with an event in it")
    return event


def _workflow(server: str | None, reference: str | None) -> str | None:
    """Give the page on which a workflow can be dispatched by hand."""
    if server is None or reference is None:
        return None
    found = re.fullmatch(
        r"([\w.-]+/[\w.-]+)/\.github/workflows/([\w.-]+\.ya?ml)@.+", reference, re.ASCII
    )
    if found is None or not re.fullmatch(r"https?://[\w.:-]+(/[\w.-]+)*", server, re.ASCII):
        return None
    return f"{server}/{found[1]}/actions/workflows/{found[2]}"


def _unusable(name: str, why: str, hint: str = "") -> InvalidInput:
    problem: Diagnostic = error("github-environment", f"{name}: {why}", hint=hint)
    return InvalidInput([problem])
