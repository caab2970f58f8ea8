"""Client of GitHub's REST API, limited to what reports and approvals need.

The token is sent only to the host of the API: redirects are not followed, pages on another host are
not read, and an artifact's download link is followed without it. No error quotes the body or a
header of a response, which may come from anyone:

    GitHubError
    ├── Unreachable          no response, or 5xx to `post`: a write may or may not have arrived
    ├── WrongToken           401
    ├── GitHubForbidden      403: the token lacks a permission, like that of a fork
    ├── GitHubNotFound       404, 410
    ├── RateLimited          429, or 403 that says so, after waiting or for too long
    └── UnexpectedResponse   any other response

A request that a rate limit refused was not carried out, so every method is retried. After a fault,
only `get` and `patch` are retried, which may arrive twice; callers of `post` check what arrived.
"""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, ClassVar, Self, TypeAlias
from urllib.parse import urljoin, urlsplit

import httpx
from tenacity import AsyncRetrying, RetryCallState

from reconciler.domain.instants import parse_http_date
from reconciler.domain.secrets import Redacted
from reconciler.errors import ReconcilerError
from reconciler.remote.api import Clock

JsonObject: TypeAlias = dict[str, Any]
"""Object in a response of GitHub; its fields are checked on use."""

MAX_BODY = 10 * 1024 * 1024
MAX_PAGES = 100
ATTEMPTS = 4
MAX_PAUSE_SECONDS = 120.0
"""Maximum wait for a rate limit; a waiting runner costs money."""

_BACKOFF_BASE_SECONDS = 0.5
_BACKOFF_CAP_SECONDS = 8.0
_REQUEST_SECONDS = 60.0
_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
_SEARCHED_BYTES = 4096
_NEXT = re.compile(r'<([^<>]+)>\s*;[^,]*\brel="?next"?')
_IDEMPOTENT = frozenset({"GET", "PATCH"})
_TRANSIENT_STATUS = frozenset({408, 500, 502, 503, 504})


class GitHubError(ReconcilerError):
    """A request to GitHub failed."""

    default_code: ClassVar[str] = "github"
    default_hint: ClassVar[str] = ""

    def __init__(self, subject: str, reason: str) -> None:
        message = f"GitHub: {subject}: {reason}"
        super().__init__(message, code=self.default_code, hint=self.default_hint)


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
    """The resource does not exist, or the token may not read it."""

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


class GitHub:
    """Client of one repository; used as an async context manager."""

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
        self._clock = timing
        # The transport already has the proxy and the CA, so httpx must not read the environment.
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

    async def get(self, path: str) -> JsonObject:
        """Read one object; `path` begins with a slash."""
        return _object(await self._request("GET", self._base + path))

    async def post(self, path: str, body: Mapping[str, Any]) -> JsonObject:
        """Send a POST; never repeated after `Unreachable`, because it may have arrived."""
        return _object(await self._request("POST", self._base + path, body))

    async def patch(self, path: str, body: Mapping[str, Any]) -> JsonObject:
        """Send a PATCH; the request may arrive twice."""
        return _object(await self._request("PATCH", self._base + path, body))

    async def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> None:
        """Send a request that may arrive twice, and ignore its response."""
        await self._request(method, self._base + path, body, repeatable=True)

    async def pages(self, path: str, *, under: str | None = None) -> list[JsonObject]:
        """Read all pages of a list; `under` is the key of the list, if any.

        Raises `UnexpectedResponse` for a list that never ends, because a part of it would look
        complete.
        """
        items: list[JsonObject] = []
        # The maximum; by default a page has 30 items.
        url: str | None = f"{self._base}{path}{'&' if '?' in path else '?'}per_page=100"
        for _ in range(MAX_PAGES):
            if url is None:
                return items
            answer = await self._request("GET", url)
            document = _json(answer)
            if under is not None and isinstance(document, dict):
                document = document.get(under)
            if not isinstance(document, list):
                raise UnexpectedResponse(path, "the answer is not a list")
            items += [item for item in document if isinstance(item, dict)]
            url = self._next_page(answer)
        raise UnexpectedResponse(path, f"the list has more than {MAX_PAGES} pages")

    async def download(self, path: str, *, limit: int) -> bytes:
        """Read a file that GitHub stores elsewhere: one redirect, followed without the token."""
        answer = await self._request("GET", self._base + path, limit=limit, redirects=True)
        if not answer.is_redirect:
            return answer.content
        url = urljoin(self._base, answer.headers.get("location", ""))
        # The address may contain a signature that replaces the token, so it must use https.
        if urlsplit(url).scheme != urlsplit(self._base).scheme:
            raise UnexpectedResponse(path, "it is stored at an unsafe address")
        answer = await self._request("GET", url, limit=limit, anonymous=True)
        return answer.content

    def _next_page(self, answer: httpx.Response) -> str | None:
        link = _NEXT.search(answer.headers.get("link", ""))
        if link is None:
            return None
        url: str = urljoin(str(answer.request.url), link[1])
        if _origin(url) != _origin(self._base):
            raise UnexpectedResponse("the next page", "it is on another host")
        return url

    async def _request(
        self,
        method: str,
        url: str,
        body: Mapping[str, Any] | None = None,
        *,
        limit: int = MAX_BODY,
        redirects: bool = False,
        anonymous: bool = False,
        repeatable: bool = False,
    ) -> httpx.Response:
        """Send a request with retries and return a successful response."""

        async def send() -> httpx.Response:
            return await self._send(method, url, body, limit=limit, anonymous=anonymous)

        retrying = AsyncRetrying(
            sleep=self._clock.sleep,
            wait=self._pause,
            stop=_is_enough,
            retry=_should_retry(idempotent=repeatable or method in _IDEMPOTENT),
            retry_error_callback=_last_answer,
        )
        answer: httpx.Response = await retrying(send)
        if answer.is_success or (redirects and answer.is_redirect):
            return answer
        raise self._refusal(f"{method} {urlsplit(url).path}", answer)

    def _pause(self, state: RetryCallState) -> float:
        """Return the seconds before the next attempt: what GitHub requests, else full jitter."""
        if state.outcome is not None and not state.outcome.failed:
            answer = state.outcome.result()
            if _is_rate_limit(answer):
                asked = _requested_pause(answer.headers, now=self._clock.wall_clock())
                fallback = min(MAX_PAUSE_SECONDS, 2.0**state.attempt_number)
                return fallback if asked is None else asked
        ceiling = _BACKOFF_BASE_SECONDS * 2.0 ** (state.attempt_number - 1)
        # Full jitter prevents jobs that failed together from retrying together.
        return self._clock.random() * min(_BACKOFF_CAP_SECONDS, ceiling)

    def _refusal(self, subject: str, answer: httpx.Response) -> GitHubError:
        if _is_rate_limit(answer):
            pause = _requested_pause(answer.headers, now=self._clock.wall_clock())
            if pause is not None and pause > MAX_PAUSE_SECONDS:
                return RateLimited(subject, f"the rate limit applies for {pause:.0f} s")
            return RateLimited(subject, "the rate limit still applies after waiting")
        match answer.status_code:
            case 401:
                return WrongToken(subject, "the token was refused")
            case 403:
                return GitHubForbidden(subject, "the token lacks a permission")
            case 404:
                return GitHubNotFound(subject, "not found")
            case 410:
                return GitHubNotFound(subject, "disabled or deleted")
            case status if status in _TRANSIENT_STATUS and subject.startswith("POST "):
                # GitHub may have carried it out, so callers check before they write again.
                return Unreachable(subject, f"the answer is {status}")
            case status:
                return UnexpectedResponse(subject, f"the answer is {status}")

    async def _send(
        self, method: str, url: str, body: Mapping[str, Any] | None, *, limit: int, anonymous: bool
    ) -> httpx.Response:
        headers = {"user-agent": "portkey-reconciler"}
        if not anonymous:
            headers |= {
                "accept": "application/vnd.github+json",
                "authorization": f"Bearer {self._token.reveal()}",
                # Pins the format of the responses.
                "x-github-api-version": "2022-11-28",
            }
        subject = f"{method} {urlsplit(url).path}"
        try:
            # httpx limits only each read, which does not stop a server that sends slowly.
            async with (
                asyncio.timeout(_REQUEST_SECONDS),
                self._client.stream(method, url, headers=headers, json=body) as answer,
            ):
                content = bytearray()
                async for part in answer.aiter_bytes():
                    content += part
                    if len(content) > limit:
                        raise UnexpectedResponse(subject, f"it has more than {limit} bytes")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, TimeoutError) as problem:
            # The error is raised below, outside this handler, because the request of this one holds
            # the token.
            reason = type(problem).__name__
        else:
            return httpx.Response(
                answer.status_code,
                headers=_without_encoding(answer.headers),
                content=bytes(content),
                request=answer.request,
            )
        raise Unreachable(subject, reason)


def _should_retry(*, idempotent: bool) -> Callable[[RetryCallState], bool]:
    """Return the retry condition for a request that may or may not arrive twice."""

    def condition(state: RetryCallState) -> bool:
        if state.outcome is None:
            return False
        if state.outcome.failed:
            return idempotent and isinstance(state.outcome.exception(), Unreachable)
        answer = state.outcome.result()
        return _is_rate_limit(answer) or (idempotent and answer.status_code in _TRANSIENT_STATUS)

    return condition


def _is_enough(state: RetryCallState) -> bool:
    # After a shorter wait than GitHub requests, the request would only be refused again.
    return state.attempt_number >= ATTEMPTS or state.upcoming_sleep > MAX_PAUSE_SECONDS


def _last_answer(state: RetryCallState) -> httpx.Response:
    """Return the response of the last attempt, or raise its error."""
    assert state.outcome is not None  # noqa: S101  tenacity calls this after an attempt
    answer: httpx.Response = state.outcome.result()
    return answer


def _is_rate_limit(answer: httpx.Response) -> bool:
    """Return whether a refusal is a rate limit; a 403 can also be a missing permission."""
    if answer.status_code == 429:
        return True
    if answer.status_code != 403:
        return False
    # A primary limit has no requests left; a secondary one has a text or a pause.
    spent = answer.headers.get("x-ratelimit-remaining") == "0"
    named = b"rate limit" in answer.content[:_SEARCHED_BYTES].lower()
    return spent or named or "retry-after" in answer.headers


def _requested_pause(headers: Mapping[str, str], *, now: float) -> float | None:
    """Return the seconds that GitHub asks to wait, if any; `now` is in seconds since 1970."""
    asked = headers.get("retry-after", "").strip()
    # Limited digits, because a very long number would become infinite.
    if asked.isascii() and asked.isdigit():
        return float(asked[:9])
    until = parse_http_date(asked)
    if until is not None:
        return max(0.0, until.timestamp() - now)
    reset = headers.get("x-ratelimit-reset", "").strip()
    if reset.isascii() and reset.isdigit():
        # A point in time, in seconds since 1970, unlike `retry-after`.
        return max(0.0, float(reset[:12]) - now)
    return None


def _without_encoding(headers: httpx.Headers) -> httpx.Headers:
    # The content was decoded while it was read; httpx would decode it again.
    kept = httpx.Headers(headers)
    kept.pop("content-encoding", None)
    kept.pop("content-length", None)
    return kept


def _json(answer: httpx.Response) -> object:
    try:
        document: object = json.loads(answer.content)
    except (ValueError, RecursionError):
        pass
    else:
        return document
    # Raised here, because the parser's error quotes the body.
    raise UnexpectedResponse(_subject(answer), "it is not JSON")


def _object(answer: httpx.Response) -> JsonObject:
    document = _json(answer)
    if not isinstance(document, dict):
        raise UnexpectedResponse(_subject(answer), "it is not a JSON object")
    return document


def _subject(answer: httpx.Response) -> str:
    return f"{answer.request.method} {answer.request.url.path}"


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()
