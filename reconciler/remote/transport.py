"""Transport of requests: the connections to the API, their trust, their proxy and their failures.

A transport holds a single connection and a `ConnectionPool` lends transports out. httpx's own
transport keeps a pool even for one connection, which takes a third of the CPU time of a call; and
one pool with many connections scans all of them for each request: about 170 requests a second at
20 connections, 57 at 100. Transports are driven without `httpx.AsyncClient`: it follows redirects,
keeps cookies and reads the environment, and none of that may happen here.

Messages are written here, because an exception of httpx holds its request, and the request the key.
"""

import asyncio
import contextlib
import ssl
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import httpcore
import httpx

from reconciler.diagnostics import error
from reconciler.errors import InvalidInput
from reconciler.remote.errors import InvalidCall, NoAnswer, NotSent, RemoteError
from reconciler.remote.responses import RawAnswer

IDLE_SECONDS: Final = 30.0
"""Seconds after which an unused connection is no longer trusted to be open."""

BODY_LIMIT: Final = 10 * 1024 * 1024
"""Bytes of an answer after decompression."""


class TooLargeError(Exception):
    """The body is larger than the limit; the rest was not read."""


class UndecodableError(Exception):
    """The body has an encoding that was not requested, or is damaged."""


READING_FAILURES = (TimeoutError, TooLargeError, UndecodableError, OSError)

_UNDER_WAY = (ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLEOFError)
"""Signs of an aborted handshake, which proves nothing about trust."""

_UNREACHABLE_HINT = "Check the network, the target's base_url and RECONCILE_PROXY."


class ConnectionPool:
    """Pool of transports; the most recently used one is lent first, so that only few stay open."""

    def __init__(self, make: Callable[[], httpx.AsyncBaseTransport], count: int) -> None:
        self._make = make
        self._free: list[httpx.AsyncBaseTransport] = []
        self._all: list[httpx.AsyncBaseTransport] = []
        self._places = asyncio.Semaphore(count)

    @contextlib.asynccontextmanager
    async def acquire(self) -> AsyncIterator[httpx.AsyncBaseTransport]:
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
            if isinstance(transport, ApiConnection):
                with contextlib.suppress(httpcore.NetworkError, OSError):
                    await transport.drop_expired()

    async def aclose(self) -> None:
        """Close every connection."""
        for transport in self._all:
            await transport.aclose()
        self._all.clear()
        self._free.clear()

    def _new(self) -> httpx.AsyncBaseTransport:
        transport = self._make()
        self._all.append(transport)
        return transport


def connection_maker(
    *, base_url: str, ca_file: Path | None, proxy: str | None
) -> Callable[[], httpx.AsyncBaseTransport]:
    """Prepare TLS and proxy once, and return a factory of transports with one connection."""
    via = _proxy(proxy)
    # A proxy can be reached over TLS even if the API is not.
    trust = _trust(secure=base_url.startswith("https:") or via is not None, ca_file=ca_file)

    connections = _connection_factory(via, trust)
    return lambda: ApiConnection(connections)


def _connection_factory(
    via: httpx.Proxy | None, trust: ssl.SSLContext
) -> httpcore.AsyncConnectionPool:
    # Only a pool of httpcore makes connections; the pool itself is not used.
    if via is None:
        return httpcore.AsyncConnectionPool(ssl_context=trust, keepalive_expiry=IDLE_SECONDS)
    return httpcore.AsyncHTTPProxy(
        proxy_url=str(via.url),
        proxy_auth=via.raw_auth,
        proxy_headers=via.headers.raw,
        ssl_context=trust,
        proxy_ssl_context=via.ssl_context,
        keepalive_expiry=IDLE_SECONDS,
    )


class ApiConnection(httpx.AsyncBaseTransport):
    """A transport for one request at a time, over one connection that is opened when needed."""

    def __init__(self, connections: httpcore.AsyncConnectionPool) -> None:
        self._connections = connections
        self._open: httpcore.AsyncConnectionInterface | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; raises the exceptions of httpx."""
        url = request.url
        target = httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
        )
        with _exceptions_of_httpx():
            connection = await self._ready(target.origin)
            answer = await connection.handle_async_request(
                httpcore.Request(
                    request.method,
                    target,
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer))

    async def aclose(self) -> None:
        """Close the connection, if one is open."""
        if self._open is not None:
            # Dropped before it is closed, so that a failing close does not leave it in use.
            connection, self._open = self._open, None
            await connection.aclose()

    async def drop_expired(self) -> None:
        """Close the connection if it was idle for too long or if the server has closed it."""
        if self._open is not None and self._open.has_expired():
            await self.aclose()

    async def _ready(self, origin: httpcore.Origin) -> httpcore.AsyncConnectionInterface:
        """Return the open connection, or a new one in place of one that cannot be used."""
        # A connection that the server has closed meanwhile is replaced before anything is sent.
        kept = self._open
        if kept is not None and _serves(kept, origin):
            return kept
        await self.aclose()
        self._open = opened = self._connections.create_connection(origin)
        return opened


async def read_body(response: httpx.Response) -> RawAnswer:
    """Read an answer as it streams in, within `BODY_LIMIT` before and after decompression."""
    encoding = response.headers.get("content-encoding", "").strip().lower()
    unpack = _unpacker(encoding)
    stream = response.stream
    # httpx types the stream as synchronous or not; only the latter can be read here.
    if not isinstance(stream, httpx.AsyncByteStream):
        raise UndecodableError
    parts: list[bytes] = []
    size = 0
    async for chunk in stream:
        # One byte more than the limit is enough to know that a body exceeds it.
        part = unpack(chunk, BODY_LIMIT + 1 - size)
        size += len(part)
        if size > BODY_LIMIT:
            raise TooLargeError
        parts.append(part)
    headers = {name.lower(): value for name, value in response.headers.items()}
    return RawAnswer(response.status_code, headers, b"".join(parts))


def _unpacker(encoding: str) -> Callable[[bytes, int], bytes]:
    if encoding in {"", "identity"}:
        return lambda chunk, _limit: chunk
    if encoding not in {"gzip", "x-gzip"}:
        raise UndecodableError
    inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    def unpack(chunk: bytes, limit: int) -> bytes:
        try:
            # Output stops at the limit, however large the input would become; 0 would mean no
            # limit.
            return inflater.decompress(chunk, max(1, limit))
        except zlib.error:
            raise UndecodableError from None

    return unpack


def from_httpx(error: Exception, *, what: str, base_url: str) -> RemoteError:
    """Return our error for an exception of httpx; `what` is the method and path."""
    # Before the timeouts, because ConnectTimeout is one, but nothing was sent.
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return _not_connected(error, what=what, base_url=base_url)
    if isinstance(error, httpx.ProxyError):
        return NotSent(
            f"{what}: the proxy refused the connection", code="proxy-failed", hint=_UNREACHABLE_HINT
        )
    if isinstance(error, httpx.TimeoutException):
        return _timed_out(what)
    if isinstance(error, httpx.LocalProtocolError | httpx.UnsupportedProtocol | httpx.InvalidURL):
        return InvalidCall(f"{what} cannot be written as a request", code="bad-call", attempts=0)
    return NoAnswer(
        f"{what}: the connection broke before the answer was complete",
        code="connection-lost",
        hint="Run the command again: it reads the current state first.",
    )


def from_reading(error: Exception, *, what: str, base_url: str) -> RemoteError:
    """Return our error for a failure to read a response."""
    if isinstance(error, TimeoutError):
        return _timed_out(what)
    if isinstance(error, TooLargeError):
        return NoAnswer(
            f"{what}: the answer is larger than {BODY_LIMIT // 2**20} MiB",
            code="too-large",
            hint=f"The Admin API does not send such a response; check {base_url}.",
        )
    if isinstance(error, UndecodableError):
        return NoAnswer(
            f"{what}: the answer is compressed in a way that cannot be read",
            code="bad-encoding",
            hint=f"Check the proxies between this machine and {base_url}.",
        )
    return from_httpx(error, what=what, base_url=base_url)


def _timed_out(what: str) -> NoAnswer:
    return NoAnswer(
        f"{what}: no complete answer in time",
        code="timeout",
        hint="The API is slow or stuck; run again later.",
    )


def _not_connected(error: Exception, *, what: str, base_url: str) -> NotSent:
    tls = None if isinstance(error, httpx.ConnectTimeout) else _tls_problem(error)
    if tls is not None:
        return NotSent(
            f"{what}: {base_url} has a certificate that could not be verified: {tls}",
            code="tls-failed",
            hint="For a private certificate authority set RECONCILE_CA_FILE.",
        )
    return NotSent(
        f"{what}: {base_url} cannot be reached", code="unreachable", hint=_UNREACHABLE_HINT
    )


def _tls_problem(error: BaseException | None) -> str | None:
    """Return the reason of a failed handshake among the causes of an exception."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        if isinstance(error, ssl.SSLError) and not isinstance(error, _UNDER_WAY):
            return error.reason or "TLS failed"
        error = error.__cause__ or error.__context__
    return None


def _serves(connection: httpcore.AsyncConnectionInterface, origin: httpcore.Origin) -> bool:
    return (
        connection.is_idle()
        and not connection.has_expired()
        and connection.can_handle_request(origin)
    )


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _exceptions_of_httpx():
            async for part in self._answer.aiter_stream():
                yield part

    async def aclose(self) -> None:
        await self._answer.aclose()


@contextlib.contextmanager
def _exceptions_of_httpx() -> Iterator[None]:
    """Raise the httpx exception with the same name as the exception of httpcore."""
    try:
        yield
    except tuple(_FAILURES) as failure:
        raise _FAILURES[type(failure)](str(failure)) from failure


_FAILURES: Mapping[type[Exception], type[httpx.TransportError]] = {
    kind: getattr(httpx, kind.__name__)
    for kind in (
        httpcore.ConnectError,
        httpcore.ConnectTimeout,
        httpcore.LocalProtocolError,
        httpcore.ProxyError,
        httpcore.ReadError,
        httpcore.ReadTimeout,
        httpcore.RemoteProtocolError,
        httpcore.UnsupportedProtocol,
        httpcore.WriteError,
        httpcore.WriteTimeout,
    )
}


def _trust(*, secure: bool, ca_file: Path | None) -> ssl.SSLContext:
    if not secure:
        # Loading certificates takes 20 ms, and an http URL never leads to https, because redirects
        # are not followed. A context without certificates trusts no server.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # SSL_CERT_FILE of the environment must not widen the trust; RECONCILE_CA_FILE does.
    context = httpx.create_ssl_context(trust_env=False)
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError) as problem:
            raise InvalidInput(
                [
                    error(
                        "ca-file",
                        f"the CA file {ca_file} cannot be used: {problem.strerror or problem}",
                        hint="RECONCILE_CA_FILE must name a file of certificates in PEM format.",
                    )
                ]
            ) from None
    return context


_LAST_PORT = 65_535


def _proxy(url: str | None) -> httpx.Proxy | None:
    if url is None:
        return None
    try:
        proxy = httpx.Proxy(url)
        if proxy.url.scheme in {"http", "https"} and (proxy.url.port or 0) <= _LAST_PORT:
            return proxy
    except (ValueError, httpx.InvalidURL):
        # The URL may hold a password, so it is not repeated.
        pass
    raise InvalidInput(
        [
            error(
                "bad-proxy",
                "the proxy's URL cannot be used",
                hint="RECONCILE_PROXY must have the form http://host:port.",
            )
        ]
    )
