"""Shutdown of the server closes every connection, also those that it just accepted."""

import asyncio
import socket
import threading
from typing import Any

from reconciler.simulator.http_server import serve

ROUNDS = 20


async def never_called(*_arguments: Any) -> None:
    raise AssertionError("no request is sent")


def ended_with(clients: int) -> list[socket.socket]:
    """Connect some clients while the server stops, and return them after its end."""
    loop, stop, ready = asyncio.new_event_loop(), asyncio.Event(), threading.Event()
    ports: list[int] = []

    def announce(port: int) -> None:
        ports.append(port)
        ready.set()

    work = serve(never_called, host="127.0.0.1", port=0, ready=announce, stop=stop)
    thread = threading.Thread(target=loop.run_until_complete, args=(work,), daemon=True)
    thread.start()
    assert ready.wait(20)
    connected = [socket.create_connection(("127.0.0.1", ports[0])) for _ in range(clients)]
    loop.call_soon_threadsafe(stop.set)
    thread.join(20)
    loop.close()
    return connected


def is_closed(client: socket.socket) -> bool:
    client.settimeout(5)
    try:
        return client.recv(1) == b""
    except ConnectionError:
        return True
    finally:
        client.close()


def test_no_connection_is_left_open() -> None:
    for _ in range(ROUNDS):
        closed = [is_closed(client) for client in ended_with(3)]
        assert closed == [True, True, True]
