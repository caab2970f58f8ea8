"""Client of GitLab for a job, with the CA file and proxy of the environment."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from reconciler.cli import settings, wiring
from reconciler.gitlab.client import GitLab
from reconciler.gitlab.job import GitLabJob
from reconciler.remote.httpx_transport import httpx_transport


@asynccontextmanager
async def connected(job: GitLabJob) -> AsyncIterator[GitLab]:
    """Open a client of the job's project."""
    environment = settings.from_environment()
    transport = httpx_transport(
        base_url=job.api_url,
        ca_file=Path(environment.ca_file) if environment.ca_file else None,
        proxy=environment.proxy,
    )
    async with GitLab(
        api_url=job.api_url,
        project=job.project,
        token=job.token,
        clock=wiring.clock(),
        transport=transport,
    ) as opened:
        yield opened
