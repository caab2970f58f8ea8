"""Limits of a download: time, size after decompression and origin; errors do not repeat the URL."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable

import httpx
import pytest

from reconciler.cli.catalogue_download import (
    CatalogueDownloadFailed,
    download_catalogue,
    require_allowed,
)
from reconciler.errors import Refused

URL = "https://configs.portkey.ai/pricing/openai.json?token=canary-7f3a"
Handler = Callable[[httpx.Request], Awaitable[httpx.Response]]


def download(handler: Handler, *, limit: int = 1024 * 1024, seconds: float = 60) -> bytes:
    transport = httpx.MockTransport(handler)
    return asyncio.run(
        download_catalogue(URL, transport=transport, limit=limit, timeout_seconds=seconds)
    )


def test_a_server_that_never_answers_is_abandoned_at_the_timeout() -> None:
    async def silent(_request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(CatalogueDownloadFailed, match=r"longer than 0\.01 seconds"):
        download(silent, seconds=0.01)


def test_the_size_is_that_after_decompression() -> None:
    packed = gzip.compress(b" " * (1024 * 1024 + 1))

    async def small(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-encoding": "gzip"}, content=packed)

    assert len(packed) < 10_000
    with pytest.raises(CatalogueDownloadFailed, match="larger than 1 MiB"):
        download(small)
    assert len(download(small, limit=2 * 1024 * 1024)) == 1024 * 1024 + 1


@pytest.mark.parametrize(
    "location",
    [
        "https://example.com/openai.json",
        "http://configs.portkey.ai/pricing/openai.json",
        "https://configs.portkey.ai:8443/openai.json",
        "//example.com/openai.json",
        "https://configs.portkey.ai@example.com/",
        "file:///etc/passwd",
    ],
)
def test_a_redirect_stays_on_its_origin(location: str) -> None:
    requested = []

    async def moved(request: httpx.Request) -> httpx.Response:
        requested.append(str(request.url))
        return httpx.Response(302, headers={"location": location})

    with pytest.raises(CatalogueDownloadFailed, match="redirects to"):
        download(moved)
    assert requested == [URL]


def test_no_error_repeats_the_url() -> None:
    async def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError(f"cannot read {request.url}")

    with pytest.raises(CatalogueDownloadFailed) as failed:
        download(broken)
    assert "canary" not in f"{failed.value.summary} {failed.value.hint}"


def test_a_host_is_allowed_by_its_full_name_in_any_case() -> None:
    require_allowed("https://CONFIGS.portkey.ai/x.json", allowed_hosts=())
    require_allowed("https://models.example/x.json", allowed_hosts=("Models.Example",))
    for host in ("sub.models.example", "models.example.com", "xmodels.example"):
        with pytest.raises(Refused):
            require_allowed(f"https://{host}/x.json", allowed_hosts=("models.example",))
