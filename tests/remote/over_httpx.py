"""Transport of the client on top of a transport of httpx, whose mocks the tests use."""

import httpx

from reconciler.remote.connection import Body
from reconciler.remote.errors import BrokenConnection, ConnectError, ConnectTimeout, UnsendableError
from reconciler.remote.exchange import RawAnswer, Request


class OverHttpx:
    """Sends each request through a transport of httpx, and translates its exceptions."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def send(self, request: Request) -> RawAnswer:
        sent = httpx.Request(
            request.method, request.url, headers=list(request.headers), content=request.content
        )
        try:
            return await self._answer(sent)
        except httpx.ConnectTimeout as error:
            raise ConnectTimeout from error
        except httpx.ConnectError as error:
            raise ConnectError from error
        except httpx.TimeoutException as error:
            raise TimeoutError from error
        except httpx.LocalProtocolError as error:
            raise UnsendableError from error
        except httpx.HTTPError as error:
            raise BrokenConnection from error

    async def _answer(self, sent: httpx.Request) -> RawAnswer:
        response = await self._transport.handle_async_request(sent)
        headers = [(name.lower(), value) for name, value in response.headers.multi_items()]
        body = Body(response.status_code, headers)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        async for chunk in response.stream:
            body.add(chunk)
        return body.answer()

    async def aclose(self) -> None:
        await self._transport.aclose()
