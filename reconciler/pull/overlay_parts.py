"""Overlay files divided into the patches of single integrations, so that each is edited alone.

Otherwise each edit would parse all patches of its file. A part begins with the name of its
integration and ends before the next one. A file that cannot be divided, such as JSON or one with
several documents, is one part.
"""

from pathlib import PurePosixPath

import yaml

from reconciler.desired.yaml_edit import compose
from reconciler.pull.working_copy import WorkingCopy

BOM = "\ufeff"
_BEGINNING = ""
"""Key of the part before the first integration, or of a whole file."""

_Parts = dict[str, dict[str, bytes]]


class OverlayParts:
    """Overlay files of one folder, by parts; a part is named by its file and its integration."""

    def __init__(self, files: WorkingCopy, folder: str) -> None:
        self.files = files
        self.folder = folder
        self._parts: _Parts = {}
        self._undivided: set[str] = set()
        for path in files.source.paths():
            if path.startswith(folder + "/"):
                self._parts[path] = self._divided(path)

    def holding(self, slug: str) -> list[str]:
        """Return the parts that can have a patch of an integration, in the order of merging."""
        found = []
        for path in sorted(self._parts):
            if path in self._undivided:
                found.append(_name(path, _BEGINNING))
            elif slug in self._parts[path]:
                found.append(_name(path, slug))
        return found

    def read(self, part: str) -> bytes:
        """Return the text of a part."""
        path, _, key = part.partition("\0")
        return self._parts[path][key]

    def write(self, part: str, text: bytes) -> None:
        """Replace the text of a part."""
        path, _, key = part.partition("\0")
        self._parts[path][key] = text

    def is_divided(self, path: str) -> bool:
        """Return whether a file exists and has a part for each integration."""
        return path in self._parts and path not in self._undivided

    def whole(self, path: str) -> str | None:
        """Return the part that is a whole file; None if there is no such file."""
        return _name(path, _BEGINNING) if path in self._undivided else None

    def add(self, path: str, slug: str, text: str, *, heading: str = "") -> None:
        """Add the patch of an integration at the end of a file, which is created if necessary."""
        parts = self._parts.setdefault(path, {_BEGINNING: heading.encode()})
        before = b"".join(parts.values())
        newline = "\r\n" if b"\r\n" in before else "\n"
        written = text.replace("\n", newline).encode()
        left = parts.get(slug)
        if left is not None:
            # A removed patch can leave comments, including those of the next patch.
            parts[slug] = written + left
            return
        is_complete = not before or before.endswith(b"\n")
        parts[slug] = (b"" if is_complete else newline.encode()) + written

    def snapshot(self) -> _Parts:
        """Return a snapshot of the current texts."""
        return {path: dict(parts) for path, parts in self._parts.items()}

    def go_back(self, snapshot: _Parts) -> None:
        """Restore the texts of a snapshot."""
        self._parts = {path: dict(parts) for path, parts in snapshot.items()}

    def store(self) -> None:
        """Write the changed files to the working copy."""
        for path, parts in self._parts.items():
            content = b"".join(parts.values())
            if self.files.is_new(path) or content != self.files.edit(path).result():
                self.files.put(path, content)

    def _divided(self, path: str) -> dict[str, bytes]:
        data = self.files.edit(path).result()
        text = data.decode("utf-8")
        starts = _starts(text)
        if starts is None:
            self._undivided.add(path)
            return {_BEGINNING: data}
        ends = [start for _, start in starts[1:]] + [len(text)]
        parts = {_BEGINNING: text[: starts[0][1]].encode()}
        for (slug, start), end in zip(starts, ends, strict=True):
            parts[slug] = text[start:end].encode()
        return parts


def path_of(part: str) -> PurePosixPath:
    """Return the file of a part."""
    return PurePosixPath(part.partition("\0")[0])


def _name(path: str, key: str) -> str:
    return f"{path}\0{key}"


def _starts(text: str) -> list[tuple[str, int]] | None:
    """Return each integration with the position of its name; None if they cannot be divided."""
    # Positions of YAML do not count a byte order mark.
    if text.startswith(BOM):
        return None
    roots = compose(text)
    root = roots[0] if len(roots) == 1 else None
    if not isinstance(root, yaml.MappingNode) or root.flow_style or not root.value:
        return None
    keys = [key for key, _ in root.value]
    if any(key.start_mark.column or not isinstance(key.value, str) for key in keys):
        return None
    starts = [(str(key.value), int(key.start_mark.index)) for key in keys]
    return starts if len(dict(starts)) == len(starts) else None
