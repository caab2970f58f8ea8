"""Client of a REST API of a code host, shared by GitHub and GitLab, which subclass it.

The token is sent only to the host of the API: redirects are not followed, pages on another host are
not read, and the link of a download is followed without it. No error quotes the body or a header of
a response, which can contain untrusted text:

    RestError
    ├── unreachable    no response, or 5xx to `post`: a write may or may not have arrived
    ├── wrong_token    401
    ├── forbidden      403: the token lacks a permission, like that of a fork
    ├── not_found      404, 410
    ├── rate_limited   429, or 403 that says so, after waiting or for too long
    └── unexpected     any other response

A request that a rate limit refused was not carried out, so every method is retried. After a fault,
only requests that may arrive twice are retried; callers of `post` check what arrived.
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
from reconciler.frozen_dataclass import dataclass
from reconciler.remote.api import Clock

JsonObject: TypeAlias = dict[str, Any]
"""Object in a response; its fields are checked on use."""

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
# A repeated PATCH sets the same values, a repeated POST would create a second object.
_IDEMPOTENT = frozenset({"GET", "PATCH"})
_TRANSIENT_STATUS = frozenset({408, 500, 502, 503, 504})


class RestError(ReconcilerError):
    """A request failed; subclasses name the service, the code and the hint."""

    service: ClassVar[str] = ""
    default_code: ClassVar[str] = ""
    default_hint: ClassVar[str] = ""

    def __init__(self, subject: str, reason: str) -> None:
        message = f"{self.service}: {subject}: {reason}"
        super().__init__(message, code=self.default_code, hint=self.default_hint)


@dataclass(frozen=True, slots=True)
class RestErrors:
    """Classes of the errors that a client raises."""

    unreachable: type[RestError]
    wrong_token: type[RestError]
    forbidden: type[RestError]
    not_found: type[RestError]
    rate_limited: type[RestError]
    unexpected: type[RestError]


class RestClient:
    """Client of one API with one token; used as an async context manager."""

    errors: ClassVar[RestErrors]
    headers: ClassVar[Mapping[str, str]]
    """Headers of every request in addition to the token."""

    def __init__(
        self,
        *,
        api_url: str,
        token: Redacted,
        clock: Clock,
        transport: httpx.AsyncBaseTransport,
    ) -> None:
        self._base = api_url.rstrip("/")
        self._token = token
        self._clock = clock
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
        return self._object(await self._request("GET", self._base + path))

    async def post(self, path: str, body: Mapping[str, Any]) -> JsonObject:
        """Send a POST; never repeated after `unreachable`, because it may have arrived."""
        return self._object(await self._request("POST", self._base + path, body))

    async def patch(self, path: str, body: Mapping[str, Any]) -> JsonObject:
        """Send a PATCH; the request may arrive twice."""
        return self._object(await self._request("PATCH", self._base + path, body))

    async def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> None:
        """Send a request that may arrive twice, and ignore its response."""
        await self._request(method, self._base + path, body, repeatable=True)

    async def pages(self, path: str, *, under: str | None = None) -> list[JsonObject]:
        """Read all pages of a list; `under` is the key of the list, if any.

        Raises `unexpected` for a list that never ends, because a part of it would look
        complete.
        """
        items: list[JsonObject] = []
        # The maximum; by default a page has 30 items.
        url: str | None = f"{self._base}{path}{'&' if '?' in path else '?'}per_page=100"
        # One hundred pages of one hundred items are more than any list here has.
        for _ in range(MAX_PAGES):
            if url is None:
                return items
            answer = await self._request("GET", url)
            document = self._json(answer)
            if under is not None and isinstance(document, dict):
                document = document.get(under)
            if not isinstance(document, list):
                raise self.errors.unexpected(path, "the response is not a list")
            items += [item for item in document if isinstance(item, dict)]
            url = self._next_page(answer)
        raise self.errors.unexpected(path, f"the list has more than {MAX_PAGES} pages")

    async def download(self, path: str, *, limit: int) -> bytes:
        """Read a file; one redirect to where it is stored is followed without the token."""
        answer = await self._request("GET", self._base + path, limit=limit, redirects=True)
        if not answer.is_redirect:
            return answer.content
        url = urljoin(self._base, answer.headers.get("location", ""))
        # The address may contain a signature that replaces the token, so it must use https.
        if urlsplit(url).scheme != urlsplit(self._base).scheme:
            raise self.errors.unexpected(path, "it is stored at an unsafe address")
        answer = await self._request("GET", url, limit=limit, anonymous=True)
        return answer.content

    def _next_page(self, answer: httpx.Response) -> str | None:
        link = _NEXT.search(answer.headers.get("link", ""))
        if link is None:
            return None
        url: str = urljoin(str(answer.request.url), link[1])
        if _origin(url) != _origin(self._base):
            raise self.errors.unexpected("the next page", "it is on another host")
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
            retry=self._should_retry(idempotent=repeatable or method in _IDEMPOTENT),
            # The last response is returned instead of raised, because it is more useful than the
            # number of attempts.
            retry_error_callback=_last_answer,
        )
        answer: httpx.Response = await retrying(send)
        if answer.is_success or (redirects and answer.is_redirect):
            return answer
        raise self._refusal(f"{method} {urlsplit(url).path}", answer)

    def _pause(self, state: RetryCallState) -> float:
        """Return the seconds before the next attempt: what is requested, else full jitter."""
        if state.outcome is not None and not state.outcome.failed:
            answer = state.outcome.result()
            if _is_rate_limit(answer):
                asked = _requested_pause(answer.headers, now=self._clock.wall_clock())
                fallback = min(MAX_PAUSE_SECONDS, 2.0**state.attempt_number)
                return fallback if asked is None else asked
        ceiling = _BACKOFF_BASE_SECONDS * 2.0 ** (state.attempt_number - 1)
        # Full jitter prevents jobs that failed together from retrying together.
        return self._clock.random() * min(_BACKOFF_CAP_SECONDS, ceiling)

    def _refusal(self, subject: str, answer: httpx.Response) -> RestError:
        if _is_rate_limit(answer):
            pause = _requested_pause(answer.headers, now=self._clock.wall_clock())
            if pause is not None and pause > MAX_PAUSE_SECONDS:
                return self.errors.rate_limited(
                    subject, f"the rate limit applies for {pause:.0f} s"
                )
            return self.errors.rate_limited(subject, "the rate limit still applies after waiting")
        match answer.status_code:
            case 401:
                return self.errors.wrong_token(subject, "the token was refused")
            case 403:
                return self.errors.forbidden(subject, "the token lacks a permission")
            case 404:
                return self.errors.not_found(subject, "not found")
            case 410:
                return self.errors.not_found(subject, "disabled or deleted")
            case status if status in _TRANSIENT_STATUS and subject.startswith("POST "):
                # It may have been carried out, so callers check before they write again.
                return self.errors.unreachable(subject, f"the response has the status {status}")
            case status:
                return self.errors.unexpected(subject, f"the response has the status {status}")

    async def _send(
        self, method: str, url: str, body: Mapping[str, Any] | None, *, limit: int, anonymous: bool
    ) -> httpx.Response:
        headers = {"user-agent": "portkey-reconciler"}
        if not anonymous:
            headers |= {**self.headers, "authorization": f"Bearer {self._token.reveal()}"}
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
                        raise self.errors.unexpected(subject, f"it has more than {limit} bytes")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, TimeoutError) as problem:
            # The error is raised below, outside this handler, because the request of this exception
            # contains the token.
            reason = type(problem).__name__
        else:
            return httpx.Response(
                answer.status_code,
                headers=_without_encoding(answer.headers),
                content=bytes(content),
                request=answer.request,
            )
        raise self.errors.unreachable(subject, reason)

    def _should_retry(self, *, idempotent: bool) -> Callable[[RetryCallState], bool]:
        """Return the retry condition for a request that may or may not arrive twice."""

        def condition(state: RetryCallState) -> bool:
            if state.outcome is None:
                return False
            if state.outcome.failed:
                return idempotent and isinstance(state.outcome.exception(), self.errors.unreachable)
            answer = state.outcome.result()
            # A request beyond the rate limit was not carried out, so even a POST can be sent again.
            return _is_rate_limit(answer) or (
                idempotent and answer.status_code in _TRANSIENT_STATUS
            )

        return condition

    def _json(self, answer: httpx.Response) -> object:
        try:
            document: object = json.loads(answer.content)
        except (ValueError, RecursionError):
            pass
        else:
            return document
        # Raised here, because the parser's error quotes the body.
        raise self.errors.unexpected(_subject(answer), "it is not JSON")

    def _object(self, answer: httpx.Response) -> JsonObject:
        document = self._json(answer)
        if not isinstance(document, dict):
            raise self.errors.unexpected(_subject(answer), "it is not a JSON object")
        return document


def _is_enough(state: RetryCallState) -> bool:
    # After a shorter wait than the one requested, the request would only be refused again.
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
    """Return the requested seconds to wait, if any; `now` is in seconds since 1970."""
    asked = headers.get("retry-after", "").strip()
    # Limited digits, because a very long number would become infinite.
    if asked.isascii() and asked.isdigit():
        return float(asked[:9])
    until = parse_http_date(asked)
    if until is not None:
        return max(0.0, until.timestamp() - now)
    # GitHub and GitLab name it differently.
    reset = headers.get("x-ratelimit-reset", headers.get("ratelimit-reset", "")).strip()
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


def _subject(answer: httpx.Response) -> str:
    return f"{answer.request.method} {answer.request.url.path}"


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()
