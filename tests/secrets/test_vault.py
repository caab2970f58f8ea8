"""`vault:` against a real OpenBao server."""

import base64
import json
import logging
from collections.abc import Iterator

import hvac
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.secrets.builders import codes, resolve, revealed
from tests.secrets.servers import (
    ROOT_TOKEN,
    Vault,
    free_port,
    id_tokens,
    openbao,
    silent_server,
)

CANARY = "canary-c0ffee-17"
ALLOW = "vault:*"


@pytest.fixture(scope="module")
def vault() -> Iterator[Vault]:
    with openbao() as server:
        kv = server.root.secrets.kv
        kv.v2.create_or_update_secret("ai/main", {"key": CANARY, "other": "b", "none": None})
        kv.v2.create_or_update_secret("ai/json", {"account": {"type": "x"}, "number": 7})
        kv.v2.create_or_update_secret("ai/empty", {"key": " "})
        kv.v2.create_or_update_secret("hidden/main", {"key": CANARY})
        server.root.sys.enable_secrets_engine("kv", path="old", options={"version": "1"})
        kv.v1.create_or_update_secret("team/a", {"key": "first"}, mount_point="old")
        rule = 'path "secret/data/ai/*" { capabilities = ["read"] }'
        server.root.sys.create_or_update_policy("reader", rule)
        yield server


def read(*refs: str, environ: dict[str, str]) -> dict[str, str]:
    found = resolve(*refs, environ=environ, allow=ALLOW)
    return revealed(found) | codes(found)


def test_fields_of_both_versions_are_read(vault: Vault) -> None:
    refs = [
        "vault:secret/ai/main#key",
        "vault:secret/ai/main#other",
        "vault:old/team/a#key",
        "vault:secret/ai/json#account",
        "vault:secret/ai/json#number",
    ]
    assert read(*refs, environ=vault.environ(VAULT_TOKEN=ROOT_TOKEN)) == dict(
        zip(refs, [CANARY, "b", "first", '{"type": "x"}', "7"], strict=True)
    )


@pytest.mark.parametrize(
    ("ref", "code"),
    [
        ("vault:secret/ai/absent#key", "secret-not-found"),
        ("vault:secret/ai/main#absent", "secret-not-found"),
        ("vault:secret/ai/main#none", "secret-not-found"),
        ("vault:secret/ai/empty#key", "empty-secret"),
        ("vault:secret/ai/main", "bad-reference"),
        ("vault:secret/ai/main#", "bad-reference"),
        ("vault:secret#key", "bad-reference"),
        ("vault:secret//ai/main#key", "bad-reference"),
        ("vault:secret/ai/./main#key", "bad-reference"),
        ("vault:secret/ai/%2e%2e/main#key", "bad-reference"),
        ("vault:secret/ai/main?x=1#key", "bad-reference"),
        ("vault:secret/ai/../main#key", "secret-not-allowed"),
        ("vault:secret/hidden/main#key", "secret-denied"),
        ("vault:nowhere/a#key", "secret-denied"),
    ],
)
def test_missing_and_denied_secrets_are_named(vault: Vault, ref: str, code: str) -> None:
    found = resolve(ref, environ=vault.environ(VAULT_TOKEN=vault.token("reader")), allow=ALLOW)
    assert codes(found) == {ref: code}
    assert f"${{{ref}}}" in str(next(iter(found.missing.values())))


def test_one_bad_path_does_not_affect_the_others(vault: Vault) -> None:
    environ = vault.environ(VAULT_TOKEN=vault.token("reader"))
    assert read("vault:secret/ai/main#key", "vault:secret/hidden/main#key", environ=environ) == {
        "vault:secret/ai/main#key": CANARY,
        "vault:secret/hidden/main#key": "secret-denied",
    }


def test_a_wrong_token_is_denied(vault: Vault) -> None:
    environ = vault.environ(VAULT_TOKEN="nobody")
    assert read("vault:secret/ai/main#key", environ=environ) == {
        "vault:secret/ai/main#key": "secret-denied"
    }


def test_approle_logs_in_once_for_all_references(vault: Vault) -> None:
    vault.root.sys.enable_auth_method("approle")
    approle = vault.root.auth.approle
    # Valid for one use: a second login with it would be refused.
    approle.create_or_update_approle("ci", token_policies=["reader"], secret_id_num_uses=1)
    environ = vault.environ(
        VAULT_ROLE_ID=approle.read_role_id("ci")["data"]["role_id"],
        VAULT_SECRET_ID=approle.generate_secret_id("ci")["data"]["secret_id"],
    )
    refs = ["vault:secret/ai/main#key", "vault:secret/ai/json#number"]
    assert read(*refs, environ=environ) == dict(zip(refs, [CANARY, "7"], strict=True))
    assert read(*refs, environ=environ) == dict.fromkeys(refs, "secret-denied")


def signed(claims: dict[str, str | int], key: rsa.RSAPrivateKey) -> str:
    def part(content: bytes) -> bytes:
        return base64.urlsafe_b64encode(content).rstrip(b"=")

    head = part(json.dumps({"alg": "RS256", "typ": "JWT"}).encode())
    text = head + b"." + part(json.dumps(claims).encode())
    signature = key.sign(text, padding.PKCS1v15(), hashes.SHA256())
    return (text + b"." + part(signature)).decode()


def trust(vault: Vault, key: rsa.RSAPrivateKey, *, mount: str) -> None:
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    vault.root.sys.enable_auth_method("jwt", path=mount)
    vault.root.write_data(
        f"auth/{mount}/config", data={"jwt_validation_pubkeys": [public.decode()]}
    )
    role = {
        "role_type": "jwt",
        "user_claim": "sub",
        "bound_audiences": ["vault"],
        "bound_subject": "repo:acme/ai:ref:refs/heads/main",
        "token_policies": ["reader"],
    }
    vault.root.write_data(f"auth/{mount}/role/ci", data=role)


def test_a_jwt_from_a_variable_or_from_github_logs_in(vault: Vault) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    trust(vault, key, mount="github")
    lasting = {"aud": "vault", "iat": 1, "nbf": 1, "exp": 4102444800}
    good = signed({**lasting, "sub": "repo:acme/ai:ref:refs/heads/main"}, key)
    fork = signed({**lasting, "sub": "repo:fork/ai:ref:refs/heads/main"}, key)
    ref = "vault:secret/ai/main#key"
    role = vault.environ(VAULT_ROLE="ci", VAULT_AUTH_PATH="github", VAULT_AUDIENCE="vault")
    assert read(ref, environ={**role, "VAULT_JWT": good}) == {ref: CANARY}
    assert read(ref, environ={**role, "VAULT_JWT": fork}) == {ref: "secret-denied"}
    with id_tokens(good, bearer="job") as url:
        github = {**role, "ACTIONS_ID_TOKEN_REQUEST_URL": url}
        ours = {**github, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "job"}
        other = {**github, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "other"}
        assert read(ref, environ=ours) == {ref: CANARY}
        assert read(ref, environ=other) == {ref: "secret-source-not-configured"}


def test_a_namespace_is_another_place(vault: Vault) -> None:
    vault.root.write_data("sys/namespaces/team")
    inside = hvac.Client(url=vault.address, token=ROOT_TOKEN, namespace="team")
    inside.sys.enable_secrets_engine("kv", path="kv", options={"version": "2"})
    inside.secrets.kv.v2.create_or_update_secret("a", {"key": "ours"}, mount_point="kv")
    ref = "vault:kv/a#key"
    root = vault.environ(VAULT_TOKEN=ROOT_TOKEN)
    assert read(ref, environ={**root, "VAULT_NAMESPACE": "team"}) == {ref: "ours"}
    assert read(ref, environ=root) == {ref: "secret-denied"}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"VAULT_ADDR": "127.0.0.1:1"},
        {"VAULT_ADDR": "http://127.0.0.1:1"},
        {"VAULT_ADDR": "http://127.0.0.1:1", "VAULT_ROLE": "ci"},
        {"VAULT_ADDR": "https://127.0.0.1:1", "VAULT_TOKEN": "t", "VAULT_CACERT": "/nonexistent"},
    ],
)
def test_a_missing_setting_is_reported_before_anything_is_sent(environ: dict[str, str]) -> None:
    ref = "vault:secret/ai/main#key"
    assert read(ref, environ=environ) == {ref: "secret-source-not-configured"}


def test_a_sealed_vault_is_reported_as_such() -> None:
    ref = "vault:secret/ai/main#key"
    with openbao() as server:
        server.root.sys.seal()
        assert read(ref, environ=server.environ(VAULT_TOKEN=ROOT_TOKEN)) == {ref: "vault-sealed"}
        role = server.environ(VAULT_ROLE_ID="a", VAULT_SECRET_ID="b")
        assert read(ref, environ=role) == {ref: "vault-sealed"}


def test_a_closed_port_of_vault_is_unreachable() -> None:
    ref = "vault:secret/ai/main#key"
    address = f"http://127.0.0.1:{free_port()}"
    environ = {"VAULT_ADDR": address, "VAULT_TOKEN": ROOT_TOKEN}
    assert read(ref, environ=environ) == {ref: "secret-unreachable"}


@pytest.mark.slow
def test_a_vault_that_does_not_answer_is_abandoned() -> None:
    ref = "vault:secret/ai/main#key"
    with silent_server() as address:
        environ = {"VAULT_ADDR": address, "VAULT_TOKEN": ROOT_TOKEN}
        found = resolve(ref, environ=environ, allow=ALLOW, timeout=0.2)
    assert codes(found) == {ref: "secret-timeout"}


def test_a_server_that_is_not_vault_is_refused() -> None:
    ref = "vault:secret/ai/main#key"
    with id_tokens("x", bearer="y") as address:
        environ = {"VAULT_ADDR": address.partition("/token")[0], "VAULT_TOKEN": ROOT_TOKEN}
        assert set(read(ref, environ=environ).values()) <= {"secret-unreachable", "secret-denied"}


def test_no_value_and_no_token_is_logged_at_any_level(
    vault: Vault, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = vault.token("reader")
    refs = ["vault:secret/ai/main#key", "vault:secret/hidden/main#key", "vault:secret/ai/no#key"]
    found = resolve(*refs, environ=vault.environ(VAULT_TOKEN=token), allow=ALLOW)
    text = caplog.text + repr(found) + "".join(map(str, found.missing.values()))
    assert CANARY not in text
    assert token not in text
    assert all(problem.__context__ is None for problem in found.missing.values())
