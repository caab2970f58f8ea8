"""Output of `list` and `get`: integrations in the API as text, YAML or JSON.

Secrets appear as the API masks them. Nothing is compared with the files.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import yaml

from reconciler.domain.secrets import Mask, Redacted
from reconciler.domain.state import Observed, ObservedState
from reconciler.domain.tree import Value, plain
from reconciler.planning.plan import PlanTarget
from reconciler.views import json, phrases
from reconciler.views.escape import visible
from reconciler.views.plan_outline import header_of
from reconciler.views.text_layout import table_lines

COLUMNS = ("slug", "name", "ai_provider_id", "status", "type")

_NOTHING: Mapping[str, object] = MappingProxyType({})


def record(observed: Observed) -> dict[str, object]:
    """Return one integration as plain data, with masks in place of secrets."""
    about = {
        "id": observed.id,
        "status": observed.status,
        "type": observed.kind,
        "created_at": observed.created_at,
        "last_updated_at": observed.last_updated_at,
        "workspace_count": observed.workspace_count,
    }
    known = {key: value for key, value in about.items() if value is not None}
    return {"slug": observed.slug, **_mapping(observed.fields), **known}


def list_text(state: ObservedState, *, target: PlanTarget, ledger: str) -> str:
    """Return the integrations as a table, ordered by slug."""
    rows = [COLUMNS, *(_row(item) for item in _ordered(state))]
    lines = table_lines(rows)
    if not state.integrations:
        lines = [phrases.NO_INTEGRATIONS]
    return "\n".join([header_of(target, ledger=ledger), "", *lines]) + "\n"


def list_yaml(state: ObservedState, *, target: PlanTarget, ledger: str) -> str:
    """Return the integrations as a YAML list under a comment that names the target."""
    return _comment(target, ledger) + _yaml([record(item) for item in _ordered(state)])


def list_json(state: ObservedState, *, target: PlanTarget) -> str:
    """Return the integrations as one JSON document."""
    return json.document(
        {
            "format_version": "1",
            "kind": "integrations",
            "target": target.as_json(),
            "integrations": [record(item) for item in _ordered(state)],
        }
    )


def get_text(
    observed: Observed,
    *,
    target: PlanTarget,
    ledger: str,
    more: Mapping[str, object] = _NOTHING,
    note: str = "",
) -> str:
    """Return one integration as YAML under the line that names the target, and a note.

    `more` is added to the fields of the integration.
    """
    head = header_of(target, ledger=ledger) + (f"\n{note}" if note else "")
    return f"{head}\n\n{_yaml({**record(observed), **more})}"


def get_yaml(
    observed: Observed, *, target: PlanTarget, ledger: str, more: Mapping[str, object] = _NOTHING
) -> str:
    """Return one integration as YAML under a comment that names the target."""
    return _comment(target, ledger) + _yaml({**record(observed), **more})


def get_json(
    observed: Observed, *, target: PlanTarget, more: Mapping[str, object] = _NOTHING
) -> str:
    """Return one integration as one JSON document, its fields at the top level."""
    document = {"format_version": "1", "kind": "integration", "target": target.as_json()}
    # In this order, so that no field of the API can override a key of the document.
    return json.document({**record(observed), **more, **document})


def _ordered(state: ObservedState) -> Iterable[Observed]:
    return (state.integrations[slug] for slug in sorted(state.integrations))


def _row(observed: Observed) -> tuple[str, ...]:
    fields = record(observed)
    return tuple(
        # A slug is copied into commands, so it is never shortened.
        visible(str(fields.get(column, "")), limit=255 if column == "slug" else 40)
        for column in COLUMNS
    )


def _mapping(tree: Mapping[str, Value]) -> dict[str, object]:
    return {key: _shown(value) for key, value in tree.items()}


def _shown(value: Value) -> object:
    match value:
        case Mask():
            return value.text
        case Redacted():
            return phrases.REDACTED_WITHOUT_NAME
        case Mapping():
            return _mapping(value)
        case list() | tuple():
            return [_shown(item) for item in value]
        case _:
            return plain(value)


def _comment(target: PlanTarget, ledger: str) -> str:
    return f"# {header_of(target, ledger=ledger)}\n"


class _Dumper(yaml.SafeDumper):
    """Dumper that writes each text on one line, quoted if a terminal or a CI could execute it."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        """Write equal values in full, without anchors."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if visible(text, limit=None) == text else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def _yaml(value: object) -> str:
    def dump(*, unicode: bool) -> str:
        # With the default width, PyYAML folds strings beyond 80 columns.
        text: str = yaml.dump(
            value, Dumper=_Dumper, sort_keys=False, allow_unicode=unicode, width=float("inf")
        )
        return text

    readable = dump(unicode=True)
    # YAML counts bidi and zero-width characters as printable: to escape them, it must escape all.
    harmless = all(line == visible(line, limit=None) for line in readable.splitlines())
    return readable if harmless else dump(unicode=False)
