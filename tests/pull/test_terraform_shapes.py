"""`pull --from-terraform` of states of many shapes: no secret in any file, and an empty plan."""

from pathlib import Path

import pytest

from tests.cli.project import Here
from tests.cli.scene import Scene
from tests.end_to_end.upstream import serving
from tests.pull.terraform_shapes import MARKED_LIMIT, DrawnState, draw_state, shown, stored, written
from tests.pull.terraforming import Terraformed
from tests.runs import World

FEW, MANY = 6, 30


def check(folder: Path, seed: int) -> None:
    drawn = draw_state(seed)
    folder.mkdir()
    with serving(world=World()) as upstream:
        at = Terraformed(Scene(Here(folder, PORTKEY_API_KEY="pk-reader"), upstream))
        at.scene.config(prune="managed")
        for body in drawn.creates:
            upstream.world.put("POST", "/integrations", body)
        for path, body in drawn.grants:
            at.put(path, **body)
        ids = {body["slug"]: upstream.record(body["slug"])["id"] for body in drawn.creates}
        make = shown if drawn.dice.random() < 0.6 else stored
        content = written(drawn.dice, make(drawn, ids))
        check_pull(at, drawn, content)


def check_pull(at: Terraformed, drawn: DrawnState, content: bytes) -> None:
    done = at.pull(content=content)
    # An integration whose name is sensitive cannot be declared, which is a failure of the pull.
    assert done.code == (5 if drawn.hidden else 0), done.err
    assert "Traceback" not in done.err
    files = sorted(path.stem for path in at.integrations.rglob("*.yaml"))
    assert files == drawn.slugs, done.err
    assert at.leaks(done) == [], (at.leaks(done), done.out)
    texts = [path.read_text() for path in at.integrations.rglob("*.yaml")]
    assert not any(str(MARKED_LIMIT) in text for text in (*texts, done.out, done.err))
    planned = at.scene.project.run("plan", "--format", "json", **drawn.secrets)
    assert planned.code == 0, planned.err
    assert planned.json["actions"] == [], planned.out
    unverified = {item["slug"] for item in planned.json["unverified"]}
    assert unverified <= drawn.write_only, planned.out
    # A plan may name values of the API, because it does not know the state.
    assert not any(value in planned.out + planned.err for value in drawn.secrets.values())
    before = {path: path.read_bytes() for path in at.integrations.rglob("*.yaml")}
    again = at.pull(content=content)
    assert again.code == done.code
    assert {path: path.read_bytes() for path in at.integrations.rglob("*.yaml")} == before


@pytest.mark.parametrize("seed", range(FEW))
def test_a_state_of_any_shape_becomes_files_without_a_secret(tmp_path: Path, seed: int) -> None:
    check(tmp_path / "here", seed)


@pytest.mark.slow
def test_states_of_many_shapes_become_files_without_a_secret(tmp_path: Path) -> None:
    for seed in range(FEW, MANY):
        check(tmp_path / f"{seed}", seed)
