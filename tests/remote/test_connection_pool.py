"""Connection pool, and parsing of response bytes."""

import asyncio
import gzip

import pytest

from reconciler.remote.client import ConnectionPool
from reconciler.remote.connection import BODY_LIMIT, Body
from reconciler.remote.errors import TooLargeError, UndecodableError
from reconciler.remote.exchange import RawAnswer, Request


class Transport:
    closed = 0

    async def send(self, request: Request) -> RawAnswer:
        raise AssertionError(request)

    async def aclose(self) -> None:
        self.closed += 1


def read(*parts: bytes, **headers: str) -> RawAnswer:
    body = Body(201, [(name.replace("_", "-"), value) for name, value in headers.items()])
    for part in parts:
        body.add(part)
    return body.answer()


def test_the_transport_that_was_used_last_is_used_first() -> None:
    async def main() -> None:
        pool = ConnectionPool(Transport, 3)
        async with pool.acquire() as first, pool.acquire() as second:
            assert first is not second
        async with pool.acquire() as again, pool.acquire() as other:
            assert (again, other) == (first, second)
        async with pool.acquire() as again:
            assert again is first

    asyncio.run(main())


def test_a_transport_is_returned_after_a_failure() -> None:
    async def main() -> None:
        pool = ConnectionPool(Transport, 1)
        with pytest.raises(KeyError):
            async with pool.acquire() as first:
                raise KeyError
        async with pool.acquire() as again:
            assert again is first

    asyncio.run(main())


def test_the_pool_size_is_a_limit_and_waiters_get_the_next_transport() -> None:
    async def main() -> list[str]:
        pool, told = ConnectionPool(Transport, 2), []

        async def third() -> None:
            async with pool.acquire():
                told.append("third")

        async with pool.acquire():
            async with pool.acquire():
                waiting = asyncio.create_task(third())
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                told.append("given back")
            await waiting
        return told

    assert asyncio.run(main()) == ["given back", "third"]


def test_all_are_closed_once_and_new_ones_are_created_afterwards() -> None:
    async def main() -> None:
        made: list[Transport] = []

        def make() -> Transport:
            made.append(Transport())
            return made[-1]

        pool = ConnectionPool(make, 2)
        async with pool.acquire(), pool.acquire():
            pass
        await pool.aclose()
        await pool.aclose()
        assert [transport.closed for transport in made] == [1, 1]
        async with pool.acquire() as fresh:
            assert fresh is made[2]

    asyncio.run(main())


def test_a_response_is_read_completely_with_headers_by_name() -> None:
    answer = read(b"one ", b"", b"two", x_told="Yes", content_encoding="identity")
    assert answer == RawAnswer(201, {"x-told": "Yes", "content-encoding": "identity"}, b"one two")
    assert read().body == b""


def test_a_header_that_is_repeated_is_a_list() -> None:
    body = Body(200, [("via", "one"), ("date", "x"), ("via", "two")])
    assert body.answer().headers == {"via": "one, two", "date": "x"}
    with pytest.raises(UndecodableError):
        Body(200, [("content-encoding", "gzip"), ("content-encoding", "gzip")])


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", " GZIP "])
def test_a_compressed_body_is_decompressed_in_any_chunks(encoding: str) -> None:
    packed = gzip.compress(b"hello " * 100)
    pieces = [packed[at : at + 7] for at in range(0, len(packed), 7)]
    assert read(*pieces, content_encoding=encoding).body == b"hello " * 100


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd"])
def test_other_encodings_are_not_decoded(encoding: str) -> None:
    with pytest.raises(UndecodableError):
        read(b"x", content_encoding=encoding)


def test_damaged_bytes_are_reported_without_naming_the_library() -> None:
    with pytest.raises(UndecodableError) as caught:
        read(b"no gzip", content_encoding="gzip")
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("packed", [False, True])
def test_at_most_ten_mebibytes_are_read(packed: bool) -> None:
    def parts(size: int) -> tuple[list[bytes], dict[str, str]]:
        body = bytes(size)
        if not packed:
            return [body[:1000], body[1000:]], {}
        data = gzip.compress(body, compresslevel=1)
        return [data[:1000], data[1000:]], {"content_encoding": "gzip"}

    just, headers = parts(BODY_LIMIT)
    assert len(read(*just, **headers).body) == 10 * 1024 * 1024
    more, headers = parts(BODY_LIMIT + 1)
    with pytest.raises(TooLargeError):
        read(*more, **headers)
