"""Different values that look the same: the difference is visible in every format."""

from dataclasses import replace

import pytest

from reconciler.planning.actions import Change, ChangeKind, Risk
from reconciler.views.escape import look_alike
from reconciler.views.plan_outline import of_change

PAIRS = [
    ("caf\u00e9", "cafe\u0301", '"caf\\u00e9"', '"cafe\\u0301"'),
    ("team a", "team\u00a0a", '"team a"', '"team\\u00a0a"'),
    ("team", "te\u200bam", '"team"', '"te\\u200bam"'),
    ("team", "te\u00adam", '"team"', '"te\\u00adam"'),
    ("team", "\u202ateam\u202c", '"team"', '"\\u202ateam\\u202c"'),
    ("team", "\ufeffteam", '"team"', '"\\ufeffteam"'),
    ("\u212b", "\u00c5", '"\\u212b"', '"\\u00c5"'),
    ("fine", "\ufb01ne", '"fine"', '"\\ufb01ne"'),
    ("A-1", "\uff21-1", '"A-1"', '"\\uff21-1"'),
    ("\uac00", "\u1100\u1161", '"\\uac00"', '"\\u1100\\u1161"'),
]


def change(before: object, after: object) -> Change:
    return Change(
        path="name", op=ChangeKind.REPLACE, risk=Risk.COSMETIC, before=before, after=after
    )  # type: ignore[arg-type]


@pytest.mark.parametrize(("before", "after", "left", "right"), PAIRS)
def test_texts_that_look_the_same_are_spelled_out(
    before: str, after: str, left: str, right: str
) -> None:
    item = of_change(change(before, after))
    assert (item.before, item.after) == (left, right)
    back = of_change(change(after, before))
    assert (back.before, back.after) == (right, left)


@pytest.mark.parametrize(
    ("before", "after"), [("caf\u00e9", "th\u00e9"), ("a", "b"), ("\u00e9", None), (1, "1")]
)
def test_other_texts_are_shown_unchanged(before: object, after: object) -> None:
    item = of_change(change(before, after))
    assert "\\u" not in f"{item.before}{item.after}"


def test_a_sensitive_value_is_not_spelled_out() -> None:
    hidden = of_change(replace(change(None, None), sensitive=True))
    assert "\\u" not in f"{hidden.before}{hidden.after}"


def test_equal_texts_are_not_lookalikes() -> None:
    assert not look_alike("caf\u00e9", "caf\u00e9")
