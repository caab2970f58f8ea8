"""Files that the API refuses with a 400 that names no field are reported by `validate`.

Each cause has a public source: a repository and a path in it, or release notes.
"""

import json
from pathlib import Path

from reconciler.cli.main import run
from tests.cli.speaking import Listening
from tests.desired import refused_configurations, refused_fields
from tests.desired.building import CONFIG

CAUSES = [*refused_fields.CAUSES, *refused_configurations.CAUSES]


def problems_in(path: Path) -> dict[str, set[str]]:
    """Validate a repository with a file for each cause, and return the codes by file."""
    (path / "integrations").mkdir()
    (path / "reconcile.yaml").write_text(CONFIG)
    for number, cause in enumerate(CAUSES):
        named = "" if cause.text.startswith("slug:") else f"slug: cause-{number}\n"
        (path / f"integrations/cause-{number}.yaml").write_text(named + cause.text)
    listening = Listening()
    assert run(["--dir", str(path), "validate", "--format", "json"], listening.console) == 3
    found: dict[str, set[str]] = {}
    for diagnostic in json.loads(listening.out)["diagnostics"]:
        found.setdefault(Path(diagnostic["file"]).stem, set()).add(diagnostic["code"])
    return found


def test_validate_finds_at_least_nine_of_ten_causes(tmp_path: Path) -> None:
    found = problems_in(tmp_path)
    missed = [
        cause.what
        for number, cause in enumerate(CAUSES)
        if cause.code not in found.get(f"cause-{number}", set())
    ]
    assert missed == [cause.what for cause in CAUSES if cause.code is None]
    assert len(missed) <= len(CAUSES) / 10


def test_every_cause_has_a_public_source() -> None:
    assert all(":" in cause.source for cause in CAUSES)
    assert len({cause.what for cause in CAUSES}) == len(CAUSES)
