"""Validate a repository as a user does, and read the diagnostics."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from reconciler.cli.main import run
from tests.cli.speaking import Listening


def diagnostics_by_slug(folder: Path) -> defaultdict[str, list[Any]]:
    """Return the diagnostics of `validate` by the name of their file."""
    listening = Listening()
    run(["--dir", str(folder), "validate", "--format", "json"], listening.console)
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for diagnostic in json.loads(listening.out)["diagnostics"]:
        found[Path(diagnostic["file"]).stem].append(diagnostic)
    return found
