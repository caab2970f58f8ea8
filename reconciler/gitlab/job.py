"""GitLab CI job, as its environment variables describe it.

`reconciler.cli` passes the environment; this module does not read it.
"""

import re
from collections.abc import Mapping

from reconciler.diagnostics import error
from reconciler.domain.secrets import Redacted
from reconciler.errors import InvalidInput
from reconciler.frozen_dataclass import dataclass
from reconciler.github.job import is_commit, url_problem

_HEADER = re.compile(r"[\x21-\x7e]+")
_NUMBER = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_PAGE = re.compile(r"https?://[\w.:-]+(/[\w.-]+)*", re.ASCII)
_HOW_TO_SET = (
    "create a project access token with the scope `api` and the role Reporter, and store it as the "
    "masked variable GITLAB_TOKEN; CI_JOB_TOKEN cannot write notes"
)


@dataclass(frozen=True, slots=True)
class GitLabJob:
    """A job; `commit` and `branch` are those of its pipeline.

    `planned_head` is the last commit of the merge request when the pipeline was created.
    """

    api_url: str
    project: str
    token: Redacted
    merge_request: int | None = None
    commit: str | None = None
    branch: str | None = None
    run_url: str | None = None
    new_pipeline_url: str | None = None
    actor: str | None = None
    planned_head: str | None = None

    @property
    def merged_commit(self) -> str | None:
        """Return the commit of a branch's pipeline, which merging may have made."""
        return self.commit if self.branch is not None else None


def gitlab_job_of(environment: Mapping[str, str]) -> GitLabJob:
    """Read the job's variables; raises `InvalidInput` for missing and invalid ones."""

    def text(name: str) -> str | None:
        return environment.get(name, "").strip() or None

    def page(name: str) -> str | None:
        value = text(name)
        # These become links in notes, so nothing that could end a link may be part of them.
        return value if value and _PAGE.fullmatch(value) else None

    api_url, project = text("CI_API_V4_URL"), text("CI_PROJECT_ID")
    if api_url is None:
        raise _invalid("CI_API_V4_URL", "is not set", "run this command in a job of GitLab CI")
    problem = url_problem(api_url)
    if problem is not None:
        raise _invalid("CI_API_V4_URL", problem)
    if project is None or not _NUMBER.fullmatch(project):
        raise _invalid("CI_PROJECT_ID", "must be the number of the project")
    request, commit = text("CI_MERGE_REQUEST_IID"), text("CI_COMMIT_SHA")
    if request is not None and not _NUMBER.fullmatch(request):
        raise _invalid("CI_MERGE_REQUEST_IID", "must be the number of the merge request")
    # A pipeline for merged results runs on another commit, which merges the head.
    head = text("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA") or commit
    home = page("CI_PROJECT_URL")
    return GitLabJob(
        api_url=api_url,
        project=project,
        token=_token(text("GITLAB_TOKEN")),
        merge_request=int(request) if request else None,
        commit=commit if commit and is_commit(commit) else None,
        # GitLab sets it for pipelines of branches only.
        branch=text("CI_COMMIT_BRANCH"),
        run_url=page("CI_PIPELINE_URL"),
        new_pipeline_url=f"{home}/-/pipelines/new" if home else None,
        actor=text("GITLAB_USER_LOGIN"),
        planned_head=head if head and is_commit(head) else None,
    )


def _token(value: str | None) -> Redacted:
    if value is None:
        raise _invalid("GITLAB_TOKEN", "is not set", _HOW_TO_SET)
    # The HTTP library would quote an invalid header in its error, and so the token.
    if not _HEADER.fullmatch(value):
        raise _invalid("GITLAB_TOKEN", "contains characters that a token cannot have", _HOW_TO_SET)
    return Redacted(value)


def _invalid(name: str, problem: str, hint: str = "") -> InvalidInput:
    return InvalidInput([error("gitlab-environment", f"{name} {problem}", hint=hint)])
