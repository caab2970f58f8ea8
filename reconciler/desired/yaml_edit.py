"""Change single values in a YAML file and leave every other byte as it is.

Comments, order, quotes, indentation and line ends of a file belong to its authors, so nothing is
parsed and written anew: places are found with PyYAML's marks, and the text between is spliced.
Where a value stands: `desired.editing_places`. Whole new documents: `desired.export_yaml`.
"""

from collections.abc import Mapping
from typing import Any

import yaml

from reconciler.desired.problem_collector import Steps
from reconciler.desired.yaml_nodes import (
    NodeLocation,
    compose,
    last_end,
    line_end,
    line_start,
    locate,
)
from reconciler.desired.yaml_writer import block, flow, is_plain, quoted, scalar

_BOM = "\ufeff"


class FileEdit:
    """One file while it is edited. Places are given as document number and steps."""

    def __init__(self, data: bytes) -> None:
        text = data.decode("utf-8")
        self._bom = _BOM if text.startswith(_BOM) else ""
        self._text = text[len(self._bom) :]
        self._ends_with_newline = self._text.endswith("\n")
        self._newline = "\r\n" if "\r\n" in self._text else "\n"

    def result(self) -> bytes:
        """Give the file as it is now."""
        text = self._text
        if self._ends_with_newline and not text.endswith("\n"):
            text += self._newline
        elif not self._ends_with_newline and text.endswith("\n"):
            text = text.removesuffix("\n").removesuffix("\r")
        return (self._bom + text).encode("utf-8")

    def replace(self, index: int, steps: Steps, value: Any) -> None:
        """Put another value in the place of one that is there."""
        place = self._locate(index, steps)
        start, end = place.node.start_mark.index, last_end(self._text, place.node)
        written = _in_style_of(place, value)
        if start == end and self._text[start - 1 : start] == ":":
            written = " " + written
        self._splice(start, end, written)

    def insert(self, index: int, steps: Steps, value: Any, *, order: tuple[str, ...] = ()) -> None:
        """Add a field that is not there to a mapping with fields; `order` says behind which."""
        holder = self._locate(index, steps[:-1])
        pairs = holder.node.value
        key = str(steps[-1])
        after = _predecessor([str(k.value) for k, _ in pairs], key, order)
        end = last_end(self._text, pairs[after][1])
        if holder.in_flow or holder.node.flow_style:
            member = flow({key: value}, as_json=holder.in_json)[1:-1]
            self._splice(end, end, f", {member}")
        else:
            self._insert_lines(end, block({key: value}, pairs[0][0].start_mark.column))

    def append(self, index: int, steps: Steps, entry: Mapping[str, Any]) -> None:
        """Add an entry behind the others of a list that has some."""
        place = self._locate(index, steps)
        node, end = place.node, last_end(self._text, place.node.value[-1])
        if node.flow_style:
            self._splice(end, end, f", {flow(entry, as_json=place.in_json)}")
        else:
            self._insert_lines(end, block([entry], node.start_mark.column))

    def remove(self, index: int, steps: Steps) -> None:
        """Take out a field or an entry, and what holds nothing else."""
        while len(steps) > 1 and len(self._locate(index, steps[:-1]).node.value) == 1:
            steps = steps[:-1]
        holder = self._locate(index, steps[:-1]).node
        spans = _spans(self._text, holder)
        at = _position(holder, steps[-1])
        start, end = spans[at]
        if holder.flow_style:
            if at + 1 < len(spans):
                end = spans[at + 1][0]
            elif at:
                start = spans[at - 1][1]
            self._splice(start, end, "")
        elif self._text[line_start(self._text, start) : start].strip(" "):
            # The first field of an entry shares its line with the dash.
            self._splice(start, spans[at + 1][0], "")
        else:
            self._splice(line_start(self._text, start), line_end(self._text, end, past=True), "")

    def replace_document(self, index: int, text: str) -> None:
        """Put another text in the place of a whole document."""
        nodes = compose(self._text)
        node = nodes[index]
        is_last = index == len(nodes) - 1
        start = 0 if index == 0 and is_last else node.start_mark.index
        end = len(self._text) if is_last else last_end(self._text, node)
        written = text if is_last else text.removesuffix("\n")
        self._splice(start, end, written.replace("\n", self._newline))

    def _locate(self, index: int, steps: Steps) -> NodeLocation:
        return locate(compose(self._text)[index], steps)

    def _splice(self, start: int, end: int, written: str) -> None:
        self._text = self._text[:start] + written + self._text[end:]

    def _insert_lines(self, end: int, lines: Any) -> None:
        at = line_end(self._text, end)
        self._splice(at, at, "".join(self._newline + line for line in lines))


def _in_style_of(place: NodeLocation, value: Any) -> str:
    """Write a value as the one before it was written: same quotes, same kind of brackets."""
    within = place.in_flow
    if place.in_json or isinstance(value, Mapping | list | tuple):
        return flow(value, as_json=place.in_json)
    style = place.node.style if isinstance(place.node, yaml.ScalarNode) else None
    if isinstance(value, str):
        if style == "'" and value.isprintable():
            return "'" + value.replace("'", "''") + "'"
        if style == '"' or not is_plain(value, within=within):
            return quoted(value)
    return scalar(value, within=within)


def _predecessor(keys: list[str], key: str, order: tuple[str, ...]) -> int:
    """Choose the pair behind which a new key goes."""
    before = set(order[: order.index(key)]) if key in order else set(keys)
    return max((at for at, name in enumerate(keys) if name in before), default=len(keys) - 1)


def _position(holder: Any, step: int | str) -> int:
    if isinstance(holder, yaml.SequenceNode):
        return int(step)
    return next(at for at, (key, _) in enumerate(holder.value) if key.value == step)


def _spans(text: str, holder: Any) -> list[tuple[int, int]]:
    """Give where each member of a mapping or list begins and ends; a dash belongs to its entry."""
    if isinstance(holder, yaml.MappingNode):
        return [(key.start_mark.index, last_end(text, value)) for key, value in holder.value]
    spans = []
    for node in holder.value:
        start = node.start_mark.index
        if not holder.flow_style:
            start = text.rindex("-", 0, start)
        spans.append((start, last_end(text, node)))
    return spans
