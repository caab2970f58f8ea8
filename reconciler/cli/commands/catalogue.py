"""`reconcile catalogue update`: pin a catalogue of models.

It is the only command that downloads a catalogue; the others read the pinned file.
"""

from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import click

from reconciler.cli import settings, signals
from reconciler.cli.global_options import Command, CommandGroup, Invocation, argument
from reconciler.desired.catalogue_file import MAX_CATALOGUE
from reconciler.desired.catalogue_pin import CatalogueSource, pin
from reconciler.diagnostics import counted, error
from reconciler.errors import InvalidInput
from reconciler.views.escape import visible

SHIPPED = "simulator:"


@click.group("catalogue", cls=CommandGroup)
def command() -> None:
    """Pin a catalogue of models and their retirement dates.

    reconcile.yaml names the file and its digest. `validate`, `plan` and `drift` warn about models
    that the catalogue does not list, that retire within 90 days or have retired.
    """


@command.command("update", cls=Command)
@argument(
    "sources",
    nargs=-1,
    required=True,
    metavar="URL|FILE...",
    description="Catalogue of LiteLLM, or files of Portkey-AI/models, one for each provider; "
    f"{SHIPPED} is the small catalogue of the simulator",
)
@click.pass_obj
def update(invocation: Invocation, *, sources: tuple[str, ...]) -> int:
    """Download or copy a catalogue, and pin it in reconcile.yaml.

    The catalogue is written unchanged to the folder, and its digest to reconcile.yaml. Several
    files are merged by provider. A URL must begin with https://, and its host must be
    configs.portkey.ai or listed in RECONCILE_ALLOWED_CATALOGUES.
    """
    read = [_read(source) for source in sources]
    pinned = pin(invocation.dir, read)
    verb = "pinned" if pinned.changed else "unchanged:"
    invocation.console.info(
        f"{verb} {visible(pinned.file, None)}: {counted(pinned.models, 'model')} of "
        f"{counted(pinned.providers, 'provider')}, {pinned.retiring} with a retirement date; "
        f"{pinned.digest}"
    )
    return 0


def _read(source: str) -> CatalogueSource:
    if source == SHIPPED:
        from reconciler.simulator.catalogue import shipped_catalogue

        return CatalogueSource("simulator.json", shipped_catalogue())
    if "://" in source:
        return CatalogueSource(_name_of(source), _downloaded(source))
    return CatalogueSource(Path(source).name, _content_of(Path(source)))


def _name_of(url: str) -> str:
    return PurePosixPath(urlsplit(url).path).name


def _content_of(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_CATALOGUE + 1)
    except OSError as problem:
        summary = f"{path}: {problem.strerror or 'cannot be read'}"
        hint = "pass the path of a file, or a URL that begins with https://"
        raise InvalidInput([error("catalogue-unreadable", summary, hint=hint)]) from None
    if len(content) > MAX_CATALOGUE:
        summary = f"{path} is larger than {MAX_CATALOGUE // 1024 // 1024} MiB"
        hint = "pass the files of the providers that are in use"
        raise InvalidInput([error("catalogue-unreadable", summary, hint=hint)])
    return content


def _downloaded(url: str) -> bytes:
    from reconciler.cli.catalogue_download import download_catalogue, require_allowed
    from reconciler.cli.http_clients import transport_to

    require_allowed(url, allowed_hosts=settings.from_environment().allowed_catalogues)
    transport = transport_to(url)

    async def work(_handler: signals.SignalHandler) -> bytes:
        return await download_catalogue(url, transport=transport, limit=MAX_CATALOGUE)

    return signals.run(work, if_interrupted="nothing was written")
