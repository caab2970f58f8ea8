"""Change single values in a YAML file without changing any other byte.

Comments, order, quotes, indentation and line ends of a file belong to its authors. Therefore, the
file is not written from parsed data: values are located by PyYAML's marks, and the text between the
marks is replaced. Files have passed `desired.yaml_reader` before, so depth and size are bounded and
there are no aliases. Whole new documents: `desired.yaml_writer`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import yaml

from reconciler.desired.problem_collector import Steps
from reconciler.desired.yaml_writer import block, flow, is_plain, quoted, scalar
from reconciler.domain.tree import Tree, Value
from reconciler.frozen_dataclass import dataclass

_BOM = "\ufeff"
# PyYAML can be built without libyaml.
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class _NodeLocation:
    """A node of a file, and whether it is within brackets of another one, or in JSON."""

    node: yaml.Node
    in_flow: bool
    in_json: bool

    @property
    def is_flow(self) -> bool:
        """Whether the node itself is a mapping or list within brackets."""
        return isinstance(self.node, yaml.CollectionNode) and bool(self.node.flow_style)


_Member: TypeAlias = yaml.Node | tuple[yaml.Node, yaml.Node]
"""A member of a list, or of a mapping with its name."""


class FileEdit:
    """File being edited; a place is the number of a document and the steps to a value."""

    def __init__(self, data: bytes) -> None:
        text = data.decode("utf-8")
        # Removed and restored later, because an edit changes no other byte.
        self._bom = _BOM if text.startswith(_BOM) else ""
        self._text = text[len(self._bom) :]
        # An edit of the last line may add or lose its line break; `result` restores it.
        self._ends_with_newline = self._text.endswith("\n")
        self._newline = "\r\n" if "\r\n" in self._text else "\n"

    def result(self) -> bytes:
        """Return the edited file."""
        text = self._text
        if self._ends_with_newline and not text.endswith("\n"):
            text += self._newline
        elif not self._ends_with_newline and text.endswith("\n"):
            shorter = text.removesuffix("\n").removesuffix("\r")
            # The line break can be part of a block scalar, which is now the last value.
            text = shorter if list(scalars(shorter)) == list(scalars(text)) else text
        return (self._bom + text).encode("utf-8")

    def replace(self, index: int, steps: Steps, value: Value) -> None:
        """Replace a value that exists."""
        place = self._locate(index, steps)
        start, end = place.node.start_mark.index, _last_end(self._text, place.node)
        written = _in_style_of(place, value)
        colon = self._colon_above(index, steps, start)
        if colon is not None:
            # A list can begin in the column of its name; no other value can.
            first_line = self._text[colon : line_start(self._text, start)].rstrip("\r\n")
            self._splice(colon, end, f" {written}{first_line}")
            return
        # After `name:` without a value, there is no space yet.
        if start == end and self._text[start - 1 : start] == ":":
            written = " " + written
        self._splice(start, end, written)

    def insert(
        self, index: int, steps: Steps, value: Value, *, order: tuple[str, ...] = ()
    ) -> None:
        """Add a field to a mapping that has others; `order` lists the names it comes after."""
        holder = self._locate(index, steps[:-1])
        pairs = holder.node.value
        key = str(steps[-1])
        after = _predecessor([str(k.value) for k, _ in pairs], key, order)
        end = _last_end(self._text, pairs[after][1])
        if holder.in_flow or holder.is_flow:
            member = flow({key: value}, as_json=holder.in_json)[1:-1]
            self._splice(end, end, f", {member}")
        else:
            lines = block({key: value}, pairs[0][0].start_mark.column)
            self._insert_lines(end, lines, after=pairs[after])

    def append(self, index: int, steps: Steps, entry: Tree) -> None:
        """Add an entry at the end of a list that has others."""
        place = self._locate(index, steps)
        node, end = place.node, _last_end(self._text, place.node.value[-1])
        if place.is_flow:
            self._splice(end, end, f", {flow(entry, as_json=place.in_json)}")
        else:
            self._insert_lines(end, block([entry], node.start_mark.column), after=node)

    def remove(self, index: int, steps: Steps) -> None:
        """Remove a field or an entry, and the containers that become empty."""
        # An empty container would declare that there are no entries.
        while len(steps) > 1 and len(self._locate(index, steps[:-1]).node.value) == 1:
            steps = steps[:-1]
        holder = self._locate(index, steps[:-1])
        spans = _spans(self._text, holder)
        at = _position(holder.node, steps[-1])
        start, end = spans[at]
        if holder.is_flow:
            # Together with the comma behind it; the last member takes the one before.
            if at + 1 < len(spans):
                end = spans[at + 1][0]
            elif at:
                start = spans[at - 1][1]
            self._splice(start, end, "")
        elif self._text[line_start(self._text, start) : start].strip(" "):
            # The first field of an entry shares its line with the dash.
            self._splice(start, spans[at + 1][0], "")
        else:
            first, past = line_start(self._text, start), _line_end(self._text, end, past=True)
            text_before = _last_block_scalar(holder.node.value[at - 1]) if at else None
            if text_before is not None:
                # Blank lines and deeper comments would become text of the block scalar.
                if "+" in _header(self._text, text_before):
                    past = _skip_blank_lines(self._text, past)
                self._outdent_comments(past, start - first)
            self._splice(first, past, "")

    def replace_document(self, index: int, text: str) -> None:
        """Replace a whole document by another text."""
        nodes = compose(self._text)
        node = nodes[index]
        is_last = index == len(nodes) - 1
        # The only document is replaced from the top, comments included.
        start = 0 if index == 0 and is_last else node.start_mark.index
        end = len(self._text) if is_last else _last_end(self._text, node)
        written = text if is_last else text.removesuffix("\n")
        self._splice(start, end, written.replace("\n", self._newline))

    def _colon_above(self, index: int, steps: Steps, start: int) -> int | None:
        """Return the end of the `name:` of a list that begins on a later line, None otherwise."""
        holder = self._locate(index, steps[:-1]).node if steps else None
        if not isinstance(holder, yaml.MappingNode):
            return None
        name, node = holder.value[_position(holder, steps[-1])]
        colon = self._text.index(":", name.end_mark.index) + 1
        is_list = isinstance(node, yaml.SequenceNode) and not node.flow_style
        return colon if is_list and "\n" in self._text[colon:start] else None

    def _locate(self, index: int, steps: Steps) -> _NodeLocation:
        return _locate(compose(self._text)[index], steps)

    def _splice(self, start: int, end: int, written: str) -> None:
        self._text = self._text[:start] + written + self._text[end:]

    def _outdent_comments(self, at: int, column: int) -> None:
        """Move the comments that begin at a position to a column, unless they are before it."""
        written, end = "", at
        for line in self._text[at:].splitlines(keepends=True):
            comment = line.lstrip(" ")
            if comment.strip() and not comment.startswith("#"):
                break
            end += len(line)
            written += " " * min(column, len(line) - len(comment)) + comment
        self._splice(at, end, written)

    def _insert_lines(self, end: int, lines: Iterable[str], *, after: _Member) -> None:
        at = _line_end(self._text, end)
        is_end_of_file = at == len(self._text)
        self._splice(at, at, "".join(self._newline + line for line in lines))
        text_before = _last_block_scalar(after)
        if text_before is not None and is_end_of_file and not text_before.value.endswith("\n"):
            # The block scalar had no line break at its end, and has one now.
            start, header = text_before.start_mark.index, _header(self._text, text_before)
            stripped = header[:1] + "-" + header[1:].replace("-", "").replace("+", "")
            self._splice(start, start + len(header), stripped)


def compose(text: str) -> list[yaml.Node]:
    """Return the documents of a text as nodes."""
    return list(yaml.compose_all(text, Loader=_LOADER))


def scalars(text: str) -> Iterator[str]:
    """Yield all names and values of a text, without quotes and escapes."""
    waiting = compose(text)
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.ScalarNode):
            yield node.value
        elif isinstance(node, yaml.MappingNode):
            waiting += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value


def _locate(root: yaml.Node, steps: Steps) -> _NodeLocation:
    """Return the node at a place; raises `KeyError` if there is none."""
    here = _NodeLocation(root, in_flow=False, in_json=_is_json(root))
    for step in steps:
        if isinstance(here.node, yaml.SequenceNode):
            node = here.node.value[int(step)]
        else:
            node = {key.value: value for key, value in here.node.value}[step]
        here = _NodeLocation(node, here.in_flow or here.is_flow, here.in_json)
    return here


def _last_block_scalar(member: _Member) -> yaml.ScalarNode | None:
    """Return the block scalar to which the last line of a member belongs, None if there is none."""
    while True:
        node = member[1] if isinstance(member, tuple) else member
        if isinstance(node, yaml.ScalarNode):
            return node if node.style in {"|", ">"} else None
        if not node.value:
            return None
        member = node.value[-1]


def _header(text: str, node: yaml.ScalarNode) -> str:
    """Return the indicators of a block scalar, such as `|2+`."""
    start = node.start_mark.index
    return text[start : _line_end(text, start)].partition("#")[0].rstrip()


def _skip_blank_lines(text: str, at: int) -> int:
    """Return where the first line begins that is not blank, from the beginning of a line on."""
    while at < len(text):
        end = _line_end(text, at, past=True)
        if text[at:end].strip():
            return at
        at = end
    return at


def _is_json(root: yaml.Node) -> bool:
    """Return whether a document looks like JSON: in brackets, with quoted names."""
    is_mapping = isinstance(root, yaml.MappingNode) and root.flow_style and bool(root.value)
    return is_mapping and all(key.style == '"' for key, _ in root.value)


def _in_style_of(place: _NodeLocation, value: Value) -> str:
    """Write a value in the style of the one it replaces: quotes and brackets stay."""
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
    """Return the position of the pair that a new key is written after."""
    before = set(order[: order.index(key)]) if key in order else set(keys)
    return max((at for at, name in enumerate(keys) if name in before), default=len(keys) - 1)


def _position(holder: yaml.Node, step: int | str) -> int:
    if isinstance(holder, yaml.SequenceNode):
        return int(step)
    return next(at for at, (key, _) in enumerate(holder.value) if key.value == step)


def _spans(text: str, holder: _NodeLocation) -> list[tuple[int, int]]:
    """Return where each member of a mapping or list begins and ends, its dash included."""
    node = holder.node
    if isinstance(node, yaml.MappingNode):
        return [(key.start_mark.index, _last_end(text, value)) for key, value in node.value]
    spans = []
    for entry in node.value:
        start = entry.start_mark.index
        if not holder.is_flow:
            # The mark of an entry is behind its dash.
            start = text.rindex("-", 0, start)
        spans.append((start, _last_end(text, entry)))
    return spans


def _last_end(text: str, node: yaml.Node) -> int:
    """Return where the last character of a node ends, without comments and blank lines after it."""
    start, end = node.start_mark.index, int(node.end_mark.index)
    if isinstance(node, yaml.ScalarNode):
        # The mark of a block scalar is behind its last line break.
        if node.style not in {"|", ">"}:
            return end
        # With `+`, blank lines at the end belong to the value.
        if "+" in _header(text, node):
            return _line_end(text, end - 1)
        return int(start) + len(text[start:end].rstrip("\r\n"))
    if not node.value or (isinstance(node, yaml.CollectionNode) and node.flow_style):
        return end
    # A block ends, by its mark, where the next token begins, so comments after it would count.
    last = node.value[-1]
    return _last_end(text, last[1] if isinstance(node, yaml.MappingNode) else last)


def line_start(text: str, at: int) -> int:
    """Return where the line of a position begins."""
    return text.rfind("\n", 0, at) + 1


def _line_end(text: str, at: int, *, past: bool = False) -> int:
    """Return where the line of a position ends: before its line break, or `past` it."""
    end = text.find("\n", at)
    if end < 0:
        return len(text)
    if past:
        return end + 1
    return end - 1 if end and text[end - 1] == "\r" else end
