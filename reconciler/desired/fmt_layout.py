"""Lay out one YAML document: which line everything goes on, and which comments go with it.

Scalars keep their quotes where they need them. Lists of mappings stand in block style; what is
short within brackets stays there.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import yaml

from reconciler.desired.fmt_comments import Comment, Comments, is_after_blank
from reconciler.desired.yaml_writer import INDENT, WIDTH, is_plain, quoted, scalar
from reconciler.domain.schema import UNKNOWN, FieldKind, FieldSchema, any_provider_schema


@dataclass(slots=True)
class _Chunk:
    """A field or entry with its comments; `blank` is above them, `gap` between them and it."""

    name: str
    lines: list[str]
    comments: list[str] = field(default_factory=list)
    blank: bool = False
    gap: bool = False

    def written(self, *, first: bool) -> list[str]:
        """Give all of its lines; nothing begins with an empty one."""
        above = [""] if self.blank and not first else []
        between = [""] if self.gap and self.comments else []
        return [*above, *self.comments, *between, *self.lines]


class Layout:
    """Lays out the documents of one text. `level` is how deep the fields of integrations stand."""

    def __init__(self, text: str, comments: Comments, *, level: int | None) -> None:
        self._text = text
        self._comments = comments
        self._level = level
        self._schema = any_provider_schema()

    def document(self, root: Any, end: int) -> list[str]:
        """Give the lines of a document whose text ends at `end`, and of all comments in it."""
        if not _is_collection(root) or not root.value:
            above = self._comments.before(root.start_mark.index)
            line = self._flow(root) + self._behind(root)
            below = self._comments.before(end)
            return [*_lines(above, ""), *([line] if line else []), *_lines(below, "")]
        chunks = self._chunks(root, 0, end, ())
        header, gap = chunks[0].comments, chunks[0].gap
        chunks[0].comments, chunks[0].blank = [], False
        if self._level == 0:
            chunks = _in_order(chunks, self._schema)
        chunks[0].blank = bool(header) and (gap or chunks[0].blank)
        body = [*header, *_written(chunks, first=not header)]
        footer = self._comments.before(end)
        apart = [""] if footer and footer[0].after_blank else []
        return [*body, *apart, *_lines(footer, "")]

    def _chunks(self, node: Any, indent: int, end: int, path: tuple[str, ...]) -> list[_Chunk]:
        """Lay out the members of a mapping or list that is followed by something at `end`."""
        pad, chunks = " " * indent, []
        members = _members(node)
        for index, (key, value) in enumerate(members):
            start = _start(key, value)
            leading = self._comments.before(start)
            blank = leading[0].after_blank if leading else is_after_blank(self._text, start)
            limit = end if index + 1 == len(members) else _start(*members[index + 1])
            chunk = self._member(key, value, indent, limit, path)
            chunk.comments = [*_lines(leading, pad), *chunk.comments]
            chunk.blank, chunk.gap = blank, is_after_blank(self._text, start)
            if not node.flow_style:
                tail = self._comments.before(limit, beyond=node.start_mark.column)
                chunk.lines += _lines(tail, pad + INDENT)
            chunks.append(chunk)
        if node.flow_style:
            chunks[-1].lines += _lines(self._comments.before(node.end_mark.index), pad)
        return chunks

    def _member(self, key: Any, value: Any, indent: int, end: int, path: tuple[str, ...]) -> _Chunk:
        name = str(key.value) if key is not None else ""
        inside = (*path, name) if key is not None else path
        head = " " * indent + ("-" if key is None else f"{scalar(name)}:")
        if not self._is_block(value, len(head) + 1):
            above = _lines(self._comments.before(value.start_mark.index), " " * indent)
            return _Chunk(name, self._inline(head, value, indent), above)
        if key is None:
            return self._entry(value, indent, end, inside)
        mark, first = key.end_mark, _start(*_members(value)[0])
        head += _spaced(self._comments.on_line(mark.line, behind=mark.index, ahead_of=first))
        chunks = self._chunks(value, indent + 2, end, inside)
        if self._level == 1 and len(inside) == 1:
            chunks = _in_order(chunks, self._schema)
        return _Chunk(name, [head, *_written(chunks, first=True)])

    def _entry(self, value: Any, indent: int, end: int, path: tuple[str, ...]) -> _Chunk:
        """Lay out an entry of a list that takes more than a line."""
        chunks = self._chunks(value, indent + 2, end, path)
        if isinstance(value, yaml.MappingNode) and path:
            chunks = _in_order(chunks, self._entry_schema(path))
        # A comment in front of the first field would part the dash from it.
        above = [" " * indent + line.lstrip() for line in chunks[0].comments]
        chunks[0].comments = []
        first, *rest = _written(chunks, first=True)
        return _Chunk("", [" " * indent + "- " + first[indent + 2 :], *rest], above)

    def _entry_schema(self, path: tuple[str, ...]) -> FieldSchema:
        """Return the schema of the entries of the list at a path, in which entries have no step."""
        if self._level is None:
            return UNKNOWN
        here = self._schema
        for name in path[self._level :]:
            here = here.child(name)
            if here.kind in {FieldKind.KEYED_LIST, FieldKind.LIST, FieldKind.SINGLE}:
                here = here.entries or UNKNOWN
        return here

    def _inline(self, head: str, value: Any, indent: int) -> list[str]:
        if isinstance(value, yaml.ScalarNode) and value.style in {"|", ">"}:
            body = self._block_scalar(value, indent + 2)
            return [f"{head} {body[0]}", *body[1:]]
        text = self._scalar(value) if isinstance(value, yaml.ScalarNode) else self._flow(value)
        return [head + (f" {text}" if text else "") + self._behind(value)]

    def _behind(self, node: Any) -> str:
        mark = node.end_mark
        return _spaced(self._comments.on_line(mark.line, behind=mark.index))

    def _is_block(self, node: Any, column: int) -> bool:
        """Tell whether a value takes lines of its own."""
        if not _is_collection(node) or not node.value:
            return False
        if not node.flow_style:
            return True
        if isinstance(node, yaml.SequenceNode) and any(map(_is_collection, node.value)):
            return True
        inside = self._comments.within(node.start_mark.index, node.end_mark.index)
        return inside or column + len(self._flow(node)) > WIDTH

    def _flow(self, node: Any) -> str:
        """Write a node on one line."""
        if isinstance(node, yaml.MappingNode):
            pairs = (f"{scalar(k.value, within=True)}: {self._flow(v)}" for k, v in node.value)
            return "{" + ", ".join(pair.rstrip() for pair in pairs) + "}"
        if isinstance(node, yaml.SequenceNode):
            return "[" + ", ".join(map(self._flow, node.value)) + "]"
        return self._scalar(node, within=True)

    def _scalar(self, node: Any, *, within: bool = False) -> str:
        written = self._text[node.start_mark.index : node.end_mark.index]
        if node.style in {"'", '"'} and is_plain(node.value, within=within):
            return str(node.value)
        if node.style in {"|", ">"} or "\n" in written:
            return scalar(node.value, within=within)
        return written

    def _block_scalar(self, node: Any, indent: int) -> list[str]:
        """Move a text over several lines to another indent; one that names its own is quoted."""
        written = self._text[node.start_mark.index : node.end_mark.index].rstrip("\n")
        head, *lines = written.split("\n")
        indicators = head.partition("#")[0]
        if "+" in indicators or any(c.isdigit() for c in indicators) or not node.value.strip():
            return [quoted(node.value) + _spaced(head[len(indicators) :])]
        column = min(len(line) - len(line.lstrip(" ")) for line in lines if line.strip(" "))
        moved = (line[column:] for line in lines)
        return [head.rstrip(), *(" " * indent + line if line else "" for line in moved)]


def _members(node: Any) -> list[tuple[Any, Any]]:
    if isinstance(node, yaml.MappingNode):
        return list(node.value)
    return [(None, value) for value in node.value]


def _start(key: Any, value: Any) -> int:
    return int((value if key is None else key).start_mark.index)


def _is_collection(node: Any) -> bool:
    return isinstance(node, yaml.MappingNode | yaml.SequenceNode)


def _in_order(chunks: list[_Chunk], schema: FieldSchema) -> list[_Chunk]:
    """Sort by the order of the schema; what it does not know keeps its place behind."""
    names = list(schema.fields)
    return sorted(chunks, key=lambda c: names.index(c.name) if c.name in names else len(names))


def _written(chunks: list[_Chunk], *, first: bool) -> list[str]:
    lines: list[str] = []
    for chunk in chunks:
        lines += chunk.written(first=first and not lines)
    return lines


def _lines(comments: Iterable[Comment], pad: str) -> list[str]:
    """Write comments one below the other; an empty line between two of them stays."""
    lines: list[str] = []
    for comment in comments:
        if lines and comment.after_blank:
            lines.append("")
        lines.append(pad + comment.text)
    return lines


def _spaced(comment: str) -> str:
    return f" {comment}" if comment else ""
