"""Fixture that serves a fake GitHub for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.github.fake import FakeGitHub, serving
from tests.github.reporting import Reporter


@pytest.fixture
def reporter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reporter]:
    with serving(FakeGitHub()) as fake:
        yield Reporter(tmp_path, monkeypatch, fake)
