"""`.ci/run` tests the oldest versions that pyproject.toml allows."""

import re
import tomllib

from tests.architecture.source import ROOT


def test_each_core_dependency_is_tested_with_its_oldest_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    tested = dict(
        line.split("==")
        for line in (ROOT / ".ci/minima.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    )
    for dependency in project["dependencies"]:
        match = re.match(r"([\w-]+)>=([\d.]+)", dependency)
        assert match is not None, dependency
        name, oldest = match.groups()
        assert re.fullmatch(re.escape(oldest) + r"(\.0)*", tested[name]), dependency
