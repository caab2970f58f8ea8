"""The open questions about the API, as the table of remote/API.md §9 lists them."""

import re

from tests.architecture.source import PACKAGE

ROW = re.compile(r"^\|.*\| (?P<switch>.*) \| (?P<probe>.*) \|$", re.MULTILINE)


def open_questions() -> list[dict[str, list[str]]]:
    """Return the names in each row: the simulator's switch and the probe's answers."""
    text = (PACKAGE / "remote/API.md").read_text(encoding="utf-8")
    section = text.partition("\n## 9. ")[2].partition("\n## 10. ")[0]
    rows = ROW.finditer(section.partition("|---|---|---|---|")[2])
    return [
        {column: re.findall(r"`(\w+)`", cell) for column, cell in row.groupdict().items()}
        for row in rows
    ]
