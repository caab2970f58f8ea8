"""Fixture that serves a fake GitLab for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.github.fake import serving
from tests.gitlab.fake import FakeGitLab
from tests.gitlab.reporting import Reporter


@pytest.fixture
def reporter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reporter]:
    with serving(FakeGitLab()) as fake:
        yield Reporter(tmp_path, monkeypatch, fake)
