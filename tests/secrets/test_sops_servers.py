"""`sops:` and the servers that a file names: none is contacted unless its host is allowed."""

import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.project import Here
from tests.secrets.builders import codes, resolve, revealed
from tests.secrets.servers import SCRIPTS

CANARY = "hvs.canary-1b7e"
PATH = f"{SCRIPTS}{os.pathsep}/usr/bin{os.pathsep}/bin"
REST = {"mac": "ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]", "version": "3.9.0"}
ARN = "arn:aws:kms:eu-west-1:123456789012:key/1234-ab"
VAULT = {"vault_address": "https://vault.example:8200", "engine_path": "transit", "key_name": "k"}
AZURE = {"vault_url": "https://kv.vault.example", "name": "k", "version": "1f"}
GCP = {"resource_id": "projects/p/locations/global/keyRings/r/cryptoKeys/k"}
AGE = [{"recipient": "age1x", "enc": "-----BEGIN AGE ENCRYPTED FILE-----\n"}]


@pytest.fixture
def evil() -> Iterator[socket.socket]:
    """Run a server that must never be contacted."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


def port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def was_asked(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def home_with_keys(folder: Path) -> Path:
    """Return a home folder with the credentials that the libraries of sops look for."""
    home = folder / "home"
    for name in (".vault-token", ".aws/credentials", ".config/gcloud/x", ".azure/x"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(CANARY)
    return home


def document(**metadata: Any) -> str:
    return json.dumps({"k": "ENC[AES256_GCM,data:AA==,type:str]", "sops": metadata | REST})


def read(folder: Path, name: str, content: str, **environ: str) -> dict[str, str]:
    (folder / "secrets").mkdir(exist_ok=True)
    (folder / "secrets" / name).write_text(content)
    home = str(home_with_keys(folder))
    environ = {"PATH": PATH, "HOME": home, "VAULT_TOKEN": CANARY} | environ
    found = resolve(
        f"sops:secrets/{name}#k", environ=environ, allow="sops:secrets/*", directory=folder
    )
    return revealed(found) | codes(found)


def addressed(port: int) -> dict[str, dict[str, Any]]:
    """Return every kind of key that contains an address, with this port."""
    url = f"http://127.0.0.1:{port}"
    vault, azure = VAULT | {"vault_address": url}, AZURE | {"vault_url": url}
    return {
        "vault": {"hc_vault": [vault]},
        "azure": {"azure_kv": [azure]},
        "beside a local key": {"age": AGE, "hc_vault": [vault]},
        "in a group": {"shamir_threshold": 1, "key_groups": [{"age": AGE}, {"hc_vault": [vault]}]},
    }


@pytest.mark.parametrize("name", ["x.json", "x.yaml", "x.enc"])
@pytest.mark.parametrize("kind", addressed(0))
def test_a_server_that_the_file_names_is_not_contacted(
    tmp_path: Path, evil: socket.socket, name: str, kind: str
) -> None:
    content = document(**addressed(port_of(evil))[kind])
    assert read(tmp_path, name, content) == {f"sops:secrets/{name}#k": "host-not-allowed"}
    assert not was_asked(evil)


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("x.json", '"sops"', '"SOPS"'),
        ("x.json", '"sops"', '"\\u017fops"'),
        ("x.json", '"hc_vault"', '"Hc_Vault"'),
        ("x.json", '"vault_address"', '"vault_address": "https://good.example", "vault_address"'),
        ("x.json", '"vault_address"', '"vault_address": "https://good.example", "Vault_Address"'),
        ("x.json", '{"hc_vault"', '{"hc_vault": [], "hc_vault"'),
        ("x.json", "http://", "http://good.example@"),
        ("x.json", "http://", "HTTP://"),
        ("x.yaml", '"hc_vault": [', '"kms": *a, "hc_vault": &a ['),
        ("x.yaml", '"hc_vault"', '!!str "hc_vault"'),
        ("x.yaml", '{"k"', '{<<: {"sops": {}}, "k"'),
        ("x.yaml", '{"k"', 'sops: {}\n---\n{"k"'),
        ("x.yaml", '"hc_vault"', '"hc_vault": [], "hc_vault"'),
        ("x.json", '"transit"', '"../sys"'),
    ],
)
def test_a_file_that_two_parsers_may_read_differently_is_refused(
    tmp_path: Path, evil: socket.socket, name: str, before: str, after: str
) -> None:
    content = document(**addressed(port_of(evil))["vault"])
    assert before in content
    content = content.replace(before, after, 1)
    allowed = {"RECONCILE_ALLOWED_HOSTS": "good.example"}
    assert read(tmp_path, name, content, **allowed) == {f"sops:secrets/{name}#k": "secret-failed"}
    assert not was_asked(evil)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("x.env", "sops_hc_vault__list_0__map_vault_address={url}"),
        ("x.env", "sops_key_groups__list_0__map_hc_vault__list_0__map_vault_address={url}"),
        ("x.env", "sops_age__list_0__map_enc=x\nsops_azure_kv__list_0__map_vault_url={url}"),
        ("x.ini", "[sops]\nhc_vault__list_0__map_vault_address = {url}"),
        ("x.ini", "[sops]\nHC_Vault__list_0__map_vault_address = {url}"),
        ("x.ini", "[sops]\nkms__list_0__map_arn = " + ARN),
    ],
)
def test_flat_formats_must_not_name_a_server(
    tmp_path: Path, evil: socket.socket, name: str, line: str
) -> None:
    content = line.format(url=f"http://127.0.0.1:{port_of(evil)}")
    allowed = {"RECONCILE_ALLOWED_HOSTS": "127.0.0.1"}
    assert read(tmp_path, name, content, **allowed) == {f"sops:secrets/{name}#k": "secret-failed"}
    assert not was_asked(evil)


SEES = '(env; ls -A $HOME) >{seen}; echo \'{{"k": "v"}}\''


def seen_by_sops(folder: Path, content: str, **environ: str) -> tuple[dict[str, str], str]:
    """Replace sops by a program that shows its arguments and variables."""
    # Outside the repository, because programs in it are never run.
    programs, seen = folder.with_name(f"{folder.name}-programs"), folder / "seen"
    programs.mkdir(exist_ok=True)
    program = programs / "sops"
    program.write_text(f"#!/bin/sh\n{SEES.format(seen=seen)}\n")
    program.chmod(0o700)
    found = read(folder, "x.json", content, PATH=f"{programs}{os.pathsep}{PATH}", **environ)
    return found, seen.read_text() if seen.exists() else ""


KINDS = {
    "vault.example": ({"hc_vault": [VAULT]}, "VAULT_TOKEN"),
    "kv.vault.example": ({"azure_kv": [AZURE]}, "AZURE_CLIENT_SECRET"),
    "kms.eu-west-1.amazonaws.com": ({"kms": [{"arn": ARN, "aws_profile": ""}]}, "AWS_PROFILE"),
    "kms.cn-north-1.amazonaws.com.cn": (
        {"kms": [{"arn": ARN.replace("aws:kms:eu-west-1", "aws-cn:kms:cn-north-1")}]},
        "AWS_PROFILE",
    ),
    "cloudkms.googleapis.com": ({"gcp_kms": [GCP]}, "GOOGLE_APPLICATION_CREDENTIALS"),
}
CREDENTIALS = {variable: CANARY for _, variable in KINDS.values()}


@pytest.mark.parametrize("host", KINDS)
def test_an_allowed_host_is_contacted_with_only_the_variables_of_its_kind(
    tmp_path: Path, host: str
) -> None:
    metadata, variable = KINDS[host]
    refused, seen = seen_by_sops(tmp_path, document(**metadata), **CREDENTIALS)
    assert (refused, seen) == ({"sops:secrets/x.json#k": "host-not-allowed"}, "")
    hosts = f"other.example, {host.upper()}"
    found, seen = seen_by_sops(
        tmp_path, document(**metadata), **CREDENTIALS, RECONCILE_ALLOWED_HOSTS=hosts
    )
    assert found == {"sops:secrets/x.json#k": "v"}
    assert [line for line in seen.splitlines() if CANARY in line] == [f"{variable}={CANARY}"]


@pytest.mark.parametrize(
    "metadata",
    [
        {"kms": [{"arn": ARN, "role": "arn:aws:iam::666666666666:role/evil"}]},
        {"kms": [{"arn": ARN, "aws_profile": "evil"}]},
        {"kms": [{"arn": ARN.replace("eu-west-1", "evil.example/#")}]},
        {"kms": [{"arn": ARN.replace("arn:aws:", "arn:aws-evil:")}]},
        {"gcp_kms": [{"resource_id": "projects/p/../../evil"}]},
        {"hc_vault": [VAULT | {"vault_address": "http://vault.example"}]},
        {"hc_vault": [VAULT | {"vault_address": "https://vault.example\\@evil.example"}]},
        {"hc_vault": [{"vault_address": "https://vault.example"}]},
        {"hckms": [{"key_id": "eu:1"}]},
        {"hc_vault": {"0": VAULT}},
        {"key_groups": [{"key_groups": [{"hc_vault": [VAULT]}]}]},
    ],
)
def test_a_file_that_cannot_be_checked_is_not_passed_to_sops(
    tmp_path: Path, metadata: dict[str, Any]
) -> None:
    allowed = {"RECONCILE_ALLOWED_HOSTS": ",".join(["vault.example", *KINDS])}
    found, seen = seen_by_sops(tmp_path, document(**metadata), **CREDENTIALS, **allowed)
    assert (found, seen) == ({"sops:secrets/x.json#k": "secret-failed"}, "")


def test_the_program_gets_an_empty_home_and_no_credentials(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": CANARY, "AWS_SECRET_ACCESS_KEY": CANARY, "SOPS_AGE_KEY": "own"}
    found, seen = seen_by_sops(tmp_path, document(age=AGE, kms=[], hc_vault=None), **environ)
    assert found == {"sops:secrets/x.json#k": "v"}
    assert CANARY not in seen
    assert "vault-token" not in seen
    assert "SOPS_AGE_KEY=own" in seen.splitlines()
    home = next(line for line in seen.splitlines() if line.startswith("HOME="))
    assert not Path(home.removeprefix("HOME=")).exists()


def test_no_program_is_run_from_a_relative_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folders = os.pathsep.join(["", ".", "bin"])
    (tmp_path / "bin").mkdir()
    for folder in (tmp_path, tmp_path / "bin"):
        (folder / "sops").write_text('#!/bin/sh\necho \'{"k": "v"}\'\n')
        (folder / "sops").chmod(0o700)
    assert read(tmp_path, "x.json", document(age=AGE), PATH=folders) == {
        "sops:secrets/x.json#k": "missing-program"
    }


@pytest.mark.parametrize("command", ["plan", "doctor", "drift", "list"])
@pytest.mark.parametrize(
    "reference", ["sops:evil.json#k", "vault:kv/evil#k", "aws:evil#k", "sops:../evil.json#k"]
)
def test_the_allow_list_applies_to_the_key_of_a_target(
    tmp_path: Path, evil: socket.socket, command: str, reference: str
) -> None:
    address = f"http://127.0.0.1:{port_of(evil)}"
    around = {"VAULT_ADDR": address, "VAULT_TOKEN": CANARY, "AWS_ENDPOINT_URL": address}
    around |= {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": CANARY}
    around |= {"PATH": f"{Path(sys.executable).parent}{os.pathsep}/usr/bin"}
    project = Here(tmp_path, **around, HOME=str(home_with_keys(tmp_path)))
    project.config("https://api.portkey.ai/v1", api_key=f"${{{reference}}}")
    project.write("evil.json", document(**addressed(port_of(evil))["vault"]))
    done = project.run(command, "--format", "json")
    assert done.code in {1, 3}
    assert "RECONCILE_ALLOWED_SECRETS" in done.out + done.err
    assert not was_asked(evil)
    assert CANARY not in done.out + done.err
