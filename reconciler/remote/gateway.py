"""The gateway's list of models, which shows whether the credential of a provider works.

With the header `x-portkey-provider: @SLUG` the gateway forwards the request to the provider with
the stored credential, and without it returns its own catalogue (remote/API.md §10). Only
`reconciler.execution.probers` uses it; calls of the Admin API: `reconciler.remote.client`.
"""

import asyncio
import json
from pathlib import Path
from types import TracebackType
from typing import Self

from reconciler import __version__
from reconciler.domain.secrets import Redacted
from reconciler.frozen_dataclass import dataclass
from reconciler.remote.api import Clock
from reconciler.remote.client import credential_header
from reconciler.remote.errors import TransportError
from reconciler.remote.exchange import RawAnswer, Request, Transport
from reconciler.remote.transport import connection_maker, remote_error

_PATH = "/models"
_WHAT = f"GET {_PATH} of the gateway"


@dataclass(frozen=True, slots=True)
class GatewayAnswer:
    """Status of a response, and how many models it lists, None if it is not such a list."""

    status: int
    models: int | None


class GatewayClient:
    """Client of a gateway, used as an async context manager; one request at a time."""

    def __init__(
        self,
        *,
        base_url: str,
        api_key: Redacted | None,
        clock: Clock,
        timeout_seconds: float,
        transport: Transport | None = None,
        ca_file: Path | None = None,
        proxy: str | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._headers = [
            ("accept", "application/json"),
            ("accept-encoding", "gzip"),
            ("user-agent", f"portkey-reconciler/{__version__}"),
            *credential_header("x-portkey-api-key", api_key),
        ]
        self._timeout_seconds = timeout_seconds
        if transport is None:
            make = connection_maker(
                base_url=base_url, ca_file=ca_file, proxy=proxy, monotonic=clock.clock
            )
            transport = make()
        self._transport = transport

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._transport.aclose()

    async def models(self, provider: str | None) -> GatewayAnswer:
        """Request the models of a provider by its slug, or, with None, those of the catalogue.

        Raises `RemoteError` if there is no complete response.
        """
        answer = await self._get(provider)
        # A proxy or a login page can also return 200; only a list of models proves that it is a
        # gateway.
        return GatewayAnswer(
            answer.status, _models_in(answer.body) if answer.status == 200 else None
        )

    async def _get(self, provider: str | None) -> RawAnswer:
        headers = self._headers
        if provider is not None:
            headers = [*headers, ("x-portkey-provider", f"@{provider}")]
        request = Request("GET", f"{self._base_url}{_PATH}", headers)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._transport.send(request)
        except (TransportError, OSError) as error:
            failure = remote_error(error, what=_WHAT, base_url=self._base_url)
        # Raised outside the handler, so that no exception of the transport becomes its context.
        raise failure


def _models_in(body: bytes) -> int | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    # Some providers report a refused credential with status 200.
    if not isinstance(found, dict) or found.get("error") is not None:
        return None
    models = found.get("data")
    if not isinstance(models, list) or not all(isinstance(model, dict) for model in models):
        return None
    return len(models)
