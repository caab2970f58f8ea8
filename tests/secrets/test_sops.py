"""`sops:` with the real program and an age key."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.secrets.builders import codes, resolve, revealed
from tests.secrets.servers import SCRIPTS

CANARY = "canary-50b5"
ALLOW = "sops:secrets/*"
PATH = f"{SCRIPTS}{os.pathsep}/usr/bin{os.pathsep}/bin"
CONTENT = f"ai:\n  openai: {CANARY}\n  port: 5\n  none: null\nempty: ' '\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with an encrypted file and its key."""
    (tmp_path / "secrets").mkdir()
    key = subprocess.run(["age-keygen"], capture_output=True, text=True, check=True)
    (tmp_path / "key.txt").write_text(key.stdout)
    recipient = key.stdout.partition("public key: ")[2].partition("\n")[0]
    encrypted = subprocess.run(
        ["sops", "encrypt", "--age", recipient, "--input-type", "yaml", "--output-type", "yaml",
         "--filename-override", "prod.yaml"],
        input=CONTENT, capture_output=True, text=True, check=True, env={"PATH": PATH},
    )  # fmt: skip
    (tmp_path / "secrets" / "prod.yaml").write_text(encrypted.stdout)
    return tmp_path


def read(project: Path, *refs: str, **environ: str) -> dict[str, str]:
    key = {"PATH": PATH, "SOPS_AGE_KEY_FILE": str(project / "key.txt")}
    found = resolve(*refs, environ=key | environ, allow=ALLOW, directory=project)
    return revealed(found) | codes(found)


@pytest.mark.needs_system
def test_keys_are_read_and_missing_ones_are_named(project: Path) -> None:
    assert CANARY not in (project / "secrets" / "prod.yaml").read_text()
    expected = {
        "sops:secrets/prod.yaml#ai.openai": CANARY,
        "sops:secrets/prod.yaml#ai.port": "5",
        "sops:secrets/prod.yaml#ai.none": "secret-not-found",
        "sops:secrets/prod.yaml#ai.absent": "secret-not-found",
        "sops:secrets/prod.yaml#ai.openai.deeper": "secret-not-found",
        "sops:secrets/prod.yaml#empty": "empty-secret",
        "sops:secrets/prod.yaml": "bad-reference",
        "sops:secrets/absent.yaml#a": "secret-file-missing",
        "sops:other/prod.yaml#a": "secret-not-allowed",
    }
    assert read(project, *expected) == expected


@pytest.mark.needs_system
def test_without_the_key_the_file_cannot_be_decrypted(project: Path) -> None:
    ref = "sops:secrets/prod.yaml#ai.openai"
    assert read(project, ref, SOPS_AGE_KEY_FILE="/nonexistent") == {ref: "secret-denied"}


@pytest.mark.needs_system
@pytest.mark.parametrize(("before", "after"), [("    port: .*\n", ""), ("ai:", "other:")])
def test_an_edited_file_is_damaged(project: Path, before: str, after: str) -> None:
    file = project / "secrets" / "prod.yaml"
    file.write_text(re.sub(before, after, file.read_text(), count=1))
    ref = "sops:secrets/prod.yaml#ai.openai"
    assert read(project, ref) == {ref: "secret-damaged"}


def test_a_file_that_is_not_encrypted_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "plain.yaml").write_text(f"key: {CANARY}\n")
    ref = "sops:secrets/plain.yaml#key"
    assert read(tmp_path, ref) == {ref: "secret-failed"}


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "prod.yaml").write_text("{}")
    ref = "sops:secrets/prod.yaml#key"
    assert read(tmp_path, ref, PATH="/nonexistent") == {ref: "missing-program"}


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "outside.yaml").write_text("{}")
    (tmp_path / "secrets" / "prod.yaml").symlink_to("../outside.yaml")
    ref = "sops:secrets/prod.yaml#key"
    assert read(tmp_path, ref) == {ref: "file-not-allowed"}


def a_sops_that(script: str, folder: Path) -> str:
    """Replace sops by a program that shows its arguments and variables."""
    (folder / "secrets").mkdir()
    (folder / "secrets" / "prod.yaml").write_text("encrypted")
    # Outside the repository, because programs in it are never run.
    programs = folder.with_name(f"{folder.name}-programs")
    write_program(programs, script)
    return f"{programs}{os.pathsep}{PATH}"


def write_program(folder: Path, script: str) -> None:
    folder.mkdir()
    program = folder / "sops"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)


def test_a_program_of_the_repository_is_never_run(tmp_path: Path) -> None:
    path, ran = a_sops_that("""echo '{"key": "v"}'""", tmp_path), tmp_path / "ran"
    files, links = tmp_path / "desired-state", tmp_path.with_name(f"{tmp_path.name}-links")
    for folder in (tmp_path / ".git", files, links):
        folder.mkdir()
    (tmp_path / "secrets").rename(files / "secrets")
    write_program(tmp_path / "bin", f": >{ran}")
    (links / "sops").symlink_to(tmp_path / "bin" / "sops")
    ref = "sops:secrets/prod.yaml#key"
    for inside in ("bin", "bin/", "desired-state/../bin"):
        assert read(files, ref, PATH=f"{tmp_path}/{inside}{os.pathsep}{path}") == {ref: "v"}
    assert read(files, ref, PATH=str(links)) == {ref: "missing-program"}
    assert not ran.exists()


def test_the_program_sees_its_own_variables_and_no_value_in_its_arguments(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    path = a_sops_that(f"""(env; echo "$@"; cat) >{seen}; echo '{{"key": "v"}}'""", tmp_path)
    ref = "sops:secrets/prod.yaml#key"
    others = {"PORTKEY_API_KEY": CANARY, "VAULT_TOKEN": CANARY, "SECRET_A": CANARY}
    assert read(tmp_path, ref, PATH=path, **others) == {ref: "v"}
    assert CANARY not in seen.read_text()
    assert "SOPS_AGE_KEY_FILE=" in seen.read_text()
    assert "encrypted" in seen.read_text()


def test_a_hanging_program_is_killed_and_its_output_dropped(tmp_path: Path) -> None:
    path = a_sops_that(f"echo {CANARY}; exec tail -f /dev/null", tmp_path)
    ref = "sops:secrets/prod.yaml#key"
    found = resolve(ref, environ={"PATH": path}, allow=ALLOW, directory=tmp_path, timeout=0.2)
    assert codes(found) == {ref: "secret-timeout"}
    assert found.missing[next(iter(found.missing))].__context__ is None
    assert CANARY not in repr(found)
