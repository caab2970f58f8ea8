"""JSON documents: strict, complete, and with the plan of a command that failed."""

import json as stdlib_json

import pytest

from reconciler.diagnostics import error
from reconciler.views import json
from tests.views import samples


def test_an_error_carries_its_exit_code_and_the_plan_that_was_refused() -> None:
    plan = samples.blocked_plan()
    document = stdlib_json.loads(json.error([error("protected", "no")], exit_code=4, refused=plan))
    assert (document["format_version"], document["kind"], document["exit_code"]) == (
        "1",
        "error",
        4,
    )
    assert document["diagnostics"][0]["code"] == "protected"
    assert document["plan"] == plan.as_json()


def test_an_error_without_a_plan_has_no_such_key() -> None:
    assert "plan" not in stdlib_json.loads(json.error([], exit_code=1))


def test_what_json_cannot_say_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        json.document({"x": float("nan")})
