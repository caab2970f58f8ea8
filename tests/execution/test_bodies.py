"""Which writes reading back can settle: those that send nothing the API would hide."""

from reconciler.domain.calls import Call, OperationName
from reconciler.domain.secrets import Redacted
from reconciler.execution.bodies import carries_secret
from tests.builders import KEY


def test_a_call_carries_a_secret_as_a_reference_or_a_value_and_never_without_a_body() -> None:
    assert not carries_secret(Call(OperationName.DELETE, "alpha"))
    assert not carries_secret(Call(OperationName.UPDATE, "alpha", body={"name": "Alpha"}))
    assert carries_secret(Call(OperationName.UPDATE, "alpha", body={"key": KEY}))
    assert carries_secret(Call(OperationName.UPDATE, "alpha", body={"key": Redacted("sk-x")}))
