"""The page's markup: its frame, the login and the overview.

One integration: `reconciler.adapter.ui.detail`. History: `reconciler.adapter.ui.history`.

Every value goes through `text`, which makes it visible and then escapes it. There is no script: a
search is a form, and the server answers it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final
from urllib.parse import urlencode, urlsplit

from reconciler.adapter.ui.snapshot import Row, Snapshot, SyncStatus
from reconciler.diagnostics import Diagnostic, Severity
from reconciler.views.escape import visible

MOST_ROWS: Final = 500

_SYMBOLS: Final = {
    SyncStatus.IN_SYNC: "✓",
    SyncStatus.UNDECLARED_ACCESS: "!",
    SyncStatus.UNDECLARED_HOST: "!",
    SyncStatus.DIFFERS: "≠",
    SyncStatus.MISSING: "+",
    SyncStatus.SURPLUS: "−",
    SyncStatus.UNMANAGED: "○",
    SyncStatus.UNKNOWN: "?",
}

_LOGIN_FIELD: Final = (
    '<label>Token of this adapter<input type="password" name="token" required autofocus '
    'autocomplete="current-password" spellcheck="false"></label>'
)


@dataclass(frozen=True, slots=True)
class Search:
    """What the overview is narrowed to; empty text narrows nothing."""

    words: str = ""
    sync_status: str = ""
    provider: str = ""

    def admits(self, row: Row) -> bool:
        """Tell whether a row is shown."""
        found = f"{row.slug} {row.name} {row.provider}".lower()
        return (
            all(word in found for word in self.words.lower().split())
            and self.sync_status in {"", row.sync_status.value}
            and self.provider in {"", row.provider}
        )


def text(value: object, limit: int | None = 200) -> str:
    """Make any value safe to stand in markup."""
    return escape(visible(str(value), limit))


def frame(title: str, body: Iterable[str], *, here: str = "", can_log_out: bool = True) -> str:
    """Make a whole document; `here` is the path of the link that is current."""
    links = "".join(
        f'<a href="{path}"{_current(path == here)}>{name}</a>'
        for path, name in (("/", "Integrations"), ("/history", "History"))
    )
    leave = (
        '<form method="post" action="/logout"><button class="plain">Log out</button></form>'
        if can_log_out
        else ""
    )
    head = (
        f'<header><a class="brand" href="/">reconcile</a><nav aria-label="Pages">{links}</nav>'
        f'{leave}</header><hr class="rule">'
    )
    return _document(title, [head if here else "", '<main id="main">', *body, "</main>"])


def login(*, failed: bool = False) -> str:
    """Ask for a token."""
    said = '<p class="note error" role="alert">This token is not known here.</p>' if failed else ""
    return _document(
        "Log in",
        [
            '<main id="main" class="login"><h1>reconcile</h1>',
            '<p class="faint">The integrations of a Portkey AI gateway, against Git.</p>',
            said,
            '<form method="post" action="/login">',
            _LOGIN_FIELD,
            '<button class="main">Log in</button></form></main>',
        ],
    )


def overview(snapshot: Snapshot, search: Search, *, can_log_out: bool) -> str:
    """Show all integrations, or those that a search leaves."""
    rows = [row for row in snapshot.rows if search.admits(row)]
    target = snapshot.target
    where = "embedded simulator" if target.is_simulator else urlsplit(target.base_url).netloc
    return frame(
        f"Integrations of {target.name}",
        [
            f"<h1>Integrations of {text(target.name)}</h1>",
            f'<p class="faint">{text(where)}, read at {_time(snapshot.taken_at)} UTC</p>',
            *map(note, snapshot.problems),
            _counts(snapshot.rows, search),
            _form(snapshot.rows, search),
            _table(rows) if rows else _nothing(snapshot),
            _more(len(rows)),
        ],
        here="/",
        can_log_out=can_log_out,
    )


def mark(row: Row) -> str:
    """Show how an integration stands: a sign and words, never colour alone."""
    said = row.sync_status.value + (", blocked" if row.blocked else "")
    return (
        f'<span class="mark {_class(row.sync_status)}"><span aria-hidden="true">'
        f"{_SYMBOLS[row.sync_status]}</span>{said}</span>"
    )


def note(problem: Diagnostic) -> str:
    """Tell a problem, where it is and what helps."""
    kind = "note error" if problem.severity is Severity.ERROR else "note"
    at = f"{text(problem.at.file)}:{problem.at.line}: " if problem.at else ""
    hint = f'<br><span class="faint">{text(problem.hint)}</span>' if problem.hint else ""
    said = f"<strong>{problem.severity}</strong> {at}{text(problem.summary)}{hint}"
    return f'<p class="{kind}">{said}</p>'


def _document(title: str, body: Iterable[str]) -> str:
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{text(title)} · reconcile</title>",
            '<link rel="stylesheet" href="/page.css"><link rel="icon" href="data:,">',
            '</head><body><a class="skip" href="#main">Skip to content</a>',
            *(part for part in body if part),
            "</body></html>",
        ]
    )


def _counts(rows: Sequence[Row], search: Search) -> str:
    found = Counter(row.sync_status for row in rows)
    items = [
        ("all", "", len(rows)),
        *((s.value, s.value, found[s]) for s in SyncStatus if found[s]),
    ]
    shown = "".join(
        f'<li><a href="/{_query(search, sync_status=value)}"'
        f"{_current(search.sync_status == value)}>"
        f"<b>{count}</b>{name}</a></li>"
        for name, value, count in items
    )
    return f'<ul class="counts" aria-label="How they stand against the files">{shown}</ul>'


def _form(rows: Sequence[Row], search: Search) -> str:
    providers = sorted({row.provider for row in rows if row.provider})
    standings = [s.value for s in SyncStatus]
    return (
        '<form class="search" role="search" method="get" action="/">'
        f'<label>Search<input type="search" name="q" value="{text(search.words)}" '
        'placeholder="slug, name or provider"></label>'
        f"<label>Provider{_select('provider', providers, search.provider)}</label>"
        f"<label>State{_select('state', standings, search.sync_status)}</label>"
        "<button>Filter</button>"
        + ('<a href="/">Clear</a>' if search != Search() else "")
        + "</form>"
    )


def _select(name: str, values: Iterable[str], chosen: str) -> str:
    options = "".join(
        f'<option value="{text(v)}"{" selected" if v == chosen else ""}>{text(v)}</option>'
        for v in values
    )
    return f'<select name="{name}"><option value="">any</option>{options}</select>'


def _table(rows: Sequence[Row]) -> str:
    heads = "".join(
        f'<th scope="col"{kind}>{name}</th>'
        for name, kind in (
            ("Integration", ""),
            ("State", ""),
            ("Provider", ""),
            ("Status", ""),
            ("Workspaces", ' class="number"'),
            ("Last change, UTC", ""),
        )
    )
    lines = "".join(map(_line, rows[:MOST_ROWS]))
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"
    return f'<div class="wide" role="region" aria-label="Integrations" tabindex="0">{table}</div>'


def _line(row: Row) -> str:
    workspaces = "" if row.workspaces is None else str(row.workspaces)
    return (
        f'<tr><th scope="row"><a href="/integrations/{text(row.slug, 255)}">'
        f"{text(row.slug, 255)}</a><small>{text(row.name)}</small></th><td>{mark(row)}</td>"
        f'<td>{text(row.provider)}</td><td class="status">{text(row.status)}</td>'
        f'<td class="number">{workspaces}</td><td>{_time(row.changed)}</td></tr>'
    )


def _nothing(snapshot: Snapshot) -> str:
    said = "Nothing fits this search." if snapshot.rows else "There are no integrations yet."
    return f'<p class="faint">{said}</p>'


def _more(count: int) -> str:
    if count <= MOST_ROWS:
        return ""
    return f'<p class="faint">{count - MOST_ROWS} more; a search finds them.</p>'


def _query(search: Search, *, sync_status: str) -> str:
    asked = {"q": search.words, "provider": search.provider, "state": sync_status}
    given = {name: value for name, value in asked.items() if value}
    return escape(f"?{urlencode(given)}") if given else ""


def _time(moment: str | None) -> str:
    if not moment:
        return ""
    day, _, rest = moment.partition("T")
    return f'<time datetime="{text(moment)}">{text(f"{day} {rest[:5]}".strip())}</time>'


def _current(yes: bool) -> str:  # noqa: FBT001  a flag of markup
    return ' aria-current="page"' if yes else ""


def _class(sync_status: SyncStatus) -> str:
    return sync_status.value.replace(" ", "-")
