"""`reconcile validate`: check the files, offline and without a single secret."""

from collections.abc import Iterable

import click

from reconciler import __version__
from reconciler.cli import settings
from reconciler.cli.checkout import checkout_of
from reconciler.cli.global_options import Command, Invocation
from reconciler.cli.options import format_option
from reconciler.desired.config import Config
from reconciler.desired.load import load, load_config
from reconciler.diagnostics import Diagnostic, has_errors, in_order
from reconciler.secrets.allowlist import AllowList
from reconciler.views import diagnostics


@click.command("validate", cls=Command)
@format_option("text", "json", "github", "sarif")
@click.pass_obj
def command(invocation: Invocation, *, style: str) -> int:
    """Check the files offline and report every problem.

    Without --target, every environment is checked. The exit code is 3 if there is an error;
    warnings do not change it.
    """
    found = _findings(invocation)
    console = invocation.console
    match style:
        case "json":
            console.data(diagnostics.as_json(found))
        case "github":
            console.data(diagnostics.as_annotations(found))
        case "sarif":
            console.data(diagnostics.as_sarif(found, version=__version__))
        case _:
            console.data(_as_text(invocation, found))
    return 3 if has_errors(found) else 0


def _findings(invocation: Invocation) -> tuple[Diagnostic, ...]:
    today = settings.now().date()
    allowed = AllowList.parse(settings.from_environment().allowed_secrets)
    files = checkout_of(invocation).files
    config, _ = load_config(files)
    found: list[Diagnostic] = []
    for name in _targets_to_check(invocation, config):
        # The environment decides which references may be used, so the check comes from here.
        loaded = load(
            files,
            target_name=name,
            today=today,
            check_reference=allowed.warning_about,
            expects_creates=True,
        )
        found += loaded.diagnostics
    return in_order(found)


def _targets_to_check(invocation: Invocation, config: Config | None) -> Iterable[str | None]:
    """Return the named target, or one for each environment."""
    if invocation.target is not None or config is None:
        return [invocation.target]
    # Overlays belong to environments, so other targets of one would repeat its findings. Sorted, so
    # that the choice is stable.
    return {target.environment: name for name, target in sorted(config.targets.items())}.values()


def _as_text(invocation: Invocation, found: tuple[Diagnostic, ...]) -> str:
    verdict = f"{invocation.dir}: {diagnostics.count(found) or 'no problem found'}"
    return "\n".join([diagnostics.as_text(found), verdict]) if found else verdict
