"""Values that a shell completes, from the files and from a local ledger.

A completion runs whenever Tab is pressed. It therefore reads no secret, opens no connection,
resolves no reference, and returns nothing if a file is missing or invalid. Each public function is
the `shell_complete` of options and arguments; dependencies are imported when a value is asked for.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

GLOBAL_VALUES = "reconciler.cli.global_options"
"""Key of the global options in the `meta` of a context."""

_MAX_FILES = 20_000
_RECENT_RUNS = 200
_FOLDERS_WITH_SLUGS = ("integrations/", "environments/")
_SLUG = re.compile(
    rb"""^slug:[ \t]*["']?([A-Za-z0-9_-]{1,255})["']?[ \t]*(?:#.*)?\r?$""", re.MULTILINE
)
# Scripts insert values unquoted: a shell would expand or split any other character.
_HARMLESS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@/:+-]*")

Values = Iterable[str] | Mapping[str, str]
"""Values, or values with their descriptions."""
Complete = Callable[[click.Context, click.Parameter, str], "list[CompletionItem[str]]"]


def _completion(values: Callable[[click.Context], Values]) -> Complete:
    """Return the `shell_complete` that offers the values that begin with the typed word."""

    @wraps(values)
    def complete(
        ctx: click.Context, _param: click.Parameter, incomplete: str
    ) -> "list[CompletionItem[str]]":
        # Only while a shell completes; every command imports this module.
        from click.shell_completion import CompletionItem

        try:
            found = values(ctx)
            described = found if isinstance(found, Mapping) else dict.fromkeys(found, "")
            return [
                CompletionItem(value, help=described[value] or None)
                for value in described
                if value.startswith(incomplete) and _HARMLESS.fullmatch(value)
            ]
        # Whatever is wrong with the files, the command itself reports it.
        except Exception:  # noqa: BLE001
            return []

    return complete


@_completion
def targets(ctx: click.Context) -> Values:
    """Return the names in reconcile.yaml."""
    return _targets(ctx)


@_completion
def slugs(ctx: click.Context) -> Values:
    """Return the slugs in the files."""
    return _slugs(ctx)


@_completion
def environments(ctx: click.Context) -> Values:
    """Return the environments of the overlays and of the targets."""
    config = _yaml(_folder(ctx) / "reconcile.yaml")
    named = [
        target["environment"]
        for target in config.get("targets", {}).values()
        if isinstance(target, Mapping) and isinstance(target.get("environment"), str)
    ]
    overlays = _folder(ctx) / "environments"
    folders = [entry.name for entry in overlays.iterdir()] if overlays.is_dir() else []
    return sorted({*named, *folders, *_targets(ctx)})


@_completion
def runs(ctx: click.Context) -> Values:
    """Return the newest runs of a local ledger, newest first."""
    return _runs(ctx)


@_completion
def runs_and_slugs(ctx: click.Context) -> Values:
    """Return the newest runs of a local ledger, then the slugs in the files."""
    return {**_runs(ctx), **dict.fromkeys(_slugs(ctx), "")}


@_completion
def members(ctx: click.Context) -> Values:
    """Return the names of the members in fleet.yaml."""
    file = ctx.params.get("file") or "fleet.yaml"
    entries = _yaml(Path(file)).get("members", [])
    return [entry["name"] for entry in entries if isinstance(entry.get("name"), str)]


@_completion
def providers(_ctx: click.Context) -> Values:
    """Return the known providers."""
    from reconciler.domain.providers import KNOWN_PROVIDERS

    return sorted(KNOWN_PROVIDERS)


@_completion
def auth_modes(ctx: click.Context) -> Values:
    """Return the authentication modes of the provider that was typed."""
    from reconciler.domain.providers import configuration_of

    # click stops at the option without a value, and leaves the arguments unparsed.
    provider = ctx.params.get("provider") or ctx.args[0]
    return list(configuration_of(provider).required_by_mode)


@_completion
def fields_and_codes(ctx: click.Context) -> Values:
    """Return the paths of all fields, then the diagnostic codes."""
    from reconciler.domain.schema import any_provider_schema, integration_schema
    from reconciler.views.diagnostic_reference import entries

    provider = ctx.params.get("provider")
    schema = integration_schema(provider) if provider else any_provider_schema()
    paths = {".".join(name for name in path if name): "" for path, _ in schema.walk()}
    return {**paths, "codes": "list all codes", **dict.fromkeys(entries(), "")}


@_completion
def seeds(_ctx: click.Context) -> Values:
    """Return the named seeds of the simulator."""
    from reconciler.simulator.seeds import SEEDS

    return sorted(SEEDS)


@_completion
def commands(ctx: click.Context) -> Values:
    """Return the names of the commands, and after a group's name those of its commands."""
    described = ctx.find_root().command
    for word in ctx.params.get("words") or ():
        found = described.get_command(ctx, word) if isinstance(described, click.Group) else None
        if found is None:
            return ()
        described = found
    return described.list_commands(ctx) if isinstance(described, click.Group) else ()


def _folder(ctx: click.Context) -> Path:
    folder, _ = ctx.meta.get(GLOBAL_VALUES, {}).get("dir", (Path("desired-state"), None))
    return Path(folder)


def _targets(ctx: click.Context) -> list[str]:
    return list(_yaml(_folder(ctx) / "reconcile.yaml").get("targets", {}))


def _slugs(ctx: click.Context) -> list[str]:
    """Return the slugs in the files, found without parsing YAML: a folder may have thousands."""
    from reconciler.desired.source import DirectorySource, UnreadableFile

    source = DirectorySource(_folder(ctx))
    found: set[str] = set()
    for path in source.paths()[:_MAX_FILES]:
        if not path.startswith(_FOLDERS_WITH_SLUGS):
            continue
        try:
            content = source.read(path)
        except UnreadableFile:
            continue
        found.update(match.decode() for match in _SLUG.findall(content))
    return sorted(found)


def _runs(ctx: click.Context) -> dict[str, str]:
    from reconciler.cli import settings
    from reconciler.ledger.sqlite_snapshot import recent_runs

    # The variable may be a URL with a password, and its ledger is reached over the network.
    if settings.variable("RECONCILE_LEDGER_URL") is not None:
        return {}
    folder = _folder(ctx).absolute().parent / ".reconcile"
    if folder.is_symlink():
        return {}  # commands refuse it, because another ledger would be read
    target, _ = ctx.meta.get(GLOBAL_VALUES, {}).get("target", (None, None))
    if target is None:
        target = _yaml(_folder(ctx) / "reconcile.yaml").get("default_target")
    return recent_runs(folder / "ledger.db", target=target, limit=_RECENT_RUNS)


def _yaml(file: Path) -> dict[str, Any]:
    """Return the first document of a file, regardless of mistakes; empty if there is none."""
    from reconciler.desired.source import DirectorySource
    from reconciler.desired.yaml_reader import read_yaml
    from reconciler.domain.tree import plain

    documents = read_yaml(DirectorySource(file.parent).read(file.name)).documents
    found = plain(documents[0].value) if documents else None
    return found if isinstance(found, dict) else {}
