#!/usr/bin/env python3
"""Print the notes of a release: the section of the changelog for its version.

python .github/release_notes.py 0.1.0
"""

import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).with_name("CHANGELOG.md")


def notes_of(changelog: str, version: str) -> str:
    """Return the text below the heading of a version; raise LookupError if there is none."""
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n"
    sections = re.findall(rf"{heading}(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if len(sections) != 1:
        raise LookupError(f"has {len(sections)} sections `## [{version}] - DATE` instead of 1")
    notes = str(sections[0]).strip()
    if not notes:
        raise LookupError(f"has an empty section for {version}")
    return notes + "\n"


def main(arguments: list[str]) -> int:
    """Print the notes of the version that is the only argument."""
    (version,) = arguments
    try:
        sys.stdout.write(notes_of(CHANGELOG.read_text(encoding="utf-8"), version))
    except LookupError as missing:
        sys.stderr.write(f"{CHANGELOG} {missing}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
