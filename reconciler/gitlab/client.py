"""Client of GitLab's REST API, version 4, limited to what reports and approvals need.

`reconciler.github.rest` sends the requests and lists what the errors mean.
"""

from collections.abc import Mapping
from typing import ClassVar

import httpx

from reconciler.domain.secrets import Redacted
from reconciler.github.rest import JsonObject, RestClient, RestError, RestErrors
from reconciler.remote.api import Clock


class GitLabError(RestError):
    """A request to GitLab failed."""

    service = "GitLab"
    default_code = "gitlab"


class GitLabUnreachable(GitLabError):
    """No complete answer arrived."""

    default_code = "gitlab-unreachable"
    default_hint = "check CI_API_V4_URL and the network; run the job again"


class GitLabWrongToken(GitLabError):
    """The token is not valid or has expired."""

    default_code = "gitlab-token"
    default_hint = (
        "set GITLAB_TOKEN to a project access token that has not expired; CI_JOB_TOKEN is not one"
    )


class GitLabForbidden(GitLabError):
    """The token is valid, but lacks the scope or the role."""

    default_code = "gitlab-forbidden"
    default_hint = "use a project access token with the scope `api` and the role Reporter"


class GitLabNotFound(GitLabError):
    """The resource does not exist, or the token is not allowed to read it."""

    default_code = "gitlab-not-found"
    default_hint = "check that GITLAB_TOKEN is a token of the project CI_PROJECT_ID"


class GitLabRateLimited(GitLabError):
    """The rate limit applies for longer than a job should wait."""

    default_code = "gitlab-rate-limit"
    default_hint = "run the job again later"


class GitLabAnswer(GitLabError):
    """The API does not document this response to the request."""

    default_code = "gitlab-answer"
    default_hint = "run the job again; if the error persists, check CI_API_V4_URL"


class GitLab(RestClient):
    """One project at one GitLab; used as an async context manager."""

    errors = RestErrors(
        unreachable=GitLabUnreachable,
        wrong_token=GitLabWrongToken,
        forbidden=GitLabForbidden,
        not_found=GitLabNotFound,
        rate_limited=GitLabRateLimited,
        unexpected=GitLabAnswer,
    )
    # GitLab's version is part of the URL, `/api/v4`; there is no header that pins it.
    headers: ClassVar[Mapping[str, str]] = {"accept": "application/json"}

    def __init__(
        self,
        *,
        api_url: str,
        project: str,
        token: Redacted,
        clock: Clock,
        transport: httpx.AsyncBaseTransport,
    ) -> None:
        super().__init__(api_url=api_url, token=token, clock=clock, transport=transport)
        # The number of the project, because its name has slashes, which would have to be encoded.
        self.path = f"/projects/{project}"

    async def user_id(self) -> int:
        """Return the id of the token's user; a project access token has its own user."""
        return required_id(await self.get("/user"), "id")


def required_id(item: JsonObject, key: str) -> int:
    """Return a number that a request is built from; raises `GitLabAnswer` without it."""
    value = item.get(key)
    # `true` is an `int` in Python, and would become part of a path.
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise GitLabAnswer("an answer", f"it has no valid `{key}`")
