"""Pull from a Terraform state: the state file, and the fingerprints of its secrets."""

import secrets as entropy
from pathlib import Path

from reconciler.cli import settings, wiring
from reconciler.cli.global_options import Invocation
from reconciler.cli.ledger_access import LedgerAccess
from reconciler.diagnostics import Diagnostic, SourceLocation, error
from reconciler.domain.secrets import Pepper, Redacted
from reconciler.errors import InvalidInput
from reconciler.ledger.location import LedgerState
from reconciler.pull.pull import PullResult
from reconciler.pull.terraform_adoption import Adoption
from reconciler.pull.terraform_file import MAX_STATE, SHOW, UNREADABLE
from reconciler.pull.terraform_state import TerraformState, read_state
from reconciler.remote.client import Client
from reconciler.workflows import Session, timestamp

STDIN = "-"


def read_file(path: str) -> TerraformState:
    """Read a state; raises `InvalidInput` if it cannot be read or is not a state."""
    return read_state(*_content_of(path))


def adoption_of(invocation: Invocation, state: TerraformState, session: Session) -> Adoption:
    """Return the pull of a state; raises `LedgerError` if nothing could be recorded."""
    ledger = _ledger_of(invocation)
    # First: a pull that writes files and then no fingerprints leaves every secret unverified.
    ledger.require_writable()
    if isinstance(session.api, Client):
        # An error of the API can quote a stored value.
        session.api.keep_secret(state.secrets)
    return Adoption(state, session.last_applied.pepper or _future_pepper(ledger))


def record(invocation: Invocation, adoption: Adoption, pulled: PullResult) -> list[Diagnostic]:
    """Store fingerprints of the state's secrets; return a warning if the ledger stores none."""
    ledger_access, since = _ledger_of(invocation), timestamp(settings.now())
    run = wiring.new_run_id()
    with ledger_access.locked_ledger(pulled.plan.target, run=run, since=since) as (ledger, key):
        if ledger.pepper is None:
            return list(ledger.diagnostics)
        ledger.store_secrets(key, adoption.records(ledger.pepper))
    return []


def _ledger_of(invocation: Invocation) -> LedgerAccess:
    return wiring.ledger_access_of(invocation, settings.from_environment())


def _future_pepper(ledger: LedgerAccess) -> Pepper | None:
    """Return a key for the plan that follows, None if the ledger will have none.

    The ledger, with its own key, is created only after everything else has succeeded.
    """
    gets_key = ledger.pepper is not None or not ledger.environment.on_runner
    if ledger.state is not LedgerState.FRESH or not gets_key:
        return None
    return Pepper(id="plan", key=Redacted(entropy.token_hex(32)))


def _content_of(path: str) -> tuple[bytes, str]:
    """Return the content of a state and its displayed name; `-` is standard input."""
    try:
        if path == STDIN:
            # By its number, because a closed standard input has no stream.
            with open(0, "rb", closefd=False) as stream:
                return stream.read(MAX_STATE + 1), "<stdin>"
        # Not `read_bytes`: a pipe, such as `<(terraform show -json)`, may not end.
        with Path(path).open("rb") as stream:
            # One byte more than the limit shows that it was exceeded.
            return stream.read(MAX_STATE + 1), path
    except OSError as reason:
        summary = f"{path} cannot be read: {reason.strerror or 'the system refuses'}"
        found = error(UNREADABLE, summary, hint=SHOW, at=SourceLocation(path))
        raise InvalidInput([found]) from None
