"""One HTTP/1.1 connection to the API, directly or through a proxy: asyncio and h11.

It serves one request at a time and is opened when needed. General HTTP clients also follow
redirects, keep cookies and read the environment, which must not happen here. Importing one takes a
sixth of the CPU time of a small plan (tests/README.md). Trust and errors for users:
`transport`; pool: `client`.
"""

import asyncio
import base64
import contextlib
import select
import ssl
import zlib
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final, cast
from urllib.parse import unquote, urlsplit

import h11

from reconciler.frozen_dataclass import dataclass
from reconciler.remote.errors import (
    BrokenConnection,
    ConnectError,
    ConnectTimeout,
    ProxyError,
    TooLargeError,
    UndecodableError,
    UnsendableError,
)
from reconciler.remote.exchange import Headers, RawAnswer, Request

CONNECT_TIMEOUT_SECONDS: Final = 5.0
"""Limit for opening a connection, and again for its tunnel and for each TLS handshake."""

BODY_LIMIT: Final = 10 * 1024 * 1024
"""Maximum size of a response after decompression, in bytes."""

IDLE_SECONDS: Final = 30.0
"""Seconds after which an unused connection is no longer trusted to be open."""

_HEAD_LIMIT = 100 * 1024
_BUFFER_LIMIT = 256 * 1024
_SECOND_ADDRESS_SECONDS = 0.25
_CLOSE_SECONDS = 1.0
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of a server."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """Return host and port in the form of a request for a tunnel."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def host_header(self) -> str:
        """Return the authority, without the port if the scheme implies it."""
        implied = f":{_PORTS[self.scheme]}"
        return self.authority.removesuffix(implied)


def origin_of(url: str) -> Origin:
    """Return the origin of a URL; raises ValueError if it has none."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("not the URL of a server")
    return Origin(parts.scheme, _ascii(parts.hostname), parts.port or _PORTS[parts.scheme])


def _ascii(host: str) -> str:
    if host.isascii():
        return host
    import idna  # the encoding of the standard library names other hosts for some letters

    # `IDNAError` is a ValueError.
    return idna.encode(host).decode("ascii")


@dataclass(frozen=True, slots=True)
class Proxy:
    """Proxy of a connection; `credential` is the value of its header."""

    origin: Origin
    credential: str | None = None

    @property
    def headers(self) -> Headers:
        """Return the headers that only the proxy may receive."""
        return [] if self.credential is None else [("Proxy-Authorization", self.credential)]


def proxy_at(url: str) -> Proxy:
    """Return the proxy at a URL, which may contain its credential; raises ValueError."""
    origin, parts = origin_of(url), urlsplit(url)
    if parts.username is None:
        return Proxy(origin)
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return Proxy(origin, f"Basic {base64.b64encode(pair.encode()).decode()}")


class Connection:
    """A transport over a single connection; `trust` also applies to a proxy that uses TLS."""

    def __init__(
        self,
        origin: Origin,
        trust: ssl.SSLContext,
        proxy: Proxy | None = None,
        *,
        monotonic: Callable[[], float],
        connect_timeout: float = CONNECT_TIMEOUT_SECONDS,
    ) -> None:
        self._origin = origin
        self._host = ("Host", origin.host_header)
        self._trust = trust
        self._proxy = proxy
        self._connect_timeout = connect_timeout
        self._monotonic = monotonic
        self._open: _Channel | None = None
        self._used_at = 0.0

    async def send(self, request: Request) -> RawAnswer:
        """Send a request and return its whole response; raises `TransportError`."""
        if self._proxy is None or self._origin.scheme == "https":
            target, headers = request.target, [self._host, *request.headers]
        else:
            # A proxy for unencrypted requests gets each of them, with the whole URL.
            target = f"http://{self._origin.host_header}{request.target}"
            headers = [self._host, *self._proxy.headers, *request.headers]
        # A connection that the server has closed in the meantime is replaced before anything is
        # sent.
        await self.drop_expired()
        channel = self._open or await self._connect()
        # Kept only after a complete exchange; an exchange that ends early closes the channel.
        self._open = None
        try:
            answer = await channel.exchange(request.method, target, headers, request.content)
            if channel.is_reusable():
                self._open, self._used_at = channel, self._monotonic()
            return answer
        finally:
            if self._open is None:
                channel.abort()

    async def aclose(self) -> None:
        """Close the connection, if one is open."""
        if self._open is not None:
            # Removed before it is closed, so that it is not used again if closing fails.
            channel, self._open = self._open, None
            await channel.aclose()

    async def drop_expired(self) -> None:
        """Close the connection if it was idle for too long or if the server has closed it."""
        if self._open is None:
            return
        if self._monotonic() - self._used_at > IDLE_SECONDS or self._open.has_ended():
            await self.aclose()

    async def _connect(self) -> "_Channel":
        first = self._origin if self._proxy is None else self._proxy.origin
        async with _connecting(self._connect_timeout):
            channel = await _connected(first)
        try:
            if first.scheme == "https":
                await self._start_tls(channel, first)
            if self._proxy is not None and self._origin.scheme == "https":
                async with _connecting(self._connect_timeout):
                    await channel.open_tunnel(self._origin, self._proxy.headers)
                await self._start_tls(channel, self._origin)
        except BaseException:
            channel.abort()
            raise
        return channel

    async def _start_tls(self, channel: "_Channel", server: Origin) -> None:
        async with _connecting(self._connect_timeout):
            await channel.start_tls(self._trust, server.host)


async def _connected(origin: Origin) -> "_Channel":
    _, channel = await asyncio.get_running_loop().create_connection(
        _Channel,
        origin.host,
        origin.port,
        # If the first address of a host does not respond, the second one is tried. An IP address
        # has no second one, and asyncio's Happy Eyeballs can leak a socket if it is cancelled while
        # it connects.
        happy_eyeballs_delay=None if _is_address(origin.host) else _SECOND_ADDRESS_SECONDS,
    )
    return channel


def _is_address(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


@contextlib.asynccontextmanager
async def _connecting(limit_seconds: float) -> AsyncIterator[None]:
    """Limit a step of connecting, and raise `ConnectError` for the errors of the system and TLS."""
    try:
        async with asyncio.timeout(limit_seconds):
            yield
    except TimeoutError as late:
        raise ConnectTimeout from late
    # A host name that cannot be encoded is a UnicodeError. A tunnel can break before the API has
    # received anything.
    except (OSError, UnicodeError, BrokenConnection) as failure:
        raise ConnectError from failure


class _Channel(asyncio.Protocol):
    """Bytes to and from a server, and the state of HTTP on them."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_LIMIT)
        self._last_headers: Headers = []
        self._last_read: h11.Request | None = None
        self._transport: asyncio.Transport  # set before anything else is called
        self._received = bytearray()
        self._ended = False
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) > _BUFFER_LIMIT:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._failure = exc
        self._wake()
        if not self._closed.done():
            self._closed.set_result(None)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _read(self) -> bytes:
        """Return what arrived, waiting until something has; b"" at the end."""
        while not self._received and not self._ended:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        # Data that arrived before a reset is read first, because it may be the response.
        if not self._received and self._failure is not None:
            raise BrokenConnection from self._failure
        data = bytes(self._received)
        self._received.clear()
        if not self._ended:
            self._transport.resume_reading()
        return data

    async def start_tls(self, trust: ssl.SSLContext, host: str) -> None:
        """Encrypt the connection, which has been used by nothing but a tunnel."""
        encrypted = await asyncio.get_running_loop().start_tls(
            self._transport, self, trust, server_hostname=host
        )
        if encrypted is None:
            raise ConnectionResetError
        self._transport = encrypted

    async def open_tunnel(self, origin: Origin, headers: Headers) -> None:
        """Request a tunnel to a server from a proxy; raises `ProxyError` if it refuses."""
        self._send("CONNECT", origin.authority, [("Host", origin.authority), *headers], None)
        answer = await self._head()
        if not 200 <= answer.status_code < 300 or self._http.trailing_data[0]:
            raise ProxyError
        # From here on, the proxy passes on the bytes of the server.
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_LIMIT)

    async def exchange(
        self, method: str, target: str, headers: Headers, content: bytes | None
    ) -> RawAnswer:
        """Send a request and read the whole response."""
        self._send(method, target, headers, content)
        head = await self._head()
        # Values have no certain encoding, and Latin-1 can decode every byte.
        named = [(name.decode(), value.decode("latin-1")) for name, value in head.headers]
        body = Body(head.status_code, named)
        while not isinstance(event := await self._event(), h11.EndOfMessage):
            if not isinstance(event, h11.Data):
                raise BrokenConnection
            body.add(bytes(event.data))
        return body.answer()

    def _send(self, method: str, target: str, headers: Headers, content: bytes | None) -> None:
        try:
            data = self._http.send(self._request(method, target, headers, content)) or b""
            if content is not None:
                data += self._http.send(h11.Data(data=content)) or b""
            data += self._http.send(h11.EndOfMessage()) or b""
        except (h11.LocalProtocolError, UnicodeError):
            # Without its cause, whose text may quote a header.
            raise UnsendableError from None
        self._transport.write(data)

    def _request(
        self, method: str, target: str, headers: Headers, content: bytes | None
    ) -> h11.Request:
        if content is not None:
            length = ("Content-Length", str(len(content)))
            return h11.Request(method=method, target=target, headers=[*headers, length])
        # h11 takes a fifth of its time to check headers, which are the same in all reads of a run.
        if self._last_read is None or headers != self._last_headers:
            self._last_headers = headers
            self._last_read = h11.Request(method=method, target=target, headers=list(headers))
        return h11.Request(method=method, target=target, headers=self._last_read.headers)

    async def _head(self) -> h11.Response:
        while not isinstance(event := await self._event(), h11.Response):
            if not isinstance(event, h11.InformationalResponse):
                raise BrokenConnection
        return event

    async def _event(self) -> h11.Event:
        try:
            event = self._http.next_event()
            while event is h11.NEED_DATA:
                self._http.receive_data(await self._read())
                event = self._http.next_event()
        except h11.RemoteProtocolError as problem:
            raise BrokenConnection from problem
        # h11 pauses where bytes follow that are not part of the answer.
        if not isinstance(event, h11.Event):
            raise BrokenConnection
        return event

    def is_reusable(self) -> bool:
        """Return whether another request may follow; prepares for it."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        # Bytes after a response would be treated as the next one.
        if self._http.trailing_data[0]:
            return False
        self._http.start_next_cycle()
        return True

    def has_ended(self) -> bool:
        """Return whether the server has closed the unused connection, or sent unexpected data."""
        if self._ended or self._received:
            return True
        # Data that the event loop has not read yet.
        waiting = select.poll()
        waiting.register(self._transport.get_extra_info("socket"), select.POLLIN)
        return bool(waiting.poll(0))

    def abort(self) -> None:
        """Close immediately, even during an exchange."""
        self._transport.abort()

    async def aclose(self) -> None:
        """Close, and wait until the socket is closed."""
        self.abort()
        await asyncio.wait([self._closed], timeout=_CLOSE_SECONDS)


class Body:
    """Body of a response in parts, within `BODY_LIMIT` before and after decompression."""

    def __init__(self, status: int, headers: Iterable[tuple[str, str]]) -> None:
        self._status = status
        self._headers: dict[str, str] = {}
        for name, value in headers:
            # A repeated header is a list.
            known = self._headers.get(name)
            self._headers[name] = value if known is None else f"{known}, {value}"
        self._gzip = _Gzip() if self._is_compressed() else None
        self._received = 0
        self._content = bytearray()

    def add(self, chunk: bytes) -> None:
        """Add bytes; raises `TooLargeError` and `UndecodableError`."""
        self._received += len(chunk)
        # One byte more than the limit is sufficient to detect that a body exceeds it.
        room = BODY_LIMIT + 1 - len(self._content)
        self._content += chunk if self._gzip is None else self._gzip.unpack(chunk, limit=room)
        # Also checked before decompression, because empty blocks could continue without end.
        if max(self._received, len(self._content)) > BODY_LIMIT:
            raise TooLargeError(BODY_LIMIT)

    def answer(self) -> RawAnswer:
        """Return the whole body; raises `UndecodableError` if the compressed data is truncated."""
        if self._gzip is not None and self._received and not self._gzip.is_whole:
            raise UndecodableError
        return RawAnswer(self._status, self._headers, bytes(self._content))

    def _is_compressed(self) -> bool:
        encoding = self._headers.get("content-encoding", "").strip().lower()
        if encoding not in {"", "identity", "gzip", "x-gzip"}:
            raise UndecodableError
        return encoding.endswith("gzip")


class _Gzip:
    """Decompressor of one gzip member, whose checksum proves that the content is complete."""

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    @property
    def is_whole(self) -> bool:
        """Return whether the end was reached."""
        return self._inflater.eof

    def unpack(self, chunk: bytes, *, limit: int) -> bytes:
        """Return the decompressed chunk, at most `limit` bytes."""
        try:
            # The output stops at the limit, regardless of the decompressed size; 0 would mean no
            # limit.
            content = self._inflater.decompress(chunk, max(1, limit))
        except zlib.error:
            raise UndecodableError from None
        # A second member would be lost, and data after the end is collected without a limit.
        if self._inflater.unused_data:
            raise UndecodableError
        return content
