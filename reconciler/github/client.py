"""GitHub's REST API, as little of it as reports need.

The token goes to the host of the API and nowhere else: redirects are not followed, pages on another
host are not read, an artifact's download link is followed without it. httpx ends here; what goes
wrong comes out as `reconciler.github.errors`.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import httpx

from reconciler.domain.secrets import Redacted
from reconciler.github import backoff
from reconciler.github.errors import (
    GitHubError,
    GitHubForbidden,
    GitHubNotFound,
    RateLimited,
    Unexpected,
    Unreachable,
    WrongToken,
)
from reconciler.remote.clock import Clock

MAX_BODY = 10 * 1024 * 1024
MAX_PAGES = 100
_CALL_SECONDS = 60.0
_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
_NEXT = re.compile(r'<([^<>]+)>\s*;[^,]*\brel="?next"?')
_IDEMPOTENT = frozenset({"GET", "PATCH"})
_REFUSALS: dict[int, tuple[type[GitHubError], str]] = {
    401: (WrongToken, "the token was refused"),
    403: (GitHubForbidden, "the token may not do this"),
    404: (GitHubNotFound, "there is nothing there"),
    410: (GitHubNotFound, "it is switched off or gone"),
}


class GitHub:
    """One repository at one GitHub; used as an async context manager."""

    def __init__(
        self,
        *,
        api_url: str,
        repository: str,
        token: Redacted,
        timing: Clock,
        transport: httpx.AsyncBaseTransport,
    ) -> None:
        self.repository = repository
        self._base = api_url.rstrip("/")
        self._token = token
        self._timing = timing
        self._client = httpx.AsyncClient(
            transport=transport, timeout=_TIMEOUT, follow_redirects=False, trust_env=False
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def get(self, path: str) -> Any:
        """Read one document; `path` begins with a slash."""
        return _document(await self._call("GET", self._base + path))

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Make something; never repeated after `Unreachable`, since it may have arrived."""
        return _document(await self._call("POST", self._base + path, body))

    async def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """Change something; arriving twice does no harm."""
        return _document(await self._call("PATCH", self._base + path, body))

    async def pages(self, path: str, *, under: str | None = None) -> list[dict[str, Any]]:
        """Read a list to its end, page by page; `under` names the key that holds it, if any.

        Raises `Unexpected` for a list that never ends: half a list would look like a whole one.
        """
        found: list[dict[str, Any]] = []
        url: str | None = f"{self._base}{path}{'&' if '?' in path else '?'}per_page=100"
        for _ in range(MAX_PAGES):
            if url is None:
                return found
            answer = await self._call("GET", url)
            document = _document(answer)
            if under is not None and isinstance(document, dict):
                document = document.get(under)
            if not isinstance(document, list):
                raise Unexpected(path, "the answer is not a list")
            found += [item for item in document if isinstance(item, dict)]
            url = self._next(answer)
        raise Unexpected(path, f"the list has more than {MAX_PAGES} pages")

    async def download(self, path: str, *, limit: int) -> bytes:
        """Read a file that GitHub keeps elsewhere: one redirect, followed without the token."""
        answer = await self._call("GET", self._base + path, limit=limit, redirects=True)
        if not answer.is_redirect:
            return answer.content
        there = urljoin(self._base, answer.headers.get("location", ""))
        if urlsplit(there).scheme != urlsplit(self._base).scheme:
            raise Unexpected(path, "it is kept at an unsafe address")
        answer = await self._call("GET", there, limit=limit, anonymous=True)
        return answer.content

    def _next(self, answer: httpx.Response) -> str | None:
        link = _NEXT.search(answer.headers.get("link", ""))
        if link is None:
            return None
        there: str = urljoin(str(answer.request.url), link[1])
        if _origin(there) != _origin(self._base):
            raise Unexpected("the next page", "it is on another host")
        return there

    async def _call(
        self,
        method: str,
        url: str,
        body: Mapping[str, Any] | None = None,
        *,
        limit: int = MAX_BODY,
        redirects: bool = False,
        anonymous: bool = False,
    ) -> httpx.Response:
        """Make a call, again where that is allowed and useful, and give a successful answer."""
        what = f"{method} {urlsplit(url).path}"
        for attempt in range(1, backoff.ATTEMPTS + 1):
            last = attempt == backoff.ATTEMPTS
            try:
                answer = await self._once(method, url, body, limit=limit, anonymous=anonymous)
            except Unreachable:
                if last or method not in _IDEMPOTENT:
                    raise
                pause = backoff.backoff(attempt, random=self._timing.random())
            else:
                if answer.is_success or (redirects and answer.is_redirect):
                    return answer
                if backoff.is_rate_limit(answer.status_code, answer.headers, answer.content):
                    pause = self._allowed_pause(what, answer, attempt=attempt)
                elif backoff.may_pass(answer.status_code) and method in _IDEMPOTENT and not last:
                    pause = backoff.backoff(attempt, random=self._timing.random())
                else:
                    raise _refusal(what, answer.status_code)
            await self._timing.sleep(pause)
        raise RateLimited(what, "it is still reached after waiting")

    def _allowed_pause(self, what: str, answer: httpx.Response, *, attempt: int) -> float:
        pause = backoff.pause_for(answer.headers, attempt=attempt, now=self._timing.wall_clock())
        if pause > backoff.LONGEST_PAUSE:
            raise RateLimited(what, f"the limit of calls is reached for {pause:.0f} s")
        return pause

    async def _once(
        self, method: str, url: str, body: Mapping[str, Any] | None, *, limit: int, anonymous: bool
    ) -> httpx.Response:
        headers = {"user-agent": "portkey-reconciler"}
        if not anonymous:
            headers |= {
                "accept": "application/vnd.github+json",
                "authorization": f"Bearer {self._token.reveal()}",
                "x-github-api-version": "2022-11-28",
            }
        what = f"{method} {urlsplit(url).path}"
        try:
            # A limit for each read would never end a server that drips.
            async with (
                asyncio.timeout(_CALL_SECONDS),
                self._client.stream(method, url, headers=headers, json=body) as answer,
            ):
                content = bytearray()
                async for part in answer.aiter_bytes():
                    content += part
                    if len(content) > limit:
                        raise Unexpected(what, f"the answer has more than {limit} bytes")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, TimeoutError) as problem:
            # Not `from` it: a request that can be printed holds the token.
            reason = type(problem).__name__
        else:
            return httpx.Response(
                answer.status_code,
                headers=_without_encoding(answer.headers),
                content=bytes(content),
                request=answer.request,
            )
        raise Unreachable(what, reason)


def _without_encoding(headers: httpx.Headers) -> httpx.Headers:
    kept = httpx.Headers(headers)
    kept.pop("content-encoding", None)
    kept.pop("content-length", None)
    return kept


def _document(answer: httpx.Response) -> Any:
    try:
        return json.loads(answer.content)
    except (ValueError, RecursionError):
        pass
    raise Unexpected(f"{answer.request.method} {answer.request.url.path}", "it is not JSON")


def _refusal(what: str, status: int) -> GitHubError:
    kind, reason = _REFUSALS.get(status, (Unexpected, f"the answer is {status}"))
    return kind(what, reason)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()
