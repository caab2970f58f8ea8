"""Download of a catalogue of models, the only request that serves neither the API nor secrets.

The host must be known or allowed by the environment, the connection encrypted, and a redirect must
stay on the same origin. The size and the time of the response are limited.
"""

import asyncio
from collections.abc import Collection
from urllib.parse import urlsplit

import httpx

from reconciler.desired.config import is_loopback, url_problem
from reconciler.diagnostics import error
from reconciler.errors import InvalidInput, ReconcilerError, Refused

KNOWN_HOSTS = frozenset({"configs.portkey.ai"})
"""Hosts from which a catalogue can be downloaded without a setting (Portkey-AI/models:
README.md)."""

HOSTS_VARIABLE = "RECONCILE_ALLOWED_CATALOGUES"
TIMEOUT_SECONDS = 60.0
_MOST_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class CatalogueDownloadFailed(ReconcilerError):
    """The catalogue could not be downloaded completely."""

    def __init__(self, reason: str, *, hint: str = "") -> None:
        super().__init__(
            f"the catalogue was not downloaded: {reason}",
            code="catalogue-download",
            hint=hint or "check the URL, or download the file and pass its path",
        )


def require_allowed(url: str, *, allowed_hosts: Collection[str]) -> None:
    """Raise `InvalidInput` for a URL that is not safe, and `Refused` for a host not allowed."""
    problem = url_problem(url, risk="the catalogue could be modified in transit", allows_query=True)
    if problem:
        hint = "write a URL such as https://configs.portkey.ai/pricing/openai.json"
        raise InvalidInput([error("invalid-url", f"the URL {problem}", hint=hint)])
    host = _host_of(url)
    if is_loopback(host) or host in KNOWN_HOSTS | {name.lower() for name in allowed_hosts}:
        return
    summary = f"{host} is not an allowed host of catalogues"
    hint = f"if the host is trusted, add {host} to the environment variable {HOSTS_VARIABLE}"
    raise Refused([error("host-not-allowed", summary, hint=hint)])


def _host_of(url: str) -> str:
    return (urlsplit(url).hostname or "").lower()


async def download_catalogue(
    url: str,
    *,
    transport: httpx.AsyncBaseTransport,
    limit: int,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> bytes:
    """Return the content behind a URL; raises `CatalogueDownloadFailed`."""
    try:
        async with asyncio.timeout(timeout_seconds):
            # The transport configures the proxy and the CA; the environment must not add others.
            async with httpx.AsyncClient(
                transport=transport, timeout=timeout_seconds, trust_env=False
            ) as client:
                return await _follow(client, httpx.URL(url), limit)
    except TimeoutError:
        raise CatalogueDownloadFailed(f"it took longer than {timeout_seconds:g} seconds") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as problem:
        # The text of the exception may quote the URL, and with it a token.
        raise CatalogueDownloadFailed(type(problem).__name__) from None


async def _follow(client: httpx.AsyncClient, url: httpx.URL, limit: int) -> bytes:
    # Redirects are followed here, because httpx would follow one to any host.
    origin = _origin(url)
    for _ in range(_MOST_REDIRECTS + 1):
        async with client.stream(
            "GET", url, headers={"user-agent": "portkey-reconciler", "accept": "application/json"}
        ) as answer:
            if answer.status_code == 200:
                return await _content(answer, limit)
            if answer.status_code not in _REDIRECTS:
                raise CatalogueDownloadFailed(f"the response has the status {answer.status_code}")
            url = url.join(answer.headers.get("location", ""))
        if _origin(url) != origin:
            raise CatalogueDownloadFailed(
                f"{origin[1]} redirects to {url.host or 'another host'}",
                hint="pass the URL of that host, if it is trusted",
            )
    raise CatalogueDownloadFailed(f"more than {_MOST_REDIRECTS} redirects")


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


async def _content(answer: httpx.Response, limit: int) -> bytes:
    content = bytearray()
    # Counted after decompression, so that a small response cannot fill the memory.
    async for chunk in answer.aiter_bytes():
        content += chunk
        if len(content) > limit:
            raise CatalogueDownloadFailed(f"it is larger than {limit // 1024 // 1024} MiB")
    return bytes(content)
