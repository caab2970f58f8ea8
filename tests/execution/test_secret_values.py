"""Secret values in calls, and writes whose outcome cannot be verified by a read."""

import pytest

from reconciler.domain.calls import Call, OperationName
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.tree import Tree
from reconciler.execution.secret_values import carries_secret, references_of, with_values
from tests.builders import KEY

OTHER = SecretRef("env", "OTHER_KEY")


def test_a_call_carries_a_secret_as_a_reference_or_a_value_and_never_without_a_body() -> None:
    assert not carries_secret(Call(OperationName.DELETE, "alpha"))
    assert not carries_secret(Call(OperationName.UPDATE, "alpha", body={"name": "Alpha"}))
    assert carries_secret(Call(OperationName.UPDATE, "alpha", body={"key": KEY}))
    assert carries_secret(Call(OperationName.UPDATE, "alpha", body={"key": Redacted("sk-x")}))


def test_values_replace_their_references_and_the_rest_is_unchanged() -> None:
    value = Redacted("sk-value-abc")
    body: Tree = {
        "name": "Alpha",
        "key": KEY,
        "models": [{"headers": {"x": KEY}, "n": 1}],
        "pair": (KEY,),
    }
    call = Call(OperationName.UPDATE, "alpha", {"page": 1}, body)
    filled = with_values(call, {KEY: value})
    assert filled.body == {
        "name": "Alpha",
        "key": value,
        "models": [{"headers": {"x": value}, "n": 1}],
        "pair": [value],
    }
    assert (filled.operation, filled.slug, filled.query) == (call.operation, "alpha", {"page": 1})
    assert call.body == body


def test_a_call_without_a_body_is_unchanged_and_one_without_its_value_is_a_defect() -> None:
    bare = Call(OperationName.DELETE, "alpha")
    assert with_values(bare, {}) is bare
    with pytest.raises(KeyError):
        with_values(Call(OperationName.UPDATE, "alpha", body={"key": KEY}), {})


def test_the_references_of_a_call_are_found_at_any_depth_each_once() -> None:
    body: Tree = {
        "key": KEY,
        "models": [{"headers": {"x": OTHER}}],
        "pair": (KEY, "text"),
        "none": None,
    }
    assert references_of(Call(OperationName.UPDATE, "alpha", body=body)) == {KEY, OTHER}
    assert references_of(Call(OperationName.DELETE, "alpha")) == set()
    nested = Call(OperationName.UPDATE, "alpha", body={"models": [{"key": Redacted("sk-x")}]})
    assert references_of(nested) == set()
