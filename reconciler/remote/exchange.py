"""Exchange with the API as transports see it: a request, the body of its answer, and failures."""

import zlib
from collections.abc import Iterable, Sequence
from typing import Final, Protocol, TypeAlias
from urllib.parse import quote, urlsplit

from reconciler.frozen_dataclass import dataclass
from reconciler.remote.responses import RawAnswer

BODY_LIMIT: Final = 10 * 1024 * 1024
"""Bytes of an answer after decompression."""

# What `quote` leaves as it is in the path of a base URL, which may be encoded already.
_SAFE = "/%:@!$&'()*+,;=~"


class TransportError(Exception):
    """A request failed below HTTP; neither the request nor its key is in the exception."""


class ConnectError(TransportError):
    """No connection was made, so nothing was sent; the cause is the error of the system or TLS."""


class ConnectTimeout(ConnectError):
    """No connection was made in time."""


class ProxyError(TransportError):
    """The proxy refused to connect; nothing was sent."""


class UnsendableError(TransportError):
    """The request cannot be written as HTTP; nothing was sent."""


class BrokenConnection(TransportError):
    """The connection broke, or the answer is not HTTP; the API may have seen the request."""


class TooLargeError(TransportError):
    """The body is larger than the limit; the rest was not read."""


class UndecodableError(TransportError):
    """The body has an encoding that was not requested, or is damaged."""


Headers: TypeAlias = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    """Request of one call; `headers` lacks the host and the length of the content."""

    method: str
    url: str
    headers: Headers
    content: bytes | None = None

    @property
    def target(self) -> str:
        """Return the path and query, encoded."""
        parts = urlsplit(self.url)
        return quote(parts.path or "/", safe=_SAFE) + (f"?{parts.query}" if parts.query else "")


class Transport(Protocol):
    """Way to send requests, one at a time."""

    async def send(self, request: Request) -> RawAnswer:
        """Send a request and return its whole answer; raises `TransportError`."""

    async def aclose(self) -> None:
        """Close what is open; a later request opens it again."""


class Body:
    """Body of an answer that arrives in parts, within `BODY_LIMIT` before and after unpacking."""

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
        # One byte more than the limit is enough to know that a body exceeds it.
        room = BODY_LIMIT + 1 - len(self._content)
        self._content += chunk if self._gzip is None else self._gzip.unpack(chunk, limit=room)
        # Also before unpacking: blocks that unpack to nothing could go on for ever.
        if max(self._received, len(self._content)) > BODY_LIMIT:
            raise TooLargeError

    def answer(self) -> RawAnswer:
        """Return the whole answer; raises `UndecodableError` if its compression was cut off."""
        if self._gzip is not None and self._received and not self._gzip.is_whole:
            raise UndecodableError
        return RawAnswer(self._status, self._headers, bytes(self._content))

    def _is_compressed(self) -> bool:
        encoding = self._headers.get("content-encoding", "").strip().lower()
        if encoding not in {"", "identity", "gzip", "x-gzip"}:
            raise UndecodableError
        return encoding.endswith("gzip")


class _Gzip:
    """Inflater of one gzip member, whose checksum proves that the content is whole."""

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    @property
    def is_whole(self) -> bool:
        """Return whether the end was reached."""
        return self._inflater.eof

    def unpack(self, chunk: bytes, *, limit: int) -> bytes:
        """Return what a chunk unpacks to, at most `limit` bytes."""
        try:
            # Output stops at the limit, however large the input would become; 0 would mean no
            # limit.
            content = self._inflater.decompress(chunk, max(1, limit))
        except zlib.error:
            raise UndecodableError from None
        # Another member would be lost, and what follows the end is collected without a limit.
        if self._inflater.unused_data:
            raise UndecodableError
        return content
