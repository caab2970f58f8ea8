"""Client of GitHub's REST API, limited to what reports and approvals need.

`reconciler.github.rest` sends the requests and lists what the errors mean.
"""

from collections.abc import Mapping
from typing import ClassVar

import httpx

from reconciler.domain.secrets import Redacted
from reconciler.github.rest import JsonObject, RestClient, RestError, RestErrors
from reconciler.remote.api import Clock

__all__ = [
    "GitHub",
    "GitHubError",
    "GitHubForbidden",
    "GitHubNotFound",
    "JsonObject",
    "RateLimited",
    "UnexpectedResponse",
    "Unreachable",
    "WrongToken",
]


class GitHubError(RestError):
    """A request to GitHub failed."""

    service = "GitHub"
    default_code = "github"


class Unreachable(GitHubError):
    """No complete response arrived."""

    default_code = "github-unreachable"
    default_hint = "check GITHUB_API_URL and the network; run the job again"


class WrongToken(GitHubError):
    """The token is invalid or expired."""

    default_code = "github-token"
    default_hint = "pass the job's token: GITHUB_TOKEN: ${{ github.token }}"


class GitHubForbidden(GitHubError):
    """The token is valid, but lacks the permission."""

    default_code = "github-forbidden"
    default_hint = (
        "grant the job pull-requests: write or issues: write; a token of a fork cannot have it"
    )


class GitHubNotFound(GitHubError):
    """The resource does not exist, or the token is not allowed to read it."""

    default_code = "github-not-found"
    default_hint = "check GITHUB_REPOSITORY, and that the token can read it"


class RateLimited(GitHubError):
    """The rate limit applies for longer than a job should wait."""

    default_code = "github-rate-limit"
    default_hint = "run the job again later"


class UnexpectedResponse(GitHubError):
    """The API does not document this response to the request."""

    default_code = "github-answer"
    default_hint = "run the job again; if the error persists, check GITHUB_API_URL"


class GitHub(RestClient):
    """Client of one repository; used as an async context manager."""

    errors = RestErrors(
        unreachable=Unreachable,
        wrong_token=WrongToken,
        forbidden=GitHubForbidden,
        not_found=GitHubNotFound,
        rate_limited=RateLimited,
        unexpected=UnexpectedResponse,
    )
    headers: ClassVar[Mapping[str, str]] = {
        "accept": "application/vnd.github+json",
        # Pins the format of the responses.
        "x-github-api-version": "2022-11-28",
    }

    def __init__(
        self,
        *,
        api_url: str,
        repository: str,
        token: Redacted,
        clock: Clock,
        transport: httpx.AsyncBaseTransport,
    ) -> None:
        super().__init__(api_url=api_url, token=token, clock=clock, transport=transport)
        self.repository = repository
