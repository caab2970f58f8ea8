"""An uploaded archive is untrusted: only one plan of limited size is accepted."""

import io
import struct
import tracemalloc
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.github.approvals import MAX_ARCHIVE, MAX_PLAN, plan_in_archive
from reconciler.github.client import UnexpectedResponse


def packed(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as made:
        for name, data in members:
            made.writestr(name, data)
    return content.getvalue()


GOOD = packed(("plan.json", b'{"kind": "plan"}'))


def test_a_single_plan_is_read() -> None:
    assert plan_in_archive(GOOD) == '{"kind": "plan"}'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a zip",
        packed(),
        packed(("../plan.json", b"{}")),
        packed(("/etc/plan.json", b"{}")),
        packed(("plan.json/", b"")),
        packed(("plan.json", b"{}"), ("more.json", b"{}")),
        packed(("plan.json", b"{}"), ("plan.jsox", b"{}")).replace(b"plan.jsox", b"plan.json"),
        packed(("plan.json", b"{}"), method=zipfile.ZIP_LZMA),
        packed(("plan.json", b"\xff\xfe")),
        GOOD.replace(b'"kind"', b'"KIND"').replace(b"PK\x03\x04", b"PK\x03\x05"),
        b"x" * (MAX_ARCHIVE + 1),
    ],
)
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(UnexpectedResponse):
        plan_in_archive(content)


@pytest.mark.slow
def test_a_zip_bomb_is_read_only_up_to_the_limit_for_any_header() -> None:
    bomb = packed(("plan.json", bytes(MAX_PLAN + 1)))
    assert len(bomb) < MAX_ARCHIVE
    with pytest.raises(UnexpectedResponse, match=f"more than {MAX_PLAN} bytes"):
        plan_in_archive(bomb)
    size = struct.pack("<L", MAX_PLAN + 1)
    assert bomb.count(size) == 2
    with pytest.raises(UnexpectedResponse):
        plan_in_archive(bomb.replace(size, struct.pack("<L", 10)))


def test_a_zip_bomb_uses_no_more_memory_than_the_limit() -> None:
    bomb = packed(("plan.json", bytes(32 * 1024 * 1024)))
    tracemalloc.start()
    try:
        with pytest.raises(UnexpectedResponse, match="more than 65536 bytes"):
            plan_in_archive(bomb, limit=65_536)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * 1024 * 1024


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_a_damaged_archive_returns_text_or_one_error(at: int, value: int) -> None:
    damaged = GOOD[:at] + bytes([value]) + GOOD[at + 1 :]
    with suppress(UnexpectedResponse):
        assert isinstance(plan_in_archive(damaged), str)


def test_the_limits_allow_the_largest_plan_and_no_more() -> None:
    assert MAX_ARCHIVE < MAX_PLAN <= 64 * 1024 * 1024
