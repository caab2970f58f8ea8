"""Picture of a plan in README.md: a terminal session as one SVG file for each theme.

`python -m tests.views.terminal_picture` runs the session and writes the files.
"""

import io
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

from reconciler.cli.console import Console
from tests.cli.project import Here
from tests.end_to_end.harness import ROOT

FOLDER = ROOT / ".github/images"
COLUMNS = 88
TITLE = "A plan of reconcile"

# Widths in pixels. Columns are also aligned without these fonts, because each run of text has its
# length.
_CHARACTER, _LINE, _MARGIN, _FONT_SIZE = 8, 19, 20, 13.3
_FONTS = "ui-monospace,SFMono-Regular,Menlo,Consolas,'Liberation Mono','DejaVu Sans Mono',monospace"
_CLASSES = {"1": "bold", "2": "dim", "31": "red", "32": "green", "33": "yellow", "36": "cyan"}
_ESCAPE = re.compile(r"\x1b\[(\d+)m")

THEMES = {
    "light": {
        "paper": "#ffffff",
        "border": "#d0d7de",
        "text": "#1f2328",
        "dim": "#656d76",
        "red": "#cf222e",
        "green": "#1a7f37",
        "yellow": "#9a6700",
        "cyan": "#1b7c83",
    },
    "dark": {
        "paper": "#0d1117",
        "border": "#30363d",
        "text": "#e6edf3",
        "dim": "#8b949e",
        "red": "#f85149",
        "green": "#3fb950",
        "yellow": "#d29922",
        "cyan": "#39c5cf",
    },
}


class _Terminal(io.StringIO):
    """In-memory stream with the colours of a terminal."""

    def isatty(self) -> bool:
        return True


@dataclass(frozen=True)
class _Run:
    """Characters of one line with the same style."""

    column: int
    text: str
    classes: frozenset[str]


def session() -> str:
    """Apply the examples, change them as in README.md, and return the output of `plan`."""
    with tempfile.TemporaryDirectory() as folder:
        project = Here.with_examples(Path(folder))
        assert project.run("apply", "--yes").code == 0
        new = project.run("scaffold", "anthropic")
        project.write("integrations/anthropic.yaml", new.out)
        _edit(project.files / "integrations/openai-production.yaml")
        screen = _Terminal()
        console = Console(stdin=None, stdout=screen, stderr=io.StringIO())
        done = project.run(
            "--target", "simulator", "plan", console=console, COLUMNS=str(COLUMNS), NO_COLOR=""
        )
        assert done.code == 0
    typed = "\x1b[2m$\x1b[0m \x1b[1mreconcile --target simulator plan\x1b[0m"
    return f"{typed}\n{screen.getvalue().rstrip()}\n"


def _edit(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    for old, new in (
        ("Customer-facing traffic", "Customer-facing and internal traffic"),
        ("  - {slug: gpt-5-mini, enabled: true}\n", ""),
        ("credit_limit: 500", "credit_limit: 400"),
        ("  - {id: ws-support, enabled: true}\n", ""),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")


def pictures() -> dict[str, str]:
    """Return the content of every file of the picture by its name."""
    text = session()
    return {f"plan-{name}.svg": _drawn(text, colors) for name, colors in THEMES.items()}


def _drawn(text: str, colors: dict[str, str]) -> str:
    lines = text.splitlines()
    width = COLUMNS * _CHARACTER + 2 * _MARGIN
    height = len(lines) * _LINE + 2 * _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{TITLE}</title>",
        "<style>",
        f"text{{font:{_FONT_SIZE}px {_FONTS};fill:{colors['text']};white-space:pre}}",
        f".paper{{fill:{colors['paper']};stroke:{colors['border']}}}",
        ".bold{font-weight:bold}",
        *(
            f".{name}{{fill:{colors[name]}}}"
            for name in sorted(_CLASSES.values())
            if name in colors
        ),
        "</style>",
        f'<rect class="paper" x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8"/>',
    ]
    for number, line in enumerate(lines, start=1):
        y = _MARGIN + number * _LINE - 5
        parts += [_element(run, y) for run in _runs(line) if run.text.strip()]
    return "\n".join([*parts, "</svg>", ""])


def _runs(line: str) -> Iterator[_Run]:
    """Split a line at its colour codes."""
    column = 0
    classes: frozenset[str] = frozenset()
    for number, part in enumerate(_ESCAPE.split(line)):
        if number % 2 == 0:
            yield _Run(column, part, classes)
            column += len(part)
        elif part == "0":
            classes = frozenset()
        else:
            classes |= {_CLASSES[part]}


def _element(run: _Run, y: int) -> str:
    start = len(run.text) - len(run.text.lstrip())
    text = run.text.strip()
    x = _MARGIN + (run.column + start) * _CHARACTER
    names = f' class="{" ".join(sorted(run.classes))}"' if run.classes else ""
    length = len(text) * _CHARACTER
    return f'<text{names} x="{x}" y="{y}" textLength="{length}">{escape(text, quote=False)}</text>'


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, content in pictures().items():
        (FOLDER / name).write_text(content, encoding="utf-8", newline="\n")
