"""Make sure that what is about to be written can be read: leave out what no file may hold.

The API accepts more than a file does (a `${…}` in a description, a lone surrogate, a new shape of a
field). What is left out is named, and stays unmanaged.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from reconciler.desired.integration_builder import build_integration
from reconciler.desired.problem_collector import ProblemCollector, Sourced, SourceOrigin, Steps
from reconciler.desired.source import MAX_FILE, MemorySource
from reconciler.desired.yaml_reader import read_yaml
from reconciler.desired.yaml_writer import NO_COMMENTS, document
from reconciler.diagnostics import Severity
from reconciler.domain.secrets import Redacted


@dataclass(frozen=True, slots=True)
class CheckedExport:
    """A document that loads without an error, and the places that had to be left out for that."""

    text: str
    left_out: tuple[Steps, ...] = ()


def writable(
    tree: dict[str, Any], *, today: date, comments: Mapping[str, str] = NO_COMMENTS
) -> CheckedExport | None:
    """Write a document and take out what the loader would refuse; None if too little is left.

    `comments` stand behind the fields that they are named for.
    """
    tree = _copy(tree)
    left_out: list[Steps] = []
    while True:
        text = document(tree, comments=comments)
        objections = _objections(text, tree, today)
        if not objections:
            return CheckedExport(text, tuple(left_out)) if len(text.encode()) <= MAX_FILE else None
        for steps in objections:
            dropped = _drop(tree, steps)
            if dropped is None:
                return None
            left_out.append(dropped)


class _Objections(ProblemCollector):
    """Keeps the places of errors and nothing else."""

    def __init__(self) -> None:
        super().__init__(MemorySource({}))
        self.steps: list[Steps] = []

    def add(
        self,
        severity: Severity,
        code: str,
        summary: str,
        origin: SourceOrigin,
        *,
        hint: str = "",
        key: bool = False,
        hide: bool = False,
    ) -> None:
        """Keep the place of an error."""
        del code, summary, hint, key, hide
        if severity is Severity.ERROR:
            self.errors += 1
            self.steps.append(origin.path)


def _objections(text: str, tree: dict[str, Any], today: date) -> list[Steps]:
    reading = read_yaml(text.encode())
    if reading.faults:
        broken = [(n,) for n in tree if read_yaml(document({n: tree[n]}).encode()).faults]
        return list(broken) or [()]
    found = _Objections()
    declared = build_integration(
        Sourced(reading.documents[0].value, SourceOrigin("")), found, today
    )
    if declared is not None:
        meant = {name: value for name, value in tree.items() if name not in {"slug", "lifecycle"}}
        return list(_misread(declared.fields, meant, ()))
    return list(dict.fromkeys(found.steps))


def _misread(loaded: Any, meant: Any, steps: Steps) -> Iterator[Steps]:
    """Find what comes back as something else: a number where a file has texts, a huge one."""
    if isinstance(meant, Redacted):
        return
    if isinstance(meant, dict) and isinstance(loaded, dict):
        for name, item in meant.items():
            yield from _misread(loaded.get(name), item, (*steps, name))
    elif isinstance(meant, list) and isinstance(loaded, list):
        for index, (one, other) in enumerate(zip(loaded, meant, strict=True)):
            yield from _misread(one, other, (*steps, index))
    elif loaded != meant:
        yield steps


def _drop(tree: dict[str, Any], steps: Steps) -> Steps | None:
    """Take out the innermost thing that exists at a place; None if nothing can be taken out.

    What is left empty goes, too: an empty list or map in a file declares that there is to be none.
    """
    node: Any = tree
    holders: list[Any] = []
    done: list[int | str] = []
    for step in steps:
        inside = isinstance(node, dict) and step in node
        inside = inside or (isinstance(node, list) and isinstance(step, int) and step < len(node))
        if not inside:
            break
        holders.append(node)
        node = node[step]
        done.append(step)
    if not holders:
        return None
    place = tuple(done)
    del holders[-1][done[-1]]
    while len(done) > 1 and not holders[-1]:
        holders.pop()
        done.pop()
        del holders[-1][done[-1]]
    return place


def _copy(value: Any) -> Any:
    """Copy containers; a secret value must not be copied."""
    if isinstance(value, dict):
        return {name: _copy(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copy(item) for item in value]
    return value
