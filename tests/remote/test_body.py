"""Request bodies: values appear there and nowhere else."""

import json
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.secrets import Mask, Redacted, SecretRef
from reconciler.domain.tree import Value
from reconciler.remote.body import echoed_forms, encode_body, sent_secrets
from reconciler.remote.errors import InvalidCall

CANARY = "canary-value=="


def test_a_body_is_canonical_and_carries_the_values() -> None:
    body = {"name": "Ä", "key": Redacted(CANARY), "configurations": {"b": 1, "a": None}}
    assert encode_body(body) == (
        b'{"configurations":{"a":null,"b":1},"key":"canary-value==","name":"\\u00c4"}'
    )


@given(st.text())
def test_any_value_survives_the_way_into_the_body(value: str) -> None:
    assert json.loads(encode_body({"key": Redacted(value)})) == {"key": value}


def test_a_service_account_is_sent_as_an_object() -> None:
    secret = Redacted('{"type": "service_account"}')
    body = {"configurations": {"vertex_service_account_json": secret}}
    assert json.loads(encode_body(body)) == {
        "configurations": {"vertex_service_account_json": {"type": "service_account"}}
    }


@pytest.mark.parametrize("text", [CANARY, f'["{CANARY}"]', "[" * 100_000, "{" + CANARY])
def test_a_service_account_that_is_no_object_is_refused_without_its_text(text: str) -> None:
    body = {"configurations": {"vertex_service_account_json": Redacted(text)}}
    with pytest.raises(InvalidCall) as caught:
        encode_body(body)
    shown = "".join(traceback.format_exception(caught.value)) + caught.value.hint
    assert CANARY not in shown
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "leaf", [SecretRef("env", "SECRET_A"), Mask("sk*****xyz"), float("nan"), object()]
)
def test_what_is_no_value_is_never_sent(leaf: Value) -> None:
    with pytest.raises(InvalidCall) as caught:
        encode_body({"configurations": {"x": [leaf]}})
    assert (caught.value.code, caught.value.attempts) == ("bad-body", 0)


def test_all_secret_texts_of_a_body_are_known() -> None:
    body = {
        "name": "plain",
        "key": "given-as-text",
        "configurations": {"custom_headers": {"x": Redacted("h")}, "aws_region": "eu"},
        "models": [{"configurations": {"custom_headers": {"y": Redacted("m")}}}],
    }
    assert set(sent_secrets(body)) == {"given-as-text", "h", "m"}


def test_a_secret_may_come_back_in_a_url_or_as_base64() -> None:
    forms = set(echoed_forms("p@ss/w'ord é=="))
    assert {"p%40ss%2Fw%27ord%20%C3%A9%3D%3D", "cEBzcy93J29yZCDDqT09"} <= forms
