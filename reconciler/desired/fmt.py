"""Write a YAML file in canonical form: order of fields, two spaces, at most one blank line.

Comments stay with the value that they precede or follow. The meaning of a file never changes: a
text for which that cannot be guaranteed is returned unchanged. Scalars keep the quotes that they
need, lists of mappings are in block style, and short collections within brackets stay on one line.
"""

from collections.abc import Iterable, Iterator
from dataclasses import field
from typing import TypeGuard

import yaml

from reconciler.desired.documents import ACCESS, ENVIRONMENTS, INTEGRATIONS
from reconciler.desired.yaml_edit import compose, line_start
from reconciler.desired.yaml_reader import read_yaml
from reconciler.desired.yaml_writer import INDENT, WIDTH, is_plain, quoted, scalar
from reconciler.domain.schema import UNKNOWN, FieldKind, FieldSchema, any_provider_schema
from reconciler.frozen_dataclass import dataclass

_BOM = "\ufeff"
_LEVELS = {INTEGRATIONS: 0, ACCESS: 1, ENVIRONMENTS: 1}
"""Depth of the fields of an integration: at the top level, or below a slug."""


def format_file(data: bytes, *, path: str) -> bytes:
    """Return the canonical form of a valid file; its folder, in `path`, decides its layout."""
    original = data.decode("utf-8").removeprefix(_BOM)
    # Positions are counted with single newlines; the original line endings are restored at the end.
    text = original.replace("\r\n", "\n")
    roots = compose(text)
    comments = _Comments(text, roots)
    layout = _Layout(text, comments, level=_LEVELS.get(path.partition("/")[0]))
    parts = []
    for index, root in enumerate(roots):
        end = len(text) if index == len(roots) - 1 else _marker_before(text, roots[index + 1])
        parts.append(_joined(layout.document(root, end)))
    written = "---\n".join(parts) + _joined(c.text for c in comments.before(len(text)))
    if text != original:
        written = written.replace("\n", "\r\n")
    after = written.encode("utf-8")
    # A comment without a place in the new text would be lost, so the file is left unchanged.
    return after if not comments.remaining and _has_same_meaning(data, after) else data


def comments_of(data: bytes) -> list[str]:
    """Return the comments of a valid file in their order."""
    text = data.decode("utf-8").removeprefix(_BOM).replace("\r\n", "\n")
    return [c.text for c in _find_comments(text, sorted(_scalar_spans(compose(text))))]


def _joined(lines: Iterable[str]) -> str:
    return "".join(line + "\n" for line in lines)


def _marker_before(text: str, root: yaml.Node) -> int:
    """Return where the line `---` in front of a document begins."""
    at = int(root.start_mark.index)
    # Comments and blank lines are allowed between the marker and the first value.
    while not text.startswith("---", line_start(text, at)):
        at = line_start(text, at) - 1
        if at < 0:
            return 0
    return line_start(text, at)


def _has_same_meaning(before: bytes, after: bytes) -> bool:
    old, new = read_yaml(before), read_yaml(after)
    return not new.faults and _is_same(
        [document.value for document in old.documents],
        [document.value for document in new.documents],
    )


def _is_same(old: object, new: object) -> bool:
    """Compare values and their types: a quoted `true` differs from a plain one."""
    if type(old) is not type(new):
        return False
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(_is_same(old[key], new[key]) for key in old)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_is_same, old, new))
    return old == new


@dataclass(frozen=True, slots=True)
class _Comment:
    """A comment and its position; `after_blank` if there is a blank line above it."""

    start: int
    line: int
    column: int
    text: str
    after_blank: bool


class _Comments:
    """Comments of a text that have not been written yet; each is returned once.

    Outside of scalars, a text contains only indicators, white space and comments, so a `#` there
    starts a comment.
    """

    def __init__(self, text: str, roots: list[yaml.Node]) -> None:
        # In reverse order, because removing the last item of a list is cheap.
        self._waiting = list(_find_comments(text, sorted(_scalar_spans(roots))))[::-1]

    @property
    def remaining(self) -> int:
        """The number of comments that have not been taken."""
        return len(self._waiting)

    def before(self, position: int, *, beyond: int = -1) -> list[_Comment]:
        """Take comments before a position, up to the first that is not right of `beyond`."""
        taken = []
        while self._waiting:
            first = self._waiting[-1]
            if first.start >= position or first.column <= beyond:
                break
            taken.append(self._waiting.pop())
        return taken

    def on_line(self, line: int, *, behind: int, ahead_of: int | None = None) -> str:
        """Remove and return the comment at the end of a line, between two positions, else ""."""
        for index in range(len(self._waiting) - 1, -1, -1):
            comment = self._waiting[index]
            if comment.line > line or (ahead_of is not None and comment.start >= ahead_of):
                break
            if comment.line == line and comment.start >= behind:
                return self._waiting.pop(index).text
        return ""

    def has_between(self, start: int, end: int) -> bool:
        """Return whether there is a comment between two positions."""
        for comment in reversed(self._waiting):
            if comment.start >= start:
                return comment.start < end
        return False


def _find_comments(text: str, spans: list[tuple[int, int]]) -> Iterator[_Comment]:
    """Return the comments outside of `spans`, which are the scalars of the text."""
    position = line = counted = 0
    # The last pair represents the text after the last scalar.
    for start, end in [*spans, (len(text), len(text))]:
        while (at := text.find("#", position, start)) >= 0:
            position = _line_end(text, at)
            begin = text.rfind("\n", 0, at) + 1
            # Counted from the last comment; counting from the start would take quadratic time.
            line, counted = line + text.count("\n", counted, at), at
            yield _Comment(
                start=at,
                line=line,
                column=at - begin,
                text=text[at:position].rstrip(),
                after_blank=_is_after_blank(text, at),
            )
        position = max(position, end)


def _is_after_blank(text: str, at: int) -> bool:
    """Return whether the line above the one of a position is blank."""
    begin = text.rfind("\n", 0, at) + 1
    above = text[text.rfind("\n", 0, max(0, begin - 1)) + 1 : max(0, begin - 1)]
    return begin > 0 and not above.strip()


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _scalar_spans(nodes: list[yaml.Node]) -> Iterator[tuple[int, int]]:
    # With a stack instead of recursion, as in the reader: a file can be nested up to its limit.
    waiting = [node for node in nodes if node is not None]
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                waiting += [key, value]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value
        # An empty value has no text.
        elif node.end_mark.index > node.start_mark.index:
            yield node.start_mark.index, node.end_mark.index


@dataclass(slots=True)
class _Chunk:
    """The lines of a field or entry, and the comments above it.

    `blank` adds a blank line above the comments, and `gap` one between the comments and the lines.
    """

    name: str
    lines: list[str]
    comments: list[str] = field(default_factory=list)
    blank: bool = False
    gap: bool = False

    def written(self, *, first: bool) -> list[str]:
        """Return all lines; the first chunk never begins with a blank line."""
        above = [""] if self.blank and not first else []
        between = [""] if self.gap and self.comments else []
        return [*above, *self.comments, *between, *self.lines]


class _Layout:
    """Layout of the documents of one text.

    `level` is the depth of the fields of integrations; None if there are none.
    """

    def __init__(self, text: str, comments: _Comments, *, level: int | None) -> None:
        self._text = text
        self._comments = comments
        self._level = level
        self._schema = any_provider_schema()

    def document(self, root: yaml.Node, end: int) -> list[str]:
        """Return the lines of a document whose text ends at `end`, its comments included."""
        if not _is_collection(root) or not root.value:
            above = self._comments.before(root.start_mark.index)
            line = self._flow(root) + self._behind(root)
            below = self._comments.before(end)
            lines = [line] if line else []
            return _lines(above, "") + lines + _lines(below, "")
        chunks = self._chunks(root, 0, end, ())
        # Comments at the top belong to the document: sorting may put another field first.
        header, gap = chunks[0].comments, chunks[0].gap
        chunks[0].comments, chunks[0].blank = [], False
        if self._level == 0:
            chunks = _in_order(chunks, self._schema)
        chunks[0].blank = bool(header) and (gap or chunks[0].blank)
        lines = header + _written(chunks, first=not header)
        footer = self._comments.before(end)
        if footer and footer[0].after_blank:
            lines.append("")
        return lines + _lines(footer, "")

    def _chunks(
        self, node: yaml.CollectionNode, indent: int, end: int, path: tuple[str, ...]
    ) -> list[_Chunk]:
        """Lay out the members of a mapping or list; its part of the text ends at `end`."""
        pad, chunks = " " * indent, []
        members = _members(node)
        for index, (key, value) in enumerate(members):
            start = _start(key, value)
            leading = self._comments.before(start)
            blank = leading[0].after_blank if leading else _is_after_blank(self._text, start)
            limit = end if index + 1 == len(members) else _start(*members[index + 1])
            chunk = self._member(key, value, indent, limit, path)
            chunk.comments = _lines(leading, pad) + chunk.comments
            chunk.blank, chunk.gap = blank, _is_after_blank(self._text, start)
            if not node.flow_style:
                # Comments right of the members belong to the value above them, not to the next
                # member.
                tail = self._comments.before(limit, beyond=node.start_mark.column)
                chunk.lines += _lines(tail, pad + INDENT)
            chunks.append(chunk)
        if node.flow_style:
            chunks[-1].lines += _lines(self._comments.before(node.end_mark.index), pad)
        return chunks

    def _member(
        self,
        key: yaml.Node | None,
        value: yaml.Node,
        indent: int,
        end: int,
        path: tuple[str, ...],
    ) -> _Chunk:
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

    def _entry(
        self, value: yaml.CollectionNode, indent: int, end: int, path: tuple[str, ...]
    ) -> _Chunk:
        """Lay out an entry of a list that takes more than one line."""
        chunks = self._chunks(value, indent + 2, end, path)
        # An entry of a list at the top belongs to no integration, so its order has no schema.
        if isinstance(value, yaml.MappingNode) and path:
            chunks = _in_order(chunks, self._entry_schema(path))
        # A comment in front of the first field would separate the dash from it.
        above = [" " * indent + line.lstrip() for line in chunks[0].comments]
        chunks[0].comments = []
        first, *rest = _written(chunks, first=True)
        return _Chunk("", [" " * indent + "- " + first[indent + 2 :], *rest], above)

    def _entry_schema(self, path: tuple[str, ...]) -> FieldSchema:
        """Return the schema of the entries of a list; its path has no steps for entries."""
        if self._level is None:
            return UNKNOWN
        here = self._schema
        for name in path[self._level :]:
            here = here.child(name)
            # A path of YAML nodes has no step for an entry, that of the schema has.
            if here.kind in {FieldKind.KEYED_LIST, FieldKind.LIST, FieldKind.SINGLE}:
                here = here.entries or UNKNOWN
        return here

    def _inline(self, head: str, value: yaml.Node, indent: int) -> list[str]:
        # A block scalar keeps its form, which users choose for texts of several lines.
        if isinstance(value, yaml.ScalarNode) and value.style in {"|", ">"}:
            body = self._block_scalar(value, indent + 2)
            return [f"{head} {body[0]}", *body[1:]]
        text = self._scalar(value) if isinstance(value, yaml.ScalarNode) else self._flow(value)
        return [head + (f" {text}" if text else "") + self._behind(value)]

    def _behind(self, node: yaml.Node) -> str:
        mark = node.end_mark
        return _spaced(self._comments.on_line(mark.line, behind=mark.index))

    def _is_block(self, node: yaml.Node, column: int) -> TypeGuard[yaml.CollectionNode]:
        """Return whether a value takes separate lines."""
        if not _is_collection(node) or not node.value:
            return False
        if not node.flow_style:
            return True
        if isinstance(node, yaml.SequenceNode) and any(map(_is_collection, node.value)):
            return True
        has_comment = self._comments.has_between(node.start_mark.index, node.end_mark.index)
        return has_comment or column + len(self._flow(node)) > WIDTH

    def _flow(self, node: yaml.Node) -> str:
        """Write a node on one line."""
        if isinstance(node, yaml.MappingNode):
            pairs = []
            for key, value in node.value:
                pairs.append(f"{scalar(key.value, within=True)}: {self._flow(value)}".rstrip())
            return "{" + ", ".join(pairs) + "}"
        if isinstance(node, yaml.SequenceNode):
            return "[" + ", ".join(map(self._flow, node.value)) + "]"
        return self._scalar(node, within=True)

    def _scalar(self, node: yaml.Node, *, within: bool = False) -> str:
        written = self._text[node.start_mark.index : node.end_mark.index]
        style = node.style if isinstance(node, yaml.ScalarNode) else None
        if style in {"'", '"'} and is_plain(node.value, within=within):
            return str(node.value)
        # The text of a scalar over several lines depends on its indent, so its value is written
        # instead.
        if style in {"|", ">"} or "\n" in written:
            return scalar(node.value, within=within)
        return written

    def _block_scalar(self, node: yaml.ScalarNode, indent: int) -> list[str]:
        """Move a block scalar to another indent; one with an indentation indicator is quoted."""
        written = self._text[node.start_mark.index : node.end_mark.index].rstrip("\n")
        head, *lines = written.split("\n")
        indicators = head.partition("#")[0]
        # `+` keeps trailing line breaks and a digit fixes the indent: neither can be kept in a
        # move.
        if "+" in indicators or any(c.isdigit() for c in indicators) or not node.value.strip():
            return [quoted(node.value) + _spaced(head[len(indicators) :])]
        column = min(len(line) - len(line.lstrip(" ")) for line in lines if line.strip(" "))
        moved = (line[column:] for line in lines)
        return [head.rstrip(), *(" " * indent + line if line else "" for line in moved)]


def _members(node: yaml.CollectionNode) -> list[tuple[yaml.Node | None, yaml.Node]]:
    """Return the pairs of a mapping, or the entries of a list with None for a key."""
    if isinstance(node, yaml.MappingNode):
        return list(node.value)
    return [(None, value) for value in node.value]


def _start(key: yaml.Node | None, value: yaml.Node) -> int:
    return int((value if key is None else key).start_mark.index)


def _is_collection(node: yaml.Node) -> TypeGuard[yaml.CollectionNode]:
    return isinstance(node, yaml.CollectionNode)


def _in_order(chunks: list[_Chunk], schema: FieldSchema) -> list[_Chunk]:
    """Sort by the order of the schema; unknown fields follow in their own order."""
    names = list(schema.fields)
    return sorted(chunks, key=lambda c: names.index(c.name) if c.name in names else len(names))


def _written(chunks: list[_Chunk], *, first: bool) -> list[str]:
    lines: list[str] = []
    for chunk in chunks:
        lines += chunk.written(first=first and not lines)
    return lines


def _lines(comments: Iterable[_Comment], pad: str) -> list[str]:
    """Write comments one below the other, and keep blank lines between them."""
    lines: list[str] = []
    for comment in comments:
        if lines and comment.after_blank:
            lines.append("")
        lines.append(pad + comment.text)
    return lines


def _spaced(comment: str) -> str:
    return f" {comment}" if comment else ""
