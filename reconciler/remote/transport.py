"""One connection to the API: with which trust, through which proxy, and when it is opened again.

httpx's own transport keeps a pool even for a single connection, and a third of the CPU time of a
call goes into it. Here a transport holds the connection itself, made by the same library below.
"""

import contextlib
import importlib.util
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import httpcore
import httpx

from reconciler.diagnostics import error
from reconciler.domain.rejection import InvalidInput

KEPT_IDLE: Final = 30.0
"""Seconds after which an unused connection is no longer trusted to be open."""


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
            connection, self._open = self._open, None
            await connection.aclose()

    async def drop_expired(self) -> None:
        """Close the connection if nobody has used it for too long, or the other end has gone."""
        if self._open is not None and self._open.has_expired():
            await self.aclose()

    async def _ready(self, origin: httpcore.Origin) -> httpcore.AsyncConnectionInterface:
        """Give the connection that is open, or a new one in place of what cannot be used."""
        kept = self._open
        if kept is not None and _serves(kept, origin):
            return kept
        await self.aclose()
        self._open = opened = self._connections.create_connection(origin)
        return opened


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
    """Raise the exception of httpx that has the same name as one of the library below it."""
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


def connection_maker(
    *, base_url: str, ca_file: Path | None, proxy: str | None
) -> Callable[[], httpx.AsyncBaseTransport]:
    """Prepare TLS and proxy once, and give what makes a transport with one connection."""
    via = _proxy(proxy)
    trust = _trust(secure=base_url.startswith("https:") or via is not None, ca_file=ca_file)

    if importlib.util.find_spec("sniffio") is None:
        # httpcore tries to import it several times a request, and a failed import searches the
        # whole path each time: a fifth of a call's CPU time. None makes it fail at once.
        sys.modules["sniffio"] = None  # type: ignore[assignment]  # the documented way to say so

    # Only the maker of its connections is used of the pool.
    connections = (
        httpcore.AsyncConnectionPool(ssl_context=trust, keepalive_expiry=KEPT_IDLE)
        if via is None
        else httpcore.AsyncHTTPProxy(
            proxy_url=str(via.url),
            proxy_auth=via.raw_auth,
            proxy_headers=via.headers.raw,
            ssl_context=trust,
            proxy_ssl_context=via.ssl_context,
            keepalive_expiry=KEPT_IDLE,
        )
    )
    return lambda: ApiConnection(connections)


def _trust(*, secure: bool, ca_file: Path | None) -> ssl.SSLContext:
    if not secure:
        # Loading certificates takes 20 ms, and nothing leads from http to https: redirects are
        # not followed. A context without any trusts nobody.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
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
                        hint="RECONCILE_CA_FILE names a file of certificates in PEM form.",
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
                hint="RECONCILE_PROXY has the form http://host:port.",
            )
        ]
    )
