"""JSON documents: strict, complete, and with the plan of a failed command."""

import json as stdlib_json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.diagnostics import error
from reconciler.views import json
from tests.views import samples


def test_an_error_has_its_exit_code_and_the_refused_plan() -> None:
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


def test_a_value_that_json_cannot_represent_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        json.document({"x": float("nan")})


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
TREES = st.recursive(
    SCALARS.filter(lambda value: value not in (float("inf"), float("-inf"))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), TREES, max_size=4), st.lists(TREES, max_size=4))
def test_a_document_written_in_parts_is_complete(
    others: dict[str, object], items: list[object]
) -> None:
    document = {**others, "runs": items}
    assert "".join(json.streamed(others, "runs", iter(items))) == json.document(document)


def test_text_that_resembles_the_list_is_unchanged() -> None:
    others = {"a": '\n  "runs": []', "z": {"runs": []}}
    assert "".join(json.streamed(others, "runs", [1])) == json.document({**others, "runs": [1]})


def test_a_part_that_json_cannot_represent_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        list(json.streamed({}, "runs", [{"x": float("nan")}]))
