"""Bring a YAML file into the one form: order of fields, two spaces, one empty line at most.

Comments stay with what they stand above or behind. What a file means never changes: a text in which
that could not be kept is given back as it is. How a document is laid out: `desired.fmt_layout`.
"""

from typing import Any

from reconciler.desired.documents import ACCESS, ENVIRONMENTS, INTEGRATIONS
from reconciler.desired.fmt_comments import Comments
from reconciler.desired.fmt_layout import Layout
from reconciler.desired.yaml_edit import compose, line_start
from reconciler.desired.yaml_reader import read_yaml

_BOM = "\ufeff"
_LEVELS = {INTEGRATIONS: 0, ACCESS: 1, ENVIRONMENTS: 1}
"""How deep the fields of an integration stand: at the top, or below a slug."""


def formatted(data: bytes, *, path: str) -> bytes:
    """Give the canonical form of a file without faults; `path` tells what kind of file it is."""
    original = data.decode("utf-8").removeprefix(_BOM)
    text = original.replace("\r\n", "\n")
    roots = compose(text)
    comments = Comments(text, roots)
    layout = Layout(text, comments, level=_LEVELS.get(path.partition("/")[0]))
    parts = []
    for index, root in enumerate(roots):
        end = len(text) if index == len(roots) - 1 else _marker_before(text, roots[index + 1])
        parts.append("".join(line + "\n" for line in layout.document(root, end)))
    written = "---\n".join(parts) + "".join(c.text + "\n" for c in comments.before(len(text)))
    if text != original:
        written = written.replace("\n", "\r\n")
    after = written.encode("utf-8")
    return after if not comments.left and _means_the_same(data, after) else data


def _marker_before(text: str, root: Any) -> int:
    """Give where the line `---` in front of a document begins."""
    at = root.start_mark.index
    while not text.startswith("---", line_start(text, at)):
        at = line_start(text, at) - 1
        if at < 0:
            return 0
    return line_start(text, at)


def _means_the_same(before: bytes, after: bytes) -> bool:
    one, other = read_yaml(before), read_yaml(after)
    return not other.faults and _same(
        [document.value for document in one.documents],
        [document.value for document in other.documents],
    )


def _same(one: Any, other: Any) -> bool:
    """Compare exactly: a quoted `true` is not a plain one."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
