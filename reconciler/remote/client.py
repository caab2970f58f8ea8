"""HTTP client of the API: each call returns a reply or raises one of our errors.

`exchange` interprets responses, `retry` repeats calls and limits their rate, and `transport`
prepares the connections of `connection`. The credential and the bodies do not leave this module: no
error contains a request, and none is chained to an error of its transport.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeAlias
from urllib.parse import urlencode

from reconciler import __version__
from reconciler.diagnostics import error as problem
from reconciler.domain.calls import Call, Reply
from reconciler.domain.secrets import Redacted
from reconciler.errors import InvalidInput
from reconciler.remote import exchange
from reconciler.remote.api import Clock, RequestRecord
from reconciler.remote.connection import Connection
from reconciler.remote.errors import (
    DeadlineExceeded,
    InvalidCall,
    NotSent,
    ReadOnlyViolation,
    RemoteError,
    Throttled,
    TransportError,
)
from reconciler.remote.exchange import RawAnswer, Request, Transport
from reconciler.remote.operations import Prepared, prepare
from reconciler.remote.retry import Deadline, RateLimiter, Retries
from reconciler.remote.transport import connection_maker, remote_error
from reconciler.remote.wire_secrets import (
    Needles,
    encode_body,
    needles_of,
    parts_of,
    redact,
    sent_parts,
)

CALL_TIMEOUT_SECONDS = 30.0
RUN_DEADLINE_SECONDS = 900.0
CONCURRENCY = 10


class ConnectionPool:
    """Pool of transports; the most recently used one is lent first, so that only few stay open.

    Each holds a single connection. A single pool that scans all connections for each request limits
    a client to about 170 requests per second with 20 connections, and to 57 with 100.
    """

    def __init__(self, make: Callable[[], Transport], count: int) -> None:
        self._make = make
        self._free: list[Transport] = []
        self._all: list[Transport] = []
        self._places = asyncio.Semaphore(count)

    @contextlib.asynccontextmanager
    async def acquire(self) -> AsyncIterator[Transport]:
        """Borrow a transport, waiting until one is free."""
        async with self._places:
            # The most recently used one, so that surplus connections expire and are closed.
            transport = self._free.pop() if self._free else self._new()
            try:
                yield transport
            finally:
                self._free.append(transport)

    async def drop_expired(self) -> None:
        """Close expired connections that many concurrent calls left behind."""
        # A copy: other calls borrow and return transports while one is being closed.
        for transport in [*self._free]:
            if isinstance(transport, Connection):
                await transport.drop_expired()

    async def aclose(self) -> None:
        """Close every connection."""
        for transport in self._all:
            await transport.aclose()
        self._all.clear()
        self._free.clear()

    def _new(self) -> Transport:
        transport = self._make()
        self._all.append(transport)
        return transport


class Client:
    """API over HTTP; built by `make_client`, used as an async context manager."""

    def __init__(
        self,
        *,
        base_url: str,
        headers: list[tuple[str, str]],
        credential: Redacted | None,
        pool: ConnectionPool,
        clock: Clock,
        deadline: Deadline,
        read_only: bool,
        call_timeout: float,
        on_request: Callable[[RequestRecord], None] | None,
        on_pause: Callable[[float], None] | None = None,
    ) -> None:
        self.rate_limiter = RateLimiter(clock, deadline, on_pause)
        self.retries = Retries(clock, deadline)
        self._base_url = base_url
        self._headers = headers
        self._secrets: tuple[Redacted, ...] = () if credential is None else (credential,)
        self._credential = self._secrets
        self._known: Needles | None = None
        self._pool = pool
        self._timing = clock
        self._deadline = deadline
        self._read_only = read_only
        self._call_timeout = call_timeout
        self._on_request = on_request
        self._begun: tuple[Call, asyncio.Task[Reply | None]] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def keep_secret(self, values: Iterable[Redacted]) -> None:
        """Also redact these values in every error, even if no call sends them."""
        self._secrets = (*self._secrets, *values)
        self._known = None

    async def drop_expired(self) -> None:
        """Close connections that were idle for long, for clients that run for days."""
        await self._pool.drop_expired()

    async def aclose(self) -> None:
        """Cancel a call that was started, and close every connection."""
        if self._begun is not None:
            _, sending = self._begun
            sending.cancel()
            await asyncio.wait([sending])
        await self._pool.aclose()

    def begin(self, call: Call) -> None:
        """Send a read now; the next equal call returns its response.

        If it fails, the next call is made normally, so an error is raised only where it is
        expected, and after the secrets that it may quote are known.
        """
        prepared, content = self._prepare(call)
        # A write must never be sent before it is announced, and only one response is kept.
        if not prepared.operation.safe or self._begun is not None:
            raise ValueError("one read at a time can be begun")

        async def send() -> Reply | None:
            try:
                return await self._until_not_throttled(prepared, content)
            except RemoteError:
                return None

        self._begun = call, asyncio.ensure_future(send())

    async def call(self, call: Call) -> Reply:
        """Make one call and return its successful response; see `IntegrationsAPI`."""
        if self._begun is not None and self._begun[0] == call:
            _, sending = self._begun
            self._begun = None
            # Awaited and not cancelled, because the response may arrive at any moment.
            answer = await sending
            if answer is not None:
                return answer
        # The body is encoded once, before the first attempt: a refused body sends nothing.
        prepared, content = self._prepare(call)
        reply, attempts = await self.retries.run(
            partial(self._until_not_throttled, prepared, content),
            repeatable=prepared.operation.idempotent,
        )
        # The default of a reply is 1, so thousands of copies are avoided.
        return reply if attempts == 1 else replace(reply, attempts=attempts)

    async def call_once(self, call: Call) -> Reply:
        """Make one call with one request at most: never repeated or paced.

        For a caller that forwards calls and whose client handles faults and 429s. Raises
        `RemoteError`, including `Throttled`.
        """
        prepared, content = self._prepare(call)
        async with self._pool.acquire() as transport:
            return await self._exchange(transport, prepared, content)

    def _prepare(self, call: Call) -> tuple[Prepared, bytes | None]:
        prepared = prepare(call)
        if self._read_only and not prepared.operation.safe:
            raise ReadOnlyViolation(
                f"{prepared.method} {prepared.path} was not sent: this command only reads",
                code="read-only",
                attempts=0,
            )
        return prepared, None if prepared.body is None else encode_body(prepared.body)

    async def _until_not_throttled(self, prepared: Prepared, content: bytes | None) -> Reply:
        while True:
            async with self._pool.acquire() as transport:
                # The connection is acquired first, because a call that the rate limiter admits must
                # be sent immediately.
                sent_at = await self.rate_limiter.acquire()
                counted = True
                try:
                    return await self._exchange(transport, prepared, content)
                except Throttled as error:
                    # The server did not carry it out, so any operation can be repeated.
                    counted = False
                    self.rate_limiter.pause(error, sent_at=sent_at)
                # The server has not seen any of these, so they show nothing about its limit.
                except (NotSent, InvalidCall, DeadlineExceeded):
                    counted = False
                    raise
                finally:
                    self.rate_limiter.release(sent_at, counted=counted)

    async def _exchange(
        self, transport: Transport, prepared: Prepared, content: bytes | None
    ) -> Reply:
        """Send one request and return its response, or raise the corresponding error."""
        started = self._timing.clock()
        answer: RawAnswer | None = None
        failure: RemoteError | None = None
        try:
            answer = self._without_echo(await self._send(transport, prepared, content), prepared)
            secrets = () if prepared.body is None else sent_parts(prepared.body)
            read_body = prepared.operation.read_body
            sent = exchange.Sent(prepared.method, prepared.path, secrets, self._needles, read_body)
            return exchange.read_answer(sent, answer, wall_clock=self._timing.wall_clock())
        except RemoteError as error:
            failure = error
            raise
        finally:
            # In `finally`, because a cancelled request may have reached the API and is also
            # recorded.
            if self._on_request is not None:
                seconds = self._timing.clock() - started
                self._on_request(_record(prepared, answer, failure, seconds=seconds))

    def _without_echo(self, answer: RawAnswer, prepared: Prepared) -> RawAnswer:
        """Drop a request id that repeats a secret of the request: ids are logged and stored."""
        identity = answer.request_id
        if identity is None:
            return answer
        needles = self._credential_needles
        if prepared.body:
            needles |= needles_of(sent_parts(prepared.body))
        if redact(identity, needles) == identity:
            return answer
        return replace(answer, headers=exchange.without_request_id(answer.headers))

    @cached_property
    def _credential_needles(self) -> Needles:
        """Prepared once, because every response with a request id is compared with it."""
        return needles_of(parts_of(self._credential))

    def _needles(self) -> Needles:
        """Return the strings that no message may contain; prepared at the first error."""
        if self._known is None:
            self._known = needles_of(parts_of(self._secrets))
        return self._known

    async def _send(
        self, transport: Transport, prepared: Prepared, content: bytes | None
    ) -> RawAnswer:
        what = f"{prepared.method} {prepared.path}"
        timeout = min(self._call_timeout, self._deadline.remaining)
        if timeout <= 0:
            raise DeadlineExceeded(
                f"the run's deadline passed before {what} was sent",
                code="deadline",
                hint="allow more time with --deadline; completed calls are not undone",
                attempts=0,
            )
        try:
            # Limits the total time, because a limit for each read would not stop a server that
            # sends slowly.
            async with asyncio.timeout(timeout):
                return await transport.send(self._request(prepared, content))
        except (TransportError, OSError) as error:
            failure = remote_error(error, what=what, base_url=self._base_url)
        # Raised outside the handler, so that no exception that contains the request becomes its
        # context.
        raise failure

    def _request(self, prepared: Prepared, content: bytes | None) -> Request:
        query = f"?{urlencode(prepared.query)}" if prepared.query else ""
        headers = self._headers
        if content is not None:
            headers = [*headers, ("content-type", "application/json")]
        url = f"{self._base_url}{prepared.path}{query}"
        return Request(prepared.method, url, headers, content)


AuthHeader: TypeAlias = Literal["x-portkey-api-key", "authorization"]


def make_client(
    *,
    base_url: str,
    api_key: Redacted | None,
    clock: Clock,
    auth_header: AuthHeader = "x-portkey-api-key",
    read_only: bool = False,
    transport: Transport | None = None,
    concurrency: int = CONCURRENCY,
    deadline: float | None = RUN_DEADLINE_SECONDS,
    call_timeout: float = CALL_TIMEOUT_SECONDS,
    ca_file: Path | None = None,
    proxy: str | None = None,
    user_agent: str = f"portkey-reconciler/{__version__}",
    on_request: Callable[[RequestRecord], None] | None = None,
    on_pause: Callable[[float], None] | None = None,
) -> Client:
    """Build the client of a run.

    `deadline` is in seconds from now. `transport` replaces the network (in the simulator or a test)
    and is then shared by all connections. Callers decide whether the key may be sent to `base_url`.
    `on_request` is called for every request when its response has arrived, `on_pause` with the
    seconds of each pause that the rate limit causes.
    """
    # Paths begin with a slash, and a doubled one is another path for many servers.
    base_url = base_url.rstrip("/")
    headers = [
        ("accept", "application/json"),
        ("accept-encoding", "gzip"),  # the only encoding that `Body` decompresses
        ("user-agent", user_agent),
        *credential_header(auth_header, api_key),
    ]
    if transport is None:
        make = connection_maker(
            base_url=base_url, ca_file=ca_file, proxy=proxy, monotonic=clock.clock
        )
    else:
        make = partial(_shared, transport)
    return Client(
        base_url=base_url,
        headers=headers,
        credential=api_key,
        pool=ConnectionPool(make, max(1, concurrency)),
        clock=clock,
        deadline=Deadline(clock.clock, deadline),
        read_only=read_only,
        call_timeout=call_timeout,
        on_request=on_request,
        on_pause=on_pause,
    )


def _shared(transport: Transport) -> Transport:
    return transport


def _record(
    prepared: Prepared, answer: RawAnswer | None, failure: RemoteError | None, *, seconds: float
) -> RequestRecord:
    return RequestRecord(
        prepared.method,
        prepared.path,
        seconds,
        answer.status if answer else None,
        answer.request_id if answer else None,
        failure.code if failure else None,
        answer.headers.get("date") if answer else None,
    )


def credential_header(name: AuthHeader, key: Redacted | None) -> list[tuple[str, str]]:
    """Return the header with a key; raise `InvalidInput` if the key is not valid in one."""
    if key is None:
        return []
    text = key.reveal()
    # A line break in the value would end the header and start another one.
    if not re.fullmatch(r"[\x21-\x7e]+", text):
        summary, hint = _unusable_key(text)
        raise InvalidInput([problem("bad-api-key", summary, hint=hint)])
    return [(name, f"Bearer {text}" if name == "authorization" else text)]


def _unusable_key(text: str) -> tuple[str, str]:
    """Return what is wrong with a key, without any part of it, and the hint."""
    if not text.strip():
        return "the API key is empty", "set the variable that api_key refers to"
    if re.fullmatch(r"[\x21-\x7e]+", text.strip()):
        return "the API key begins or ends with a space or a line break", "remove it"
    return (
        "the API key contains a space, a line break or a character that is not ASCII",
        "copy the key again, without the text around it",
    )
