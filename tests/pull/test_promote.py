"""Promotion on generated environments: what is edited, and what is kept."""

from pathlib import Path
from typing import Any

import pytest

from reconciler.desired.fmt import comments_of
from tests.pull.environments import project

# Fast tests use a few of the 50 generated repositories, CI uses all of them.
SEEDS = [*range(5), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(5, 50))]


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_after_a_promotion_only_declared_differences_remain(tmp_path: Path, seed: int) -> None:
    made = project(tmp_path, seed)
    before = contents(made.files)
    first = made.run("parity", "staging", "production", "--format", "json")
    assert first.code in {0, 2}, first.err
    expected = first.json["expected"]
    promoted = made.run("promote", "staging", "production", "--format", "json")
    assert promoted.code == 0, promoted.err
    after = contents(made.files)
    touched = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert all(name.startswith("environments/production/") for name in touched)
    assert touched == {*promoted.json["changed"], *promoted.json["new"]}
    for name in touched & before.keys():
        lost = set(comments_of(before[name])) - set(comments_of(after[name]))
        assert not lost, after[name].decode()
    assert made.run("validate").code == 0
    # The remaining differences are reported, and are only those that a promotion must not decide.
    second = made.run("parity", "staging", "production", "--format", "json")
    covered = {_place(item) for item in second.json["expected"]}
    left = {_place(item) for item in promoted.json["left"]} - covered
    assert {_place(item) for item in second.json["differences"]} == left
    assert all(path == "" for _, path in left)
    # Fields that only production declares, and those that may differ, are unchanged.
    declared = {_place(item): item["to"].get("value") for item in second.json["expected"]}
    for item in expected:
        if item["to"]["declared"]:
            assert declared[_place(item)] == item["to"].get("value")
    again = made.run("promote", "staging", "production", "--format", "json")
    assert (again.json["changed"], again.json["new"]) == ([], [])
    assert contents(made.files) == after


def _place(item: Any) -> tuple[str, str]:
    return item["slug"], item["path"]
