"""A file that is missing, damaged or of the wrong kind is always reported as no result."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.github.reporting import PULL_REQUEST, SCHEDULE, Reporter
from tests.views import drift_samples, samples

GOOD = {
    "plan": samples.mixed_plan(),
    "result": samples.complete_result(samples.mixed_plan()),
    "drift": drift_samples.drifted(),
}


def missing(file: Path) -> None:
    file.unlink()


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def not_utf8(file: Path) -> None:
    file.write_bytes(b'{"kind": "\xff\xfe"}')


def utf16(file: Path) -> None:
    file.write_text(file.read_text(encoding="utf-8"), encoding="utf-16")


def half(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def twice(file: Path) -> None:
    file.write_bytes(file.read_bytes() * 2)


def zeros(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


def deep(file: Path) -> None:
    file.write_text("[" * 200_000, encoding="utf-8")


def log_first(file: Path) -> None:
    file.write_bytes(b"warning: something\n" + file.read_bytes())


DAMAGES = [missing, folder, not_utf8, utf16, half, twice, zeros, deep, log_first]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", GOOD)
def test_damage_is_reported_in_place_of_the_last_report(
    reporter: Reporter, kind: str, damage: Callable[[Path], None]
) -> None:
    event = SCHEDULE if kind == "drift" else PULL_REQUEST
    reporter.report(kind, GOOD[kind], event=event)
    done = reporter.report(kind, GOOD[kind], event=event, damage=damage)
    assert done.code == 3, done.err
    if kind == "drift":
        (issue,) = reporter.github.issues.values()
        body, still_open = issue["body"], issue["state"] == "open"
    else:
        (body,) = reporter.comments()
        still_open = True
    assert "error[no-result]: no result: " in body
    assert still_open
    assert "Traceback" not in done.err
    assert reporter.outputs["in_sync"] == "false"
