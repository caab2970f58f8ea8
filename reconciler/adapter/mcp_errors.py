"""Keep what a caller sent out of what the MCP library says about it.

Of a message that is no JSON-RPC the library quotes the values, and one may be a provider's key; the
answer ends in the logs of clients.
"""

import json
from typing import Final

from reconciler.adapter.request_context import Message, Send

_QUOTING: Final = "Validation error: "
_INSTEAD: Final = "The message is not a request or notification of JSON-RPC 2.0."


class RedactingResponder:
    """Sends an answer, with another message in place of one that quotes."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._held: Message | None = None
        self._content = b""

    async def __call__(self, message: Message) -> None:
        """Hold a refusal back until it is whole; pass everything else on."""
        if message["type"] == "http.response.start" and message["status"] == 400:
            self._held = message
        elif self._held is None:
            await self._send(message)
        else:
            self._content += message.get("body", b"")
            if not message.get("more_body", False):
                await self._release(self._held)

    async def _release(self, start: Message) -> None:
        content = _without_values(self._content)
        others = [pair for pair in start["headers"] if pair[0] != b"content-length"]
        length = (b"content-length", str(len(content)).encode())
        await self._send({**start, "headers": [*others, length]})
        await self._send({"type": "http.response.body", "body": content})


def _without_values(content: bytes) -> bytes:
    try:
        document = json.loads(content)
        quotes = document["error"]["message"].startswith(_QUOTING)
    except (ValueError, KeyError, TypeError, AttributeError):
        return content
    if not quotes:
        return content
    document["error"]["message"] = _INSTEAD
    return json.dumps(document).encode()
