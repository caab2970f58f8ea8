"""GitHub Actions job, described by its environment variables and its event file.

`reconciler.cli` passes the environment; this module does not read it.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from urllib.parse import urlsplit

from reconciler.diagnostics import error
from reconciler.domain.secrets import Redacted
from reconciler.errors import InvalidInput
from reconciler.frozen_dataclass import dataclass

PUBLIC_API = "https://api.github.com"
ACTIONS_LOGIN = "github-actions[bot]"
"""Author of the comments that are written with a job's own token."""

_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}")
_HEADER = re.compile(r"[\x21-\x7e]+")
# Branch of GitHub's merge queue: `gh-readonly-queue/<base>/pr-<number>-<commit>`.
_QUEUED = re.compile(r"/pr-(\d{1,18})-[0-9a-f]{7,64}\Z")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_WORKFLOW_FILE = re.compile(r"[\w.-]+\.ya?ml", re.ASCII)
_SERVER = re.compile(r"https?://[\w.:-]+(/[\w.-]+)*", re.ASCII)
_HEADS = (("pull_request", "head", "sha"), ("merge_group", "head_sha"))
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_MAX_EVENT_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Job:
    """A job. `login` is the author of its comments if GitHub does not name the token's user."""

    api_url: str = PUBLIC_API
    repository: str | None = None
    token: Redacted | None = None
    event: Mapping[str, object] = field(default_factory=dict, repr=False)
    event_name: str | None = None
    commit: str | None = None
    ref: str | None = None
    branch: str | None = None
    workflow_url: str | None = None
    run_url: str | None = None
    actor: str | None = None
    summary: Path | None = None
    output: Path | None = None
    login: str = ACTIONS_LOGIN

    @property
    def pull_request(self) -> int | None:
        """Number of the pull request that the event is about, if it names one."""
        request = self.event.get("pull_request")
        if isinstance(request, dict):
            number = request.get("number", self.event.get("number"))
            return number if isinstance(number, int) else None
        if self.commented_pull_request is not None:
            return self.commented_pull_request
        # A merge queue names the pull request only in its branch.
        queue = self.event.get("merge_group")
        head = queue.get("head_ref") if isinstance(queue, dict) else None
        found = _QUEUED.search(head) if isinstance(head, str) else None
        return int(found[1]) if found else None

    @property
    def commented_pull_request(self) -> int | None:
        """Number of the pull request that the event's comment is about, if there is one."""
        issue = self.event.get("issue")
        # GitHub marks issues that are pull requests.
        if not isinstance(issue, Mapping) or not isinstance(issue.get("pull_request"), Mapping):
            return None
        number = issue.get("number")
        return number if isinstance(number, int) else None

    @property
    def checked_commit(self) -> str | None:
        """Commit that branch protection checks: a head, a queue entry, or a push."""
        named = [_value_at(self.event, *path) for path in _HEADS if path[0] in self.event]
        if self.commented_pull_request is not None:
            return None  # the event names no commit, and the job's own is that of another branch
        candidate = named[0] if named else self.merged_commit
        return candidate if candidate and _COMMIT.fullmatch(candidate) else None

    @property
    def planned_head(self) -> str | None:
        """Return the head of the pull request when the event happened, None if it names none."""
        head = _value_at(self.event, *_HEADS[0])
        return head if head and _COMMIT.fullmatch(head) else None

    @property
    def merged_commit(self) -> str | None:
        """Return the commit that a push brought to a branch, or that a dispatched job works on."""
        pushed = self.event.get("after")
        candidate = pushed if isinstance(pushed, str) else self.commit
        return candidate if candidate and _COMMIT.fullmatch(candidate) else None

    @property
    def triggering_branch(self) -> str | None:
        """Return the branch that the event is about, None for a tag or a pull request."""
        is_branch = self.ref is None or self.ref.startswith("refs/heads/")
        return self.branch if is_branch else None

    @property
    def workflow_file(self) -> str | None:
        """Return the name of the workflow file that was triggered."""
        return self.workflow_url.rpartition("/")[2] if self.workflow_url else None

    @property
    def commit_before(self) -> str | None:
        """Return the commit of the branch before the push, None for a new branch or no push."""
        before = self.event.get("before")
        # A push that creates a branch names forty zeros.
        return before if isinstance(before, str) and before.strip("0") else None

    def workflow_page(self, file: str) -> str | None:
        """Return the page of another workflow of the same repository; None if it is unknown."""
        if self.workflow_url is None or not _WORKFLOW_FILE.fullmatch(file):
            return None
        return f"{self.workflow_url.rpartition('/')[0]}/{file}"

    def required_commit(self) -> str:
        """Return the commit that the job works on; raises `InvalidInput` if there is none."""
        if self.merged_commit is None:
            raise _invalid("GITHUB_SHA", "is not a commit")
        return self.merged_commit

    def required_token(self) -> Redacted:
        """Return the token; raises `InvalidInput` if there is none."""
        if self.token is None:
            raise _invalid("GITHUB_TOKEN", "is not set", "pass ${{ github.token }} to the step")
        return self.token

    def required_repository(self) -> str:
        """Return the repository; raises `InvalidInput` if there is none."""
        if self.repository is None:
            raise _invalid("GITHUB_REPOSITORY", "is not set", "set it to owner/name")
        return self.repository


def job_of(environment: Mapping[str, str]) -> Job:
    """Read the job's variables and its event; raises `InvalidInput` for invalid ones."""

    def text(name: str) -> str | None:
        return environment.get(name, "").strip() or None

    def path(name: str) -> Path | None:
        value = text(name)
        return Path(value) if value else None

    token, repository = text("GITHUB_TOKEN"), text("GITHUB_REPOSITORY")
    # The HTTP library would quote an invalid header, and so the token, in its error.
    if token is not None and not _HEADER.fullmatch(token):
        raise _invalid("GITHUB_TOKEN", "contains characters that a token cannot have")
    if repository is not None and not _is_repository(repository):
        raise _invalid("GITHUB_REPOSITORY", "must have the form owner/name")
    return Job(
        api_url=_safe_url(text("GITHUB_API_URL") or PUBLIC_API),
        repository=repository,
        token=Redacted(token) if token else None,
        event=_event(path("GITHUB_EVENT_PATH")),
        event_name=text("GITHUB_EVENT_NAME"),
        commit=text("GITHUB_SHA"),
        ref=text("GITHUB_REF"),
        branch=text("GITHUB_REF_NAME"),
        workflow_url=_workflow_url(text("GITHUB_SERVER_URL"), text("GITHUB_WORKFLOW_REF")),
        run_url=_run_url(text("GITHUB_SERVER_URL"), repository, text("GITHUB_RUN_ID")),
        # In a re-run the first is the user who started it again.
        actor=text("GITHUB_TRIGGERING_ACTOR") or text("GITHUB_ACTOR"),
        summary=path("GITHUB_STEP_SUMMARY"),
        output=path("GITHUB_OUTPUT"),
        login=text("RECONCILE_GITHUB_LOGIN") or ACTIONS_LOGIN,
    )


def _value_at(event: Mapping[str, object], *path: str) -> str | None:
    """Return the string at a path of keys, None if there is none."""
    value: object = event
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else None


def is_commit(text: str) -> bool:
    """Return whether a text is a whole commit id."""
    return _COMMIT.fullmatch(text) is not None


def _is_repository(text: str) -> bool:
    # A name of only dots would change the path of every request.
    return bool(_REPOSITORY.fullmatch(text)) and not {".", ".."} & set(text.split("/"))


def _safe_url(url: str) -> str:
    """Return the URL if a token may be sent to it; raises `InvalidInput` otherwise."""
    problem = url_problem(url)
    if problem is not None:
        raise _invalid("GITHUB_API_URL", problem)
    return url


def url_problem(url: str) -> str | None:
    """Return why a token may not be sent to a URL, None if it may."""
    try:
        parts = urlsplit(url)
        has_valid_port = parts.port is None or parts.port > 0
    except ValueError:
        return "is not a URL"
    # Plain HTTP would reveal the token in transit.
    safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if not (safe and has_valid_port and parts.hostname):
        return "must begin with https:// unless it is on this machine"
    if parts.username is not None or parts.query or parts.fragment:
        return "must have a host and a path only"
    return None


def _event(file: Path | None) -> Mapping[str, object]:
    if file is None:
        return {}
    try:
        with file.open("rb") as stream:
            content = stream.read(_MAX_EVENT_BYTES + 1)
        event = json.loads(content) if len(content) <= _MAX_EVENT_BYTES else None
    except (OSError, ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise _invalid("GITHUB_EVENT_PATH", "is not a file of a GitHub event")
    return event


def _workflow_url(server: str | None, reference: str | None) -> str | None:
    """Return the page on which the workflow can be run manually."""
    if server is None or reference is None:
        return None
    found = re.fullmatch(
        r"([\w.-]+/[\w.-]+)/\.github/workflows/([\w.-]+\.ya?ml)@.+", reference, re.ASCII
    )
    if found is None or not _SERVER.fullmatch(server):
        return None
    return f"{server}/{found[1]}/actions/workflows/{found[2]}"


def _run_url(server: str | None, repository: str | None, run: str | None) -> str | None:
    """Return the page of the run that this job belongs to."""
    if server is None or repository is None or run is None:
        return None
    if not (_SERVER.fullmatch(server) and run.isascii() and run.isdigit()):
        return None
    return f"{server}/{repository}/actions/runs/{run}"


def _invalid(name: str, problem: str, hint: str = "") -> InvalidInput:
    return InvalidInput([error("github-environment", f"{name} {problem}", hint=hint)])
