"""Request bodies are the only place with secret values."""

import json
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.secrets import Mask, Redacted, SecretRef
from reconciler.domain.tree import Tree
from reconciler.remote.errors import InvalidCall
from reconciler.remote.wire_secrets import encode_body, secret_parts, sent_secrets

CANARY = "canary-value=="


def test_a_body_is_canonical_and_contains_the_values() -> None:
    body: Any = {"name": "Ä", "key": Redacted(CANARY), "configurations": {"b": 1, "a": None}}
    assert encode_body(body) == (
        b'{"configurations":{"a":null,"b":1},"key":"canary-value==","name":"\\u00c4"}'
    )


@given(st.text())
def test_any_value_is_unchanged_in_the_body(value: str) -> None:
    assert json.loads(encode_body({"key": Redacted(value)})) == {"key": value}


def test_a_service_account_is_sent_as_an_object() -> None:
    secret = Redacted('{"type": "service_account"}')
    body = {"configurations": {"vertex_service_account_json": secret}}
    assert json.loads(encode_body(body)) == {
        "configurations": {"vertex_service_account_json": {"type": "service_account"}}
    }


@pytest.mark.parametrize("text", [CANARY, f'["{CANARY}"]', "[" * 100_000, "{" + CANARY], ids=len)
def test_a_service_account_that_is_not_an_object_is_refused_without_its_text(text: str) -> None:
    body = {"configurations": {"vertex_service_account_json": Redacted(text)}}
    with pytest.raises(InvalidCall) as caught:
        encode_body(body)
    shown = "".join(traceback.format_exception(caught.value)) + caught.value.hint
    assert CANARY not in shown
    assert caught.value.summary == (
        "the request body needs a JSON object in the secret for vertex_service_account_json"
    )
    assert caught.value.__context__ is None


def test_a_service_account_is_an_object_at_any_path() -> None:
    account = {"vertex_service_account_json": Redacted('{"type": "x"}')}
    plain = {"vertex_service_account_json": {"type": "x"}}
    assert json.loads(encode_body(account)) == plain
    body: Any = {"models": [{"slug": "m", "configurations": account}]}
    assert json.loads(encode_body(body)) == {"models": [{"slug": "m", "configurations": plain}]}
    assert json.loads(encode_body({"key": Redacted('{"type": "x"}')})) == {"key": '{"type": "x"}'}


LOOP: dict[str, Any] = {}
LOOP["x"] = LOOP


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"configurations": {"x": [Mask("sk*****xyz")]}}, "holds a Mask at configurations.x"),
        ({"key": SecretRef("env", "SECRET_A")}, "holds a SecretRef at key"),
        ({"key": float("nan")}, "contains a value that JSON cannot represent"),
        ({"key": object()}, "contains a value that JSON cannot represent"),
        (LOOP, "contains a value that JSON cannot represent"),
    ],
)
def test_an_unresolved_value_is_never_sent(body: Any, says: str) -> None:
    with pytest.raises(InvalidCall) as caught:
        encode_body(body)
    assert (caught.value.code, caught.value.attempts) == ("bad-body", 0)
    assert caught.value.summary == f"the request body {says}"
    assert caught.value.__context__ is None


def test_all_secret_texts_of_a_body_are_known() -> None:
    body: Any = {
        "name": "plain",
        "key": "given-as-text",
        "configurations": {"custom_headers": {"x": Redacted("h")}, "aws_region": "eu"},
        "models": [{"configurations": {"custom_headers": {"y": Redacted("m")}}}],
    }
    assert set(sent_secrets(body)) == {"given-as-text", "h", "m"}


@pytest.mark.parametrize(
    "secret",
    [
        {
            "configurations": {
                "vertex_service_account_json": {"private_key": "secret", "n": [1, "secret"]}
            }
        },
        {"configurations": {"custom_headers": {"x": "secret"}}},
        {
            "configurations": {
                "azure_deployment_config": [{"azure_deployment_name": "d", "api_token": "secret"}]
            }
        },
        {"configurations": {"tokens": ["secret", ["secret"], ("secret",)]}},
        {"models": [{"slug": "plain", "configurations": {"custom_headers": {"x": "secret"}}}]},
        {"models": [{"slug": "plain", "configurations": {"api_token": "secret"}}]},
    ],
)
def test_text_in_a_secret_field_is_a_secret_at_any_depth(secret: Tree) -> None:
    assert set(sent_secrets({"description": "plain", **secret})) == {"secret"}


def test_secret_parts_of_an_object_are_known_separately() -> None:
    parts = {"client_email": "mail", "private_key": "pem\n", "private_key_id": 5, "token": "tok"}
    text = " " + json.dumps(parts)
    forms = set(secret_parts(text))
    assert forms == {text, "pem\n", "tok"}


@pytest.mark.parametrize("text", ["{broken", '["token"]', "{" * 100_000, '{"a": 1}'], ids=len)
def test_a_value_that_is_not_an_object_has_no_parts(text: str) -> None:
    assert list(secret_parts(text)) == [text]
