"""Clients of code hosts and other services, with the CA file and proxy of the environment.

The client of the API: `reconciler.cli.wiring`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli import settings, wiring
from reconciler.remote.transport import httpx_transport

if TYPE_CHECKING:
    import httpx

    from reconciler.github.client import GitHub
    from reconciler.github.job import Job
    from reconciler.gitlab.client import GitLab
    from reconciler.gitlab.job import GitLabJob


def transport_to(base_url: str) -> "httpx.AsyncBaseTransport":
    """Return a transport to a service; raises `InvalidInput` for settings that cannot be used."""
    environment = settings.from_environment()
    return httpx_transport(
        base_url=base_url,
        ca_file=Path(environment.ca_file) if environment.ca_file else None,
        proxy=environment.proxy,
    )


@asynccontextmanager
async def github_of(job: "Job") -> "AsyncIterator[GitHub]":
    """Open a client of the job's repository on GitHub."""
    from reconciler.github.client import GitHub

    token, repository = job.required_token(), job.required_repository()
    async with GitHub(
        api_url=job.api_url,
        repository=repository,
        token=token,
        clock=wiring.clock(),
        transport=transport_to(job.api_url),
    ) as opened:
        yield opened


@asynccontextmanager
async def gitlab_of(job: "GitLabJob") -> "AsyncIterator[GitLab]":
    """Open a client of the job's project on GitLab."""
    from reconciler.gitlab.client import GitLab

    async with GitLab(
        api_url=job.api_url,
        project=job.project,
        token=job.token,
        clock=wiring.clock(),
        transport=transport_to(job.api_url),
    ) as opened:
        yield opened
