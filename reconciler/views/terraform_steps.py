"""`removed` blocks for Terraform, and the steps that remain after a pull from its state."""

from collections.abc import Iterable, Iterator

from reconciler.diagnostics import counted
from reconciler.pull.pull import PullResult
from reconciler.pull.terraform_handover import Handover
from reconciler.views.escape import visible
from reconciler.views.sections import CommandContext, suggested_command

_BLOCK = """\
removed {{
  from = {address}
  lifecycle {{
    destroy = false
  }}
}}"""


def terraform_lines(
    pulled: PullResult, left: Handover, *, is_recorded: bool, context: CommandContext
) -> Iterator[str]:
    """Yield the blocks and the steps; `is_recorded` if the ledger holds fingerprints."""
    if left.released:
        yield f"Blocks that release {counted(len(left.released), 'resource')} from Terraform:"
        yield ""
        for address in left.released:
            yield from _BLOCK.format(address=visible(address, None)).splitlines()
        yield ""
    yield "Next steps:"
    for number, step in enumerate(_steps(pulled, left, context, is_recorded=is_recorded), 1):
        yield f"{number}. {step}"
    yield ""


def _steps(
    pulled: PullResult, left: Handover, context: CommandContext, *, is_recorded: bool
) -> Iterator[str]:
    missing = {str(check.reference) for check in pulled.secrets if check.verdict is None}
    if missing:
        yield f"Store the values of {counted(len(missing), 'reference')}:{_listed(sorted(missing))}"
    if not is_recorded:
        yield "Set RECONCILE_LEDGER_PEPPER and pull again: no fingerprint was recorded"
    plan = suggested_command(pulled.plan.target.name, "plan", context=context)
    yield f"Review the files with `git diff`, and check that nothing differs: {plan}"
    if left.referring:
        yield (
            "In these resources, replace references to the released resources with slugs: "
            f"{_named(left.referring)}"
        )
    if left.released:
        yield (
            "Replace the resources in the Terraform configuration with the blocks above, and run "
            "`terraform apply`: it must report 0 to add, 0 to change, 0 to destroy"
        )
    if left.held:
        yield (
            "These stay with Terraform until each of their instances is pulled: "
            f"{_named(left.held)}"
        )
    if left.staying:
        counts = ", ".join(f"{number} × {visible(kind)}" for kind, number in left.staying.items())
        yield f"Terraform keeps what reconcile does not manage: {counts}"
    yield "Commit the files, and delete the copy of the state: it contains secrets in clear text"


def _listed(names: Iterable[str]) -> str:
    """Return names below a step, one per line; none is omitted, because each needs an edit."""
    return "".join(f"\n   {visible(name, None)}" for name in names)


def _named(names: Iterable[str]) -> str:
    return ", ".join(visible(name, None) for name in names)
