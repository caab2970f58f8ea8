"""What can go wrong when GitHub is asked; each ends a report with exit code 1 unless caught.

    GitHubError
    ├── Unreachable    no answer: it is not known whether a write arrived
    ├── WrongToken     401
    ├── Forbidden      403: the token may not do this, as that of a fork
    ├── NotFound       404, 410
    ├── RateLimited    429, or 403 that says so, and waiting was in vain
    └── Unexpected     any other answer

No message quotes an answer's body or a header: either may come from anybody.
"""

from typing import ClassVar

from reconciler.errors import ReconcilerError


class GitHubError(ReconcilerError):
    """GitHub could not be asked, or said no."""

    why: ClassVar[str] = "github"
    remedy: ClassVar[str] = ""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"GitHub: {what}: {reason}", code=self.why, hint=self.remedy)


class Unreachable(GitHubError):
    """No complete answer came."""

    why = "github-unreachable"
    remedy = "check GITHUB_API_URL and the network; run the job again"


class WrongToken(GitHubError):
    """The token is not, or no longer, one."""

    why = "github-token"
    remedy = "pass the job's token: GITHUB_TOKEN: ${{ github.token }}"


class GitHubForbidden(GitHubError):
    """The token is good, but not for this."""

    why = "github-forbidden"
    remedy = "grant the job pull-requests: write or issues: write; a fork's token never may"


class GitHubNotFound(GitHubError):
    """There is no such thing, or the token may not see it."""

    why = "github-not-found"
    remedy = "check GITHUB_REPOSITORY, and that the token may read it"


class RateLimited(GitHubError):
    """The limit of calls is reached for longer than a job should wait."""

    why = "github-rate-limit"
    remedy = "run the job again later"


class Unexpected(GitHubError):
    """An answer that nothing can be done with."""

    why = "github-answer"
    remedy = "run the job again; if it stays, check GITHUB_API_URL"
