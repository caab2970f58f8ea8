"""Paths of fields as people read and write them: `models[gpt-5].enabled`."""

import json
import re

from reconciler.domain.schema import list_keys
from reconciler.domain.tree import Path

_DOTTED_STEP = re.compile(r'[^.\[\]"\\]+')
_BRACKETED_STEP = re.compile(r'[^\[\]"\\]+')
_SHOWN_STEP = re.compile(
    r'\[(?P<quoted>"(?:[^"\\]|\\.)*")\]|\[(?P<identity>[^\[\]"\\]+)\]'
    r'|(?:^|(?<=.)\.)(?P<name>[^.\[\]"\\]+)'
)


def show_path(path: Path) -> str:
    """Return a path as users see it: dots, and `[key]` for an entry of a keyed list.

    A key that would read as more than one step is quoted as JSON: `custom_headers["x.y"]`. Two
    different paths never have the same text, and `parse_path` reads each of them back.
    """
    text, keys = "", list_keys()
    is_identity = False
    for step in path:
        plain = _BRACKETED_STEP if is_identity else _DOTTED_STEP
        if not plain.fullmatch(step) or not step.isprintable():
            text += f"[{json.dumps(step, ensure_ascii=False)}]"
        elif is_identity:
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
        # A key may equal the name of a list, such as a model called `models`; it opens no list.
        is_identity = not is_identity and step in keys
    return text


def parse_path(text: str) -> Path | None:
    """Return the path that a text names in the notation of `show_path`, None for any other text.

    Brackets are accepted around any key, as people write them in `lifecycle.ignore`.
    """
    path: list[str] = []
    position = 0
    while position < len(text):
        step = _SHOWN_STEP.match(text, position)
        if step is None:
            return None
        if step["quoted"] is not None:
            try:
                path.append(json.loads(step["quoted"]))
            except ValueError:
                return None
        else:
            path.append(step["identity"] or step["name"])
        position = step.end()
    return tuple(path) or None
