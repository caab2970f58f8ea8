"""`aws:` against moto's server."""

import json
import logging
from collections.abc import Iterator

import boto3
import pytest

from tests.secrets.builders import codes, resolve, revealed
from tests.secrets.servers import free_port, moto, silent_server

pytestmark = pytest.mark.slow

CANARY = "canary-ab12cd34"
ALLOW = "aws:*"
KEYS = {
    "AWS_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "AKIATEST",
    "AWS_SECRET_ACCESS_KEY": "key-of-the-test",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture(scope="module")
def environ() -> Iterator[dict[str, str]]:
    with moto() as address:
        client = boto3.client(
            "secretsmanager",
            region_name=KEYS["AWS_REGION"],
            endpoint_url=address,
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        )
        fields = json.dumps({"key": CANARY, "port": 5, "empty": ""})
        client.create_secret(Name="prod/openai", SecretString=fields)
        client.create_secret(Name="prod/plain", SecretString=CANARY + "-plain")
        client.create_secret(Name="prod/binary", SecretBinary=b"\x00\x01")
        yield {**KEYS, "AWS_ENDPOINT_URL": address}


def test_fields_and_complete_texts_are_read(environ: dict[str, str]) -> None:
    refs = ["aws:prod/openai#key", "aws:prod/openai#port", "aws:prod/plain"]
    found = resolve(*refs, environ=environ, allow=ALLOW)
    assert revealed(found) == dict(zip(refs, [CANARY, "5", CANARY + "-plain"], strict=True))


@pytest.mark.parametrize(
    ("ref", "code"),
    [
        ("aws:prod/absent#key", "secret-not-found"),
        ("aws:prod/openai#absent", "secret-not-found"),
        ("aws:prod/openai#", "bad-reference"),
        ("aws:prod/openai#empty", "empty-secret"),
        ("aws:prod/plain#key", "secret-not-found"),
        ("aws:prod/binary#key", "secret-not-text"),
    ],
)
def test_missing_secrets_are_named(environ: dict[str, str], ref: str, code: str) -> None:
    assert codes(resolve(ref, environ=environ, allow=ALLOW)) == {ref: code}


def test_a_closed_port_of_the_service_is_unreachable() -> None:
    ref = "aws:prod/openai#key"
    environ = {**KEYS, "AWS_ENDPOINT_URL_SECRETS_MANAGER": f"http://127.0.0.1:{free_port()}"}
    assert codes(resolve(ref, environ=environ, allow=ALLOW)) == {ref: "secret-unreachable"}


def test_a_service_that_does_not_answer_is_abandoned() -> None:
    ref = "aws:prod/openai#key"
    with silent_server() as address:
        environ = {**KEYS, "AWS_ENDPOINT_URL": address}
        found = resolve(ref, environ=environ, allow=ALLOW, timeout=0.3)
    assert codes(found) == {ref: "secret-timeout"}


def test_the_library_logs_no_value_even_when_everything_is_logged(
    environ: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    found = resolve("aws:prod/openai#key", "aws:prod/no#key", environ=environ, allow=ALLOW)
    assert len(found.values) == 1
    assert CANARY not in caplog.text + repr(found)
    assert all(problem.__context__ is None for problem in found.missing.values())
