"""The schemes `env:` and `file:`."""

import os
from pathlib import Path

import pytest

from tests.secrets.builders import codes, resolve, revealed

CANARY = "canary-7d1f0e9b"


def resolve_in(folder: Path, name: str) -> dict[str, str]:
    found = resolve(f"file:{folder}/{name}", allow=f"file:{folder}/*")
    return revealed(found) | codes(found)


def test_a_variable_is_read_from_the_given_environment() -> None:
    found = resolve("env:SECRET_A", "env:SECRET_B", environ={"SECRET_A": CANARY})
    assert revealed(found) == {"env:SECRET_A": CANARY}
    assert codes(found) == {"env:SECRET_B": "unset-variable"}


@pytest.mark.parametrize("value", ["", "  ", "\n"])
def test_an_empty_variable_is_missing(value: str) -> None:
    found = resolve("env:SECRET_A", environ={"SECRET_A": value})
    assert codes(found) == {"env:SECRET_A": "empty-secret"}


@pytest.mark.parametrize("value", [None, ""])
@pytest.mark.parametrize(
    ("around", "expected", "unexpected"),
    [
        ({}, "run `export SECRET_A=…`", "GitHub"),
        ({"CI": "true"}, "define SECRET_A as a secret variable of the CI job", "GitHub"),
        ({"CI": "true", "GITHUB_ACTIONS": "true"}, "SECRET_A", "export"),
    ],
)
def test_the_hint_explains_how_to_set_a_variable_for_the_command(
    value: str | None, around: dict[str, str], expected: str, unexpected: str
) -> None:
    environ = around if value is None else {**around, "SECRET_A": value}
    (problem,) = resolve("env:SECRET_A", environ=environ).missing.values()
    assert expected in problem.hint
    assert unexpected not in problem.hint


@pytest.mark.parametrize("name", ["SECRET_A-B", "SECRET_A B", "SECRET_Ä", "SECRET_A\n"])
def test_an_invalid_variable_name_is_a_bad_reference(name: str) -> None:
    assert codes(resolve(f"env:{name}", environ={name: CANARY})) == {f"env:{name}": "bad-reference"}


def test_a_reference_outside_the_list_is_not_read() -> None:
    found = resolve(
        "env:HOME", "env:PORTKEY_API_KEY", environ={"HOME": "x", "PORTKEY_API_KEY": "y"}
    )
    assert not found.values
    assert codes(found) == {
        "env:HOME": "secret-not-allowed",
        "env:PORTKEY_API_KEY": "secret-never-allowed",
    }


@pytest.mark.parametrize("value", [b"sk-\xff\xfe", b"caf\xe9", b"\xed\xa0\xbd"])
def test_a_variable_that_is_not_utf8_is_refused(value: bytes) -> None:
    given = {"SECRET_A": os.fsdecode(value)}
    assert codes(resolve("env:SECRET_A", environ=given)) == {"env:SECRET_A": "secret-not-text"}


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"canary", "canary"),
        (b"canary\n", "canary"),
        (b"canary\r\n", "canary"),
        (b"canary\n\n", "canary\n"),
        (b" canary ", " canary "),
        (b"\xef\xbb\xbfcanary\n", "canary"),
        (b'{"type": "service_account"}\n', '{"type": "service_account"}'),
    ],
)
def test_one_newline_at_the_end_is_not_part_of_the_value(
    tmp_path: Path, content: bytes, value: str
) -> None:
    (tmp_path / "key").write_bytes(content)
    assert resolve_in(tmp_path, "key") == {f"file:{tmp_path}/key": value}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty-secret"),
        (b" \n", "empty-secret"),
        (b"\xff\xfe", "secret-not-text"),
        (b"x" * (1 << 20) + b"x", "secret-file-too-large"),
    ],
)
def test_a_file_that_is_not_a_valid_secret_is_refused(
    tmp_path: Path, content: bytes, code: str
) -> None:
    (tmp_path / "key").write_bytes(content)
    assert resolve_in(tmp_path, "key") == {f"file:{tmp_path}/key": code}


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert resolve_in(tmp_path, "fifo") == {f"file:{tmp_path}/fifo": "file-not-allowed"}
    assert set(resolve_in(tmp_path, "folder").values()) <= {
        "file-not-allowed",
        "secret-file-unreadable",
    }
    assert set(resolve_in(tmp_path, "loop").values()) == {"secret-file-missing"}
    assert set(resolve_in(tmp_path, "absent").values()) == {"secret-file-missing"}


def test_a_link_is_followed_only_inside_the_folder(tmp_path: Path) -> None:
    inside = tmp_path / "allowed"
    (inside / "..data").mkdir(parents=True)
    (inside / "..data" / "key").write_text(CANARY)
    (tmp_path / "outside").write_text(CANARY)
    (inside / "mounted").symlink_to("..data/key")
    (inside / "escaping").symlink_to(tmp_path / "outside")
    (inside / "environ").symlink_to("/proc/self/environ")
    assert resolve_in(inside, "mounted") == {f"file:{inside}/mounted": CANARY}
    assert resolve_in(inside, "escaping") == {f"file:{inside}/escaping": "file-not-allowed"}
    assert resolve_in(inside, "environ") == {f"file:{inside}/environ": "file-not-allowed"}


def test_even_a_list_that_allows_all_files_does_not_reach_proc(tmp_path: Path) -> None:
    (tmp_path / "environ").symlink_to("/proc/self/environ")
    found = resolve(f"file:{tmp_path}/environ", allow="file:*")
    assert codes(found) == {f"file:{tmp_path}/environ": "file-not-allowed"}


def test_a_relative_path_is_relative_to_the_desired_state_folder(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "a").write_text(CANARY)
    found = resolve("file:keys/a", allow="file:keys/*", directory=tmp_path)
    assert revealed(found) == {"file:keys/a": CANARY}


def test_errors_and_results_show_the_name_and_not_the_value(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(CANARY.encode() + b"\xff")
    environ = {"SECRET_A": CANARY}
    ref = f"file:{tmp_path}/key"
    found = resolve("env:SECRET_A", ref, environ=environ, allow=f"file:{tmp_path}/*")
    (problem,) = found.missing.values()
    assert f"${{{ref}}}" in str(problem)
    assert CANARY not in repr(found) + str(problem) + repr(problem)
    assert problem.__context__ is None
